//! The tree itself: directories, blobs and links, in an order that is right whenever the program is killed.
//!
//! Blobs come first, then the links to layers and configs, the links to manifests (those of an index before its own),
//! the history of tags, and at last the tags. An existing file is never changed, except the link of a tag that moves,
//! which is replaced atomically. Directories and files get owner, group and permissions of the directory that they are
//! in.

use std::collections::BTreeSet;
use std::fs::{File, Metadata};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::fs::{AtFlags, CWD, FlockOperation, Gid, Uid, flock, linkat, syncfs};
use rustix::io::Errno;

use super::plan::Plan;
use super::pushed::{BlobState, LayerState, Pushed, PushedTag};
use super::referrers::fallback_tags;
use super::repository::Repository;
use crate::archive::registry::{current_link, data_path, link_path, repository_names};
use crate::archive::registry_root;
use crate::blob::{FileRange, Hasher, Meter, NewFile, make_directory, open_regular};
use crate::error::{At, During, Error, Fault, Result};
use crate::parallel::in_parallel;
use crate::spec::Digest;
use crate::write::bundle::Bundle;
use crate::write::copy;
use crate::write::output::BlobOut;

/// Permission bits of blobs and links, before the umask.
const MODE: u32 = 0o644;

/// Path of `v2` below the root of a new tree.
const STORAGE: [&str; 3] = ["docker", "registry", "v2"];

/// File at the root of a tree that is locked while images are added or removed.
const LOCK: &str = ".imgkit.lock";

/// Length in bytes up to which a link is read.
const LINK_LENGTH: u64 = 512;

/// Options of writing to a tree.
#[derive(Debug, Clone, Default)]
pub struct PushOptions {
    /// Keep existing tags of other images.
    pub no_clobber: bool,
    /// Hash existing blobs instead of comparing only their sizes.
    pub verify_existing: bool,
    /// Owner and group of new files and directories; those of the directory that they are in if `None`.
    pub owner: Option<(u32, u32)>,
    /// Hard link the files of blobs instead of copying them, where that is possible.
    pub link: bool,
    /// Only compare the images with the tree.
    pub dry_run: bool,
}

/// A storage tree of a registry, locked for writing.
#[derive(Debug)]
pub struct RegistryTree {
    /// Directory of `blobs` and `repositories`.
    storage: PathBuf,
    options: PushOptions,
    /// Directories that exist.
    made: Mutex<BTreeSet<PathBuf>>,
    /// Root of a tree that this program created, and true if its directory is new, too.
    created: Option<(PathBuf, bool)>,
    _lock: Option<File>,
}

impl RegistryTree {
    /// Opens or creates a tree, and waits until no other program of this suite writes to it.
    ///
    /// # Errors
    /// `Exists` for a directory of other files; `Unsupported` for the storage of a pull-through cache; `Io`.
    pub fn open(path: &Path, options: PushOptions) -> Result<Self> {
        let context = || path.to_string_lossy().into_owned();
        check(path)?;
        let found = registry_root(path);
        if options.dry_run {
            return Ok(RegistryTree {
                storage: found.unwrap_or_else(|| path.join(STORAGE.join("/"))),
                options,
                made: Mutex::default(),
                created: None,
                _lock: None,
            });
        }
        let is_new = !path.exists();
        if found.is_none() {
            std::fs::create_dir_all(path).during("create").at(context)?;
        }
        let storage = found.unwrap_or_else(|| path.to_owned());
        let root = root_of(&storage).at(context)?;
        let lock = lock(&root.join(LOCK)).at(context)?;
        let mut tree = RegistryTree {
            storage: root,
            options,
            made: Mutex::default(),
            created: None,
            _lock: Some(lock),
        };
        tree.storage = match registry_root(path) {
            Some(found) => found,
            None => {
                tree.created = Some((path.to_owned(), is_new));
                tree.directory(&STORAGE.join("/")).at(context)?
            }
        };
        tree.made = Mutex::default();
        Ok(tree)
    }

