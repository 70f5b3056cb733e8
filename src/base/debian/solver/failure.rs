//! Why no packages fit together.

use std::fmt;

use super::{Choice, Priority, Reason, Says, Universe};
use crate::error::{Error, Fault};

/// Facts that cannot all hold: each is true of the packages or the request, and together they contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsolvable {
    /// From what was asked for to where it ends.
    pub facts: Vec<Fact>,
}

/// One of them. Packages are named `NAME VERSION`, with `:ARCH` where it is not the machine's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// The request has it.
    Root {
        /// The package's name, or what was typed.
        what: String,
        /// Why.
        reason: Reason,
    },
    /// A package needs another.
    Needs {
        /// The one.
        package: String,
        /// The field.
        field: &'static str,
        /// What it says.
        relation: String,
        /// The packages that would do.
        choices: Vec<String>,
        /// If there are none: those that have one of the names, which are of the wrong version or architecture.
        near: Vec<String>,
    },
    /// Two packages cannot be there together.
    Against {
        /// The one that says so.
        package: String,
        /// `Conflicts` or `Breaks`.
        field: &'static str,
        /// What it says.
        relation: String,
        /// The other.
        other: String,
    },
    /// Two versions of a package cannot be there together.
    Same {
        /// The one.
        package: String,
        /// The other.
        other: String,
    },
    /// The request wants it not to be taken.
    Excluded {
        /// The package.
        package: String,
        /// As it was typed.
        by: String,
    },
}

/// How a package is named to people.
pub(in crate::base::debian) fn shown(universe: &Universe<'_>, choice: Choice) -> String {
    let candidate = universe.candidate(choice);
    match universe.machine(candidate) == universe.native() {
        true => format!("{} {}", candidate.name, candidate.version),
        false => format!(
            "{}:{} {}",
            candidate.name, candidate.architecture, candidate.version
        ),
    }
}

pub(super) fn explain(universe: &Universe<'_>, core: Vec<(Says, Vec<Choice>)>) -> Unsolvable {
    let shown = |choice: Choice| shown(universe, choice);
    let facts = core.into_iter().filter_map(|(says, choices)| {
        Some(match says {
            Says::Learnt => return None,
            Says::Root(reason) => {
                let name = |choice: &Choice| universe.candidate(*choice).name.to_owned();
                let what = match &reason {
                    Reason::Asked(text) => text.clone(),
                    _ => choices.first().map(name).unwrap_or_default(),
                };
                Fact::Root { what, reason }
            }
            Says::Needs(package, field, relation) => {
                let near = match choices.is_empty() {
                    true => near(universe, &relation).map(shown).collect(),
                    false => Vec::new(),
                };
                Fact::Needs {
                    package: shown(package),
                    field,
                    relation,
                    choices: choices.into_iter().map(shown).collect(),
                    near,
                }
            }
            Says::Against(package, other, field, relation) => Fact::Against {
                package: shown(package),
                field,
                relation,
                other: shown(other),
            },
            Says::Same(package, other) => Fact::Same {
                package: shown(package),
                other: shown(other),
            },
            Says::Excluded(package, by) => Fact::Excluded {
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

/// How many packages and facts a line names.
const LISTED: usize = 8;

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fact::Root { what, reason } => match reason {
                Reason::Essential => write!(f, "{what} is essential"),
                Reason::Priority(priority) => {
                    write!(f, "{what} is of priority {}", priority.as_str())
                }
                Reason::Variant => write!(f, "{what} is in every image of this variant"),
                Reason::Asked(_) | Reason::Needed { .. } => write!(f, "'{what}' was asked for"),
            },
            Fact::Needs {
                package,
                field,
                relation,
                choices,
                near,
            } => {
                write!(f, "{package} {} {relation}", verb(field))?;
                match &near[..] {
                    [] if choices.is_empty() => f.write_str(", which is not there"),
                    [] => Ok(()),
                    near => write!(f, ", of which there is only {}", near.join(", ")),
                }
            }
            Fact::Against {
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
            Fact::Same { package, other } => {
                write!(f, "{package} and {other} cannot be there together")
            }
            Fact::Excluded { package, by } => write!(f, "{package} is excluded by '{by}'"),
        }
    }
}

/// A field as a sentence has it.
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
    /// As the field has it.
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
            more => write!(f, "; and {more} facts more"),
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
