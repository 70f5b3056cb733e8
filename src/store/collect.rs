//! Images removed from a store, and the blobs that only they needed.

use std::collections::HashSet;

use rustix::fs::{AtFlags, Mode, OFlags};

use super::index::Unwanted;
use super::local::{Store, own};
use super::lock::{self, Lock, OCI_LAYOUT};
use crate::archive::{Archive, Container, NodeKind, Retention, Root};
use crate::blob::fault_injection::fail_point;
use crate::blob::{is_leftover, remove_leftover};
use crate::error::{At, Error, Result};
use crate::spec::Digest;

/// What removing something freed.
#[derive(Debug, Default)]
pub struct Freed {
    /// The blobs that are gone.
    pub blobs: Vec<Digest>,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    /// Takes entries out of the index, then deletes the blobs that only they needed: none, if a manifest that stays is
    /// damaged and may need them.
    ///
    /// Returns what that freed, and what is still listed. A store that is not there stays so.
    ///
    /// # Errors
    /// `Io`. The index is changed before the first blob is deleted, so what fails halfway leaves orphans and no gaps.
    pub fn remove(&self, unwanted: &[Unwanted]) -> Result<(Freed, HashSet<Digest>)> {
        let place = || self.path.to_string_lossy().into_owned();
        if !self.path.join("index.json").exists() {
            return Ok(Default::default());
        }
        if !self.has_blobs()? {
            // Nothing to delete, and nothing to lock for it.
            let listed = self.change(|index| Ok(index.remove(unwanted))).at(place)?;
            return Ok((Freed::default(), listed));
        }
        let _blobs = Lock::exclusive(&self.path, lock::BLOBS).at(place)?;
        // What is damaged can be taken out, too.
        let Some(archive) = self.open_locked(&own())? else {
            return Ok(Default::default());
        };
        let parts: HashSet<&Digest> = unwanted.iter().filter_map(Unwanted::part).collect();
        if !parts.is_empty() {
            // They can only be told from what stays if all of that can be read.
            reachable(&archive, &parts, true).at(place)?;
        }
        let before = reachable(&archive, &HashSet::new(), false).at(place)?;
        let listed = self.change(|index| {
            let listed = index.remove(unwanted);
            let orphans = orphaned_referrers(&archive, &listed);
            Ok(match orphans.is_empty() {
                true => listed,
                false => index.remove(&orphans),
            })
        });
        let listed = listed.at(place)?;
        // What was given a name meanwhile is no mere part any more.
        let parts = parts.into_iter().filter(|part| !listed.contains(*part));
        let freed = match self.reachable(&parts.collect(), true) {
            Ok(after) => self.delete(before.difference(&after).cloned().collect()),
            Err(_) => Ok(Freed::default()),
        };
        Ok((freed.at(place)?, listed))
    }

    /// Deletes blobs that nothing refers to, and what programs that were killed left behind.
    ///
    /// # Errors
    /// `Io`.
    pub fn collect(&self, dry_run: bool) -> Result<Freed> {
        let place = || self.path.to_string_lossy().into_owned();
        // A folder that is no layout may be anything, and its blobs anybody's.
        if !self.path.join(OCI_LAYOUT).exists() && !self.path.join("index.json").exists() {
            return Ok(Freed::default());
        }
        if !self.has_blobs()? {
            return Ok(Freed::default());
        }
        let _blobs = Lock::exclusive(&self.path, lock::BLOBS).at(place)?;
        let reachable = self.reachable(&HashSet::new(), true).at(place)?;
        let mut orphans = HashSet::new();
        let mut leftovers = Vec::new();
        let open = own();
        for name in Container::open(&self.path, &open)?.names(&open.limits)? {
            let base = name.rsplit('/').next().unwrap_or_default();
            match Digest::from_blob_path(&name) {
                Some(digest) if !reachable.contains(&digest) => {
                    orphans.insert(digest);
                }
                None if is_leftover(base) => leftovers.push(self.path.join(&name)),
                _ => {}
            }
        }
        if dry_run {
            let size = |digest: &Digest| {
                std::fs::metadata(self.path.join(digest.blob_path())).map_or(0, |m| m.len())
            };
            let bytes = orphans.iter().map(size).sum();
            let mut blobs: Vec<Digest> = orphans.into_iter().collect();
            blobs.sort_unstable();
            return Ok(Freed { blobs, bytes });
        }
        let mut freed = self.delete(orphans).at(place)?;
        for path in leftovers {
            let size = std::fs::symlink_metadata(&path).map_or(0, |metadata| metadata.len());
            if remove_leftover(&path).at(place)? {
                freed.bytes += size;
            }
        }
        Ok(freed)
    }

