//! imgkit: all programs in one; each is run by its name, as a word or as the name of a link.

mod help;
mod links;

use std::ffi::OsStr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::LazyLock;

use crate::cli::{self, Call, Description, Page, Subcommand, Uses};
use crate::programs::{PROGRAMS, Program};
use clap::error::ErrorKind;
use clap::{ArgMatches, Args as _, FromArgMatches};

const PAGE: Page = Page {
    name: "imgkit",
    uses: Uses::FRONT,
    text: include_str!("page.md"),
};

/// Version, commit if the build states one, and features.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let commit = option_env!("IMGKIT_COMMIT").filter(|commit| !commit.is_empty());
    let commit = commit.map_or(String::new(), |commit| format!("\ncommit: {commit}"));
    let features = if cfg!(feature = "base") {
        "base"
    } else {
        "none"
    };
    format!(
        "{}{commit}\nfeatures: {features}",
        env!("CARGO_PKG_VERSION")
    )
});

const TEMPLATE: &str =
    "{about-with-newline}\n{usage-heading} {usage}\n\n{before-help}Options:\n{options}{after-help}";

/// Run any program of the suite by its name
#[derive(clap::Parser)]
#[command(
    version = VERSION.as_str(),
    help_template = TEMPLATE,
    before_help = listed(),
    override_usage = "imgkit <COMMAND> [ARGUMENT]..."
)]
struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    _generate: cli::Generate,
}

enum Command {
    Help(help::Help),
    InstallLinks(links::InstallLinks),
}

const COMMANDS: [Subcommand; 2] = [
    (help::PAGE, help::Help::augment_args),
    (links::PAGE, links::InstallLinks::augment_args),
];

/// The programs, for suggestions and completions: [`main`] runs them without parsing their arguments.
impl clap::Subcommand for Command {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        let named = |program: &Program| {
            let described = program.description().command();
            described.name(program.short()).alias(program.name)
        };
        command.subcommands(PROGRAMS.iter().map(named))
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        COMMANDS.iter().any(|(page, _)| page.name == name)
    }
}

impl FromArgMatches for Command {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        match matches.subcommand() {
            Some(("help", of)) => help::Help::from_arg_matches(of).map(Command::Help),
            Some(("install-links", of)) => {
                links::InstallLinks::from_arg_matches(of).map(Command::InstallLinks)
            }
            _ => Err(clap::Error::new(ErrorKind::MissingSubcommand)),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Runs the program, or describes it.
pub fn main(call: Call<'_>) -> ExitCode {
    if let Call::Run(argv) = &call {
        let called = argv.first().and_then(|path| Path::new(path).file_name());
        let called = called
            .and_then(OsStr::to_str)
            .filter(|name| name.starts_with("img"));
        if let Some(program) = called.and_then(Program::find) {
            return (program.main)(call);
        }
        let word = argv.get(1).and_then(|word| word.to_str());
        if let Some(program) = word.and_then(Program::find) {
            let rest = argv.iter().skip(2).cloned();
            let argv = std::iter::once(program.name.into()).chain(rest);
            return (program.main)(Call::Run(argv.collect()));
        }
    }
    cli::run_commands(call, &PAGE, &COMMANDS, |args: &Args, io| {
        match &args.command {
            Command::Help(help) => help.run(Description::of(main), io),
            Command::InstallLinks(links) => links.run(io),
        }
    })
}

/// Returns the programs in groups, then the other commands, as help lists them.
fn listed() -> String {
    let mut groups = Program::listed(Program::short);
    let own = COMMANDS.iter().map(|(page, arguments)| {
        let command = arguments(clap::Command::new(page.name));
        let about = command.get_about().map(ToString::to_string);
        (page.name.to_owned(), about.unwrap_or_default())
    });
    groups.push(("Other commands", own.collect()));
    let mut text = String::new();
    for (title, terms) in groups {
        text.push_str(&format!("{title}:\n"));
        for (name, about) in terms {
            text.push_str(&format!("  {name:<14} {about}\n"));
        }
        text.push('\n');
    }
    text.trim_end().to_owned()
}
