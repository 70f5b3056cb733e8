//! imgbase: base images from packages, from the host, from binaries, from a ready tree.

use std::process::ExitCode;

use imgkit::cli::{self, Common, Page, base};

const PAGE: Page = Page {
    name: "imgbase",
    description: &[
        "Creates base images from what is at hand, without a network, without root, and without running anything: no \
         maintainer script, no package manager, no loader. Owners, modes and devices are data on their way into the \
         image, so every user gets the same one.",
        "The image goes into the local store, under the name of --tag if one is given, or with -o into an archive.",
    ],
    output: &["The image's ID, sha256:…, on a line. With -o - the archive instead."],
    keys: &[],
    exit: &[
        ("0", "done"),
        (
            "2",
            "the input could not be read or trusted, the image not written, or bad usage",
        ),
    ],
    examples: &[(
        "a folder that debootstrap made",
        "imgbase pack --owner 0 -t debian:mine rootfs/",
    )],
    sections: &[],
    see_also: &["imgimport", "imgcommit", "imgdiff", "imgsave"],
};

/// Create base images from packages, binaries or a ready root filesystem
#[derive(clap::Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(clap::Subcommand)]
enum Command {
    Host(base::Host),
    Scratch(base::Scratch),
    Pack(base::Pack),
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

fn main() -> ExitCode {
    cli::run_commands(
        &PAGE,
        &[base::HOST, base::SCRATCH, base::PACK],
        |args: &Args, io| match &args.command {
            Command::Host(host) => host.run(&args.common, io),
            Command::Scratch(scratch) => scratch.run(&args.common, io),
            Command::Pack(pack) => pack.run(&args.common, io),
        },
    )
}