    /// Returns the state of a layer or config in a repository before it is linked there.
    fn layer_state(
        &self,
        name: &str,
        digest: &Digest,
        blob: BlobState,
        names: &[String],
    ) -> LayerState {
        let has = |name: &str| {
            let link = link_path(&format!("repositories/{name}/_layers"), digest);
            self.storage.join(link).is_file()
        };
        match blob {
            BlobState::Pushed => LayerState::Pushed,
            BlobState::Existing if has(name) => LayerState::Existing,
            BlobState::Existing => match names.iter().find(|other| has(other)) {
                Some(other) => LayerState::Mounted(other.clone()),
                None => LayerState::Existing,
            },
        }
    }

    /// Writes the images of a bundle as planned.
    ///
    /// # Errors
    /// `SizeMismatch` and `DigestMismatch` for blobs that differ from their descriptors, or existing ones that differ
    /// from the bundle's; `NotAFile`; `Io`. Tags are then unchanged; a new tree is removed, and blobs that were added to
    /// an existing one stay until it is pruned.
    pub fn push(&self, bundle: &mut Bundle, plan: Plan, meter: &Meter) -> Result<Pushed> {
        let pushed = self.write(bundle, plan, meter);
        if let (Err(_), Some((path, is_new))) = (&pushed, &self.created) {
            let _ = std::fs::remove_dir_all(path.join(STORAGE[0]));
            let _ = std::fs::remove_file(path.join(LOCK));
            if *is_new {
                let _ = std::fs::remove_dir(path);
            }
        }
        pushed
    }

    fn write(&self, bundle: &mut Bundle, mut plan: Plan, meter: &Meter) -> Result<Pushed> {
        for (name, repository) in &mut plan.repositories {
            self.add_fallback_tags(bundle, name, repository)?;
        }
        let needed: BTreeSet<&Digest> = plan
            .repositories
            .values()
            .flat_map(|repository| repository.layers.iter().chain(&repository.revisions))
            .collect();
        let mut work: Vec<&BlobOut> = needed
            .iter()
            .filter_map(|digest| bundle.blob(digest))
            .collect();
        work.sort_by_key(|blob| std::cmp::Reverse(blob.size));
        let states = in_parallel(&work, |blob| self.blob(blob, meter));
        let mut pushed = Pushed::default();
        for (blob, state) in work.iter().zip(states) {
            pushed
                .blobs
                .insert(blob.digest.clone(), (blob.size, state?));
        }
        let names = repository_names(&self.storage)?;
        for (name, repository) in &plan.repositories {
            let blobs = repository.layers.iter();
            let blobs = blobs.filter_map(|digest| Some((digest, pushed.blobs.get(digest)?.1)));
            let states = blobs.map(|(digest, state)| {
                (
                    digest.clone(),
                    self.layer_state(name, digest, state, &names),
                )
            });
            pushed.layers.insert(name.clone(), states.collect());
            for digest in &repository.layers {
                self.link(&format!("repositories/{name}/_layers"), digest)?;
            }
        }
        for (name, repository) in &plan.repositories {
            for digest in &repository.revisions {
                self.link(&format!("repositories/{name}/_manifests/revisions"), digest)?;
            }
        }
        for (name, repository) in &plan.repositories {
            for (tag, planned) in &repository.tags {
                let before = self.current(name, tag)?;
                let replaced = before.filter(|before| *before != planned.digest);
                let kept = replaced.is_some() && self.options.no_clobber;
                if !kept {
                    let index = format!("repositories/{name}/_manifests/tags/{tag}/index");
                    self.link(&index, &planned.digest)?;
                }
                pushed.tags.push(PushedTag {
                    name: name.clone(),
                    tag: tag.clone(),
                    planned: planned.clone(),
                    replaced,
                    kept,
                });
            }
        }
        if self.options.dry_run {
            return Ok(pushed);
        }
        // After a power cut no tag points to a file that was not written.
        self.sync()?;
        for tag in pushed.tags.iter().filter(|tag| !tag.kept) {
            self.move_tag(&tag.name, &tag.tag, &tag.planned.digest)?;
        }
        self.sync()?;
        Ok(pushed)
    }

