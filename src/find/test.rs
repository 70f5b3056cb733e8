//! Tests on the facts about a version.

use std::collections::BTreeSet;

use super::contents::ContentTest;
use super::facts::{Facts, Kind, Stamp, base_name};
use super::mode::Permissions;
use super::number::{Number, Size};
use super::regex::Regex;
use super::time::Age;
use crate::error::Result;
use crate::glob::Glob;
use crate::layer::capabilities;

/// Cost of a test, in the order of evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cost {
    /// A field of the entry.
    Field,
    /// A pattern on a text.
    Pattern,
    /// A regular expression.
    Regex,
    /// A look at the tree.
    Tree,
    /// A digest, or a file of the layer.
    Digest,
    /// The files that packages list.
    Package,
    /// Facts of its contents.
    Contents,
}

/// A test. Names are as in the expression.
#[derive(Debug, Clone)]
pub(super) enum Test {
    Constant(bool),
    Name(Glob),
    Path(PathPattern<Glob>),
    Regex(PathPattern<Regex>),
    Target(Glob),
    Types(Types),
    Size(Size),
    Empty,
    Links(Number),
    Uid(Number),
    Gid(Number),
    /// Name, and the number that it is if nobody has that name.
    User(Vec<u8>, Option<u64>),
    Group(Vec<u8>, Option<u64>),
    NoUser,
    NoGroup,
    Permissions(Permissions),
    Age(Stamp, Age),
    Newer(Vec<u8>),
    SameFile(Vec<u8>),
    Duplicate,
    Layers(Layers),
    States(BTreeSet<&'static str>),
    Step(Glob),
    GoneBy(Glob),
    /// Any capability, or one with its prefix `cap_`.
    Capability(Option<String>),
    Xattr(Vec<u8>, Option<Glob>),
    /// Digest by its first digits, all small.
    Digest(String),
    /// A package with this name lists the path.
    Package(Glob),
    Unowned,
    Altered,
    /// Digests in a file, which has this number among those of the expression.
    HashSet(usize),
    /// A test on contents, and its number among those of the expression.
    Contents(ContentTest, usize),
}

/// Kinds that `-type` lists.
#[derive(Debug, Clone, Default)]
pub(super) struct Types {
    pub(super) letters: Vec<u8>,
    /// `h`: hard links, of whatever kind.
    pub(super) has_hard_links: bool,
}

/// Layers that `-layer` selects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Layers {
    /// Numbers from 1, both ends included.
    Range(usize, usize),
    /// First digits of a diff ID or digest.
    Digest(String),
}

/// A pattern on whole paths, which begin with a `/`.
#[derive(Debug, Clone)]
pub(super) struct PathPattern<P> {
    pub(super) pattern: P,
    /// The pattern does not begin with a `/`: it matches paths without theirs as well.
    pub(super) is_relative: bool,
}

impl<P> PathPattern<P> {
    /// Tests a path that has no `/` at its start.
    fn is_match(&self, path: &[u8], matches: impl Fn(&P, &[u8]) -> bool) -> bool {
        if self.is_relative && matches(&self.pattern, path) {
            return true;
        }
        matches(&self.pattern, &[b"/", path].concat())
    }
}

impl Test {
    pub(super) fn cost(&self) -> Cost {
        match self {
            Test::Constant(_)
            | Test::Types(_)
            | Test::Size(_)
            | Test::Uid(_)
            | Test::Gid(_)
            | Test::Permissions(_)
            | Test::Age(..)
            | Test::Layers(_)
            | Test::States(_) => Cost::Field,
            Test::Name(_)
            | Test::Path(_)
            | Test::Target(_)
            | Test::Step(_)
            | Test::GoneBy(_)
            | Test::Capability(_)
            | Test::Xattr(..) => Cost::Pattern,
            Test::Regex(_) => Cost::Regex,
            Test::Empty | Test::Links(_) | Test::Newer(_) | Test::SameFile(_) => Cost::Tree,
            Test::User(..)
            | Test::Group(..)
            | Test::NoUser
            | Test::NoGroup
            | Test::Duplicate
            | Test::Digest(..) => Cost::Digest,
            Test::Package(_) | Test::Unowned => Cost::Package,
            Test::Contents(..) | Test::HashSet(_) | Test::Altered => Cost::Contents,
        }
    }

