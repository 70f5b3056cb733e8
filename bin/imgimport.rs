//! imgimport: make an image of a root filesystem.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgimport::main(imgkit::cli::Call::of_process())
}
