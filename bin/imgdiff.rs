//! imgdiff: what really differs between images.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgdiff::main()
}
