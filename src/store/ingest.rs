//! Blobs that no image needs yet, kept from deletion for a time.
//!
//! Parts of images that arrive in several pieces are stored as blobs before there is a document that lists them. A file
//! below `ingest/` protects them: one digest on each line. Its time of modification is the beginning of the protection,
//! which ends after 30 days, so that pieces that never become an image do not stay forever.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use super::local::Store;
use super::lock::{self, INGEST, Lock};
use crate::blob::{FileRange, Meter, is_leftover, make_directory, open_regular, sync_directory};
use crate::error::{At, During, Error, Result};
use crate::spec::Digest;
use crate::write::{Bundle, layout};

/// Time for which a file protects blobs.
const PROTECTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Maximum length in bytes of a file that protects blobs.
const LENGTH: u64 = 1 << 30;

/// The files of a store that protect blobs.
#[derive(Debug, Default)]
pub(super) struct Protection {
    /// Protected digests.
    pub digests: HashSet<Digest>,
    /// Files whose protection has ended.
    pub ended: Vec<PathBuf>,
    /// Directories with volumes of sets that were not completed in that time.
    pub ended_sets: Vec<PathBuf>,
}

impl Store {
    /// Protects blobs from [`Store::collect`] for 30 days from now, whether they are present or not. `name` is the name
    /// of the file below `ingest/`, which replaces an existing one. To be called before the blobs are written.
    ///
    /// # Errors
    /// `Io`; `NotAFile` if `ingest` is no directory.
    pub fn protect<'a>(
        &self,
        name: &str,
        digests: impl IntoIterator<Item = &'a Digest>,
    ) -> Result<()> {
        let lines = digests.into_iter().map(Digest::to_string);
        self.note_below_ingest(name, lines)
    }

    /// Writes a file of lines below `ingest/`.
    ///
    /// # Errors
    /// As [`Store::protect`].
    pub(super) fn note_below_ingest(
        &self,
        name: &str,
        lines: impl Iterator<Item = String>,
    ) -> Result<()> {
        let directory = self.path.join(INGEST);
        let place = || directory.to_string_lossy().into_owned();
        make_directory(&self.path, INGEST)
            .during("create")
            .at(place)?;
        // Nothing is written through a link within a store.
        if !std::fs::symlink_metadata(&directory).is_ok_and(|found| found.is_dir()) {
            return Err(Error::not_a_file("no directory").at(place()));
        }
        let text: String = lines.map(|line| line + "\n").collect();
        layout::put(&directory, name, text.as_bytes()).at(place)?;
        sync_directory(&directory).at(place)
    }

    /// Ends the protection by a file below `ingest/`, which may be missing.
    ///
    /// # Errors
    /// `Io`.
    pub fn release(&self, name: &str) -> Result<()> {
        let path = self.path.join(INGEST).join(name);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::io("remove", error).at(path.to_string_lossy()))
            }
            _ => Ok(()),
        }
    }

    /// Adds the blobs of a bundle without its images, protected by the file `name` below `ingest/`. Returns the size in
    /// bytes of the new blobs.
    ///
    /// # Errors
    /// As [`Store::add`]. Blobs that were added before the failure stay, protected.
    pub fn keep(&self, name: &str, bundle: &Bundle, meter: &Meter) -> Result<u64> {
        let context = || self.path.to_string_lossy().into_owned();
        self.blob_directory()?;
        let _blobs = Lock::shared(&self.path, lock::BLOBS).at(context)?;
        self.mark_as_layout().at(context)?;
        self.protect(name, bundle.blobs().iter().map(|blob| &blob.digest))?;
        layout::blobs(bundle, &self.path, meter, &Mutex::default())
    }

    /// Returns the size in bytes of a blob; `None` if it is missing.
    ///
    /// # Errors
    /// `NotAFile` for anything else in its place.
    pub fn blob_size(&self, digest: &Digest) -> Result<Option<u64>> {
        let path = self.path.join(digest.blob_path());
        match std::fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(metadata.len())),
            Ok(_) => Err(Error::not_a_file("no regular file").at(path.to_string_lossy())),
            Err(_) => Ok(None),
        }
    }

    /// Reads the files that protect blobs.
    ///
    /// # Errors
    /// `Io`; `Limit` for a file of more than 1 GiB. Nothing may be deleted then.
    pub(super) fn protection(&self) -> Result<Protection> {
        let directory = self.path.join(INGEST);
        let mut protection = Protection::default();
        let entries = match std::fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                return Ok(protection);
            }
            Err(error) => return Err(Error::io("open", error).at(directory.to_string_lossy())),
        };
        for entry in entries {
            let entry = entry
                .during("read")
                .at(|| directory.to_string_lossy().into_owned())?;
            let path = entry.path();
            let context = || path.to_string_lossy().into_owned();
            let metadata = entry.metadata().during("read").at(context)?;
            let age = metadata
                .modified()
                .ok()
                .and_then(|time| time.elapsed().ok());
            let has_ended = age.is_some_and(|age| age > PROTECTION);
            // A directory changes with each volume that arrives.
            if metadata.is_dir() && has_ended {
                protection.ended_sets.push(path);
                continue;
            }
            if !metadata.is_file() || entry.file_name().to_str().is_none_or(is_leftover) {
                continue;
            }
            if has_ended {
                protection.ended.push(path);
                continue;
            }
            let file = open_regular(&path, false).at(context)?;
            let bytes = FileRange::whole(file)
                .and_then(|file| file.bytes(LENGTH))
                .at(context)?;
            let lines = bytes.split(|byte| *byte == b'\n');
            let texts = lines.filter_map(|line| std::str::from_utf8(line).ok());
            protection
                .digests
                .extend(texts.filter_map(|text| Digest::parse(text).ok()));
        }
        Ok(protection)
    }
}
