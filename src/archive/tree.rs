//! Directories of repositories, read as one OCI layout: `index.json` lists every tag of every repository.
//!
//! The layout is virtual: members are `blobs/<algorithm>/<hex>` whatever their paths are, so everything that reads a
//! layout reads a tree. Entries of the index are named `REPOSITORY:TAG`. Manifests without a tag are entries without a
//! name, unless an index in the tree leads to them.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use super::content::Content;
use super::directory::Directory;
use super::files::Files;
use super::gathered::Gathered;
use super::layouts::{self, holds_image};
use super::members::MemberTable;
use super::mirror;
use super::options::{Half, Open, TreeKind};
use super::registry::{self, Ignored, Repositories};
use crate::error::{Error, Fault, NotAnImage, Result};
use crate::limits::{Bound, Limits};
use crate::spec::{Digest, Document, MediaType, Timestamp, annotations};

/// Directories that a registry's storage may be given as, each with the rest of the path to it.
const REGISTRY: [&str; 4] = ["docker/registry/v2", "registry/v2", "v2", ""];

/// The most notes about invalid names.
const MAX_NOTES: usize = 10;

/// A directory of repositories.
#[derive(Debug)]
pub struct Tree {
    /// Its kind.
    pub kind: TreeKind,
    /// Registry that the names got in front.
    pub(super) registry: Option<String>,
    files: Files,
    /// Path of each blob; empty for a registry, where it follows from the digest.
    paths: HashMap<Digest, String>,
    /// Further files of the same digest.
    pub copies: Vec<(Digest, String)>,
    /// The virtual `index.json`.
    pub(super) index: Arc<[u8]>,
    /// Damage that leaves the rest readable.
    pub(super) faults: Vec<Error>,
    /// Remarks on parts that are ignored.
    pub(super) notes: Vec<String>,
}

impl Tree {
    /// Opens a directory if it is a tree of the requested kind, or of any kind if none is requested.
    ///
    /// # Errors
    /// `NotAnImage` if a kind is requested and the directory is none of it; `Limit`; `Io`.
    pub(super) fn open(path: &Path, open: &Open) -> Result<Option<Self>> {
        let wanted = match open.only {
            None => None,
            Some(Half::Tree(kind)) => Some(kind),
            Some(_) => return Ok(None),
        };
        if matches!(wanted, None | Some(TreeKind::Registry))
            && let Some(root) = registry_root(path)
        {
            let files = Files::Directory(Directory::open(&root)?);
            return Tree::registry(files, open).map(Some);
        }
        if wanted == Some(TreeKind::Registry) {
            return Err(Fault::NotAnImage(NotAnImage::NoRegistryTree).into());
        }
        if wanted.is_none() && path.join("v2").is_dir() && !holds_image(path) {
            let files = Files::Directory(Directory::open(path)?);
            let repositories = mirror::find(&files, &open.limits)?;
            if !repositories.is_empty() {
                return Tree::of_images(files, TreeKind::Mirror, &repositories, open).map(Some);
            }
        }
        let Some((kind, images)) = directory_of_images(path, wanted, &open.limits)? else {
            return Ok(None);
        };
        let files = Files::Directory(Directory::open(path)?);
        Tree::of_images(files, kind, &images, open).map(Some)
    }

    /// Reads the storage of a registry: the files below its `docker/registry/v2`.
    ///
    /// # Errors
    /// `Limit`; `Io`.
    pub(super) fn registry(files: Files, open: &Open) -> Result<Self> {
        let mut tree = Tree {
            kind: TreeKind::Registry,
            registry: open.registry.clone(),
            files,
            paths: HashMap::new(),
            copies: Vec::new(),
            index: Arc::default(),
            faults: Vec::new(),
            notes: Vec::new(),
        };
        tree.read(&open.limits)?;
        Ok(tree)
    }

    /// Reads the images at these paths as one layout.
    ///
    /// # Errors
    /// `NotAnImage` if there are none; `Limit`; `Io`.
    pub(super) fn of_images(
        files: Files,
        kind: TreeKind,
        images: &[String],
        open: &Open,
    ) -> Result<Self> {
        if images.is_empty() {
            return Err(Fault::NotAnImage(NotAnImage::NoImages).into());
        }
        let read = Gathered::read(&files, kind, images, open)?;
        let index = json!({"schemaVersion": 2, "manifests": read.entries});
        Ok(Tree {
            kind,
            registry: open.registry.clone(),
            files,
            paths: read.paths,
            copies: read.copies,
            index: index.to_string().into_bytes().into(),
            faults: read.faults,
            notes: Vec::new(),
        })
    }

    /// Members of the tar that holds the tree; `None` if it is a directory.
    pub fn table(&self) -> Option<&MemberTable> {
        match &self.files {
            Files::Directory(_) => None,
            Files::Members(members) => Some(&members.table),
        }
    }

