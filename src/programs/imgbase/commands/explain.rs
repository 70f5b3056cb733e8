//! imgbase explain: reasons why packages are selected, or not.

use super::Selection;
use super::sources::universe;
use crate::base::debian::solver::{Reason, Wanted};
use crate::base::debian::{Explanation, NotTaken, Step, explain, solve};
use crate::cli::{Common, Io, Page, Verdict, no_effect};
use crate::error::Result;
use crate::escape;

/// Documentation of the subcommand.
pub const PAGE: Page = Page::subcommand("explain", include_str!("../page-explain.md"));

/// Explain why packages are selected, or not
#[derive(Debug, Clone, clap::Args)]
pub struct Explain {
    #[command(flatten)]
    selection: Selection,

    /// Package to explain: NAME, NAME:ARCH or NAME=VERSION
    #[arg(value_name = "PACKAGE", required = true)]
    packages: Vec<String>,
}

impl Explain {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// As [`solve`] and [`explain`].
    pub fn run(&self, common: &Common, io: &mut Io) -> Result<Verdict> {
        let platform = ("--platform", common.platform.is_some());
        no_effect("with imgbase explain, which makes no image", &[platform])?;
        let wanted: Vec<Wanted> = self
            .packages
            .iter()
            .map(|name| Wanted::parse(name))
            .collect::<Result<_>>()?;
        let request = self.selection.request(true)?;
        let available = self.selection.sources.open(io)?;
        let entries = available.entries();
        let universe = universe(&entries, &available.architecture)?;
        let solution = solve(&universe, &request)??;
        for wanted in &wanted {
            let name = escape::text(wanted.as_str()).into_owned();
            match explain(&universe, &request, &solution, wanted)? {
                Explanation::Taken {
                    chain,
                    others,
                    needed_by,
                } => {
                    io.line(&format!("{name}: taken"))?;
                    for step in &chain {
                        io.line(&format!("  {}", because(step)))?;
                    }
                    for (by, what) in needed_by.iter().take(20) {
                        io.line(&format!("  {by} says {what}"))?;
                    }
                    if !others.is_empty() {
                        io.line(&format!("  also here: {}", others.join(", ")))?;
                    }
                }
                Explanation::NotTaken {
                    versions,
                    providers,
                    why,
                    wanted_by,
                } => {
                    io.line(&format!("{name}: not taken"))?;
                    match why {
                        NotTaken::Missing => io.line("  no package of that name is here")?,
                        NotTaken::NotNeeded => io.line("  nothing that is taken needs it")?,
                        NotTaken::Unsatisfiable(unsolvable) => {
                            for fact in &unsolvable.facts {
                                io.line(&format!("  {fact}"))?;
                            }
                        }
                    }
                    for (by, what) in wanted_by.iter().take(20) {
                        io.line(&format!("  {by} would be content with it: {what}"))?;
                    }
                    if !versions.is_empty() {
                        io.line(&format!("  here: {}", versions.join(", ")))?;
                    }
                    if !providers.is_empty() {
                        io.line(&format!("  provided by: {}", providers.join(", ")))?;
                    }
                }
            }
        }
        Ok(Verdict::Yes)
    }
}

/// Describes the reason of a step.
fn because(step: &Step) -> String {
    let package = &step.package;
    match &step.reason {
        Reason::Requested(words) => format!("{package}: asked for as {words}"),
        Reason::Essential => format!("{package}: essential"),
        Reason::Priority(priority) => format!("{package}: of priority {}", priority.as_str()),
        Reason::Variant => format!("{package}: of the variant"),
        Reason::Needed {
            field, relation, ..
        } => format!("{package}: {field}: {relation}"),
    }
}
