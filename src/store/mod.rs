//! The local store: an ordinary OCI image layout that several programs use at once.
//!
//! In come bundles, out goes an [`Archive`]. Nothing private is needed to understand it: names are kept as they were
//! typed in `org.opencontainers.image.ref.name` and in full in `io.containerd.image.name`, blobs under their digests.
//! What makes it safe:
//! - a blob gets its name when it is whole and synced; `index.json` is replaced as a whole, after the blobs it names;
//! - who adds holds a shared lock, who deletes an exclusive one, so nothing is deleted that is about to be named;
//! - who changes `index.json` holds a lock of its own and reads it anew. Fields that are not ours stay;
//! - who fails to add takes back the blobs that it wrote, unless others are adding, who may count on them: then they
//!   stay as orphans, as they do when a program is killed, until [`Store::collect`] finds them.
//!
//! Other tools do not take these locks: two writers of which one is not ours can lose an entry of `index.json`.

mod founding;
mod ids;
mod index;
mod lock;
mod remove;
#[cfg(test)]
mod tests;
mod upkeep;

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustix::fs::{AtFlags, Mode, OFlags};

pub use founding::abandon_begun;
use index::StoreIndex;
pub use index::{Placed, Policy, Unwanted};
use lock::Lock;
pub use remove::{Removal, Wanted, remove};
pub use upkeep::{ImageUsage, PruneOptions, Usage, prune, usage};

use crate::archive::{Archive, Container, Fate, Half, NodeKind, Open, Root};
use crate::blob::fault_injection::fail_point;
use crate::blob::{Meter, is_leftover, remove_leftover, sync_directory};
use crate::error::{At, Error, Fault, Result};
use crate::limits::Limits;
use crate::spec::Digest;
use crate::write::{Bundle, ListedName, layout};

/// The file that says that a folder is an OCI layout.
const OCI_LAYOUT: &str = "oci-layout";

/// A store, which need not exist yet.
///
/// ```no_run
/// use imgkit::archive::Open;
/// use imgkit::blob::Meter;
/// use imgkit::store::{Policy, Store};
/// use imgkit::write::{Bundle, ListedName};
///
/// let archive = Open::default().path("app.tar".as_ref())?;
/// let mut bundle = Bundle::default();
/// if let Some(root) = archive.roots.first() {
///     bundle.add(&archive, root, None, vec![ListedName::new("demo:2")?])?;
/// }
/// bundle.name_for_store();
/// let added = Store::at("store").add(&bundle, Policy::NoClobber, &Meter::default())?;
/// println!("{} bytes written", added.written);
/// # Ok::<(), imgkit::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Store {
    path: PathBuf,
}

