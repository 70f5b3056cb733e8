//! Directories of images: an OCI layout for each repository, as zot stores them, or a `dir:` image for each name, as
//! `skopeo sync` writes them.
//!
//! ```text
//! REPOSITORY/{oci-layout,index.json,blobs/<algorithm>/<hex>}     the tag alone in org.opencontainers.image.ref.name
//! [HOST/]REPOSITORY:TAG/{version,manifest.json,<hex>}            or REPOSITORY@DIGEST
//! ```
//!
//! Threats: directories without end, documents of any size, files of one digest with different contents, links and
//! FIFOs in place of files. The depth and the number of names are limited, links of the file system are not followed
//! out of the directory, and each file is compared with its digest where it is read; imgverify reads all of them.

use std::path::Path;

use rustix::fs::FileType;
use serde_json::{Value, json};

use super::files::Files;
use super::gathered::{Gathered, document};
use super::mirror;
use super::name::Name;
use super::options::{Open, TreeKind};
use crate::blob::sha256;
use crate::error::{At, Error, Result, within};
use crate::limits::Limits;
use crate::spec::{Digest, Document, annotations, json as parser};

/// Depth of the directories that are searched.
const MAX_DEPTH: usize = 8;

/// Files that zot keeps beside its repositories.
const OWN_FILES: [&str; 2] = ["cache.db", "_restore_complete"];

/// Documents at the top of a directory that holds an image: a layout, a `dir:`, an extracted archive.
const DOCUMENTS: [&str; 4] = ["index.json", "manifest.json", "oci-layout", "repositories"];

/// Tests if a directory has the documents of a layout, a `dir:` or an extracted archive at its top.
pub fn holds_image(path: &Path) -> bool {
    DOCUMENTS.iter().any(|name| path.join(name).is_file())
}

/// Returns the paths of the images below a directory, sorted, and their kind. `None` if they are of both kinds, and if
/// there is anything else, unless a kind is requested: the rest is ignored then. Names that begin with a dot or an
/// underscore are ignored.
///
/// # Errors
/// `Limit`; `Io`.
pub(super) fn find(
    directory: &Files,
    wanted: Option<TreeKind>,
    limits: &Limits,
) -> Result<Option<(TreeKind, Vec<String>)>> {
    let mut kind = wanted;
    let (mut found, mut names) = (Vec::new(), 0);
    let mut work = vec![(String::new(), 0)];
    while let Some((path, depth)) = work.pop() {
        let inside = directory.list(&path, limits.entries)?;
        names += inside.len() as u64;
        within("files", limits.entries, names)?;
        let here = kind_of(&inside).filter(|_| depth > 0);
        match here {
            Some(here) if kind.is_none_or(|kind| kind == here) => {
                kind = Some(here);
                found.push(path.clone());
                within("repositories", limits.repositories, found.len() as u64)?;
            }
            Some(_) if wanted.is_none() => return Ok(None),
            _ => {}
        }
        // Repositories may be below others.
        if here == Some(TreeKind::Dirs) {
            continue;
        }
        let is_layout = here.is_some();
        for (base, file) in inside {
            let is_own = depth == 0 && OWN_FILES.contains(&&*base)
                || is_layout && (base == "blobs" || file != FileType::Directory);
            if is_own || base.starts_with(['.', '_']) {
                continue;
            }
            let below = match path.is_empty() {
                true => base,
                false => format!("{path}/{base}"),
            };
            match file == FileType::Directory && depth < MAX_DEPTH {
                true => work.push((below, depth + 1)),
                false if wanted.is_none() => return Ok(None),
                false => {}
            }
        }
    }
    found.sort_unstable();
    let kind = kind.filter(|_| wanted.is_some() || !found.is_empty());
    Ok(kind.map(|kind| (kind, found)))
}

/// Returns the kind of image that a directory with these entries holds.
fn kind_of(inside: &[(String, FileType)]) -> Option<TreeKind> {
    let has = |name: &str, kind: FileType| {
        let found = inside.binary_search_by(|(base, _)| base.as_str().cmp(name));
        found.is_ok_and(|at| inside[at].1 == kind)
    };
    let has_file = |name: &str| has(name, FileType::RegularFile);
    if has_file("oci-layout") && has_file("index.json") && has("blobs", FileType::Directory) {
        Some(TreeKind::Layouts)
    } else if has_file("manifest.json") && has_file("version") {
        Some(TreeKind::Dirs)
    } else {
        None
    }
}

