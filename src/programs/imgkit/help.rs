//! imgkit help: the manual page of a program.

use std::io::Write;

use clap::builder::{PossibleValue, PossibleValuesParser};

use super::links;
use crate::cli::{self, Description, Io, Page, Uses, Verdict};
use crate::error::{During, Result};
use crate::programs::{PROGRAMS, Program, write_shared_page};

/// Documentation of the subcommand.
pub(super) const PAGE: Page = Page {
    name: "help",
    uses: Uses::FRONT,
    text: include_str!("page-help.md"),
};

/// Name of the page about everything that programs share.
const SHARED: &str = "imgkit.7";

/// Show the manual page of a program
#[derive(clap::Args)]
pub(super) struct Help {
    /// Page to show (default: this help)
    #[arg(value_name = "PROGRAM", value_parser = pages(), hide_possible_values = true)]
    page: Option<String>,
}

/// Names of pages: those of the programs with or without `img`, of imgkit and of its commands.
fn pages() -> PossibleValuesParser {
    let programs = PROGRAMS.iter();
    let programs = programs.map(|program| PossibleValue::new(program.short()).alias(program.name));
    let own = ["imgkit", SHARED].map(PossibleValue::new);
    let commands = [PAGE.name, links::PAGE.name];
    let commands = commands.map(|name| PossibleValue::new(name).hide(true));
    PossibleValuesParser::new(programs.chain(own).chain(commands))
}

impl Help {
    /// Runs the subcommand; `own` is the documentation of imgkit. On a terminal with `man`, that replaces this program.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn run(&self, own: Description, io: &mut Io) -> Result<Verdict> {
        let mut manual = Vec::new();
        let text = match self.page.as_deref() {
            None => own.help(),
            Some(SHARED) => {
                write_shared_page(&mut manual).during("write")?;
                cli::shared_text(&Program::listed(|program| program.name))
            }
            Some(name) => {
                let program = Program::find(name);
                let description = program.map_or(own, Program::description);
                description.write_man(&mut manual).during("write")?;
                description.help()
            }
        };
        if !manual.is_empty() {
            cli::open_manual(&manual);
        }
        io.out().write_all(text.as_bytes()).during("write")?;
        Ok(Verdict::Yes)
    }
}
