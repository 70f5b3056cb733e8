//! Expressions: operators, tests and actions as a tree.

use super::printf::Printf;
use super::test::Test;

/// A parsed expression.
#[derive(Debug)]
pub struct Expression {
    pub(super) root: Node,
    pub(super) now: i64,
    pub(super) has_action: bool,
    pub(super) min_depth: u64,
    pub(super) max_depth: u64,
    pub(super) is_depth_first: bool,
    pub(super) uses_digests: bool,
}

/// A part of an expression.
#[derive(Debug)]
pub(super) enum Node {
    Test(Test),
    Act(Act),
    Not(Box<Node>),
    /// True if all are; not empty.
    And(Vec<Node>),
    /// True if one is; not empty.
    Or(Vec<Node>),
    /// The value of the last; not empty.
    List(Vec<Node>),
}

/// A word that acts.
#[derive(Debug)]
pub(super) enum Act {
    Print,
    Print0,
    Printf(Printf),
    List,
    Prune,
    Quit,
}

impl Expression {
    /// Reports whether a directory is to be evaluated after what is below it (`-depth`).
    pub fn is_depth_first(&self) -> bool {
        self.is_depth_first
    }

    /// Reports whether a test needs digests of contents.
    pub fn uses_digests(&self) -> bool {
        self.uses_digests
    }

    /// Reports whether the expression prints by itself; otherwise a version that matches is printed.
    pub fn has_action(&self) -> bool {
        self.has_action
    }
}
