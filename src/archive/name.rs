//! Names of images in an archive.

use std::collections::HashSet;
use std::fmt;

use crate::error::Result;
use crate::spec::{Descriptor, Reference, annotations};

/// Name as an archive gives it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Name {
    /// Full reference: from `RepoTags`, `io.containerd.image.name`, or a `ref.name` that is one; in the storage of a
    /// registry a name without a host, see [`Reference::in_tree`].
    Full(Reference),
    /// Tag without a repository, as umoci and BuildKit write it.
    Tag(String),
    /// Any other text, which selects the image as written.
    Text(String),
}

impl Name {
    /// Parses an entry of `RepoTags`, which always has a repository and mostly a tag.
    pub fn from_repo_tag(text: &str) -> Self {
        match Reference::parse(text) {
            Ok(reference) => Name::Full(reference),
            Err(_) => Name::Text(text.to_owned()),
        }
    }

    /// Returns the name of an entry of a tree of repositories, where `org.opencontainers.image.ref.name` is repository
    /// and tag.
    pub fn in_tree(descriptor: &Descriptor) -> Option<Self> {
        let has_full = descriptor.annotation(annotations::CONTAINERD_NAME);
        let text = descriptor.annotation(annotations::REF_NAME);
        let exact = text.map(Reference::in_tree);
        match (exact, has_full) {
            (Some(Ok(reference)), None) => Some(Name::Full(reference)),
            _ => Name::from_annotations(descriptor),
        }
    }

    /// The name outside of a tree, see [`Reference::outside`].
    #[must_use]
    pub fn outside(self) -> Self {
        match &self {
            Name::Full(reference) if reference.is_in_tree() => {
                Name::from_repo_tag(&reference.to_string())
            }
            _ => self,
        }
    }

    /// Returns the name in the annotations of a descriptor in `index.json`.
    ///
    /// `io.containerd.image.name` is a full reference and wins. `org.opencontainers.image.ref.name` is any text: with
    /// a `/` or a `:` it is read as a reference, without as a tag.
    pub fn from_annotations(descriptor: &Descriptor) -> Option<Self> {
        let full = descriptor
            .annotation(annotations::CONTAINERD_NAME)
            .filter(|text| !text.is_empty());
        if let Some(text) = full {
            return Some(Name::from_repo_tag(text));
        }
        let text = descriptor
            .annotation(annotations::REF_NAME)
            .filter(|text| !text.is_empty())?;
        if text.contains(['/', ':', '@']) {
            return Some(Name::from_repo_tag(text));
        }
        let is_tag = text.len() <= 128
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"_.-+".contains(&b));
        Some(if is_tag {
            Name::Tag(text.to_owned())
        } else {
            Name::Text(text.to_owned())
        })
    }

    /// Tests if `wanted` is this name. A name in a tree is also meant by docker's other forms of it.
    pub fn matches(&self, wanted: &str) -> bool {
        match self {
            Name::Tag(text) | Name::Text(text) => text == wanted,
            Name::Full(reference) => {
                let same = |wanted: Result<Reference>, name: Result<Reference>| matches!((wanted, name), (Ok(wanted), Ok(name)) if wanted.same_as(&name));
                let is_exact = || same(Reference::in_tree(wanted), Ok(reference.clone()));
                reference.is_in_tree() && is_exact()
                    || same(Reference::parse(wanted), reference.outside())
                    || reference.to_string() == wanted
            }
        }
    }

    /// Tests if `wanted` is this name or its repository, see [`Wanted::means`].
    pub fn means(&self, wanted: &str) -> bool {
        Wanted::parse(wanted).means(self)
    }

    /// Compares by meaning: equal references, or equal texts.
    pub fn same_as(&self, other: &Name) -> bool {
        match (self, other) {
            (Name::Full(one), Name::Full(other)) => one.same_as(other),
            _ => self == other,
        }
    }

    /// Key shared by all equivalent names: the normalized reference with its tag, or the text.
    pub(crate) fn key(&self) -> NameKey {
        match self {
            Name::Full(reference) => NameKey::Reference(reference.clone().tagged()),
            Name::Tag(text) | Name::Text(text) => NameKey::Text(text.clone()),
        }
    }

    /// Repository as docker prints it; `None` if only a tag is known.
    pub fn repository(&self) -> Option<String> {
        match self {
            Name::Full(reference) => Some(reference.familiar_repository()),
            Name::Text(text) => Some(text.clone()),
            Name::Tag(_) => None,
        }
    }

    /// Tag; `None` if there is none.
    pub fn tag(&self) -> Option<&str> {
        match self {
            Name::Full(reference) => reference.tag(),
            Name::Tag(tag) => Some(tag),
            Name::Text(_) => None,
        }
    }
}

/// Name as typed, parsed once for many comparisons.
#[derive(Debug)]
pub struct Wanted<'a> {
    text: &'a str,
    reference: Option<Reference>,
    /// The text as a name in a tree.
    in_tree: Option<Reference>,
}

impl<'a> Wanted<'a> {
    /// Parses any text.
    pub fn parse(text: &'a str) -> Self {
        Wanted {
            text,
            reference: Reference::parse(text).ok(),
            in_tree: Reference::in_tree(text).ok(),
        }
    }

    /// Tests if `name` is this name or in this repository. A name in a tree is also meant by docker's other forms of it.
    pub fn means(&self, name: &Name) -> bool {
        match name {
            Name::Full(reference) if reference.is_in_tree() => {
                let outside = || match reference.outside() {
                    Ok(outside) => self.means_exactly(&Name::Full(outside)),
                    Err(_) => false,
                };
                self.means_exactly(name) || outside()
            }
            _ => self.means_exactly(name),
        }
    }

    /// Tests if `name` is this name or in this repository, and in a tree of exactly this text.
    pub fn means_exactly(&self, name: &Name) -> bool {
        let name = match name {
            Name::Tag(text) | Name::Text(text) => return text == self.text,
            Name::Full(name) => name,
        };
        let wanted = match name.is_in_tree() {
            true => &self.in_tree,
            false => &self.reference,
        };
        match wanted {
            Some(wanted) if (wanted.tag(), wanted.digest()) == (None, None) => {
                wanted.has_same_repository(name)
            }
            Some(wanted) => wanted.same_as(name),
            None => name.to_string() == self.text,
        }
    }
}

/// Key for comparing names, see [`Name::key`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum NameKey {
    Reference(Reference),
    Text(String),
}

/// Set of names without repetitions: equal references, and bare tags that one of the references has, are the same.
#[derive(Debug, Default)]
pub(super) struct NameSet {
    names: HashSet<NameKey>,
    tags: HashSet<String>,
}

impl NameSet {
    /// Adds a name and returns true if it is new.
    pub fn insert(&mut self, name: &Name) -> bool {
        match name {
            Name::Full(reference) => self.tags.extend(reference.tag().map(str::to_owned)),
            Name::Tag(tag) if self.tags.contains(tag) => return false,
            Name::Tag(_) | Name::Text(_) => {}
        }
        self.names.insert(name.key())
    }

    /// Returns `names` without repetitions, in their order.
    pub fn distinct(names: impl IntoIterator<Item = Name>) -> Vec<Name> {
        let mut set = NameSet::default();
        names.into_iter().filter(|name| set.insert(name)).collect()
    }
}

/// Short form, which also selects the image.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Full(reference) => f.write_str(&reference.familiar()),
            Name::Tag(text) | Name::Text(text) => f.write_str(text),
        }
    }
}
