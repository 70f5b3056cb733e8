//! Entries of an output's index: manifests and indexes with their names, and the fields of the source's `index.json`.
//!
//! `org.opencontainers.image.ref.name` is the text that the user typed or that the source has, because skopeo, podman
//! and umoci look for exactly the text that they are given. The full reference is in `io.containerd.image.name`. All
//! other fields of the source's entry are kept: annotations, URLs, unknown fields.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::output::ImageOut;
use crate::archive::{Archive, Format, Name, NameKey, Root};
use crate::error::{Fault, Result};
use crate::spec::{Descriptor, Reference, annotations, fields};

/// An entry of the output's index.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Names of the image.
    pub names: Vec<ListedName>,
    /// Descriptor of the manifest or index, without the annotations that name it.
    pub descriptor: Descriptor,
    /// The image for `manifest.json`; of an index, the one for the requested platform.
    pub image: Option<ImageOut>,
    /// The entry of the source's `index.json`, without a name.
    pub(super) stated: Option<Stated>,
}

/// A name of an entry.
#[derive(Debug, Clone)]
pub struct ListedName {
    /// The parsed name.
    pub name: Name,
    /// The text for `org.opencontainers.image.ref.name`.
    pub text: String,
    /// True if the text is exact, because the user typed it or a tree of repositories has it: it replaces another text
    /// for the same name.
    pub typed: bool,
    /// The entry with this name in the source's `index.json`.
    pub(super) stated: Option<Stated>,
}

/// An entry as written in an `index.json`.
pub(super) type Stated = Arc<Map<String, Value>>;

impl ListedName {
    /// A name as the user typed it.
    pub fn typed(name: Name, text: &str) -> Self {
        ListedName {
            name,
            text: text.to_owned(),
            typed: true,
            stated: None,
        }
    }

    /// Parses a name for an image; a reference without a tag gets `latest`.
    ///
    /// # Errors
    /// `BadReference`, also for a reference with a digest, which cannot be given to an image.
    pub fn new(text: &str) -> Result<Self> {
        let reference = Reference::parse(text)?;
        if reference.digest().is_some() {
            let why = "a name with a digest cannot be given to an image";
            let text = text.chars().take(300).collect();
            return Err(Fault::BadReference { text, why }.into());
        }
        Ok(ListedName::typed(Name::Full(reference.tagged()), text))
    }

    /// A name in its short form.
    pub fn short(name: Name) -> Self {
        ListedName {
            text: name.to_string(),
            name,
            typed: false,
            stated: None,
        }
    }

    /// The name for the local store, which is searched by docker's names: a text that does not parse to the name, such
    /// as the bare tag that docker and BuildKit write, becomes the short form.
    #[must_use]
    pub fn for_store(mut self) -> Self {
        if let Name::Full(_) = &self.name
            && !self.typed
            && !self.name.matches(&self.text)
        {
            self.text = self.name.to_string();
        }
        self
    }

    /// The name in the layout of its repository: the tag alone.
    pub(super) fn as_tag(&self, tag: String) -> Self {
        ListedName {
            text: tag.clone(),
            name: Name::Tag(tag),
            typed: true,
            stated: self.stated.clone(),
        }
    }

    /// Replaces the tag.
    pub(super) fn retag(&mut self, old: &str, new: &str) {
        self.name = match std::mem::replace(&mut self.name, Name::Tag(String::new())) {
            Name::Full(reference) => Name::Full(reference.with_tag(new)),
            Name::Tag(_) | Name::Text(_) => Name::Tag(new.to_owned()),
        };
        self.text = match self.text.strip_suffix(old) {
            Some(repository) => format!("{repository}{new}"),
            None => self.name.to_string(),
        };
    }
}

