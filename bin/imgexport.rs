//! imgexport: write an image's root filesystem as a tar, or unpack it.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgexport::main(imgkit::cli::Call::of_process())
}
