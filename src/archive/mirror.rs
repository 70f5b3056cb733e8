//! Repositories as files, as `oc mirror` of version 1 and `oc image mirror` write them.
//!
//! ```text
//! v2/<repository>/manifests/<digest>          manifests and indexes
//! v2/<repository>/manifests/<tag>             a link to one, or a copy
//! v2/<repository>/blobs/<digest>              layers and configs
//! blobs/<digest>                              those of archives, for all repositories
//! ```
//!
//! An archive of a sequence holds only what those before it lack: images may be incomplete. Threats: as in
//! [`super::layouts`]; a tag that leads out of its directory, or to something else than a manifest, is a fault.

use std::collections::{HashMap, HashSet};

use rustix::fs::FileType;
use serde_json::{Value, json};

use super::files::Files;
use super::gathered::{Gathered, document};
use super::registry::is_valid_path;
use crate::blob::sha256;
use crate::error::{At, Result, within};
use crate::limits::Limits;
use crate::spec::{Digest, Document, Reference, annotations};

/// Directory of the repositories.
const TOP: &str = "v2";

/// Returns the paths of all repositories, sorted; none if there is no directory of them.
///
/// # Errors
/// `Limit`; `Io`.
pub(super) fn find(files: &Files, limits: &Limits) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut work = vec![TOP.to_owned()];
    while let Some(path) = work.pop() {
        for (base, kind) in files.list(&path, limits.entries)? {
            if kind != FileType::Directory {
                continue;
            }
            let below = format!("{path}/{base}");
            match &*base {
                "manifests" if path != TOP => found.push(path.clone()),
                "blobs" => {}
                _ if is_valid_path(repository(&below)) => work.push(below),
                _ => {}
            }
        }
        let seen = (found.len() + work.len()) as u64;
        within("repositories", limits.repositories, seen)?;
    }
    found.sort_unstable();
    Ok(found)
}

/// Adds all repositories: one entry for each tag, and for each manifest that neither a tag nor an index leads to.
///
/// # Errors
/// `Limit`; `Io` from listing. Damaged documents are faults.
pub(super) fn gather(
    gathered: &mut Gathered,
    files: &Files,
    repositories: &[String],
    limits: &Limits,
) -> Result<()> {
    let mut known: HashMap<Digest, Manifest> = HashMap::new();
    let mut tags = Vec::new();
    for path in repositories {
        for (base, _) in files.list(&format!("{path}/manifests"), limits.links)? {
            let file = format!("{path}/manifests/{base}");
            let digest = Digest::parse(&base).ok();
            let name = format!("{}:{base}", repository(path));
            if digest.is_none() && Reference::in_tree(&name).is_err() {
                continue;
            }
            match read(files, &file, limits).at(|| file.clone()) {
                Ok((found, manifest)) => {
                    // A file with another digest than its name is damaged, and found where it is read.
                    let digest = match digest {
                        Some(digest) => digest,
                        None => {
                            tags.push((name, found.clone()));
                            found
                        }
                    };
                    gathered.place(digest.clone(), file);
                    known.insert(digest, manifest);
                }
                Err(error) => gathered.faults.push(error),
            }
            within("links", limits.links, (known.len() + tags.len()) as u64)?;
        }
        gathered.blobs_in(files, &format!("{path}/blobs"), limits)?;
    }
    gathered.blobs_in(files, "blobs", limits)?;
    let led_to: HashSet<Digest> = known
        .values()
        .flat_map(|manifest| manifest.children.iter().cloned())
        .chain(tags.iter().map(|(_, digest)| digest.clone()))
        .collect();
    for (name, digest) in tags {
        if let Some(manifest) = known.get(&digest) {
            let mut entry = manifest.entry(&digest);
            let name = gathered.below_registry(name);
            entry["annotations"] = json!({ annotations::REF_NAME: name });
            gathered.entries.push(entry);
        }
    }
    let untagged = known.iter().filter(|(digest, _)| !led_to.contains(digest));
    let mut untagged: Vec<_> = untagged.collect();
    untagged.sort_unstable_by_key(|(digest, _)| *digest);
    let untagged = untagged.into_iter();
    gathered
        .entries
        .extend(untagged.map(|(digest, manifest)| manifest.entry(digest)));
    Ok(())
}

/// Facts of a manifest or index.
struct Manifest {
    media_type: String,
    size: usize,
    /// Digests that an index lists.
    children: Vec<Digest>,
}

impl Manifest {
    fn entry(&self, digest: &Digest) -> Value {
        json!({"mediaType": self.media_type, "digest": digest, "size": self.size})
    }
}

/// Reads a manifest or index, and returns the digest of its bytes.
fn read(files: &Files, path: &str, limits: &Limits) -> Result<(Digest, Manifest)> {
    let bytes = document(files, path, limits)?;
    let document = Document::parse(&bytes, &limits.json)?;
    let media_type = document.served_media_type().to_owned();
    let children = match document {
        Document::Index(index) => index.manifests,
        _ => Vec::new(),
    };
    let manifest = Manifest {
        media_type,
        size: bytes.len(),
        children: children.into_iter().map(|child| child.digest).collect(),
    };
    Ok((sha256(&bytes), manifest))
}

/// Name of the repository at a path.
fn repository(path: &str) -> &str {
    path.split_once('/').map_or(path, |(_, name)| name)
}
