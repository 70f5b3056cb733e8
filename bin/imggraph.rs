//! imggraph: draw what images stand on, and what they share.

fn main() -> std::process::ExitCode {
    imgkit::programs::imggraph::main(imgkit::cli::Call::of_process())
}