/// Names of a root as its archive writes them, parsed once for all names of the root.
pub(crate) struct StatedNames<'a> {
    archive: &'a Archive,
    root: &'a Root,
    /// Positions in `index.json` of the first entry with each name.
    entries: HashMap<NameKey, usize>,
    /// Positions of the first entry with each bare tag.
    tags: HashMap<String, usize>,
    /// The first entry of `RepoTags` with each name.
    repo_tags: OnceCell<HashMap<Name, &'a str>>,
}

impl<'a> StatedNames<'a> {
    /// Reads the names in the entries of a root.
    pub fn of(archive: &'a Archive, root: &'a Root) -> Self {
        let (mut entries, mut tags) = (HashMap::new(), HashMap::new());
        for &position in &root.positions {
            let Some(descriptor) = descriptor_at(archive, position) else {
                continue;
            };
            let known = Name::from_annotations(descriptor);
            if let Some(Name::Tag(tag)) = &known {
                tags.entry(tag.clone()).or_insert(position);
            }
            let known = match archive.container.has_exact_names() {
                true => Name::in_tree(descriptor),
                false => known,
            };
            if let Some(known) = known {
                entries.entry(known.key()).or_insert(position);
            }
        }
        StatedNames {
            archive,
            root,
            entries,
            tags,
            repo_tags: OnceCell::new(),
        }
    }

    /// A name of the root, with its text in the archive.
    pub fn listed(&self, name: &Name) -> ListedName {
        // Beside docker's list a bare tag means the name with that tag.
        let by_tag = || match name {
            Name::Full(full) => self.tags.get(full.tag()?),
            Name::Tag(_) | Name::Text(_) => None,
        };
        let position = self.entries.get(&name.key()).or_else(by_tag).copied();
        let text = position
            .and_then(|position| descriptor_at(self.archive, position))
            .and_then(|descriptor| descriptor.annotation(annotations::REF_NAME))
            .filter(|text| !text.is_empty())
            .or_else(|| self.repo_tags().get(name).copied());
        ListedName {
            text: text.map_or_else(|| name.to_string(), str::to_owned),
            name: name.clone().outside(),
            // A repository's name in a tree is exact: app is not library/app there.
            typed: matches!(self.archive.format, Format::Tree(_)),
            stated: position.and_then(|position| stated(self.archive, position)),
        }
    }

    fn repo_tags(&self) -> &HashMap<Name, &'a str> {
        self.repo_tags.get_or_init(|| {
            let item = self.root.item.zip(self.archive.docker.as_ref());
            let item = item.and_then(|(position, docker)| docker.items.get(position));
            let mut known = HashMap::new();
            for tag in item.into_iter().flat_map(|item| &item.repo_tags) {
                known.entry(Name::from_repo_tag(tag)).or_insert(&**tag);
            }
            known
        })
    }
}

fn descriptor_at(archive: &Archive, position: usize) -> Option<&Descriptor> {
    let edge = archive.oci.as_ref()?.edges.get(position)?;
    Some(&edge.descriptor)
}

/// The entry of the source's `index.json` at a position.
pub(super) fn stated(archive: &Archive, position: usize) -> Option<Stated> {
    archive.oci.as_ref()?.stated(position).cloned()
}

impl Listed {
    /// Entry with other names.
    pub(super) fn with_names(&self, names: Vec<ListedName>) -> Self {
        Listed {
            names,
            descriptor: self.descriptor.clone(),
            image: self.image.clone(),
            stated: self.stated.clone(),
        }
    }

    /// The entry for an `index.json`, with or without a name.
    pub(crate) fn entry(&self, name: Option<&ListedName>) -> Map<String, Value> {
        let descriptor = &self.descriptor;
        let stated = name.map_or(&self.stated, |name| &name.stated);
        let stated = stated.as_ref().or(self.stated.as_ref());
        let mut entry = match stated {
            Some(stated) => Map::clone(stated),
            None => descriptor_json(descriptor),
        };
        let digest = fields::get(&entry, "digest").and_then(Value::as_str);
        if digest != Some(descriptor.digest.as_str()) {
            fields::remove(&mut entry, "data");
        }
        let media_type = descriptor.media_type.as_str();
        if !media_type.is_empty() {
            fields::set(&mut entry, "mediaType", media_type.into());
        }
        fields::set(&mut entry, "digest", descriptor.digest.as_str().into());
        fields::set(&mut entry, "size", descriptor.size.into());
        set_name(&mut entry, name);
        entry
    }
}

