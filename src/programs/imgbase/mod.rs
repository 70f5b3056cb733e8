//! imgbase: base images from packages, from the host, from binaries, from a ready tree.

pub mod base;
pub mod check;
pub mod commands;
pub mod coverage;
pub mod deb;
mod dpkg_files;
pub mod emulation;
pub mod filters;
pub mod host;
pub mod image;
pub mod installed;
pub mod layers;
mod loader_config;
mod mode;
pub mod owner_file;
pub mod pack;
pub mod report;
mod root;
pub mod sbom;
pub mod scratch;
pub mod scripts;
pub mod unconfigured;
pub mod unpack;

pub use base::Base;

use std::process::ExitCode;

use crate::cli::{self, Common, Page, Subcommand, Uses};
use clap::error::ErrorKind;
use clap::{ArgMatches, Args as _, FromArgMatches};

const PAGE: Page = Page {
    name: "imgbase",
    uses: Uses::MAKES,
    text: include_str!("page.md"),
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

enum Command {
    Deb(Box<commands::Deb>),
    Host(commands::Host),
    Scratch(commands::Scratch),
    Pack(commands::Pack),
    Explain(commands::Explain),
}

const COMMANDS: [Subcommand; 5] = [
    (commands::DEB, commands::Deb::augment_args),
    (commands::HOST, commands::Host::augment_args),
    (commands::SCRATCH, commands::Scratch::augment_args),
    (commands::PACK, commands::Pack::augment_args),
    (commands::EXPLAIN, commands::Explain::augment_args),
];

/// What they take comes from [`COMMANDS`]: to set up all of it takes longer than to start.
impl clap::Subcommand for Command {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        command
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        command
    }

    fn has_subcommand(name: &str) -> bool {
        COMMANDS.iter().any(|(page, _)| page.name == name)
    }
}

impl FromArgMatches for Command {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let missing = || clap::Error::new(ErrorKind::MissingSubcommand);
        let (name, of) = matches.subcommand().ok_or_else(missing)?;
        match name {
            "deb" => commands::Deb::from_arg_matches(of).map(|deb| Command::Deb(Box::new(deb))),
            "host" => commands::Host::from_arg_matches(of).map(Command::Host),
            "scratch" => commands::Scratch::from_arg_matches(of).map(Command::Scratch),
            "pack" => commands::Pack::from_arg_matches(of).map(Command::Pack),
            "explain" => commands::Explain::from_arg_matches(of).map(Command::Explain),
            _ => Err(missing()),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run_commands(call, &PAGE, &COMMANDS, |args: &Args, io| {
        match &args.command {
            Command::Deb(deb) => deb.run(&args.common, io),
            Command::Host(host) => host.run(&args.common, io),
            Command::Scratch(scratch) => scratch.run(&args.common, io),
            Command::Explain(explain) => explain.run(&args.common, io),
            Command::Pack(pack) => pack.run(&args.common, io),
        }
    })
}
