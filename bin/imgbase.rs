//! imgbase: base images from packages, from the host, from binaries, from a ready tree.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgbase::main(imgkit::cli::Call::of_process())
}
