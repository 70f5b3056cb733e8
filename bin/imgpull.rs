//! imgpull: load images from the storage tree of a registry into the local store.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgpull::main(imgkit::cli::Call::of_process())
}