    /// The repositories of a registry, with their links.
    pub fn repositories<'a>(&'a self, limits: &'a Limits) -> Repositories<'a> {
        Repositories::of(&self.files, limits)
    }

    /// Returns the names of the entries of a directory of the tree, sorted.
    ///
    /// # Errors
    /// `Limit`; `Io`.
    pub fn list(&self, path: &str, limits: &Limits) -> Result<Vec<String>> {
        let entries = self.files.list(path, limits.links)?;
        Ok(entries.into_iter().map(|(name, _)| name).collect())
    }

    /// Returns the time at which an upload was begun, as the server wrote it; `None` if there is none.
    pub fn started(&self, upload: &str) -> Option<Timestamp> {
        let content = self.files.get(&format!("{upload}/startedat"), 0).ok()??;
        let what = "bytes of a time";
        let bytes = content.bytes(Bound { what, most: 64 }).ok()?;
        Timestamp::parse(std::str::from_utf8(&bytes).ok()?)
    }

    /// Returns the content of a file of the directory; `None` if it is missing.
    ///
    /// # Errors
    /// `NotAFile` for anything but a regular file; `BadLink`; `Io`.
    pub fn file(&self, path: &str, limits: &Limits) -> Result<Option<Content>> {
        self.files.get(path, limits.hops)
    }

    /// Returns the content of a virtual member; `None` if it is missing.
    ///
    /// # Errors
    /// `NotAFile` for anything but a regular file; `BadLink`; `Io`.
    pub fn get(&self, name: &str, hops: u64) -> Result<Option<Content>> {
        match self.path(name) {
            Some(path) => self.files.get(&path, hops),
            None if name == "index.json" => Ok(Some(Content::Memory(Arc::clone(&self.index)))),
            None => Ok(None),
        }
    }

    /// Returns the path of the file of a blob; `None` for other names, and for blobs of which there is no file.
    fn path(&self, name: &str) -> Option<Cow<'_, str>> {
        let digest = Digest::from_blob_path(name)?;
        match self.kind {
            TreeKind::Registry => Some(registry::data_path(&digest).into()),
            _ => self.paths.get(&digest).map(|path| path.as_str().into()),
        }
    }

    /// Returns the path of a virtual member for errors, the name itself if it has no file.
    pub(crate) fn place(&self, name: &str) -> String {
        self.path(name)
            .map_or_else(|| name.to_owned(), Cow::into_owned)
    }

    /// Returns the virtual names of all blobs.
    ///
    /// # Errors
    /// `Limit`; `Io`.
    pub(super) fn names(&self, limit: u64) -> Result<Vec<String>> {
        match self.kind {
            TreeKind::Registry => registry::blob_names(&self.files, limit),
            _ => {
                let mut names: Vec<String> = self.paths.keys().map(Digest::blob_path).collect();
                names.sort_unstable();
                Ok(names)
            }
        }
    }

    /// Returns the repository in the tree that a name is of.
    pub(super) fn repository_of<'n>(&self, name: &'n str) -> &'n str {
        let registry = self.registry.as_deref().unwrap_or_default();
        let inside = name.strip_prefix(registry).unwrap_or(name);
        let inside = inside.strip_prefix('/').unwrap_or(inside);
        inside.rsplit_once(':').map_or(inside, |(name, _)| name)
    }

    /// Puts the registry in front of a name, if there is one.
    fn below_registry(&self, name: String) -> String {
        match &self.registry {
            Some(registry) => format!("{registry}/{name}"),
            None => name,
        }
    }

    /// Reads all tags and revisions, and makes the index of them.
    fn read(&mut self, limits: &Limits) -> Result<()> {
        let mut entries: Vec<(String, Digest)> = Vec::new();
        let mut revisions: BTreeMap<Digest, ()> = BTreeMap::new();
        let mut faults = Vec::new();
        let mut repositories = Repositories::of(&self.files, limits);
        let (names, mut invalid) = repositories.names()?;
        for name in &names {
            let (tags, unnamed) = match repositories.tags(name) {
                Err(error) if is_link(&error) => {
                    faults.push(error);
                    continue;
                }
                tags => tags?,
            };
            invalid.extend(unnamed.into_iter().map(Ignored::invalid));
            for tag in tags {
                match repositories.tag(name, &tag) {
                    Ok(Some((digest, _))) => entries.push((format!("{name}:{tag}"), digest)),
                    // The server does not know such a tag either.
                    Ok(None) => {}
                    Err(error) if is_limit(&error) => return Err(error),
                    Err(error) => faults.push(error),
                }
            }
            let directory = format!("repositories/{name}/_manifests/revisions");
            let links = match repositories.links(&directory) {
                Err(error) if is_link(&error) => {
                    faults.push(error);
                    continue;
                }
                links => links?,
            };
            for link in links {
                match link.target {
                    Ok(digest) => drop(revisions.insert(digest, ())),
                    Err(error) => faults.push(error),
                }
            }
        }
        let mut documents = Documents::default();
        let mut listed: Vec<Value> = Vec::new();
        let mut tagged = HashSet::new();
        for (name, digest) in entries {
            let mut entry = documents.entry(self, &digest, limits);
            let name = self.below_registry(name);
            entry["annotations"] = json!({ annotations::REF_NAME: name });
            listed.push(entry);
            tagged.insert(digest);
        }
        let untagged: Vec<Digest> = revisions.into_keys().collect();
        let untagged = untagged
            .into_iter()
            .filter(|digest| !tagged.contains(digest));
        let untagged: Vec<(Digest, Value)> = untagged
            .map(|digest| {
                let entry = documents.entry(self, &digest, limits);
                (digest, entry)
            })
            .collect();
        let untagged = untagged.into_iter();
        let untagged = untagged.filter(|(digest, _)| !documents.children.contains(digest));
        listed.extend(untagged.map(|(_, entry)| entry));
        let index = json!({"schemaVersion": 2, "manifests": listed});
        self.index = index.to_string().into_bytes().into();
        self.faults = faults;
        let more = invalid.len().saturating_sub(MAX_NOTES);
        let notes = invalid.into_iter().take(MAX_NOTES);
        self.notes = notes
            .map(|Ignored { path, why, .. }| format!("{path}: {why}, ignored"))
            .collect();
        if more > 0 {
            self.notes.push(format!("{more} more names ignored"));
        }
        Ok(())
    }
}