    pub(super) fn delete(&self, digests: HashSet<Digest>) -> Result<Freed> {
        let mut blobs: Vec<Digest> = digests.into_iter().collect();
        blobs.sort_unstable();
        let mut freed = Freed::default();
        for digest in blobs {
            let path = self.path.join(digest.blob_path());
            match fail_point(&path).and_then(|()| self.unlink(&digest)) {
                Ok(size) => {
                    freed.bytes += size;
                    freed.blobs.push(digest);
                }
                // Named, but not here: a sparse index.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("remove", error).at(path.to_string_lossy())),
            }
        }
        Ok(freed)
    }

    /// Deletes a blob, but none that a link in the place of a folder leads to. Returns its bytes.
    fn unlink(&self, digest: &Digest) -> std::io::Result<u64> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut folder = rustix::fs::open(&self.path, flags & !OFlags::NOFOLLOW, Mode::empty())?;
        for part in ["blobs", digest.algorithm()] {
            folder = rustix::fs::openat(&folder, part, flags, Mode::empty())?;
        }
        let stat = rustix::fs::statat(&folder, digest.encoded(), AtFlags::SYMLINK_NOFOLLOW)?;
        rustix::fs::unlinkat(&folder, digest.encoded(), AtFlags::empty())?;
        Ok(u64::try_from(stat.st_size).unwrap_or_default())
    }

    /// Every blob that the index leads to, as [`reachable`] says.
    pub(super) fn reachable(
        &self,
        parts: &HashSet<&Digest>,
        strict: bool,
    ) -> Result<HashSet<Digest>> {
        match self.open_locked(&own())? {
            Some(archive) => reachable(&archive, parts, strict),
            None => Ok(HashSet::new()),
        }
    }
}

/// Every blob that an archive's index leads to, here or not, but for what only `parts` lead to. A manifest that is
/// damaged, or is no file, may need any blob: with `strict` it is an error.
fn reachable(archive: &Archive, parts: &HashSet<&Digest>, strict: bool) -> Result<HashSet<Digest>> {
    let mut digests = HashSet::new();
    let mut seen = HashSet::new();
    let mut work: Vec<usize> = archive.roots.iter().filter_map(|root| root.node).collect();
    while let Some(position) = work.pop() {
        let node = &archive.nodes[position];
        if parts.contains(&node.descriptor.digest) || !seen.insert(position) {
            continue;
        }
        digests.insert(node.descriptor.digest.clone());
        if strict && let Some(fault) = node.faults.first() {
            return Err(fault.clone());
        }
        let manifest = match &node.kind {
            NodeKind::Image(image) => archive.images[*image].manifest.as_ref(),
            NodeKind::Attestation(manifest) | NodeKind::Artifact(manifest) => Some(manifest),
            NodeKind::Index(edges) => {
                work.extend(edges.iter().map(|edge| edge.node));
                None
            }
            NodeKind::Schema1 | NodeKind::Missing | NodeKind::Opaque => None,
        };
        let blobs = manifest
            .into_iter()
            .flat_map(|manifest| manifest.config.iter().chain(&manifest.layers));
        digests.extend(blobs.map(|descriptor| descriptor.digest.clone()));
    }
    Ok(digests)
}

/// What has no name and is about something that was listed before and is not any more, nor below what is.
fn orphaned_referrers(archive: &Archive, listed: &HashSet<Digest>) -> Vec<Unwanted> {
    let digest = |root: &Root| {
        let node = root.node?;
        Some(archive.nodes[node].descriptor.digest.clone())
    };
    let is_listed = |root: &Root| digest(root).is_some_and(|digest| listed.contains(&digest));
    let stays = archive.retained(|root| {
        let is_referrer = root.names.is_empty() && !archive.subjects_of(root).is_empty();
        match is_listed(root) {
            true if is_referrer => Retention::FollowSubject,
            true => Retention::Keep,
            false => Retention::Remove,
        }
    });
    let roots = archive.roots.iter().zip(stays);
    let orphans = roots.filter(|(root, stays)| !stays && is_listed(root));
    orphans
        .filter_map(|(root, _)| digest(root).map(Unwanted::Unnamed))
        .collect()
}