/// What [`Store::hold`] holds.
pub struct Held(#[expect(dead_code, reason = "it is dropped")] Option<Lock>);

/// What adding a bundle did.
#[derive(Debug, Default)]
pub struct Added {
    /// What became of each name, in the order of the bundle; an untagged image has one item without a name.
    pub placed: Vec<Placed>,
    /// Bytes of blobs that were not there before.
    pub written: u64,
}

/// What removing something freed.
#[derive(Debug, Default)]
pub struct Freed {
    /// The blobs that are gone.
    pub blobs: Vec<Digest>,
    /// Their bytes.
    pub bytes: u64,
}

impl Store {
    /// The store in that folder.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Store { path: path.into() }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Refuses what exists and is no store: a directory of other files, in which nothing is to be written or deleted. One
    /// that is missing or empty becomes a store with the first image.
    ///
    /// # Errors
    /// `NotAStore`; `Io`, also for what is no directory.
    pub fn check(&self) -> Result<()> {
        let place = || self.path.to_string_lossy().into_owned();
        let entries = match std::fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::io("open", error).at(place())),
        };
        if self.path.join(OCI_LAYOUT).exists() || self.path.join("index.json").exists() {
            return Ok(());
        }
        for entry in entries {
            let name = entry.map_err(|error| Error::io("read", error)).at(place)?;
            let name = name.file_name();
            // A program that was killed before it had made a layout leaves these.
            let is_ours = name
                .to_str()
                .is_some_and(|name| name == "blobs" || is_leftover(name));
            if !is_ours {
                return Err(Error::new(Fault::NotAStore).at(place()));
            }
        }
        Ok(())
    }

    /// Opens it for reading; `None` if it does not exist yet.
    ///
    /// # Errors
    /// As [`Open::path`].
    pub fn open(&self, open: &Open) -> Result<Option<Archive>> {
        // What index.json names is not deleted between its reading and theirs. A layout that nobody here has written to
        // may have nothing to lock.
        let _held = self.hold();
        self.open_locked(open)
    }

    /// Keeps all programs from deleting blobs until it is dropped, for who reads the blobs of all images and is soon
    /// done; programs that delete wait for it. Nothing is held of a store that is not there.
    pub fn hold(&self) -> Held {
        Held(Lock::shared(&self.path, lock::BLOBS).ok())
    }

    /// The same for who holds the lock of the blobs: the system would let it wait for itself.
    fn open_locked(&self, open: &Open) -> Result<Option<Archive>> {
        if !self.path.join("index.json").exists() {
            return Ok(None);
        }
        Open {
            only: Some(Half::Oci),
            ..open.clone()
        }
        .path(&self.path)
        .map(Some)
    }

    /// Where blobs are put that come by on a stream, so that they can stay where they are.
    ///
    /// # Errors
    /// `NotAFile` for a link in its place, `Io`.
    pub fn landing(&self) -> Result<PathBuf> {
        let folder = self.path.join("blobs/sha256");
        founding::note(&self.path);
        std::fs::create_dir_all(&folder)
            .map_err(|error| Error::io("create", error).at(folder.to_string_lossy()))?;
        self.has_blobs()?;
        Ok(folder)
    }

    /// Whether it has a folder of blobs. Makes none; what is neither a folder nor nothing is an error.
    fn has_blobs(&self) -> Result<bool> {
        let mut is_there = false;
        for folder in ["blobs", "blobs/sha256"] {
            let folder = self.path.join(folder);
            is_there = match folder.symlink_metadata() {
                // Links within a store are not followed where it is read, so nothing goes through one either.
                Ok(found) if found.is_symlink() => Err(Error::new(Fault::NotAFile {
                    kind: "a symbolic link",
                })),
                Ok(found) if found.is_dir() => Ok(true),
                Ok(_) => Err(Error::io("open", ErrorKind::NotADirectory.into())),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
                Err(error) => Err(Error::io("open", error)),
            }
            .at(|| folder.to_string_lossy().into_owned())?;
        }
        Ok(is_there)
    }

    /// Adds a bundle: blobs that are not there, then its names.
    ///
    /// # Errors
    /// `SizeMismatch` and `DigestMismatch` for blobs that are not what they are named by; `Io`. Nothing of the bundle
    /// has a name then, and its blobs are gone again, or orphans if other programs were adding at the same time.
    pub fn add(&self, bundle: &Bundle, policy: Policy, meter: &Meter) -> Result<Added> {
        let place = || self.path.to_string_lossy().into_owned();
        // An index that cannot be read cannot be added to: better to know before there are blobs to take back.
        StoreIndex::read(&self.path).at(place)?;
        self.landing()?;
        let blobs = Lock::shared(&self.path, lock::BLOBS).at(place)?;
        let new = Mutex::default();
        let added = self.add_blobs(bundle, policy, meter, &new);
        if added.is_err() {
            let new = new.into_inner().unwrap_or_else(PoisonError::into_inner);
            self.take_back(blobs, new);
        }
        added
    }

    fn add_blobs(
        &self,
        bundle: &Bundle,
        policy: Policy,
        meter: &Meter,
        new: &Mutex<Vec<Digest>>,
    ) -> Result<Added> {
        let place = || self.path.to_string_lossy().into_owned();
        // With it the folder is known to be a store, also by who comes after a program that is killed now.
        self.found().at(place)?;
        let written = layout::blobs(bundle, &self.path, meter, new);
        let written = written.map_err(|error| match error.fault() {
            Fault::Io { action, .. } if *action != "read" => error.at(place()),
            // What is damaged, or cannot be read, is what was to be added.
            _ => error,
        })?;
        let placed = self
            .change(|index| Ok(index.add(&bundle.listed, policy)))
            .at(place)?;
        Ok(Added { placed, written })
    }

    /// Removes blobs that were added in vain, if nobody else is adding. What cannot be removed stays as orphans.
    fn take_back(&self, blobs: Lock, new: Vec<Digest>) {
        // Whoever adds holds the lock from before it looks which blobs are there, so nobody counts on these.
        let Some(_alone) = blobs.alone() else { return };
        if let Ok(reachable) = self.reachable(&HashSet::new(), true) {
            let orphans = new.into_iter().filter(|digest| !reachable.contains(digest));
            let _ = self.delete(orphans.collect());
        }
    }

    /// Marks the folder as an OCI layout, if it is not yet.
    fn found(&self) -> Result<()> {
        if !self.path.join(OCI_LAYOUT).exists() {
            let _index = Lock::exclusive(&self.path, lock::INDEX)?;
            layout::put(&self.path, OCI_LAYOUT, crate::write::archive::OCI_LAYOUT)?;
        }
        Ok(())
    }

    /// Gives what a name or digest stands for another name. Returns what became of the new name.
    ///
    /// # Errors
    /// `Io`; nothing changes then.
    pub fn tag(&self, target: &Digest, name: &ListedName) -> Result<Placed> {
        let place = || self.path.to_string_lossy().into_owned();
        let _blobs = Lock::shared(&self.path, lock::BLOBS).at(place)?;
        self.change(|index| index.tag(target, name)).at(place)
    }

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

    fn delete(&self, digests: HashSet<Digest>) -> Result<Freed> {
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
    fn reachable(&self, parts: &HashSet<&Digest>, strict: bool) -> Result<HashSet<Digest>> {
        match self.open_locked(&own())? {
            Some(archive) => reachable(&archive, parts, strict),
            None => Ok(HashSet::new()),
        }
    }

    /// Changes `index.json`: under its lock, from what it says now, as a whole.
    fn change<T>(&self, change: impl FnOnce(&mut StoreIndex) -> Result<T>) -> Result<T> {
        let _index = Lock::exclusive(&self.path, lock::INDEX)?;
        let mut index = StoreIndex::read(&self.path)?;
        let result = change(&mut index)?;
        if index.changed() {
            if !self.path.join(OCI_LAYOUT).exists() {
                layout::put(&self.path, OCI_LAYOUT, crate::write::archive::OCI_LAYOUT)?;
            }
            layout::put(&self.path, "index.json", &index.bytes())?;
            sync_directory(&self.path)?;
        }
        Ok(result)
    }
}

/// How the store reads its own index: limits are for what strangers made, and what is in a store was let in before.
fn own() -> Open {
    Open {
        limits: Limits::of_store(),
        ..Open::default()
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
            NodeKind::Schema1 | NodeKind::Absent | NodeKind::Opaque => None,
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
    let stays = archive.staying(|root| {
        let is_referrer = root.names.is_empty() && !archive.subjects_of(root).is_empty();
        match is_listed(root) {
            true if is_referrer => Fate::Follows,
            true => Fate::Stays,
            false => Fate::Goes,
        }
    });
    let roots = archive.roots.iter().zip(stays);
    let orphans = roots.filter(|(root, stays)| !stays && is_listed(root));
    orphans
        .filter_map(|(root, _)| digest(root).map(Unwanted::Unnamed))
        .collect()
}
