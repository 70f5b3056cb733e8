//! Explanation of a solution: why a package was taken or not.
//!
//! Input: the [`Universe`], the [`Request`] and the resulting [`Solution`]. Output: plain data. To explain a package that
//! was not taken, the request is solved again with the package included: the result is either a solution or the facts
//! that rule it out.

use super::Version;
use super::relation::{self, Relation};
use super::solver::{
    Choice, Fact, Reason, Request, Solution, Universe, Unsolvable, Wanted, display_name, solve,
};
use crate::error::Result;

/// Explanation for one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explanation {
    /// The package was taken.
    Taken {
        /// Chain of reasons from the request to the package, which is the last step.
        chain: Vec<Step>,
        /// Other available packages of the name, best first.
        others: Vec<String>,
        /// Taken packages that mention it: `NAME VERSION`, and the relation.
        needed_by: Vec<(String, String)>,
    },
    /// The package was not taken.
    NotTaken {
        /// Available packages of the name, best first, as `NAME VERSION`.
        versions: Vec<String>,
        /// Packages that provide the name.
        providers: Vec<String>,
        /// Reason.
        why: NotTaken,
        /// Taken packages that mention it: `NAME VERSION`, and the relation.
        wanted_by: Vec<(String, String)>,
    },
}

/// Step of the chain of reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Package, as `NAME VERSION`.
    pub package: String,
    /// Reason that it was taken. A package that needs it is the previous step.
    pub reason: Reason,
}

/// Reason that a package was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotTaken {
    /// No package of the name is available.
    Missing,
    /// No taken package needs it; it can be requested.
    NotNeeded,
    /// It contradicts the request.
    Unsatisfiable(Unsolvable),
}

/// Explains why a package was taken or not; version and architecture are optional in `wanted`.
///
/// # Errors
/// As [`solve`].
pub fn explain(
    universe: &Universe<'_>,
    request: &Request,
    solution: &Solution,
    wanted: &Wanted,
) -> Result<Explanation> {
    let name_of = |choice: Choice| display_name(universe, choice);
    let available: Vec<Choice> = universe.named(wanted.name()).collect();
    let meant: Vec<Choice> = wanted.choices(universe).unwrap_or_default();
    let taken = solution
        .taken
        .iter()
        .position(|taken| available.contains(&taken.choice) && meant.contains(&taken.choice));
    if let Some(place) = taken {
        let choice = solution.taken[place].choice;
        let others = available.iter().filter(|other| **other != choice);
        return Ok(Explanation::Taken {
            chain: chain(universe, solution, place),
            others: others.map(|other| name_of(*other)).collect(),
            needed_by: mentions(universe, solution, wanted.name(), Some(choice))?,
        });
    }
    let why = if meant.is_empty() || available.is_empty() {
        NotTaken::Missing
    } else {
        let mut request = request.clone();
        request.include.push(wanted.clone());
        match solve(universe, &request)? {
            Ok(_) => NotTaken::NotNeeded,
            Err(unsolvable) => NotTaken::Unsatisfiable(unsolvable),
        }
    };
    let providers = universe.providers(wanted.name()).iter();
    Ok(Explanation::NotTaken {
        versions: available.iter().map(|choice| name_of(*choice)).collect(),
        providers: providers.map(|(choice, _)| name_of(*choice)).collect(),
        why,
        wanted_by: mentions(universe, solution, wanted.name(), None)?,
    })
}

/// Returns the chain of reasons to the taken package of index `place`.
pub fn chain(universe: &Universe<'_>, solution: &Solution, place: usize) -> Vec<Step> {
    let mut chain = Vec::new();
    let mut next = Some(place);
    // The limit guards against a cycle of reasons.
    while let Some(taken) = next.and_then(|place| solution.taken.get(place))
        && chain.len() <= solution.taken.len()
    {
        next = match taken.reason {
            Reason::Needed { by, .. } => Some(by),
            _ => None,
        };
        chain.push(Step {
            package: display_name(universe, taken.choice),
            reason: taken.reason.clone(),
        });
    }
    chain.reverse();
    chain
}

/// Returns the taken packages with a dependency or recommendation on a name, and the relation.
fn mentions(
    universe: &Universe<'_>,
    solution: &Solution,
    name: &str,
    choice: Option<Choice>,
) -> Result<Vec<(String, String)>> {
    let version: Option<Version<'_>> = choice.map(|choice| universe.candidate(choice).version);
    let provided: Vec<Relation<'_>> = choice
        .map(|choice| universe.provided(choice))
        .transpose()?
        .unwrap_or_default();
    let is_meant = |relation: &Relation<'_>| {
        relation.name == name && version.is_none_or(|version| relation.allows(&version))
            || provided
                .iter()
                .any(|provided| provided.name == relation.name)
    };
    let mut found = Vec::new();
    for taken in &solution.taken {
        let candidate = universe.candidate(taken.choice);
        for (field, text) in [
            ("Pre-Depends", candidate.pre_depends),
            ("Depends", candidate.depends),
            ("Recommends", candidate.recommends),
        ] {
            for alternatives in relation::parse(text)? {
                if alternatives.iter().any(is_meant) {
                    let texts: Vec<String> = alternatives.iter().map(Relation::to_string).collect();
                    let text = format!("{} {}", super::solver::verb(field), texts.join(" | "));
                    found.push((display_name(universe, taken.choice), text));
                }
            }
        }
    }
    Ok(found)
}

impl NotTaken {
    /// Returns the facts that rule the package out; empty for other reasons.
    pub fn facts(&self) -> &[Fact] {
        match self {
            NotTaken::Unsatisfiable(unsolvable) => &unsolvable.facts,
            NotTaken::Missing | NotTaken::NotNeeded => &[],
        }
    }
}