    /// Tests a version.
    ///
    /// # Errors
    /// Those of its facts.
    pub(super) fn is_match<F: Facts + ?Sized>(&self, facts: &F) -> Result<bool> {
        Ok(match self {
            Test::Constant(value) => *value,
            Test::Name(glob) => glob.is_match(base_name(facts.path())),
            Test::Path(pattern) => pattern.is_match(facts.path(), Glob::is_match),
            Test::Regex(pattern) => pattern.is_match(facts.path(), Regex::is_match),
            Test::Target(glob) => facts.kind() == Kind::Symlink && glob.is_match(facts.target()),
            Test::Types(types) => {
                types.letters.contains(&facts.kind().letter())
                    || types.has_hard_links && facts.is_hard_link()
            }
            Test::Size(size) => size.is_match(facts.size()),
            Test::Empty => match facts.kind() {
                Kind::File => facts.size() == 0,
                Kind::Directory => facts.is_empty_directory()?,
                _ => false,
            },
            Test::Links(number) => number.is_match(facts.links()?),
            Test::Uid(number) => number.is_match(facts.uid()),
            Test::Gid(number) => number.is_match(facts.gid()),
            Test::User(name, number) => facts.user_id(name)?.or(*number) == Some(facts.uid()),
            Test::Group(name, number) => facts.group_id(name)?.or(*number) == Some(facts.gid()),
            Test::NoUser => facts.user_name()?.is_none(),
            Test::NoGroup => facts.group_name()?.is_none(),
            Test::Permissions(permissions) => {
                permissions.is_match(facts.mode(), facts.kind() == Kind::Directory)
            }
            Test::Age(stamp, age) => facts.time(*stamp).is_some_and(|time| age.is_match(time)),
            Test::Newer(path) => {
                let reference = facts.time_of(path)?;
                facts.time(Stamp::Modified) > reference && reference.is_some()
            }
            Test::SameFile(path) => facts.is_same_file(path)?,
            Test::Duplicate => facts.kind() == Kind::File && facts.is_duplicate()?,
            Test::Layers(Layers::Range(first, last)) => (first..=last).contains(&&facts.layer()),
            Test::Layers(Layers::Digest(digits)) => facts.is_in_layer(digits),
            Test::States(states) => states.contains(facts.state()),
            Test::Step(glob) => glob.is_match(facts.step().as_bytes()),
            Test::GoneBy(glob) => facts
                .gone_by()
                .is_some_and(|step| glob.is_match(step.as_bytes())),
            Test::Capability(name) => has_capability(facts, name.as_deref()),
            Test::Xattr(name, value) => facts
                .xattr(name)
                .is_some_and(|found| value.as_ref().is_none_or(|value| value.is_match(found))),
            Test::Digest(digits) => facts
                .digest()?
                .is_some_and(|digest| digest.starts_with(digits)),
            Test::Package(name) => facts.has_package(name)?,
            Test::Unowned => !facts.is_owned()?,
            Test::Altered => facts.kind() == Kind::File && facts.is_altered()?,
            Test::HashSet(number) => facts.kind() == Kind::File && facts.is_in_hash_set(*number)?,
            Test::Contents(test, number) => {
                facts.kind() == Kind::File && facts.has_contents(test, *number)?
            }
        })
    }
}

fn has_capability<F: Facts + ?Sized>(facts: &F, name: Option<&str>) -> bool {
    let Some(value) = facts.xattr(b"security.capability") else {
        return false;
    };
    name.is_none_or(|name| {
        let text = capabilities(value).unwrap_or_default();
        text.split([' ', ',', '=']).any(|part| part == name)
    })
}
