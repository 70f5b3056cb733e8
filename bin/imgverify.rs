//! imgverify: check that archives are whole and are what they claim to be.

fn main() -> std::process::ExitCode {
    imgkit::programs::imgverify::main(imgkit::cli::Call::of_process())
}
