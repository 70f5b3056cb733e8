//! imgdf: show what images take, and what they share.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgdf::main(imgkit::cli::Call::of_process())
}
