//! imgdiff: what really differs between images.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgdiff::main(imgkit::cli::Call::of_process())
}
