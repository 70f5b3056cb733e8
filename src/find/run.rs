//! Evaluation of an expression on a version.

use std::ops::ControlFlow;

use super::expression::{Act, Expression, Node};
use super::facts::{Facts, Kind, depth};
use super::printf::list_line;
use crate::error::Result;

/// Action of an expression on a version.
#[derive(Debug, Clone, Copy)]
pub enum Action<'a> {
    /// Write the version in the form of the program's output.
    Print,
    /// Write its path and a NUL.
    Print0,
    /// Write these bytes: `-printf`, `-ls`.
    Write(&'a [u8]),
}

/// Result of an expression for one version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The version matches.
    pub is_match: bool,
    /// Nothing below the path is searched.
    pub is_pruned: bool,
    /// No further version is looked at.
    pub is_end: bool,
}

/// Evaluation of one version.
struct Run<'a, F: ?Sized, A> {
    facts: &'a F,
    act: A,
    expression: &'a Expression,
    is_pruned: bool,
}

/// Result of a node: its value, or the end of the search.
type Value = Result<ControlFlow<(), bool>>;

impl Expression {
    /// Evaluates the expression on a version; without actions in it, a version that matches is printed. A version
    /// outside `-mindepth` and `-maxdepth` does not match, and nothing of the expression is evaluated.
    ///
    /// # Errors
    /// Those of the facts and of `act`.
    pub fn evaluate<F: Facts + ?Sized>(
        &self,
        facts: &F,
        act: impl FnMut(Action<'_>) -> Result<()>,
    ) -> Result<Outcome> {
        let depth = depth(facts.path());
        let mut outcome = Outcome {
            is_match: false,
            is_pruned: false,
            is_end: false,
        };
        if depth < self.min_depth || depth > self.max_depth {
            return Ok(outcome);
        }
        let mut run = Run {
            facts,
            act,
            expression: self,
            is_pruned: false,
        };
        match run.value(&self.root)? {
            ControlFlow::Continue(is_match) => outcome.is_match = is_match,
            ControlFlow::Break(()) => outcome.is_end = true,
        }
        outcome.is_pruned = run.is_pruned;
        if outcome.is_match && !self.has_action {
            (run.act)(Action::Print)?;
        }
        Ok(outcome)
    }
}

impl<F: Facts + ?Sized, A: FnMut(Action<'_>) -> Result<()>> Run<'_, F, A> {
    /// Value of a node. The depth of nodes is bounded by the parser.
    fn value(&mut self, node: &Node) -> Value {
        match node {
            Node::Test(test) => Ok(ControlFlow::Continue(test.is_match(self.facts)?)),
            Node::Act(act) => self.act(act),
            Node::Not(inner) => Ok(match self.value(inner)? {
                ControlFlow::Continue(value) => ControlFlow::Continue(!value),
                end => end,
            }),
            Node::And(nodes) => self.all(nodes, |value| !value),
            Node::Or(nodes) => self.all(nodes, |value| value),
            Node::List(nodes) => self.all(nodes, |_| false),
        }
    }

    /// Evaluates nodes until one has a value that decides; the last value is the result.
    fn all(&mut self, nodes: &[Node], decides: impl Fn(bool) -> bool) -> Value {
        let mut last = true;
        for node in nodes {
            match self.value(node)? {
                ControlFlow::Continue(value) if !decides(value) => last = value,
                end => return Ok(end),
            }
        }
        Ok(ControlFlow::Continue(last))
    }

    fn act(&mut self, act: &Act) -> Value {
        let text;
        let action = match act {
            Act::Quit => return Ok(ControlFlow::Break(())),
            Act::Prune => {
                self.is_pruned |=
                    self.facts.kind() == Kind::Directory && !self.expression.is_depth_first;
                return Ok(ControlFlow::Continue(true));
            }
            Act::Print => Action::Print,
            Act::Print0 => Action::Print0,
            Act::Printf(format) => {
                text = format.format(self.facts)?;
                Action::Write(&text)
            }
            Act::List => {
                text = list_line(self.facts, self.expression.now)?;
                Action::Write(&text)
            }
        };
        (self.act)(action)?;
        Ok(ControlFlow::Continue(true))
    }
}
