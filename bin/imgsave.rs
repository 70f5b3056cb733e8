//! imgsave: write images from anywhere into one archive.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgsave::main(imgkit::cli::Call::of_process())
}
