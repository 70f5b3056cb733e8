//! Contents of a tar: an image at its top, an image below a directory, or a directory of repositories.
//!
//! Packages of other tools have an image below a directory (zarf), or the storage of a registry (oc-mirror); a
//! directory that was added to a tar has its name in front. What engines load, an image at the top, has precedence.

use rustix::fs::FileType;
use serde_json::Value;

use super::files::{Files, Members};
use super::layouts;
use super::members::MemberTable;
use super::mirror;
use super::options::{Half, Open, TreeKind};
use super::signs::is_root_filesystem;
use super::tree::Tree;
use crate::error::{Error, Fault, NotAnImage, Result};
use crate::limits::Limits;
use crate::spec::json;

/// Depth of the directories that may hold the storage of a registry: `var/lib/registry/docker/registry/v2`.
const STORAGE_DEPTH: usize = 6;

/// Depth of the directories that may hold an image.
const IMAGE_DEPTH: usize = 3;

/// Documents of an image at the top of a tar.
const DOCUMENTS: [&str; 4] = ["manifest.json", "index.json", "oci-layout", "repositories"];

/// Contents of a tar.
pub(super) enum Inside {
    /// An image, or nothing known, and the directory that it is in: empty for the top, or a path with a slash at its end.
    Image(Box<MemberTable>, String),
    /// A directory of repositories.
    Tree(Box<Tree>),
}

impl Inside {
    /// Detects what is in a tar by its members.
    ///
    /// # Errors
    /// `NotAnImage` if a kind of tree is requested and the tar holds none of it; `Ambiguous` for several storages of
    /// registries; `Limit`.
    pub fn of(table: MemberTable, open: &Open) -> Result<Self> {
        let table = Box::new(table);
        let wanted = match open.only {
            None => None,
            Some(Half::Tree(kind)) => Some(kind),
            Some(_) => return Ok(Inside::Image(table, String::new())),
        };
        if wanted.is_none() && has_image_at_top(&table, open) {
            return Ok(Inside::Image(table, String::new()));
        }
        let limits = &open.limits;
        let mut members = Members::new(table, limits.entries)?;
        if wanted.is_none() && is_root_filesystem(|name| members.kind(name).is_some()) {
            return Ok(Inside::Image(members.table, String::new()));
        }
        if matches!(wanted, None | Some(TreeKind::Registry))
            && let Some(storage) = storage_in(&members)?
        {
            members.top = storage;
            let files = Files::Members(Box::new(members));
            return Ok(Inside::Tree(Box::new(Tree::registry(files, open)?)));
        }
        if wanted == Some(TreeKind::Registry) {
            return Err(Fault::NotAnImage(NotAnImage::NoRegistryTree).into());
        }
        let files = Files::Members(Box::new(members));
        if wanted.is_none() {
            let repositories = mirror::find(&files, limits)?;
            if !repositories.is_empty() {
                let tree = Tree::of_images(files, TreeKind::Mirror, &repositories, open)?;
                return Ok(Inside::Tree(Box::new(tree)));
            }
        }
        let found = layouts::find(&files, wanted, limits);
        let found = match wanted {
            None => found.unwrap_or_default(),
            Some(_) => found?,
        };
        match (found, files) {
            (Some((kind, images)), files) if wanted.is_some() || images.len() > 1 => {
                let tree = Tree::of_images(files, kind, &images, open)?;
                Ok(Inside::Tree(Box::new(tree)))
            }
            (_, Files::Members(members)) => {
                let top = image_below(&members, limits)?.unwrap_or_default();
                Ok(Inside::Image(members.table, top))
            }
            (_, Files::Directory(_)) => Err(Fault::NotAnImage(NotAnImage::NoImages).into()),
        }
    }
}

/// Tests if a tar has a document of an image at its top, readable or not.
fn has_image_at_top(table: &MemberTable, open: &Open) -> bool {
    let is_there = |name: &&str| match table.get(name, open.limits.hops) {
        Ok(found) => found.is_some(),
        // Layouts of a registry have a directory of that name.
        Err(error) => !matches!(
            error.fault(),
            Fault::NotAFile {
                kind: "a directory"
            }
        ),
    };
    DOCUMENTS.iter().any(is_there)
}

/// Returns the directory that holds `blobs` and `repositories` of a registry, with a slash at its end.
///
/// # Errors
/// `Ambiguous` if there are several.
fn storage_in(members: &Members) -> Result<Option<String>> {
    let has = |inside: &[(String, FileType)], name: &str| {
        let found = inside.binary_search_by(|(base, _)| base.as_str().cmp(name));
        found.is_ok_and(|at| inside[at].1 == FileType::Directory)
    };
    let found = members.directories(STORAGE_DEPTH, |path, inside| {
        let is_named =
            path == "v2" || path == "registry/v2" || ends_with(path, "docker/registry/v2");
        has(inside, "repositories") && (is_named || has(inside, "blobs"))
    })?;
    match &*found {
        [] => Ok(None),
        [one] => Ok(Some(below(one))),
        [one, other, ..] => {
            let why = format!("storages of several registries: {one} and {other}");
            Err(Error::ambiguous(why))
        }
    }
}

/// Returns the only directory that holds an OCI layout, a `dir:` image or an extracted docker-archive, with a slash at
/// its end.
fn image_below(members: &Members, limits: &Limits) -> Result<Option<String>> {
    let found = members.directories(IMAGE_DEPTH, |path, inside| {
        let has = |name: &str| inside.iter().any(|(base, _)| base == name);
        let lists = || lists_images(members, &format!("{path}/manifest.json"), limits);
        has("index.json") && (has("oci-layout") || has("blobs"))
            || has("manifest.json") && (has("repositories") || has("version") || lists())
    })?;
    match &*found {
        [one] => Ok(Some(below(one))),
        _ => Ok(None),
    }
}

/// Tests if a member is docker's `manifest.json` with at least one image.
fn lists_images(members: &Members, name: &str, limits: &Limits) -> bool {
    let content = members.table.get(name, limits.hops).ok().flatten();
    let bytes = content.and_then(|content| content.bytes(limits.of_document()).ok());
    match bytes.and_then(|bytes| json::parse(&bytes, &limits.json).ok()) {
        Some(Value::Array(items)) => items.iter().any(|item| item.get("Config").is_some()),
        _ => false,
    }
}

fn below(path: &str) -> String {
    match path {
        "" => String::new(),
        path => format!("{path}/"),
    }
}

fn ends_with(path: &str, end: &str) -> bool {
    let rest = path.strip_suffix(end);
    rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
}
