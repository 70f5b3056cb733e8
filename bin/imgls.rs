//! imgls: list the images of files, folders and the local store.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgls::main(imgkit::cli::Call::of_process())
}