    /// Adds the fallback tags of the referrers that a repository gets.
    fn add_fallback_tags(
        &self,
        bundle: &mut Bundle,
        name: &str,
        repository: &mut Repository,
    ) -> Result<()> {
        let existing = |tag: &str| match self.current(name, tag)? {
            Some(digest) => self.read_blob(&digest),
            None => Ok(None),
        };
        for (tag, index) in fallback_tags(bundle, repository, existing).at(|| name.to_owned())? {
            let planned = repository.add_index(tag, &index);
            bundle.push_manifest(&planned.digest, index);
        }
        Ok(())
    }

    /// Writes a blob, unless it exists with its size.
    fn blob(&self, blob: &BlobOut, meter: &Meter) -> Result<BlobState> {
        let path = self.storage.join(data_path(&blob.digest));
        let context = || path.to_string_lossy().into_owned();
        if self.has_blob(&path, blob).at(context)? {
            if self.options.verify_existing {
                verify(&path, &blob.digest).at(context)?;
            }
            meter.skip(blob.size);
            return Ok(BlobState::Existing);
        }
        if self.options.dry_run {
            return Ok(BlobState::Pushed);
        }
        let data = data_path(&blob.digest);
        let directory = self.directory(data.strip_suffix("/data").unwrap_or(&data))?;
        if self.options.link && self.link_blob(blob, &path, meter)? {
            return Ok(BlobState::Pushed);
        }
        let file = self.file(&directory)?;
        copy::to_new_file(blob, &file, meter)?;
        // The server may have added the blob meanwhile.
        if !file.link_as("data")? && !self.has_blob(&path, blob).at(context)? {
            file.replace("data")?;
        }
        Ok(BlobState::Pushed)
    }

    /// Gives the file of a blob's source the name in the tree. Returns false if the source is no file of its own, or
    /// cannot get that name, because it is on another file system for example.
    ///
    /// # Errors
    /// As [`copy::check`]: the blob is verified first.
    fn link_blob(&self, blob: &BlobOut, path: &Path, meter: &Meter) -> Result<bool> {
        let Some(source) = copy::whole_file(blob)? else {
            return Ok(false);
        };
        copy::check(blob, meter)?;
        let own = format!("/proc/self/fd/{}", source.as_raw_fd());
        Ok(linkat(CWD, own, CWD, path, AtFlags::SYMLINK_FOLLOW).is_ok())
    }

