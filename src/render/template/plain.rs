//! Templates of nothing but texts and `{{.Field}}`, as the tables of listings are: they need no engine.

use std::fmt::Write;

use gotmpl::parse::{Expr, ListNode, Node};
use serde_json::Value;

use super::shape::Shape;
use crate::escape;

/// A template without functions, branches and variables.
pub(super) struct Plain {
    parts: Vec<Part>,
    shape: Shape,
}

enum Part {
    Text(String),
    Field(String),
}

impl Plain {
    /// Returns the template if its parsed tree, not yet rewritten, has nothing but texts and fields of the data.
    pub(super) fn of(tree: &ListNode, shape: Shape) -> Option<Self> {
        let part = |node: &Node| {
            let pipe = match node {
                Node::Text(text) => return Some(Part::Text(text.text.to_string())),
                Node::Action(action) => &action.pipe,
                _ => return None,
            };
            let [command] = &pipe.commands[..] else {
                return None;
            };
            match &command.args[..] {
                [Expr::Field(_, names)] if names.len() == 1 && pipe.decl.is_empty() => {
                    names.first().map(|name| Part::Field(name.to_string()))
                }
                _ => None,
            }
        };
        let parts: Vec<Part> = tree.nodes.iter().map(part).collect::<Option<_>>()?;
        let has_field = parts.iter().any(|part| matches!(part, Part::Field(_)));
        has_field.then_some(Plain { parts, shape })
    }

    /// Renders a row; `None` if a field is missing or has a value for which the engine has rules: null, lists, objects,
    /// fractions, durations.
    pub(super) fn render(&self, row: &Value) -> Option<String> {
        let row = row.as_object()?;
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Field(name) => match row.get(name)? {
                    Value::String(text) => out.push_str(&escape::text(text)),
                    Value::Bool(value) => write!(out, "{value}").ok()?,
                    Value::Number(number) if !number.is_f64() => {
                        if self.shape.durations.contains(&("", name.as_str())) {
                            return None;
                        }
                        write!(out, "{number}").ok()?;
                    }
                    _ => return None,
                },
            }
        }
        Some(out)
    }
}
