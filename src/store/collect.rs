//! Images removed from a store, with the blobs that only they needed.

use std::collections::HashSet;
use std::path::Path;

use rustix::fs::{AtFlags, Mode, OFlags};

use super::index::RemovalTarget;
use super::local::{Store, own_options};
use super::lock::{self, Lock, OCI_LAYOUT};
use crate::archive::{Archive, Container, NodeKind, Retention, Root};
use crate::blob::fault_injection::fail_point;
use crate::blob::{is_leftover, remove_leftover};
use crate::error::{At, Error, Result};
use crate::spec::Digest;

/// Deleted blobs.
#[derive(Debug, Default)]
pub struct Freed {
    /// Digests of the blobs.
    pub blobs: Vec<Digest>,
    /// Their size in bytes.
    pub bytes: u64,
}

impl Store {
    /// Removes entries from the index, then deletes the blobs that only they needed. If a remaining manifest is damaged
    /// and may need them, no blob is deleted.
    ///
    /// Returns the deleted blobs, and the digests that are still listed. A missing store stays missing.
    ///
    /// # Errors
    /// `Io`. The index is changed before the first blob is deleted, so an interrupted operation leaves orphans, but no
    /// missing blobs.
    pub fn remove(&self, removals: &[RemovalTarget]) -> Result<(Freed, HashSet<Digest>)> {
        let context = || self.path.to_string_lossy().into_owned();
        if !self.path.join("index.json").exists() {
            return Ok(Default::default());
        }
        if !self.has_blobs()? {
            // Without blobs there is nothing to delete or lock.
            let listed = self
                .change(|index| Ok(index.remove(removals)))
                .at(context)?;
            return Ok((Freed::default(), listed));
        }
        let _blobs = Lock::exclusive(&self.path, lock::BLOBS).at(context)?;
        // Damaged images can be removed, too.
        let Some(archive) = self.open_locked(&own_options())? else {
            return Ok(Default::default());
        };
        let parts: HashSet<&Digest> = removals.iter().filter_map(RemovalTarget::part).collect();
        if !parts.is_empty() {
            // They can only be told from the blobs of other images if all of those are readable.
            reachable(&archive, &parts, true).at(context)?;
        }
        let before = reachable(&archive, &HashSet::new(), false).at(context)?;
        let listed = self.change(|index| {
            let listed = index.remove(removals);
            let orphans = orphaned_referrers(&archive, &listed);
            Ok(match orphans.is_empty() {
                true => listed,
                false => index.remove(&orphans),
            })
        });
        let listed = listed.at(context)?;
        // A manifest that got a name meanwhile stays.
        let parts = parts.into_iter().filter(|part| !listed.contains(*part));
        let freed = match self.reachable(&parts.collect(), true) {
            Ok(after) => self.delete(before.difference(&after).cloned().collect()),
            Err(_) => Ok(Freed::default()),
        };
        Ok((freed.at(context)?, listed))
    }

    /// Deletes blobs that nothing refers to or protects, temporary files of killed programs, and files whose protection
    /// has ended.
    ///
    /// # Errors
    /// `Io`.
    pub fn collect(&self, dry_run: bool) -> Result<Freed> {
        let context = || self.path.to_string_lossy().into_owned();
        // A directory that is no layout may have blobs of other programs.
        if !self.path.join(OCI_LAYOUT).exists() && !self.path.join("index.json").exists() {
            return Ok(Freed::default());
        }
        if !self.has_blobs()? {
            return Ok(Freed::default());
        }
        let _blobs = Lock::exclusive(&self.path, lock::BLOBS).at(context)?;
        let reachable = self.reachable(&HashSet::new(), true).at(context)?;
        let mut orphans = HashSet::new();
        let protection = self.protection().at(context)?;
        let mut leftovers = protection.ended;
        let open = own_options();
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
        let sets = protection.ended_sets;
        if dry_run {
            let size = |digest: &Digest| {
                std::fs::metadata(self.path.join(digest.blob_path())).map_or(0, |m| m.len())
            };
            let bytes: u64 = orphans.iter().map(size).sum();
            let bytes = bytes + sets.iter().map(|set| size_of(set)).sum::<u64>();
            let mut blobs: Vec<Digest> = orphans.into_iter().collect();
            blobs.sort_unstable();
            return Ok(Freed { blobs, bytes });
        }
        let mut freed = self.delete(orphans).at(context)?;
        for set in sets {
            let size = size_of(&set);
            let removed = std::fs::remove_dir_all(&set);
            removed.map_err(|error| Error::io("remove", error).at(set.to_string_lossy()))?;
            freed.bytes += size;
        }
        for path in leftovers {
            let size = std::fs::symlink_metadata(&path).map_or(0, |metadata| metadata.len());
            if remove_leftover(&path).at(context)? {
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
                // Listed, but missing: a sparse index.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(Error::io("remove", error).at(path.to_string_lossy())),
            }
        }
        Ok(freed)
    }

    /// Deletes a blob, unless its directory is a symbolic link. Returns its size in bytes.
    fn unlink(&self, digest: &Digest) -> std::io::Result<u64> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut directory = rustix::fs::open(&self.path, flags & !OFlags::NOFOLLOW, Mode::empty())?;
        for part in ["blobs", digest.algorithm()] {
            directory = rustix::fs::openat(&directory, part, flags, Mode::empty())?;
        }
        let stat = rustix::fs::statat(&directory, digest.encoded(), AtFlags::SYMLINK_NOFOLLOW)?;
        rustix::fs::unlinkat(&directory, digest.encoded(), AtFlags::empty())?;
        Ok(u64::try_from(stat.st_size).unwrap_or_default())
    }

    /// All blobs that the index leads to, see [`reachable`], and those that are protected.
    pub(super) fn reachable(
        &self,
        parts: &HashSet<&Digest>,
        strict: bool,
    ) -> Result<HashSet<Digest>> {
        let mut digests = match self.open_locked(&own_options())? {
            Some(archive) => reachable(&archive, parts, strict)?,
            None => HashSet::new(),
        };
        digests.extend(self.protection()?.digests);
        Ok(digests)
    }
}

/// Size in bytes of the files in a directory.
fn size_of(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| entry.metadata().ok());
    files.map(|metadata| metadata.len()).sum()
}

/// All blobs that an archive's index leads to, present or not, except those that only `parts` lead to. A damaged
/// manifest may need any blob: with `strict` it is an error.
fn reachable(archive: &Archive, parts: &HashSet<&Digest>, strict: bool) -> Result<HashSet<Digest>> {
    let mut digests = HashSet::new();
    let mut seen = HashSet::new();
    let mut work: Vec<_> = archive.roots.iter().filter_map(|root| root.node).collect();
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

/// Untagged referrers of an image that is not listed any more, directly or below an index.
fn orphaned_referrers(archive: &Archive, listed: &HashSet<Digest>) -> Vec<RemovalTarget> {
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
        .filter_map(|(root, _)| digest(root).map(RemovalTarget::Unnamed))
        .collect()
}