/// Facts of the manifests and indexes of a tree.
#[derive(Default)]
struct Documents {
    /// Digests that indexes list.
    children: HashSet<Digest>,
}

impl Documents {
    /// Returns the entry of the index for a manifest: its media type as the server takes it, and its size.
    fn entry(&mut self, tree: &Tree, digest: &Digest, limits: &Limits) -> Value {
        // Errors are found again, and reported, when the graph is read.
        let content = tree.get(&digest.blob_path(), limits.hops).ok().flatten();
        let size = content.as_ref().map_or(0, Content::len);
        let bytes = content.and_then(|content| content.bytes(limits.of_document()).ok());
        let document = bytes.and_then(|bytes| Document::parse(&bytes, &limits.json).ok());
        let media_type = match &document {
            Some(document) => document.served_media_type().to_owned(),
            None => MediaType::OCI_MANIFEST.to_owned(),
        };
        if let Some(Document::Index(index)) = document {
            let children = index.manifests.into_iter().map(|child| child.digest);
            self.children.extend(children);
        }
        json!({"mediaType": media_type, "digest": digest, "size": size})
    }
}

/// Tests if a directory is none: the server might read what is in its place.
fn is_link(error: &Error) -> bool {
    matches!(error.fault(), Fault::NotAFile { .. })
}

fn is_limit(error: &Error) -> bool {
    matches!(error.fault(), Fault::Limit { what: "links", .. })
}

/// Returns the kind and the paths of the images below a directory that is no image itself, see [`layouts::find`].
///
/// # Errors
/// `Limit` and `Io` if a kind is requested.
fn directory_of_images(
    path: &Path,
    wanted: Option<TreeKind>,
    limits: &Limits,
) -> Result<Option<(TreeKind, Vec<String>)>> {
    if wanted.is_none() && holds_image(path) {
        return Ok(None);
    }
    let files = Directory::open(path).map(Files::Directory);
    let found = files.and_then(|files| layouts::find(&files, wanted, limits));
    match wanted {
        // Such a directory is not opened as a tree.
        None => Ok(found.unwrap_or_default()),
        Some(_) => found,
    }
}

/// Returns the paths of the images of a kind below a directory, sorted.
///
/// # Errors
/// `NotAnImage` if there are none; `Limit`; `Io`.
pub fn image_paths(path: &Path, kind: TreeKind) -> Result<Vec<String>> {
    match directory_of_images(path, Some(kind), &Limits::default())? {
        Some((_, images)) if !images.is_empty() => Ok(images),
        _ => Err(Fault::NotAnImage(NotAnImage::NoImages).into()),
    }
}

/// Returns the directory that holds `blobs` and `repositories` of a registry; `None` if the path is no storage of one.
pub fn registry_root(path: &Path) -> Option<PathBuf> {
    let is_directory = |path: &Path| path.symlink_metadata().is_ok_and(|about| about.is_dir());
    let found = REGISTRY.into_iter().find(|rest| {
        let mut inside = path.to_owned();
        let mut parts = rest.split('/').filter(|part| !part.is_empty());
        let exists = parts.all(|part| {
            inside.push(part);
            is_directory(&inside)
        });
        let has = |name: &str| is_directory(&inside.join(name));
        exists
            && match *rest {
                "docker/registry/v2" => true,
                "" => has("repositories") && has("blobs"),
                _ => has("repositories"),
            }
    });
    found.map(|rest| path.join(rest))
}
