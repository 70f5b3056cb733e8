//! imgpush: write images to the storage tree of a registry.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgpush::main(imgkit::cli::Call::of_process())
}
