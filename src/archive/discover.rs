//! Documents that tell the format of an archive, and the reason where there are none.

use std::sync::Arc;

use serde_json::Value;

use super::blob_names::BlobNames;
use super::container::{Container, Holder};
use super::docker::{self, DockerItem};
use super::options::{Half, Open};
use crate::error::{At, Error, Fault, NotAnImage, Result};
use crate::spec::json;

/// `manifest.json`, if there is one, and the items of docker.
type DockerDocuments = (Option<Arc<[u8]>>, Vec<DockerItem>);

/// Top-level documents of a container.
pub(super) struct Documents {
    /// `index.json`, or the manifest of a `dir:`.
    pub index: Option<Arc<[u8]>>,
    /// Naming of blobs below `index`.
    pub names: BlobNames,
    /// `manifest.json` of docker and its items. The document is `None` before docker 1.10, which wrote `repositories` only.
    pub docker: Option<DockerDocuments>,
    /// A `manifest.json` beside `index.json` that holds an object, as skopeo's `dir:` writes it, not docker's list.
    pub other_manifest: Option<Arc<[u8]>>,
    /// Damage of one half beside another, or of a part of a tree.
    pub faults: Vec<Error>,
    /// Remarks on parts that are ignored.
    pub notes: Vec<String>,
}

impl Documents {
    /// Reads the top-level documents.
    ///
    /// # Errors
    /// `NotAnImage` where there are none; the first damage of a document, unless [`Open::examine`] allows it.
    pub fn discover(container: &Container, open: &Open) -> Result<Self> {
        let only = open.only;
        let mut found = Documents {
            index: None,
            names: BlobNames::Layout,
            docker: None,
            other_manifest: None,
            faults: Vec::new(),
            notes: Vec::new(),
        };
        if let Holder::Tree(tree) = &container.holder {
            found.index = Some(Arc::clone(&tree.index));
            found.faults.clone_from(&tree.faults);
            found.notes.clone_from(&tree.notes);
            return Ok(found);
        }
        let mut unread = None;
        if wants(only, Half::Oci) {
            match container.read("index.json", container.limits.of_document()) {
                Ok(index) => found.index = index,
                Err(error) if open.examine && only.is_none() => unread = Some(error),
                Err(error) => return Err(error),
            }
        }
        if let Err(error) = found.read_manifest(container, only) {
            if !(open.examine && only.is_none() && found.index.is_some()) {
                return Err(unread.unwrap_or(error));
            }
            found.faults.push(error);
        }
        if found.index.is_none() && found.docker.is_none() {
            let is_truncated = container.fault().is_some() && unread.is_none();
            if !(open.examine && is_truncated) {
                return Err(unread.unwrap_or_else(|| no_image(container, only)));
            }
        }
        found.faults.extend(unread);
        Ok(found)
    }

    /// Reads `manifest.json`; without one, checks for `repositories`.
    fn read_manifest(&mut self, container: &Container, only: Option<Half>) -> Result<()> {
        let manifest = match container.read("manifest.json", container.limits.of_document()) {
            // A layout may hold anything under that name; only without an index does it have to be docker's.
            Err(_) if self.index.is_some() && only.is_some() => None,
            other => other?,
        };
        if let Some(bytes) = manifest {
            let value =
                json::parse(&bytes, &container.limits.json).at(|| "manifest.json".into())?;
            match value {
                Value::Object(_) if wants(only, Half::Dir) && self.index.is_none() => {
                    self.names = BlobNames::Hex;
                    self.index = Some(bytes);
                }
                Value::Object(_) => self.other_manifest = Some(bytes).filter(|_| only.is_none()),
                _ if wants(only, Half::Docker) => {
                    let items = docker::parse_manifest(&value, &container.limits)
                        .at(|| "manifest.json".into())?;
                    self.docker = Some((Some(bytes), items));
                }
                _ => {}
            }
        } else if wants(only, Half::Docker)
            && self.index.is_none()
            && container.get("repositories")?.is_some()
        {
            self.docker = Some((None, Vec::new()));
        }
        Ok(())
    }
}

fn wants(only: Option<Half>, half: Half) -> bool {
    only.is_none_or(|only| only == half)
}

/// Returns the error for a container without an image.
fn no_image(container: &Container, only: Option<Half>) -> Error {
    if let Some(fault) = container.fault() {
        return fault.clone();
    }
    let missing = match only {
        Some(Half::Docker | Half::Dir) => Some("manifest.json"),
        Some(Half::Oci) => Some("index.json"),
        Some(Half::Tree(_)) | None => None,
    };
    match missing {
        Some(name) => Error::member_missing(name),
        None => Fault::NotAnImage(kind_of_input(container)).into(),
    }
}

/// Detects the kind of an input that is no image archive.
fn kind_of_input(container: &Container) -> NotAnImage {
    let signs = container.signs();
    let is_directory = matches!(container.holder, Holder::Directory(_));
    // A directory above such a thing is not one itself; in a tar it may be stored with its parent directories.
    let has = |path: &str| match is_directory {
        true => signs.at_top(path),
        false => signs.anywhere(path),
    };
    if signs.is_empty() {
        match is_directory {
            true => NotAnImage::NoManifest,
            false => NotAnImage::EmptyTar,
        }
    } else if has("registry/v2") || has("docker/registry/v2") {
        NotAnImage::RegistryTree
    } else if has("overlay-images") || has("vfs-images") {
        NotAnImage::ContainersStorage
    } else if is_docker_root(&has) {
        NotAnImage::DockerDataRoot
    } else if signs.of_root_filesystem() {
        NotAnImage::RootFilesystem
    } else if let Some(member) = signs.image_below() {
        NotAnImage::Below {
            member,
            is_directory,
        }
    } else {
        NotAnImage::NoManifest
    }
}

/// Storage drivers of docker, each with a directory of its own below `image`.
pub(super) const DRIVERS: [&str; 7] = [
    "overlay2",
    "overlay",
    "aufs",
    "vfs",
    "btrfs",
    "zfs",
    "devicemapper",
];

/// Detects the data root of a docker engine by its records of images, which other directories lack.
fn is_docker_root(has: &impl Fn(&str) -> bool) -> bool {
    let records = ["imagedb", "layerdb", "repositories.json"];
    let is_of = |driver: &str| {
        let mut records = records.iter();
        records.any(|record| has(&format!("image/{driver}/{record}")))
    };
    DRIVERS.iter().any(|driver| is_of(driver)) || has("graph") && has("containers")
}
