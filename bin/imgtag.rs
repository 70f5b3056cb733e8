//! imgtag: give an image of the local store another name.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgtag::main(imgkit::cli::Call::of_process())
}
