//! imgcommit: make a changed root filesystem one more layer of an image.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgcommit::main(imgkit::cli::Call::of_process())
}
