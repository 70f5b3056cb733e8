//! `index.json` of the store, edited entry by entry. What is not ours in it stays as it is.

use std::collections::HashSet;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::archive::Name;
use crate::blob::FileRange;
use crate::error::{At, Candidates, Error, Fault, Result};
use crate::limits::Limits;
use crate::spec::fields::{self, Shape};
use crate::spec::json::{Node, parse_known};
use crate::spec::{Descriptor, Digest, MediaType, annotations, texts};
use crate::write::Listed;
use crate::write::archive::descriptor_json;

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
    /// As it is written, see [`texts::exact`].
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
                (value, texts::exact(&bytes).at(place)?, false)
            }
            Err(error) if !path.exists() => {
                let _ = error;
                (empty.clone(), empty, true)
            }
            Err(error) => return Err(error.at(place())),
        };
        Shape::MANIFEST.check(&value).at(place)?;
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

    pub(super) fn add(&mut self, listed: &[Listed], policy: Policy) -> Result<Vec<Placed>> {
        let mut placed = Vec::new();
        for listed in listed {
            if listed.names.is_empty() {
                placed.push(self.place(&listed.descriptor, None, policy)?);
            }
            for name in &listed.names {
                placed.push(self.place(&listed.descriptor, Some(name), policy)?);
            }
        }
        Ok(placed)
    }

    pub(super) fn tag(&mut self, target: &Digest, name: &Name) -> Result<Placed> {
        let entry = self.entries.iter().find(|entry| entry.digest == *target);
        // Another program may have removed it since it was looked up.
        let entry = entry.ok_or_else(|| Fault::NoSuchImage {
            wanted: target.to_string(),
            candidates: Candidates::default(),
        })?;
        let descriptor = Descriptor::from_node(&Node::root(&entry.value))?;
        self.place(&descriptor, Some(name), Policy::Replace)
    }

    /// Takes entries out. Returns what is still listed.
    pub(super) fn remove(&mut self, unwanted: &[Unwanted]) -> HashSet<Digest> {
        let before = self.entries.len();
        let is_called = |entry: &Entry, wanted: &Name| {
            let name = entry.name.as_ref();
            name.is_some_and(|name| same(name, wanted))
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
        descriptor: &Descriptor,
        name: Option<&Name>,
        policy: Policy,
    ) -> Result<Placed> {
        let digest = descriptor.digest.clone();
        let mut placed = Placed {
            name: name.cloned(),
            digest: digest.clone(),
            replaced: None,
            refused: false,
        };
        let Some(name) = name else {
            if !self.entries.iter().any(|entry| entry.digest == digest) {
                self.push(descriptor, None);
            }
            return Ok(placed);
        };
        let holder = |entry: &Entry| entry.name.as_ref().is_some_and(|known| same(known, name));
        if let Some(position) = self.entries.iter().position(holder) {
            if self.entries[position].digest == digest {
                return Ok(placed);
            }
            placed.replaced = Some(self.entries[position].digest.clone());
            if policy == Policy::NoClobber {
                placed.refused = true;
                return Ok(placed);
            }
            self.unname(position);
        }
        self.push(descriptor, Some(name));
        // What has a name needs no entry without one.
        self.entries
            .retain(|entry| entry.digest != digest || entry.name.is_some());
        Ok(placed)
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
            let entry = &mut self.entries[position];
            entry.name = None;
            if let Some(Value::Object(map)) = fields::of_mut(&mut entry.value, "annotations") {
                map.shift_remove(annotations::REF_NAME);
                map.shift_remove(annotations::CONTAINERD_NAME);
            }
        }
        self.changed = true;
    }

    fn push(&mut self, descriptor: &Descriptor, name: Option<&Name>) {
        let value = descriptor_json(descriptor, name);
        self.entries.push(Entry {
            value,
            digest: descriptor.digest.clone(),
            name: name.cloned(),
        });
        self.changed = true;
    }
}

fn same(a: &Name, b: &Name) -> bool {
    match (a, b) {
        (Name::Full(a), Name::Full(b)) => a.same_as(b),
        _ => a == b,
    }
}
