//! The store's `index.json`, edited entry by entry. Other programs' fields stay.

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::archive::Name;
use crate::blob::FileRange;
use crate::error::{At, Candidates, Error, Result};
use crate::limits::Limits;
use crate::spec::fields::{self, GoType};
use crate::spec::json::{self, Node, parse_known};
use crate::spec::{Descriptor, Digest, MediaType, annotations, texts};
use crate::write::{Listed, ListedName, set_name};

/// Rule for a name that another image has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The new image takes the name; the old one becomes untagged, as in docker.
    #[default]
    Replace,
    /// The old image keeps the name.
    NoClobber,
}

/// Result of adding a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameResult {
    /// The name; `None` for an untagged image.
    pub name: Option<Name>,
    /// Digest of the manifest or index.
    pub digest: Digest,
    /// The digest that had the name before, if it was another one.
    pub replaced: Option<Digest>,
    /// True if the other image kept the name.
    pub refused: bool,
}

/// An object to remove from a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemovalTarget {
    /// A name, whatever image has it by then.
    Name(Name),
    /// A manifest or index with all its names.
    Image(Digest),
    /// A manifest or index, unless it has got a name meanwhile.
    Unnamed(Digest),
    /// A manifest below indexes, which stay unchanged; unless it has got a name meanwhile.
    Part(Digest),
}

impl RemovalTarget {
    /// The manifest to remove from below indexes.
    pub(super) fn part(&self) -> Option<&Digest> {
        match self {
            RemovalTarget::Part(digest) => Some(digest),
            _ => None,
        }
    }
}

pub(super) struct StoreIndex {
    document: Map<String, Value>,
    entries: Vec<Entry>,
    changed: bool,
}

struct Entry {
    /// The entry as written, see [`json::parse_exact`].
    value: Value,
    digest: Digest,
    name: Option<Name>,
}

impl StoreIndex {
    /// Reads the index; returns an empty one if the file is missing.
    pub(super) fn read(store: &Path) -> Result<Self> {
        let path = store.join("index.json");
        let context = || "index.json".to_owned();
        let empty = json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": []});
        let file = match crate::blob::open_regular(&path, false) {
            Ok(file) => Some(file),
            // Another program may have created it since.
            Err(_) if path.exists() => Some(crate::blob::open_regular(&path, false).at(context)?),
            Err(_) => None,
        };
        let (value, written, changed) = match file {
            Some(file) => {
                let bytes = FileRange::whole(file)?.bytes(Limits::of_store().document)?;
                let value = parse_known(&bytes).at(context)?;
                (value, json::parse_exact(&bytes).at(context)?, false)
            }
            None => (empty.clone(), empty, true),
        };
        GoType::MANIFEST.check(&value).at(context)?;
        let entries = {
            let node = Node::root(&value);
            match node.field("manifests").at(context)? {
                None => Vec::new(),
                Some(list) => list
                    .items()
                    .at(context)?
                    .enumerate()
                    .map(|(i, item)| {
                        let descriptor = Descriptor::from_node(&item)?;
                        let name = Name::from_annotations(&descriptor);
                        let written =
                            fields::of(&written, "manifests").and_then(|list| list.get(i));
                        Ok(Entry {
                            value: written.unwrap_or(item.value()).clone(),
                            digest: descriptor.digest,
                            name,
                        })
                    })
                    .collect::<Result<Vec<_>>>()
                    .at(context)?,
            }
        };
        let Value::Object(document) = written else {
            let (field, expected) = ("the document".to_owned(), "an object");
            return Err(Error::schema(field, expected, "something else").at(context()));
        };
        Ok(StoreIndex {
            document,
            entries,
            changed,
        })
    }

    pub(super) fn changed(&self) -> bool {
        self.changed
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut document = self.document.clone();
        let entries = self.entries.iter().map(|entry| entry.value.clone());
        fields::set(&mut document, "manifests", entries.collect());
        texts::bytes(&Value::Object(document))
    }

    pub(super) fn add(&mut self, listed: &[Listed], policy: Policy) -> Vec<NameResult> {
        let mut placed = Vec::new();
        for listed in listed {
            if listed.names.is_empty() {
                placed.push(self.put(listed.entry(None), &listed.descriptor.digest, None, policy));
            }
            for name in &listed.names {
                let entry = listed.entry(Some(name));
                placed.push(self.put(entry, &listed.descriptor.digest, Some(name), policy));
            }
        }
        placed
    }

