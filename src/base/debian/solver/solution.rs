//! The result of the solver: the packages taken, in installation order, with the reason for each.

use super::universe::{Choice, Priority, Universe};

/// Reason that a package was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Requested with this text.
    Requested(String),
    /// Essential package.
    Essential,
    /// Priority included in the variant.
    Priority(Priority),
    /// Part of the variant.
    Variant,
    /// Needed or recommended by another package.
    Needed {
        /// Index of the other package in [`Solution::taken`].
        by: usize,
        /// Field: `Depends`, `Pre-Depends` or `Recommends`.
        field: &'static str,
        /// Relation in the field: `a (>= 1) | b`.
        relation: String,
    },
}

/// Package of a solution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Package in the universe.
    pub choice: Choice,
    /// Index in the input of [`Universe::new`].
    pub source: usize,
    /// Reason; of several, one with the fewest steps from the request.
    pub reason: Reason,
}

impl Taken {
    /// Returns whether the package was requested by name.
    pub fn is_requested(&self) -> bool {
        matches!(self.reason, Reason::Requested(_))
    }
}

/// Packages that satisfy a request.
#[derive(Debug, Clone, Default)]
pub struct Solution {
    /// Packages in installation order: dependencies first, except in cycles.
    pub taken: Vec<Taken>,
}

impl Solution {
    /// Returns the index of the package of a name, of any architecture.
    pub fn position(&self, universe: &Universe<'_>, name: &str) -> Option<usize> {
        let name_of = |taken: &Taken| universe.candidate(taken.choice).name;
        self.taken.iter().position(|taken| name_of(taken) == name)
    }
}

/// Taken package before ordering, with the indices of the packages that satisfy its dependencies.
#[derive(Debug)]
pub(super) struct Reached {
    pub(super) choice: Choice,
    pub(super) reason: Reason,
    pub(super) pre_depends: Vec<usize>,
    pub(super) depends: Vec<usize>,
}
