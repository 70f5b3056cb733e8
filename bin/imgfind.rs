//! imgfind: search the files of all layers.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgfind::main(imgkit::cli::Call::of_process())
}