impl Gathered {
    /// Reads the documents at the top of these images, and lists their blobs.
    ///
    /// # Errors
    /// `Limit`; `Io` from listing. Damaged documents are faults.
    pub fn read(directory: &Files, kind: TreeKind, images: &[String], open: &Open) -> Result<Self> {
        let limits = &open.limits;
        let mut gathered = Gathered {
            registry: open.registry.clone(),
            ..Gathered::default()
        };
        if kind == TreeKind::Mirror {
            mirror::gather(&mut gathered, directory, images, limits)?;
            return Ok(gathered);
        }
        for path in images {
            let document = match kind {
                TreeKind::Layouts => format!("{path}/index.json"),
                _ => format!("{path}/manifest.json"),
            };
            let read = match kind {
                TreeKind::Layouts => gathered.index(directory, path, limits),
                _ => gathered.manifest(directory, path, limits),
            };
            if let Err(error) = read.at(|| document) {
                gathered.faults.push(error);
            }
            match kind {
                TreeKind::Layouts => gathered.blobs(directory, path, limits)?,
                _ => gathered.files(directory, path, limits)?,
            }
            within("links", limits.links, gathered.entries.len() as u64)?;
        }
        Ok(gathered)
    }

    /// Adds the entries of a layout's `index.json`. A tag alone gets the name of the repository in front.
    fn index(&mut self, directory: &Files, path: &str, limits: &Limits) -> Result<()> {
        let bytes = document(directory, &format!("{path}/index.json"), limits)?;
        let mut value = parser::parse(&bytes, &limits.json)?;
        let Document::Index(_) = Document::from_value(&value)? else {
            return Err(Error::schema("the document", "an index", "a manifest"));
        };
        let Some(Value::Array(entries)) = value.get_mut("manifests").map(Value::take) else {
            return Ok(());
        };
        for mut entry in entries {
            if let Some(Value::String(text)) =
                entry.pointer_mut("/annotations/org.opencontainers.image.ref.name")
                && !text.contains(['/', ':', '@'])
                && !text.is_empty()
            {
                *text = self.below_registry(format!("{path}:{text}"));
            }
            self.entries.push(entry);
        }
        Ok(())
    }

    /// Adds the manifest of a `dir:` image under the name of its directory.
    fn manifest(&mut self, directory: &Files, path: &str, limits: &Limits) -> Result<()> {
        let name = format!("{path}/manifest.json");
        let bytes = document(directory, &name, limits)?;
        let media_type = Document::parse(&bytes, &limits.json)?
            .served_media_type()
            .to_owned();
        let digest = sha256(&bytes);
        let mut entry = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        if let Some(name) = name_of(path) {
            let name = match has_host(&name) {
                true => name,
                false => self.below_registry(name),
            };
            entry["annotations"] = json!({ annotations::REF_NAME: name });
        }
        self.entries.push(entry);
        self.place(digest, name);
        Ok(())
    }

    /// Adds the blobs of a layout.
    fn blobs(&mut self, directory: &Files, path: &str, limits: &Limits) -> Result<()> {
        self.blobs_in(directory, &format!("{path}/blobs"), limits)
    }

    /// Adds the files of a `dir:` image: blobs, and the manifests of an index.
    fn files(&mut self, directory: &Files, path: &str, limits: &Limits) -> Result<()> {
        for (base, _) in directory.list(path, limits.entries)? {
            let hex = base.strip_suffix(".manifest.json").unwrap_or(&base);
            let algorithm = match hex.len() {
                64 => "sha256",
                96 => "sha384",
                _ => "sha512",
            };
            if let Ok(digest) = Digest::from_hex(algorithm, hex) {
                self.place(digest, format!("{path}/{base}"));
            }
        }
        self.check_count(limits)
    }
}

/// Tests if a name is written with a host, as below a directory that `skopeo sync --scoped` has filled.
fn has_host(name: &str) -> bool {
    let host = name.split_once('/').map(|(first, _)| first);
    host.is_some_and(|host| host.contains('.') || host == "localhost")
}

/// Returns the name that the path of a `dir:` image stands for; `None` for a digest, and for what is no name.
///
/// An underscore takes the place of the last colon where file systems have none in names.
fn name_of(path: &str) -> Option<String> {
    let start = path.rfind('/').map_or(0, |slash| slash + 1);
    let base = &path[start..];
    let path = match (base.contains([':', '@']), base.rfind('_')) {
        (false, Some(at)) => format!("{}:{}", &path[..start + at], &base[at + 1..]),
        _ => path.to_owned(),
    };
    let is_name = |name: &String| match Name::from_repo_tag(name) {
        Name::Full(reference) => reference.digest().is_none(),
        _ => false,
    };
    Some(path).filter(is_name)
}
