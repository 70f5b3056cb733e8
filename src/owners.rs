//! The packages that list paths, as of each layer.
//!
//! Package managers keep lists of their files in files, and layers replace and remove these. [`Owners`] has what all of them
//! say; here is which of them are there after a layer.
//!
//! # Cost
//!
//! The lists of all layers are read, each distinct one once; memory as [`Owners`], and one entry for each list.

use std::collections::HashMap;
use std::io::Read;

use crate::contents::{Contents, FileContents, LayerNo, Place};
use crate::error::{During, Error, Result, within};
use crate::escape;
use crate::facts::ContentDigest;
use crate::layer::resolve_links;
use crate::packages::{MAX_FILE_SIZE, OwnerKind, Owners};
use crate::tree::{EntryVersion, Event, NodeKind, Tree, VersionState};

/// Most bytes of all lists of one image together.
const MAX_BYTES: u64 = 1 << 30;

/// Owners as of any layer.
pub struct LayerOwners<'t> {
    owners: Owners,
    lists: Vec<List<'t>>,
}

/// A version of a file in which packages list theirs.
struct List<'t> {
    version: EntryVersion<'t>,
    path: Vec<u8>,
    kind: OwnerKind,
    place: Place,
}

impl<'t> LayerOwners<'t> {
    /// Reads the lists of all layers of an image, each distinct content once, and returns the errors of those that cannot be
    /// read as well.
    ///
    /// # Errors
    /// `Limit` for more than a gigabyte of them.
    pub fn read(
        tree: &'t Tree,
        layers: &[LayerNo],
        contents: &mut Contents<'_>,
    ) -> Result<(Self, Vec<Error>)> {
        let mut faults = Vec::new();
        let mut sum = 0u64;
        let lists = lists(tree, layers);
        for list in &lists {
            sum = sum.saturating_add(list.version.size());
            within("bytes of lists of packages", MAX_BYTES, sum)?;
            let what = "bytes of a package database";
            match within(what, MAX_FILE_SIZE, list.version.size()) {
                Ok(()) => contents.want(list.place),
                Err(error) => faults.push(error.at(escape::bytes(&list.path))),
            }
        }
        let found = contents.read(&|file: &mut FileContents<'_>| {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).during("read")?;
            Ok(Some(bytes))
        });
        let mut owners = Owners::default();
        // By layer and directory.
        let mut known = HashMap::new();
        for (number, list) in (0..).zip(&lists) {
            let layer = list.version.layer();
            let directories = known.entry(layer).or_default();
            let mut resolve = |path: &[u8]| resolve(tree, layer, path, directories);
            let bytes = found.get(list.place).map_or(&[][..], Vec::as_slice);
            if let Err(error) = owners.add(number, &list.kind, bytes, &mut resolve) {
                faults.push(error.at(escape::bytes(&list.path)));
            }
        }
        let owners = owners.sorted();
        Ok((LayerOwners { owners, lists }, faults))
    }

    /// The packages that list a path as of a layer, from 0.
    pub fn of(&self, path: &[u8], layer: usize) -> Vec<(&str, Option<ContentDigest>)> {
        self.owners.of(path, |number| {
            let list = self.lists.get(number as usize);
            list.is_some_and(|list| list.is_there(layer))
        })
    }
}

impl List<'_> {
    /// Tests if the file is there after a layer.
    fn is_there(&self, layer: usize) -> bool {
        let ended_by = self.version.ended_by();
        let is_applied = !matches!(
            self.version.state(),
            VersionState::Unapplied | VersionState::Repeated
        );
        is_applied && self.version.layer() <= layer && ended_by.is_none_or(|by| by > layer)
    }
}

fn lists<'t>(tree: &'t Tree, layers: &[LayerNo]) -> Vec<List<'t>> {
    let is_list = |version: &EntryVersion<'_>| {
        // Names first: a path is put together.
        let name = version.name();
        version.file_kind() == Some(NodeKind::File)
            && (name.ends_with(b".list")
                || name.ends_with(b".md5sums")
                || [&b"diversions"[..], b"status", b"installed", b"rpmdb.sqlite"].contains(&name))
    };
    let versions = tree.versions().filter(is_list);
    let lists = versions.filter_map(|version| {
        let path = version.path();
        let kind = OwnerKind::of(&path)?;
        let (layer, entry) = version.contents()?;
        let place = (*layers.get(layer)?, entry);
        Some(List {
            version,
            path,
            kind,
            place,
        })
    });
    lists.collect()
}

/// A path with the links in its directories followed, as of a layer. Those of directories that were looked at are kept.
fn resolve(
    tree: &Tree,
    layer: usize,
    path: &[u8],
    directories: &mut HashMap<Vec<u8>, Vec<u8>>,
) -> Vec<u8> {
    let Some(slash) = path.iter().rposition(|byte| *byte == b'/') else {
        return path.to_vec();
    };
    let (directory, name) = path.split_at(slash);
    let found = directories.entry(directory.to_vec()).or_insert_with(|| {
        // A path with too many links leads nowhere.
        let found = resolve_links(directory, |path, _| Ok(link(tree, layer, path)));
        found.unwrap_or_else(|_| directory.to_vec())
    });
    match found.is_empty() {
        true => name.get(1..).unwrap_or_default().to_vec(),
        false => [found, name].concat(),
    }
}

/// Target of a symbolic link, as of a layer.
fn link(tree: &Tree, layer: usize, path: &[u8]) -> Option<Vec<u8>> {
    let steps = tree.history(path)?.steps();
    let last = steps.iter().rev().find(|step| step.layer <= layer)?;
    let is_there = matches!(last.event, Event::Added | Event::Replaced);
    let is_link = is_there && last.kind() == NodeKind::Symlink;
    is_link.then(|| last.link_target().to_vec())
}
