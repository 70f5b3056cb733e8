//! imgconvert: turn an archive of any shape into one of any other.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgconvert::main(imgkit::cli::Call::of_process())
}
