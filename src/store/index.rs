//! `index.json` of the store, edited entry by entry. What is not ours in it stays as it is.

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::archive::Name;
use crate::blob::FileRange;
use crate::error::{At, Candidates, Error, Fault, Result};
use crate::limits::Limits;
use crate::spec::fields::{self, GoType};
use crate::spec::json::{self, Node, parse_known};
use crate::spec::{Descriptor, Digest, MediaType, annotations, texts};
use crate::write::{Listed, ListedName, set_name};

/// What happens to a name that stands for another image already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The new image takes it; the old one stays without a name, as with docker.
    #[default]
    Replace,
    /// The old image keeps it.
    NoClobber,
}

/// What became of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The name; `None` for an untagged image.
    pub name: Option<Name>,
    /// The manifest or index it stands for.
    pub digest: Digest,
    /// What it stood for before, if that is something else.
    pub replaced: Option<Digest>,
    /// Whether the name was left with what it stood for.
    pub refused: bool,
}

/// What is to go from a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwanted {
    /// A name, whatever it stands for by now.
    Name(Name),
    /// A manifest or index under all its names.
    Image(Digest),
    /// A manifest or index as long as it has no name: if it has been given one meanwhile, it stays.
    Unnamed(Digest),
    /// A manifest that indexes list, which stay as they are; nothing, if it has been given a name meanwhile.
    Part(Digest),
}

impl Unwanted {
    /// The manifest that is to go out of indexes.
    pub(super) fn part(&self) -> Option<&Digest> {
        match self {
            Unwanted::Part(digest) => Some(digest),
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
    /// As it is written, see [`json::parse_exact`].
    value: Value,
    digest: Digest,
    name: Option<Name>,
}

impl StoreIndex {
    /// Reads the index; an empty one if there is none.
    pub(super) fn read(store: &Path) -> Result<Self> {
        let path = store.join("index.json");
        let place = || "index.json".to_owned();
        let empty = json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": []});
        let (value, written, changed) = match crate::blob::open_regular(&path, false) {
            Ok(file) => {
                let bytes = FileRange::whole(file)?.bytes(Limits::of_store().document)?;
                let value = parse_known(&bytes).at(place)?;
                (value, json::parse_exact(&bytes).at(place)?, false)
            }
            Err(error) if !path.exists() => {
                let _ = error;
                (empty.clone(), empty, true)
            }
            Err(error) => return Err(error.at(place())),
        };
        GoType::MANIFEST.check(&value).at(place)?;
        let entries = {
            let node = Node::root(&value);
            match node.field("manifests").at(place)? {
                None => Vec::new(),
                Some(list) => list
                    .items()
                    .at(place)?
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
                    .at(place)?,
            }
        };
        let Value::Object(document) = written else {
            let (field, expected) = ("the document".to_owned(), "an object");
            return Err(Error::new(Fault::Schema {
                field,
                expected,
                found: "something else".into(),
            })
            .at(place()));
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

    pub(super) fn add(&mut self, listed: &[Listed], policy: Policy) -> Vec<Placed> {
        let mut placed = Vec::new();
        for listed in listed {
            if listed.names.is_empty() {
                placed.push(self.place(
                    listed.entry(None),
                    &listed.descriptor.digest,
                    None,
                    policy,
                ));
            }
            for name in &listed.names {
                let entry = listed.entry(Some(name));
                placed.push(self.place(entry, &listed.descriptor.digest, Some(name), policy));
            }
        }
        placed
    }

    pub(super) fn tag(&mut self, target: &Digest, name: &ListedName) -> Result<Placed> {
        let entry = self.entries.iter().find(|entry| entry.digest == *target);
        // Another program may have removed it since it was looked up.
        let entry = entry.ok_or_else(|| Fault::NoSuchImage {
            wanted: target.to_string(),
            candidates: Candidates::default(),
        })?;
        let mut value = entry.value.as_object().cloned().unwrap_or_default();
        set_name(&mut value, Some(name));
        Ok(self.place(value, target, Some(name), Policy::Replace))
    }

    /// Takes entries out. Returns what is still listed.
    pub(super) fn remove(&mut self, unwanted: &[Unwanted]) -> HashSet<Digest> {
        let before = self.entries.len();
        let is_called = |entry: &Entry, wanted: &Name| {
            let name = entry.name.as_ref();
            name.is_some_and(|name| name.same_as(wanted))
        };
        self.entries.retain(|entry| {
            !unwanted.iter().any(|unwanted| match unwanted {
                Unwanted::Name(name) => is_called(entry, name),
                Unwanted::Image(digest) => entry.digest == *digest,
                Unwanted::Unnamed(digest) => entry.digest == *digest && entry.name.is_none(),
                Unwanted::Part(_) => false,
            })
        });
        self.changed |= self.entries.len() != before;
        let digests = self.entries.iter().map(|entry| entry.digest.clone());
        digests.collect()
    }

    fn place(
        &mut self,
        value: Map<String, Value>,
        digest: &Digest,
        name: Option<&ListedName>,
        policy: Policy,
    ) -> Placed {
        let mut placed = Placed {
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
                // The text that was typed is what will be looked for.
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
            self.unname(position);
        }
        self.vacate(&name.text, digest);
        self.push(value, digest, Some(name));
        // What has a name needs no entry without one.
        self.entries
            .retain(|entry| entry.digest != *digest || entry.name.is_some());
        placed
    }

    /// Sees to it that no other image is found under a text that is now the `ref.name` of one: what has a full name
    /// beside it goes by its short form.
    fn vacate(&mut self, text: &str, digest: &Digest) {
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

    /// Takes the name from an entry; the entry goes if its image has another.
    fn unname(&mut self, position: usize) {
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
    /// The text by which other tools look for it.
    fn ref_name(&self) -> Option<&str> {
        let map = fields::of(&self.value, "annotations")?;
        map.get(annotations::REF_NAME)?.as_str()
    }
}