    /// Returns true if the tree has the blob.
    ///
    /// # Errors
    /// `SizeMismatch` for a file of another size, which is damaged; `NotAFile`.
    fn has_blob(&self, path: &Path, blob: &BlobOut) -> Result<bool> {
        match std::fs::symlink_metadata(path) {
            Ok(found) if !found.is_file() => Err(Fault::NotAFile {
                kind: "no regular file",
            }
            .into()),
            Ok(found) if found.len() != blob.size => {
                Err(Error::size_mismatch(blob.size, found.len()))
            }
            Ok(_) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::io("open", error)),
        }
    }

    /// Reads a document of the tree; `None` if it is missing.
    fn read_blob(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>> {
        let path = self.storage.join(data_path(digest));
        if !path.is_file() {
            return Ok(None);
        }
        let limit = crate::limits::Limits::default().document;
        let read = || FileRange::whole(open_regular(&path, false)?)?.bytes(limit);
        let bytes = read().at(|| path.to_string_lossy().into_owned())?;
        Ok(Some(bytes.into()))
    }

    /// Writes a link to a digest, unless it exists.
    fn link(&self, directory: &str, digest: &Digest) -> Result<()> {
        let path = link_path(directory, digest);
        match self.target(&path)? {
            Some(target) if target == digest.as_str() => return Ok(()),
            Some(found) => {
                let place = self.storage.join(&path);
                return Err(Error::digest_mismatch(digest, found).at(place.to_string_lossy()));
            }
            None if self.options.dry_run => return Ok(()),
            None => {}
        }
        self.put(&path, digest)
    }

    /// Points a tag to a digest.
    fn move_tag(&self, name: &str, tag: &str, digest: &Digest) -> Result<()> {
        let path = current_link(name, tag);
        match self.target(&path)?.as_deref() == Some(digest.as_str()) {
            true => Ok(()),
            false => self.put(&path, digest),
        }
    }

    fn put(&self, path: &str, digest: &Digest) -> Result<()> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let file = self.file(&self.directory(directory)?)?;
        let written = std::io::Write::write_all(&mut file.file(), digest.as_str().as_bytes());
        written.map_err(|error| Error::io("write", error).at(path))?;
        file.place(name)
    }

    /// Returns the digest that a tag points to.
    fn current(&self, name: &str, tag: &str) -> Result<Option<Digest>> {
        let path = current_link(name, tag);
        let place = || self.storage.join(&path).to_string_lossy().into_owned();
        let target = self.target(&path)?;
        target
            .map(|target| Digest::parse(&target))
            .transpose()
            .at(place)
    }

    /// Returns the text of a link without a newline; `None` if it is missing.
    fn target(&self, path: &str) -> Result<Option<String>> {
        let path = self.storage.join(path);
        let read = || -> Result<Option<String>> {
            match std::fs::symlink_metadata(&path) {
                Ok(found) if found.is_file() => {}
                Ok(_) => {
                    return Err(Fault::NotAFile {
                        kind: "no regular file",
                    }
                    .into());
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(Error::io("open", error)),
            }
            let bytes = FileRange::whole(open_regular(&path, false)?)?.bytes(LINK_LENGTH)?;
            let text = String::from_utf8_lossy(&bytes);
            Ok(Some(text.strip_suffix('\n').unwrap_or(&text).to_owned()))
        };
        read().at(|| path.to_string_lossy().into_owned())
    }

    /// Creates an unfinished file in a directory.
    fn file(&self, directory: &Path) -> Result<NewFile> {
        let file = NewFile::in_directory(directory, MODE)?;
        let parent = std::fs::metadata(directory);
        let parent =
            parent.map_err(|error| Error::io("open", error).at(directory.to_string_lossy()))?;
        let made = file.file().metadata();
        let made =
            made.map_err(|error| Error::io("open", error).at(directory.to_string_lossy()))?;
        let (owner, group) = self.owner(&parent, &made);
        let _ = rustix::fs::fchown(file.file(), owner, group);
        let mode = parent.mode() & 0o666;
        if made.mode() & 0o666 != mode {
            let permissions = std::fs::Permissions::from_mode(mode);
            let _ = file.file().set_permissions(permissions);
        }
        Ok(file)
    }

    /// Creates a directory of the tree with those above it, and returns its path. Links are not followed.
    fn directory(&self, relative: &str) -> Result<PathBuf> {
        let whole = self.storage.join(relative);
        if self
            .made
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(&whole)
        {
            return Ok(whole);
        }
        let mut path = self.storage.clone();
        for part in relative.split('/') {
            let parent = path.clone();
            path.push(part);
            self.subdirectory(&parent, part, &path)
                .at(|| path.to_string_lossy().into_owned())?;
        }
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.insert(whole.clone());
        Ok(whole)
    }

    fn subdirectory(&self, parent: &Path, name: &str, path: &Path) -> Result<()> {
        let failed = |error| Error::io("create", error);
        let is_new = path.symlink_metadata().is_err();
        make_directory(parent, name).map_err(failed)?;
        let made = path.symlink_metadata().map_err(failed)?;
        if !made.is_dir() {
            let kind = match made.is_symlink() {
                true => "a symbolic link",
                false => "no directory",
            };
            return Err(Fault::NotAFile { kind }.into());
        }
        if is_new {
            let parent = std::fs::metadata(parent).map_err(failed)?;
            let (owner, group) = self.owner(&parent, &made);
            let (owner, group) = (owner.map(Uid::as_raw), group.map(Gid::as_raw));
            let _ = std::os::unix::fs::lchown(path, owner, group);
            if made.mode() & 0o7777 != parent.mode() & 0o7777 {
                let _ = std::fs::set_permissions(path, parent.permissions());
            }
        }
        Ok(())
    }

    /// Returns the owner and group to give to a new file or directory; `None` for one that it has.
    fn owner(&self, parent: &Metadata, made: &Metadata) -> (Option<Uid>, Option<Gid>) {
        match self.options.owner {
            Some((user, group)) => (Some(Uid::from_raw(user)), Some(Gid::from_raw(group))),
            None => {
                let other = parent.gid() != made.gid();
                (None, other.then(|| Gid::from_raw(parent.gid())))
            }
        }
    }

    /// Directory of `blobs` and `repositories`.
    pub(super) fn storage(&self) -> &Path {
        &self.storage
    }

    pub(super) fn sync(&self) -> Result<()> {
        let synced = File::open(&self.storage).and_then(|directory| Ok(syncfs(&directory)?));
        synced.map_err(|error| Error::io("write", error).at(self.storage.to_string_lossy()))
    }
}

