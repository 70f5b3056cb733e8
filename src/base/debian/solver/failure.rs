//! Explanation of unsatisfiable requests.

use std::fmt;

use super::clause::Meaning;
use super::solution::Reason;
use super::universe::{Choice, Priority, Universe};
use crate::error::{Error, Fault};

/// Facts about packages and request that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsolvable {
    /// Facts from the request to the contradiction.
    pub facts: Vec<Fact>,
}

/// Fact of an [`Unsolvable`]. Packages are named `NAME VERSION`, with `:ARCH` unless native.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Need of the request.
    Requested {
        /// Package name, or the text typed.
        name: String,
        /// Reason.
        reason: Reason,
    },
    /// Dependency of a package.
    Dependency {
        /// Package with the field.
        package: String,
        /// Field name.
        field: &'static str,
        /// Relation in the field.
        relation: String,
        /// Packages that satisfy the relation.
        choices: Vec<String>,
        /// Packages of the names in the relation, of a wrong version or architecture; empty if `choices` is not.
        near: Vec<String>,
    },
    /// Conflict of two packages.
    Conflict {
        /// Package with the field.
        package: String,
        /// `Conflicts` or `Breaks`.
        field: &'static str,
        /// Relation in the field.
        relation: String,
        /// Other package.
        other: String,
    },
    /// Two packages of one name that cannot be installed together.
    SameName {
        /// First package.
        package: String,
        /// Second package.
        other: String,
    },
    /// Exclusion by the request.
    Excluded {
        /// Excluded package.
        package: String,
        /// Exclusion as typed.
        by: String,
    },
}

/// Returns the name of a package for messages: `NAME VERSION` or `NAME:ARCH VERSION`.
pub(in crate::base::debian) fn display_name(universe: &Universe<'_>, choice: Choice) -> String {
    let candidate = universe.candidate(choice);
    match universe.is_native(choice) {
        true => format!("{} {}", candidate.name, candidate.version),
        false => format!(
            "{}:{} {}",
            candidate.name, candidate.architecture, candidate.version
        ),
    }
}

/// Turns clauses that contradict each other into facts.
pub(super) fn explain(universe: &Universe<'_>, core: Vec<(Meaning, Vec<Choice>)>) -> Unsolvable {
    let shown = |choice: Choice| display_name(universe, choice);
    let facts = core.into_iter().filter_map(|(meaning, choices)| {
        Some(match meaning {
            Meaning::Learnt => return None,
            Meaning::Requested(reason) => {
                let name_of = |choice: &Choice| universe.candidate(*choice).name.to_owned();
                let name = match &reason {
                    Reason::Requested(text) => text.clone(),
                    _ => choices.first().map(name_of).unwrap_or_default(),
                };
                Fact::Requested { name, reason }
            }
            Meaning::Dependency(package, field, relation) => {
                let near = match choices.is_empty() {
                    true => near(universe, &relation).map(shown).collect(),
                    false => Vec::new(),
                };
                Fact::Dependency {
                    package: shown(package),
                    field,
                    relation,
                    choices: choices.into_iter().map(shown).collect(),
                    near,
                }
            }
            Meaning::Conflict(package, other, field, relation) => Fact::Conflict {
                package: shown(package),
                field,
                relation,
                other: shown(other),
            },
            Meaning::SameName(package, other) => Fact::SameName {
                package: shown(package),
                other: shown(other),
            },
            Meaning::Excluded(package, by) => Fact::Excluded {
                package: shown(package),
                by,
            },
        })
    });
    Unsolvable {
        facts: facts.collect(),
    }
}

fn near(universe: &Universe<'_>, relation: &str) -> impl Iterator<Item = Choice> {
    let alternatives = relation
        .split(" | ")
        .filter_map(|one| one.split([' ', ':']).next());
    alternatives
        .flat_map(|name| universe.named(name))
        .take(LISTED)
}

/// Maximum number of packages or facts in a message.
const LISTED: usize = 8;

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::Requested { name, reason } => match reason {
                Reason::Essential => write!(f, "{name} is essential"),
                Reason::Priority(priority) => {
                    write!(f, "{name} has priority {}", priority.as_str())
                }
                Reason::Variant => write!(f, "{name} is part of the variant"),
                Reason::Requested(_) | Reason::Needed { .. } => write!(f, "'{name}' requested"),
            },
            Fact::Dependency {
                package,
                field,
                relation,
                choices,
                near,
            } => {
                write!(f, "{package} {} {relation}", verb(field))?;
                match &near[..] {
                    [] if choices.is_empty() => f.write_str(", which is missing"),
                    [] => Ok(()),
                    near => write!(f, ", available: {}", near.join(", ")),
                }
            }
            Fact::Conflict {
                package,
                field,
                relation,
                other,
            } => {
                write!(f, "{package} {} {relation}", verb(field))?;
                let name = relation.split([' ', ':']).next().unwrap_or_default();
                match other.split([' ', ':']).next() == Some(name) && !relation.contains('(') {
                    true => Ok(()),
                    false => write!(f, ", which is {other}"),
                }
            }
            Fact::SameName { package, other } => {
                write!(f, "{package} and {other} cannot be installed together")
            }
            Fact::Excluded { package, by } => write!(f, "{package} is excluded by '{by}'"),
        }
    }
}

/// Returns the verb of a field in messages.
pub(in crate::base::debian) fn verb(field: &str) -> &'static str {
    match field {
        "Pre-Depends" => "pre-depends on",
        "Depends" => "depends on",
        "Recommends" => "recommends",
        "Breaks" => "breaks",
        _ => "conflicts with",
    }
}

impl Priority {
    /// Returns the value as in the field.
    pub fn as_str(self) -> &'static str {
        match self {
            Priority::Required => "required",
            Priority::Important => "important",
            Priority::Standard => "standard",
            Priority::Optional => "optional",
            Priority::Extra => "extra",
        }
    }
}

impl fmt::Display for Unsolvable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fact) in self.facts.iter().take(LISTED).enumerate() {
            write!(f, "{}{fact}", if i == 0 { "" } else { "; " })?;
        }
        match self.facts.len().saturating_sub(LISTED) {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

impl From<Unsolvable> for Error {
    fn from(unsolvable: Unsolvable) -> Self {
        Fault::Unsolvable {
            why: unsolvable.to_string(),
        }
        .into()
    }
}