    pub(super) fn tag(&mut self, target: &Digest, name: &ListedName) -> Result<NameResult> {
        let entry = self.entries.iter().find(|entry| entry.digest == *target);
        // Another program may have removed it since it was looked up.
        let entry =
            entry.ok_or_else(|| Error::no_such_image(target.to_string(), Candidates::default()))?;
        let mut value = entry.value.as_object().cloned().unwrap_or_default();
        set_name(&mut value, Some(name));
        Ok(self.put(value, target, Some(name), Policy::Replace))
    }

    /// Removes entries. Returns the digests that are still listed.
    pub(super) fn remove(&mut self, removals: &[RemovalTarget]) -> HashSet<Digest> {
        let before = self.entries.len();
        let is_called = |entry: &Entry, wanted: &Name| {
            let name = entry.name.as_ref();
            name.is_some_and(|name| name.same_as(wanted))
        };
        self.entries.retain(|entry| {
            !removals.iter().any(|target| match target {
                RemovalTarget::Name(name) => is_called(entry, name),
                RemovalTarget::Image(digest) => entry.digest == *digest,
                RemovalTarget::Unnamed(digest) => entry.digest == *digest && entry.name.is_none(),
                RemovalTarget::Part(_) => false,
            })
        });
        self.changed |= self.entries.len() != before;
        let digests = self.entries.iter().map(|entry| entry.digest.clone());
        digests.collect()
    }

    fn put(
        &mut self,
        value: Map<String, Value>,
        digest: &Digest,
        name: Option<&ListedName>,
        policy: Policy,
    ) -> NameResult {
        let mut placed = NameResult {
            name: name.map(|name| name.name.clone()),
            digest: digest.clone(),
            replaced: None,
            refused: false,
        };
        let Some(name) = name else {
            if !self.entries.iter().any(|entry| entry.digest == *digest) {
                self.push(value, digest, None);
            }
            return placed;
        };
        let holder = |entry: &Entry| {
            let known = entry.name.as_ref();
            known.is_some_and(|known| known.same_as(&name.name))
        };
        if let Some(position) = self.entries.iter().position(holder) {
            if self.entries[position].digest == *digest {
                // Tools will look for the text that the user typed.
                if name.typed && self.entries[position].ref_name() != Some(name.text.as_str()) {
                    self.rename(position, Some(name));
                }
                return placed;
            }
            placed.replaced = Some(self.entries[position].digest.clone());
            if policy == Policy::NoClobber {
                placed.refused = true;
                return placed;
            }
            self.untag(position);
        }
        self.release_text(&name.text, digest);
        self.push(value, digest, Some(name));
        // A named image needs no entry without a name.
        self.entries
            .retain(|entry| entry.digest != *digest || entry.name.is_some());
        placed
    }

    /// Removes a text from the `ref.name` of other images: those with a full name get its short form.
    fn release_text(&mut self, text: &str, digest: &Digest) {
        for position in 0..self.entries.len() {
            let entry = &self.entries[position];
            if entry.ref_name() != Some(text) || entry.digest == *digest {
                continue;
            }
            if let Some(name @ Name::Full(_)) = entry.name.clone() {
                let short = ListedName::short(name);
                if short.text != text {
                    self.rename(position, Some(&short));
                }
            }
        }
    }

    fn rename(&mut self, position: usize, name: Option<&ListedName>) {
        let entry = &mut self.entries[position];
        if let Value::Object(map) = &mut entry.value {
            set_name(map, name);
        }
        entry.name = name.map(|name| name.name.clone());
        self.changed = true;
    }

    /// Removes the name of an entry; removes the entry if its image has another.
    fn untag(&mut self, position: usize) {
        let digest = self.entries[position].digest.clone();
        let others = self
            .entries
            .iter()
            .enumerate()
            .any(|(i, entry)| i != position && entry.digest == digest);
        if others {
            self.entries.remove(position);
        } else {
            self.rename(position, None);
        }
        self.changed = true;
    }

    fn push(&mut self, value: Map<String, Value>, digest: &Digest, name: Option<&ListedName>) {
        self.entries.push(Entry {
            value: value.into(),
            digest: digest.clone(),
            name: name.map(|name| name.name.clone()),
        });
        self.changed = true;
    }
}

impl Entry {
    /// The text that other tools look for.
    fn ref_name(&self) -> Option<&str> {
        let map = fields::of(&self.value, "annotations")?;
        map.get(annotations::REF_NAME)?.as_str()
    }
}
