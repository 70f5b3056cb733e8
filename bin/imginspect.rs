//! imginspect: show everything about images, in docker's words.

fn main() -> std::process::ExitCode {
    imgkit::programs::imginspect::main(imgkit::cli::Call::of_process())
}
