//! The kinds of rules that the tables of this module are made of.

use super::form::Form;

/// What a value has to be.
///
/// A value of another kind is one that engines fail to read, because Go cannot put it into their types. `null` is
/// none in a field, as it is for Go.
pub(super) enum Rule {
    /// Any string.
    Text,
    /// A string of a form.
    Formed(Form),
    /// A digest. Which of its rules is broken is said.
    Digest,
    /// `true` or `false`.
    Bool,
    /// An integer of 64 bits; outside this range one that only the schema refuses.
    Integer(i64, i64),
    /// A list of any length.
    List(&'static Rule),
    /// A list; an empty one is refused by the schema only.
    NotEmpty(&'static Rule),
    /// A list of strings. Docker takes a single string for one.
    Words,
    /// An object with any keys.
    Map(&'static Rule),
    /// An object with these groups of fields, and any others.
    Object(&'static [&'static [Field]]),
}

/// A field of an object.
pub(super) struct Field {
    pub name: &'static str,
    pub rule: Rule,
    pub need: Need,
    /// Whether engines read it. What they do not read they cannot fail at.
    pub read: bool,
}

/// Whether a field may be missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It may.
    Optional,
    /// The schema requires it, engines do without.
    Schema,
    /// Engines require it too.
    Engines,
}

impl Field {
    /// A field that may be missing.
    pub const fn optional(name: &'static str, rule: Rule) -> Self {
        Field {
            name,
            rule,
            need: Need::Optional,
            read: true,
        }
    }

    /// A field that the schema requires.
    pub const fn required(name: &'static str, rule: Rule) -> Self {
        Field {
            name,
            rule,
            need: Need::Schema,
            read: true,
        }
    }

    /// A field that engines require.
    pub const fn vital(name: &'static str, rule: Rule) -> Self {
        Field {
            name,
            rule,
            need: Need::Engines,
            read: true,
        }
    }

    /// A field that may be missing and that engines do not read.
    pub const fn unread(name: &'static str, rule: Rule) -> Self {
        Field {
            name,
            rule,
            need: Need::Optional,
            read: false,
        }
    }
}
