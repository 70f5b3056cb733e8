//! imgbase explain: reasons why packages are selected, or not.

use serde_json::{Value, json};

use super::Selection;
use super::sources::universe;
use crate::base::debian::solver::{Reason, Wanted};
use crate::base::debian::{Explanation, NotTaken, Step, explain, solve};
use crate::cli::{Common, Io, Page, Reporting, Verdict, no_effect};
use crate::error::Result;
use crate::escape;
use crate::render::json;

/// Documentation of the subcommand.
pub const PAGE: Page = Page::subcommand("explain", include_str!("../page-explain.md"));

/// Explain package selection
#[derive(Debug, Clone, clap::Args)]
pub struct Explain {
    #[command(flatten)]
    selection: Selection,

    /// Package to explain: NAME, NAME:ARCH or NAME=VERSION
    #[arg(value_name = "PACKAGE", required = true)]
    packages: Vec<String>,

    #[command(flatten)]
    reporting: Reporting,
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
            let explanation = explain(&universe, &request, &solution, wanted)?;
            if self.reporting.is_json() {
                io.line(&json::line(&record(wanted.as_str(), &explanation))?)?;
                continue;
            }
            let name = escape::text(wanted.as_str()).into_owned();
            match explanation {
                Explanation::Taken {
                    chain,
                    others,
                    needed_by,
                } => {
                    io.line(&format!("{name}: selected"))?;
                    for step in &chain {
                        io.line(&format!("  {}", because(step)))?;
                    }
                    for (by, what) in needed_by.iter().take(20) {
                        io.line(&format!("  {by}: {what}"))?;
                    }
                    if !others.is_empty() {
                        io.line(&format!("  also available: {}", others.join(", ")))?;
                    }
                }
                Explanation::NotTaken {
                    versions,
                    providers,
                    why,
                    wanted_by,
                } => {
                    io.line(&format!("{name}: not selected"))?;
                    match why {
                        NotTaken::Missing => io.line("  no such package")?,
                        NotTaken::NotNeeded => io.line("  no selected package needs it")?,
                        NotTaken::Unsatisfiable(unsolvable) => {
                            for fact in &unsolvable.facts {
                                io.line(&format!("  {fact}"))?;
                            }
                        }
                    }
                    for (by, what) in wanted_by.iter().take(20) {
                        io.line(&format!("  would satisfy {by}: {what}"))?;
                    }
                    if !versions.is_empty() {
                        io.line(&format!("  available: {}", versions.join(", ")))?;
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

/// Returns the record of an explanation.
fn record(name: &str, explanation: &Explanation) -> Value {
    let needs = |needs: &[(String, String)]| -> Vec<Value> {
        let needs = needs.iter();
        let needs = needs.map(|(by, what)| json!({ "Package": by, "Relation": what }));
        needs.collect()
    };
    match explanation {
        Explanation::Taken {
            chain,
            others,
            needed_by,
        } => json!({
            "Package": name,
            "Selected": true,
            "Reasons": chain.iter().map(because).collect::<Vec<_>>(),
            "NeededBy": needs(needed_by),
            "OtherVersions": others,
        }),
        Explanation::NotTaken {
            versions,
            providers,
            why,
            wanted_by,
        } => json!({
            "Package": name,
            "Selected": false,
            "Reasons": match why {
                NotTaken::Missing => vec!["no such package".to_owned()],
                NotTaken::NotNeeded => vec!["no selected package needs it".to_owned()],
                NotTaken::Unsatisfiable(unsolvable) => {
                    unsolvable.facts.iter().map(ToString::to_string).collect()
                }
            },
            "NeededBy": needs(wanted_by),
            "OtherVersions": versions,
            "Providers": providers,
        }),
    }
}

/// Describes the reason of a step.
fn because(step: &Step) -> String {
    let package = &step.package;
    match &step.reason {
        Reason::Requested(words) => format!("{package}: requested as {words}"),
        Reason::Essential => format!("{package}: essential"),
        Reason::Priority(priority) => format!("{package}: of priority {}", priority.as_str()),
        Reason::Variant => format!("{package}: of the variant"),
        Reason::Needed {
            field, relation, ..
        } => format!("{package}: {field}: {relation}"),
    }
}
