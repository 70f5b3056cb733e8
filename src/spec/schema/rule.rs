//! Kinds of rules in the tables of this module.

use super::form::Form;

/// Required type of a value.
///
/// Engines fail to read a value of another type, because Go cannot decode it. `null` is no value in a field, as in Go.
pub(super) enum Rule {
    /// Any string.
    Text,
    /// String of a format.
    Formed(Form),
    /// Digest; errors state the broken rule.
    Digest,
    /// `true` or `false`.
    Bool,
    /// Integer of 64 bits; outside the range only the schema is violated.
    Integer(i64, i64),
    /// List of any length.
    List(&'static Rule),
    /// List; if empty, only the schema is violated.
    NotEmpty(&'static Rule),
    /// List of strings. Docker accepts a single string.
    Words,
    /// Object with any keys.
    Map(&'static Rule),
    /// Object with these groups of fields, and any others.
    Object(&'static [&'static [Field]]),
}

/// Field of an object.
pub(super) struct Field {
    pub name: &'static str,
    pub rule: Rule,
    pub need: Need,
    /// True if engines read it. Engines cannot fail at a field they do not read.
    pub read: bool,
}

/// Presence of a field.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Optional.
    Optional,
    /// Required by the schema, not by engines.
    Schema,
    /// Required by engines too.
    Engines,
}

impl Field {
    /// Optional field.
    pub const fn optional(name: &'static str, rule: Rule) -> Self {
        Field {
            name,
            rule,
            need: Need::Optional,
            read: true,
        }
    }

    /// Field that the schema requires.
    pub const fn required(name: &'static str, rule: Rule) -> Self {
        Field {
            name,
            rule,
            need: Need::Schema,
            read: true,
        }
    }

    /// Field that engines require.
    pub const fn vital(name: &'static str, rule: Rule) -> Self {
        Field {
            name,
            rule,
            need: Need::Engines,
            read: true,
        }
    }

    /// Optional field that engines do not read.
    pub const fn unread(name: &'static str, rule: Rule) -> Self {
        Field {
            name,
            rule,
            need: Need::Optional,
            read: false,
        }
    }
}
