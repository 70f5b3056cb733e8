//! Expressions: operators, tests and actions as a tree.

use std::ffi::OsString;

use super::contents::ContentTest;
use super::printf::Printf;
use super::test::Test;

/// Facts that the tests of an expression need.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uses {
    /// Digests of contents.
    pub digests: bool,
    /// Lists of the files of packages.
    pub packages: bool,
    /// Digests in those lists, of whatever kind they are.
    pub altered: bool,
}

/// A parsed expression.
#[derive(Debug)]
pub struct Expression {
    pub(super) root: Node,
    pub(super) now: i64,
    pub(super) has_action: bool,
    pub(super) writes: bool,
    pub(super) min_depth: u64,
    pub(super) max_depth: u64,
    pub(super) is_depth_first: bool,
    pub(super) uses: Uses,
    pub(super) hash_sets: Vec<OsString>,
    pub(super) content_tests: Vec<ContentTest>,
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

    /// Facts that its tests need.
    pub fn uses(&self) -> Uses {
        self.uses
    }

    /// Files with digests, by their numbers ([`Facts::is_in_hash_set`](super::Facts::is_in_hash_set)).
    pub fn hash_sets(&self) -> &[OsString] {
        &self.hash_sets
    }

    /// Tests on contents, by their numbers ([`Facts::has_contents`](super::Facts::has_contents)).
    pub fn content_tests(&self) -> &[ContentTest] {
        &self.content_tests
    }

    /// Reports whether an action writes something else than the program's output form (`-print0`, `-printf`, `-ls`).
    pub fn writes(&self) -> bool {
        self.writes
    }

    /// Reports whether the expression prints by itself; otherwise a version that matches is printed.
    pub fn has_action(&self) -> bool {
        self.has_action
    }
}
