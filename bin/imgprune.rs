//! imgprune: free what the local store does not need.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgprune::main(imgkit::cli::Call::of_process())
}
