//! imgload: put the images of an archive into the local store.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgload::main(imgkit::cli::Call::of_process())
}
