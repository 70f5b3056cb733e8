//! The store's `index.json`, edited entry by entry. Other programs' fields stay.

use std::borrow::Borrow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::Hash;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::archive::{Name, NameKey};
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
    /// The entries in order; `None` where one was removed, so that the others keep their positions.
    entries: Vec<Option<Entry>>,
    lookup: Lookup,
    changed: bool,
}

/// Positions of entries. An archive may have thousands of names, each of which is looked up in all that the store has.
#[derive(Default)]
struct Lookup {
    names: HashMap<NameKey, BTreeSet<usize>>,
    /// By the text that other tools look for.
    texts: HashMap<String, BTreeSet<usize>>,
    digests: HashMap<Digest, BTreeSet<usize>>,
    /// Those without a name.
    unnamed: HashMap<Digest, BTreeSet<usize>>,
}

impl Lookup {
    fn insert(&mut self, position: usize, entry: &Entry) {
        if let Some(name) = &entry.name {
            self.names.entry(name.key()).or_default().insert(position);
        }
        if let Some(text) = entry.ref_name() {
            let text = text.to_owned();
            self.texts.entry(text).or_default().insert(position);
        }
        let digest = || entry.digest.clone();
        self.digests.entry(digest()).or_default().insert(position);
        if entry.name.is_none() {
            self.unnamed.entry(digest()).or_default().insert(position);
        }
    }

    fn remove(&mut self, position: usize, entry: &Entry) {
        let name = entry.name.as_ref();
        let name = name.and_then(|name| self.names.get_mut(&name.key()));
        let text = entry.ref_name().and_then(|text| self.texts.get_mut(text));
        let digest = self.digests.get_mut(&entry.digest);
        let unnamed = self.unnamed.get_mut(&entry.digest);
        for positions in [name, text, digest, unnamed].into_iter().flatten() {
            positions.remove(&position);
        }
    }

    /// The first entry with a name.
    fn named(&self, name: &Name) -> Option<usize> {
        self.names.get(&name.key())?.first().copied()
    }

    /// The entries of a manifest or index.
    fn of(&self, digest: &Digest) -> impl ExactSizeIterator<Item = usize> {
        const NONE: &BTreeSet<usize> = &BTreeSet::new();
        self.digests.get(digest).unwrap_or(NONE).iter().copied()
    }
}

/// The positions for a key, copied because they change while entries do.
fn at<K, Q>(known: &HashMap<K, BTreeSet<usize>>, key: &Q) -> Vec<usize>
where
    K: Borrow<Q> + Hash + Eq,
    Q: Hash + Eq + ?Sized,
{
    let found = known.get(key);
    found.into_iter().flatten().copied().collect()
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
        let mut index = StoreIndex {
            document,
            entries: Vec::new(),
            lookup: Lookup::default(),
            changed,
        };
        entries.into_iter().for_each(|entry| index.insert(entry));
        Ok(index)
    }

    pub(super) fn changed(&self) -> bool {
        self.changed
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut document = self.document.clone();
        let entries = self.entries.iter().flatten();
        let entries = entries.map(|entry| entry.value.clone());
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
        let first = self.lookup.of(target).next();
        // Another program may have removed it since it was looked up.
        let entry = first
            .and_then(|position| self.entry(position))
            .ok_or_else(|| Error::no_such_image(target.to_string(), Candidates::default()))?;
        let mut value = entry.value.as_object().cloned().unwrap_or_default();
        set_name(&mut value, Some(name));
        Ok(self.put(value, target, Some(name), Policy::Replace))
    }

    /// Removes entries. Returns the digests that are still listed.
    pub(super) fn remove(&mut self, removals: &[RemovalTarget]) -> HashSet<Digest> {
        for target in removals {
            match target {
                RemovalTarget::Name(name) => {
                    while let Some(position) = self.lookup.named(name) {
                        self.delete(position);
                    }
                }
                RemovalTarget::Image(digest) => {
                    for position in at(&self.lookup.digests, digest) {
                        self.delete(position);
                    }
                }
                RemovalTarget::Unnamed(digest) => self.delete_unnamed(digest),
                RemovalTarget::Part(_) => {}
            }
        }
        let entries = self.entries.iter().flatten();
        entries.map(|entry| entry.digest.clone()).collect()
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
            if self.lookup.of(digest).len() == 0 {
                self.push(value, digest, None);
            }
            return placed;
        };
        if let Some(position) = self.lookup.named(&name.name)
            && let Some(entry) = self.entry(position)
        {
            if entry.digest == *digest {
                // Tools will look for the text that the user typed.
                if name.typed && entry.ref_name() != Some(name.text.as_str()) {
                    self.rename(position, Some(name));
                }
                return placed;
            }
            placed.replaced = Some(entry.digest.clone());
            if policy == Policy::NoClobber {
                placed.refused = true;
                return placed;
            }
            self.untag(position);
        }
        self.release_text(&name.text, digest);
        self.push(value, digest, Some(name));
        // A named image needs no entry without a name.
        self.delete_unnamed(digest);
        placed
    }

    /// Removes a text from the `ref.name` of other images: those with a full name get its short form.
    fn release_text(&mut self, text: &str, digest: &Digest) {
        for position in at(&self.lookup.texts, text) {
            let Some(entry) = self.entry(position) else {
                continue;
            };
            if entry.digest != *digest
                && let Some(name @ Name::Full(_)) = entry.name.clone()
            {
                let short = ListedName::short(name);
                if short.text != text {
                    self.rename(position, Some(&short));
                }
            }
        }
    }

    fn rename(&mut self, position: usize, name: Option<&ListedName>) {
        let Some(Some(entry)) = self.entries.get_mut(position) else {
            return;
        };
        self.lookup.remove(position, entry);
        if let Value::Object(map) = &mut entry.value {
            set_name(map, name);
        }
        entry.name = name.map(|name| name.name.clone());
        self.lookup.insert(position, entry);
        self.changed = true;
    }

    /// Removes the name of an entry; removes the entry if its image has another.
    fn untag(&mut self, position: usize) {
        let same = self
            .entry(position)
            .map(|entry| self.lookup.of(&entry.digest));
        match same.is_some_and(|same| same.len() > 1) {
            true => self.delete(position),
            false => self.rename(position, None),
        }
    }

    fn push(&mut self, value: Map<String, Value>, digest: &Digest, name: Option<&ListedName>) {
        self.insert(Entry {
            value: value.into(),
            digest: digest.clone(),
            name: name.map(|name| name.name.clone()),
        });
        self.changed = true;
    }

    fn insert(&mut self, entry: Entry) {
        self.lookup.insert(self.entries.len(), &entry);
        self.entries.push(Some(entry));
    }

    fn entry(&self, position: usize) -> Option<&Entry> {
        self.entries.get(position)?.as_ref()
    }

    fn delete(&mut self, position: usize) {
        if let Some(entry) = self.entries.get_mut(position).and_then(Option::take) {
            self.lookup.remove(position, &entry);
            self.changed = true;
        }
    }

    fn delete_unnamed(&mut self, digest: &Digest) {
        for position in at(&self.lookup.unnamed, digest) {
            self.delete(position);
        }
    }
}

impl Entry {
    /// The text that other tools look for.
    fn ref_name(&self) -> Option<&str> {
        let map = fields::of(&self.value, "annotations")?;
        map.get(annotations::REF_NAME)?.as_str()
    }
}
