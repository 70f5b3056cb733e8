//! Why a package was taken, or was not.
//!
//! In come the [`Universe`], the [`Request`] and the [`Solution`] that came of them; out go answers as data, for who
//! draws them. To find out why a package is not there, the request is asked again with it: then it either could have been
//! there, or the facts that speak against it come out.

use super::Version;
use super::relation::{self, Relation};
use super::solver::{
    Choice, Fact, Reason, Request, Solution, Universe, Unsolvable, Wanted, shown, solve,
};
use crate::error::Result;

/// What is to be known about a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explanation {
    /// It was taken.
    Taken {
        /// The chain from what was asked for, or belongs to every system, to the package, which is the last.
        chain: Vec<Step>,
        /// The others of its name that are there, the best first.
        others: Vec<String>,
        /// The packages taken that need it, `NAME VERSION` and what they say.
        needed_by: Vec<(String, String)>,
    },
    /// It was not.
    Left {
        /// The packages of that name that are there, the best first, as `NAME VERSION`.
        versions: Vec<String>,
        /// The packages that provide the name.
        providers: Vec<String>,
        /// Why not.
        why: WhyNot,
        /// The packages taken that would have been content with it.
        wanted_by: Vec<(String, String)>,
    },
}

/// A step of the chain to a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The package, as `NAME VERSION`.
    pub package: String,
    /// Why it was taken. If another one needs it, that is the step before.
    pub reason: Reason,
}

/// Why a package was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyNot {
    /// There is none of that name.
    Absent,
    /// Nothing that was taken needs it; it could be asked for.
    NotNeeded,
    /// It cannot be taken together with what was asked for.
    Impossible(Unsolvable),
}

/// Explains what became of a package, of the version and architecture that are given, if they are.
///
/// # Errors
/// As [`solve`].
pub fn explain(
    universe: &Universe<'_>,
    request: &Request,
    solution: &Solution,
    wanted: &Wanted,
) -> Result<Explanation> {
    let show = |choice: Choice| shown(universe, choice);
    let here: Vec<Choice> = universe.named(wanted.name()).collect();
    let meant: Vec<Choice> = wanted.choices(universe).unwrap_or_default();
    let taken = solution
        .taken
        .iter()
        .position(|taken| here.contains(&taken.choice) && meant.contains(&taken.choice));
    if let Some(place) = taken {
        let choice = solution.taken[place].choice;
        let others = here.iter().filter(|other| **other != choice);
        return Ok(Explanation::Taken {
            chain: chain(universe, solution, place),
            others: others.map(|other| show(*other)).collect(),
            needed_by: mentions(universe, solution, wanted.name(), Some(choice))?,
        });
    }
    let why = if meant.is_empty() || here.is_empty() {
        WhyNot::Absent
    } else {
        let mut request = request.clone();
        request.include.push(wanted.clone());
        match solve(universe, &request)? {
            Ok(_) => WhyNot::NotNeeded,
            Err(unsolvable) => WhyNot::Impossible(unsolvable),
        }
    };
    let providers = universe.providers(wanted.name()).iter();
    Ok(Explanation::Left {
        versions: here.iter().map(|choice| show(*choice)).collect(),
        providers: providers.map(|(choice, _)| show(*choice)).collect(),
        why,
        wanted_by: mentions(universe, solution, wanted.name(), None)?,
    })
}

/// The chain of reasons to a package that was taken.
pub fn chain(universe: &Universe<'_>, solution: &Solution, place: usize) -> Vec<Step> {
    let mut chain = Vec::new();
    let mut next = Some(place);
    // Reasons lead back to the request in fewer steps than there are packages.
    while let Some(taken) = next.and_then(|place| solution.taken.get(place))
        && chain.len() <= solution.taken.len()
    {
        next = match taken.reason {
            Reason::Needed { by, .. } => Some(by),
            _ => None,
        };
        chain.push(Step {
            package: shown(universe, taken.choice),
            reason: taken.reason.clone(),
        });
    }
    chain.reverse();
    chain
}

/// Which of the packages taken name another one in what they depend on or recommend, and how.
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
                    let says = format!("{} {}", super::solver::verb(field), texts.join(" | "));
                    found.push((shown(universe, taken.choice), says));
                }
            }
        }
    }
    Ok(found)
}

impl WhyNot {
    /// The facts against it, if there are.
    pub fn facts(&self) -> &[Fact] {
        match self {
            WhyNot::Impossible(unsolvable) => &unsolvable.facts,
            WhyNot::Absent | WhyNot::NotNeeded => &[],
        }
    }
}