/// Sets or removes the name of an entry of an `index.json`.
pub(crate) fn set_name(entry: &mut Map<String, Value>, name: Option<&ListedName>) {
    let mut map = match fields::get_mut(entry, "annotations") {
        Some(Value::Object(map)) => std::mem::take(map),
        _ => Map::new(),
    };
    let reference = match name.map(|name| &name.name) {
        // containerd's list of images has no names with digests.
        Some(Name::Full(reference)) if reference.digest().is_none() => {
            Some(reference.clone().tagged().to_string())
        }
        _ => None,
    };
    let means = |text: &Value, full: &str| {
        let parsed = text.as_str().map(Reference::parse);
        matches!(parsed, Some(Ok(known)) if known.clone().tagged().to_string() == full)
    };
    for (key, text) in [
        (annotations::CONTAINERD_NAME, reference),
        (annotations::REF_NAME, name.map(|name| name.text.clone())),
    ] {
        match text {
            Some(full)
                if key == annotations::CONTAINERD_NAME
                    && map.get(key).is_some_and(|text| means(text, &full)) => {}
            // A text with invalid Unicode stays as it is written.
            Some(text) if text.contains('\u{fffd}') && map.contains_key(key) => {}
            Some(text) => {
                map.insert(key.into(), text.into());
            }
            None => {
                map.shift_remove(key);
            }
        }
    }
    if map.is_empty() {
        fields::remove(entry, "annotations");
        return;
    }
    // New annotations come before the platform, as other programs write them.
    let is_new = fields::get(entry, "annotations").is_none();
    let platform = is_new.then(|| entry.shift_remove("platform")).flatten();
    fields::set(entry, "annotations", map.into());
    entry.extend(platform.map(|platform| ("platform".to_owned(), platform)));
}

/// A descriptor as JSON.
pub(super) fn descriptor_json(descriptor: &Descriptor) -> Map<String, Value> {
    let mut out = Map::new();
    out.insert("mediaType".into(), descriptor.media_type.as_str().into());
    out.insert("digest".into(), descriptor.digest.as_str().into());
    out.insert("size".into(), descriptor.size.into());
    if let Some(artifact_type) = &descriptor.artifact_type {
        out.insert("artifactType".into(), artifact_type.as_str().into());
    }
    if !descriptor.urls.is_empty() {
        out.insert("urls".into(), descriptor.urls.as_slice().into());
    }
    if !descriptor.annotations.is_empty() {
        let pairs = descriptor.annotations.iter();
        let map: Map<String, Value> = pairs
            .map(|(key, text)| (key.clone(), text.as_str().into()))
            .collect();
        out.insert("annotations".into(), map.into());
    }
    if let Some(platform) = &descriptor.platform {
        let mut value = Map::new();
        value.insert("architecture".into(), platform.architecture.as_str().into());
        value.insert("os".into(), platform.os.as_str().into());
        if let Some(variant) = &platform.variant {
            value.insert("variant".into(), variant.as_str().into());
        }
        if let Some(version) = &platform.os_version {
            value.insert("os.version".into(), version.as_str().into());
        }
        out.insert("platform".into(), value.into());
    }
    out
}

impl Listed {
    pub(super) fn may_share_name(&self, other: &Listed) -> bool {
        let platforms = self
            .descriptor
            .platform
            .as_ref()
            .zip(other.descriptor.platform.as_ref());
        let images = self.image.as_ref().zip(other.image.as_ref());
        self.descriptor.digest == other.descriptor.digest
            || platforms.is_some_and(|(one, other)| one != other)
            || images.is_some_and(|(one, other)| one.config == other.config)
    }
}
