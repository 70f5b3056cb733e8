//! References in one mapping of a document: an image in one value, or its parts in several.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::collect::{Collector, Unresolved};
use crate::error::Result;

/// Keys whose values are kept.
const KEYS: [&str; 12] = [
    "digest",
    "image",
    "imageTag",
    "name",
    "newName",
    "newTag",
    "reference",
    "registry",
    "repository",
    "sha",
    "tag",
    "value",
];

/// Meaning of a node of a document, by the keys above it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing is known.
    Other,
    /// Part of a template, which is not YAML at all.
    Template,
    /// A document that is a list of texts.
    Texts,
    /// A list or mapping of images.
    Images,
    /// A mapping in a list of images.
    Item,
    /// One image.
    Image,
    /// Mappings that are merged into the one above.
    Merge,
}

/// A value of a mapping.
#[derive(Debug, Clone)]
pub(super) struct Field {
    pub(super) text: Arc<str>,
    /// Number of its line, from 1.
    pub(super) line: usize,
    /// True if it is of another mapping that was merged into this one.
    pub(super) inherited: bool,
}

/// The values of a mapping that can be parts of a reference.
#[derive(Debug, Clone, Default)]
pub(super) struct Fields(BTreeMap<&'static str, Field>);

/// A reference in the making.
struct Parts {
    text: String,
    line: usize,
    is_inherited: bool,
}

impl Parts {
    fn of(field: &Field) -> Self {
        Parts {
            text: field.text.trim().to_owned(),
            line: field.line,
            is_inherited: field.inherited,
        }
    }

    /// Appends a value after a separator.
    fn then(&mut self, separator: char, field: &Field) {
        self.text.push(separator);
        self.text.push_str(field.text.trim());
        self.beside(field);
    }

    /// Notes a value that is part of the reference, which is listed in the line of its first own part.
    fn beside(&mut self, field: &Field) {
        if self.is_inherited && !field.inherited {
            self.is_inherited = false;
            self.line = field.line;
        }
    }
}

impl Fields {
    /// Returns the key as it is known here; `None` for a key whose values are not kept.
    pub(super) fn key(key: &str) -> Option<&'static str> {
        KEYS.into_iter().find(|known| *known == key)
    }

    /// Adds a value and returns the one that the key had before.
    pub(super) fn insert(&mut self, key: &'static str, field: Field) -> Option<Field> {
        let before = self.0.insert(key, field);
        before.filter(|before| !before.inherited)
    }

    /// Adds the values of a mapping that is merged into this one. Existing values stay.
    pub(super) fn merge(&mut self, other: &Fields) {
        for (key, field) in &other.0 {
            self.0.entry(key).or_insert_with(|| Field {
                inherited: true,
                ..field.clone()
            });
        }
    }

    /// Returns the same values, as those of an alias in this line.
    pub(super) fn aliased(&self, line: usize) -> Self {
        let own = |(key, field): (&&'static str, &Field)| {
            let field = Field {
                line,
                inherited: false,
                ..field.clone()
            };
            (*key, field)
        };
        Fields(self.0.iter().map(own).collect())
    }

    /// Lists the image of the mapping, if it has one.
    ///
    /// # Errors
    /// `Limit`.
    pub(super) fn list(&self, role: Role, collector: &mut Collector<'_>) -> Result<()> {
        if role == Role::Template {
            return Ok(());
        }
        if let (Some(name), Some(value)) = (self.get("name"), self.get("value"))
            && name.text.starts_with("RELATED_IMAGE_")
        {
            collector.image(&value.text, value.line)?;
        }
        if role == Role::Image
            && let Some(reference) = self.get("reference")
        {
            return collector.image(&reference.text, reference.line);
        }
        if let Some(image) = self.get("image") {
            return self.joined(image, true, collector);
        }
        if let Some(repository) = self.get("repository") {
            let is_image = role == Role::Image
                || ["tag", "digest", "sha", "imageTag"]
                    .iter()
                    .any(|key| self.0.contains_key(key));
            // Charts and sources of packages have repositories, too.
            return match is_image && !repository.text.contains("://") {
                true => self.joined(repository, false, collector),
                false => Ok(()),
            };
        }
        let Some(name) = self.get("name") else {
            return Ok(());
        };
        let has_tag = self.get("tag").is_some() || self.get("digest").is_some();
        match role {
            Role::Item => self.item(name, collector),
            Role::Image if has_tag => self.joined(name, true, collector),
            _ => Ok(()),
        }
    }

    /// Lists an entry of a list of images that has a name: kustomize's with a new one, or that of other tools.
    fn item(&self, name: &Field, collector: &mut Collector<'_>) -> Result<()> {
        let (new_name, new_tag) = (self.get("newName"), self.get("newTag"));
        let digest = self.get("digest");
        let mut parts = Parts::of(new_name.unwrap_or(name));
        match (new_tag, digest) {
            (None, None) if new_name.is_some() => {
                return collector.unresolved(&parts.text, parts.line, Unresolved::NoTag);
            }
            (None, None) => return self.joined(name, true, collector),
            (tag, digest) => {
                if let Some(tag) = tag {
                    parts.then(':', tag);
                }
                if let Some(digest) = digest {
                    parts.then('@', digest);
                }
            }
        }
        collector.image(&parts.text, parts.line)
    }

    /// Lists the image with this name, and the registry, tag and digest beside it unless the name has its own. Without
    /// any, `may_be_whole` tells if the default tag is meant.
    fn joined(
        &self,
        name: &Field,
        may_be_whole: bool,
        collector: &mut Collector<'_>,
    ) -> Result<()> {
        let mut parts = Parts::of(name);
        let text = parts.text.clone();
        let base = text.rsplit('/').next().unwrap_or_default();
        let has_tag = base.contains([':', '@']);
        let tag = self.get("tag").or_else(|| self.get("imageTag"));
        let digest = self.get("digest").or_else(|| self.get("sha"));
        if !has_tag {
            if let Some(tag) = tag {
                parts.then(':', tag);
            }
            match digest {
                Some(digest) if digest.text.contains(':') => parts.then('@', digest),
                Some(digest) => {
                    parts.text.push_str("@sha256");
                    parts.then(':', digest);
                }
                None => {}
            }
        }
        if let Some(registry) = self.get("registry") {
            parts.beside(registry);
            let registry = registry.text.trim().trim_end_matches('/');
            parts.text = format!("{registry}/{}", parts.text);
        }
        let is_named = has_tag || tag.is_some() || digest.is_some() || may_be_whole;
        // It is listed where the other mapping is.
        match (parts.is_inherited, is_named) {
            (true, _) => Ok(()),
            (false, true) => collector.image(&parts.text, parts.line),
            (false, false) if parts.text.contains("{{") => collector.image(&parts.text, parts.line),
            (false, false) => collector.unresolved(&parts.text, parts.line, Unresolved::NoTag),
        }
    }

    /// Returns a value that is neither empty nor null.
    fn get(&self, key: &str) -> Option<&Field> {
        self.0
            .get(key)
            .filter(|field| !field.text.trim().is_empty())
    }
}