/// Refuses a directory that is neither empty nor a tree to which images may be added.
///
/// # Errors
/// `Exists`; `Unsupported` for the storage of a pull-through cache; `Io`.
pub fn check(path: &Path) -> Result<()> {
    let context = || path.to_string_lossy().into_owned();
    if let Some(storage) = registry_root(path) {
        let root = root_of(&storage).at(context)?;
        if root.join("scheduler-state.json").exists() {
            let what = "the storage of a pull-through cache, which deletes its images after a week";
            return Err(Error::unsupported(what).at(context()));
        }
        return Ok(());
    }
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("open", error).at(context())),
    };
    for entry in entries {
        let entry = entry.during("read").at(context)?;
        // Left by a program that was killed before it created the tree.
        let is_ours =
            entry.file_name() == LOCK || entry.file_name() == STORAGE[0] && is_begun(&entry.path());
        if !is_ours {
            let kind = "a directory that is neither empty nor the storage of a registry";
            return Err(Error::exists(kind).at(context()));
        }
    }
    Ok(())
}

/// Tests if a directory `docker` has no more in it than an empty directory `registry`.
fn is_begun(docker: &Path) -> bool {
    let names = |path: &Path| -> Vec<std::ffi::OsString> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name()).collect()
    };
    docker.is_dir()
        && names(docker).iter().all(|name| name == STORAGE[1])
        && names(&docker.join(STORAGE[1])).is_empty()
}

/// Returns the directory above `docker/registry/v2`, or the path itself.
fn root_of(storage: &Path) -> Result<PathBuf> {
    let storage = std::fs::canonicalize(storage).during("open")?;
    match storage.ends_with(STORAGE.join("/")) {
        true => Ok(storage.ancestors().nth(3).unwrap_or(&storage).to_owned()),
        false => Ok(storage),
    }
}

/// Takes the lock of a tree, waiting for other programs.
fn lock(path: &Path) -> Result<File> {
    let file = File::options().create(true).append(true).open(path);
    let file = file.during("lock")?;
    loop {
        match flock(&file, FlockOperation::LockExclusive) {
            Ok(()) | Err(Errno::OPNOTSUPP | Errno::NOLCK) => return Ok(file),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::io("lock", errno.into())),
        }
    }
}

/// Compares a file with its digest.
fn verify(path: &Path, expected: &Digest) -> Result<()> {
    let mut reader = FileRange::whole(open_regular(path, false)?)?.reader();
    let mut hasher = Hasher::like(expected)?;
    let mut buf = vec![0; crate::blob::CHUNK];
    loop {
        match std::io::Read::read(&mut reader, &mut buf) {
            Ok(0) => break,
            Ok(n) => hasher.update(&buf[..n]),
            Err(error) => return Err(Error::io("read", error)),
        }
    }
    let found = hasher.finish();
    match found == *expected {
        true => Ok(()),
        false => Err(Error::digest_mismatch(expected, found)),
    }
}
