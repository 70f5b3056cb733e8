//! imgedit: edit parts of an image.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgedit::main(imgkit::cli::Call::of_process())
}
