//! imghistory: show how an image was made, step by step.

fn main() -> std::process::ExitCode {
    imgkit::programs::imghistory::main(imgkit::cli::Call::of_process())
}
