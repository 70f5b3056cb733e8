//! imgkit: all programs of the suite in one.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgkit::main(imgkit::cli::Call::of_process())
}
