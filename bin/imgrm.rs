//! imgrm: take names and images out of the local store.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgrm::main(imgkit::cli::Call::of_process())
}
