//! Clauses in terms of packages: the meaning of each, and the needs that lead to them.

use super::solution::Reason;
use super::universe::Choice;

/// Meaning of a clause.
#[derive(Debug, Clone)]
pub(super) enum Meaning {
    /// Learnt clause: follows from others.
    Learnt,
    /// Need of the request; the reason of the packages taken for it.
    Requested(Reason),
    /// Dependency of a package: field and relation.
    Dependency(Choice, &'static str, String),
    /// Conflict of two packages: field and relation of the first.
    Conflict(Choice, Choice, &'static str, String),
    /// Two packages of one name that cannot be installed together.
    SameName(Choice, Choice),
    /// Package excluded by the request, with the text typed.
    Excluded(Choice, String),
}

/// Need of a package or of the request: one of the choices, in order of preference.
#[derive(Debug, Clone)]
pub(super) struct Need {
    pub(super) choices: Vec<Choice>,
    pub(super) reason: NeedReason,
}

/// Origin of a need.
#[derive(Debug, Clone)]
pub(super) enum NeedReason {
    /// The request.
    Request(Reason),
    /// Field and relation of a package.
    Relation(&'static str, String),
}
