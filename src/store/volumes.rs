//! Volumes of sets that are not complete yet.
//!
//! Whole blobs of a volume are stored as blobs, protected from deletion as long as the set; the rest of it is kept below
//! `ingest/`, in one directory for each set, until the last volume arrives:
//!
//! - `NAME`: the bytes of the volume between its blobs, one after the other
//! - `NAME.blobs`: on each line offset, length and digest of a blob, in their order
//! - `NAME.sha256`: its table, written last: what has a table is whole
//!
//! Threats: blobs that were deleted or damaged meanwhile. A volume without one of them counts as missing, and its chunks
//! are compared with their digests when they are read.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::local::Store;
use super::lock::{self, INGEST, Lock};
use crate::archive::volumes::{Run, Volume, VolumePart, ranges, sets_in};
use crate::archive::{Content, MemberKind, MemberTable};
use crate::blob::{
    FileRange, Meter, NewFile, make_directory, open_regular, sync_directory, write_atomically,
};
use crate::error::{At, During, Error, Fault, Result, VolumeFault};
use crate::limits::Limits;
use crate::spec::Digest;
use crate::write::volumes::write_table;
use crate::write::{Bundle, layout};

/// End of the name of the file with the images of a set that was loaded. Its lines protect nothing, and it is removed
/// like the files that do, see [`super::ingest`].
const LOADED: &str = ".loaded";

/// Beginning of its lines.
const LINE: &str = "loaded ";

/// End of the name of the file with the blobs of a volume, and of the one that protects those of a set.
const BLOBS: &str = ".blobs";

/// Maximum length in bytes of such files.
const MAX_LIST: u64 = 1 << 30;

/// Smallest blob in bytes that is stored as one. The others are documents, and are needed with their volume.
const MIN_BLOB: u64 = 64 << 10;

/// A blob that is whole in a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
struct WholeBlob {
    /// Offset in bytes in the volume.
    at: u64,
    length: u64,
    digest: Digest,
}

impl Store {
    /// Returns the volumes of a set that were kept. Those of which blobs are missing count as missing.
    ///
    /// # Errors
    /// As [`sets_in`]; `NotAFile` for a directory in place of a blob.
    pub fn kept_volumes(&self, set: &str, most: u64) -> Result<Vec<Volume>> {
        let directory = self.path.join(INGEST).join(set);
        if !directory.is_dir() {
            return Ok(Vec::new());
        }
        let mut volumes: Vec<Volume> = sets_in(&[directory], most)?
            .into_values()
            .flatten()
            .collect();
        for volume in &mut volumes {
            let Some(blobs) = blobs_of(volume)? else {
                continue;
            };
            let rest = volume.length.take();
            let mut is_whole = true;
            for blob in &blobs {
                is_whole &= self.blob_size(&blob.digest)? == Some(blob.length);
            }
            let parts = parts(volume, &blobs, &self.path);
            let length = parts.iter().filter(|part| part.path == volume.path);
            let length: u64 = length.map(|part| part.length).sum();
            if is_whole && rest == Some(length) {
                volume.length = Some(volume.table.size);
                volume.parts = parts;
            }
        }
        Ok(volumes)
    }

    /// Keeps a volume until its set is complete: its whole blobs in the store, the rest below `ingest/`. A volume that is
    /// there already is not read.
    ///
    /// # Errors
    /// `Volumes` with the damaged chunks: nothing but the blobs before them is kept then; `DigestMismatch` for a blob with
    /// other bytes than its digest says; `Io`.
    pub fn keep_volume(&self, volume: &Volume, limits: &Limits, meter: &Meter) -> Result<()> {
        let table = &volume.table;
        let directory = self.set_directory(&table.set)?;
        let place = || directory.to_string_lossy().into_owned();
        let _blobs = Lock::shared(&self.path, lock::BLOBS).at(place)?;
        // What is protected is read, and written again with more.
        let _set = Lock::exclusive(&self.path, &format!("{INGEST}/{}", table.set)).at(place)?;
        let known = self.kept_volumes(&table.set, limits.volumes)?;
        if known
            .iter()
            .any(|known| known.is_present() && known.table == *table)
        {
            return Ok(());
        }
        let range = volume.range()?;
        let blobs = match table.parity {
            None => whole_blobs(&range, volume, limits)?,
            Some(_) => Vec::new(),
        };
        let mut protected = Vec::new();
        for volume in &known {
            let blobs = blobs_of(volume)?.unwrap_or_default();
            protected.extend(blobs.into_iter().map(|blob| blob.digest));
        }
        protected.extend(blobs.iter().map(|blob| blob.digest.clone()));
        self.protect(&format!("{}{BLOBS}", table.set), &protected)?;
        let kept = directory.join(&table.name);
        // Without its table, what is there of the volume does not count.
        remove(&with_end(&kept, ".sha256"))?;
        let file = NewFile::in_directory(&directory, 0o600)?;
        let copied = self.copy(&range, &blobs, &file, meter);
        copied.map_err(|error| damage(volume, error))?;
        file.replace(&table.name)?;
        let lines = blobs.iter().map(|blob| {
            let WholeBlob { at, length, digest } = blob;
            format!("{at} {length} {digest}\n")
        });
        let lines: String = lines.collect();
        write_atomically(&with_end(&kept, BLOBS), lines.as_bytes())?;
        write_table(&kept, table)?;
        sync_directory(&directory).at(place)
    }

    /// Creates the directory for the volumes of a set.
    fn set_directory(&self, set: &str) -> Result<PathBuf> {
        self.blob_directory()?;
        let ingest = self.path.join(INGEST);
        let directory = ingest.join(set);
        let place = || directory.to_string_lossy().into_owned();
        self.mark_as_layout().at(place)?;
        make_directory(&self.path, INGEST)
            .during("create")
            .at(place)?;
        make_directory(&ingest, set).during("create").at(place)?;
        // Nothing is written through a link within a store.
        let is_directory =
            |path: &PathBuf| std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
        match is_directory(&ingest) && is_directory(&directory) {
            true => Ok(directory),
            false => Err(Error::not_a_file("a symbolic link").at(place())),
        }
    }

    /// Stores the blobs of a volume, and copies the rest into a file; in one pass from its beginning, for discs.
    fn copy(
        &self,
        range: &FileRange,
        blobs: &[WholeBlob],
        file: &NewFile,
        meter: &Meter,
    ) -> Result<()> {
        let mut done = 0;
        let copy_rest = |from: u64, to: u64| -> Result<()> {
            let mut reader = range.slice(from, to - from).reader();
            let copied = std::io::copy(&mut reader, &mut file.file()).during("read")?;
            match copied == to - from {
                true => Ok(()),
                false => Err(Error::truncated("the volume", to - from, copied)),
            }
        };
        for blob in blobs {
            copy_rest(done, blob.at)?;
            let mut one = Bundle::default();
            let content = Content::Range(range.slice(blob.at, blob.length));
            one.add_blob(&blob.digest, content);
            layout::blobs(&one, &self.path, meter, &Mutex::default())?;
            done = blob.at + blob.length;
        }
        copy_rest(done, range.len())
    }

    /// Returns the digests of the manifests and indexes of a set that was loaded; none if it was not, or 30 days ago.
    ///
    /// # Errors
    /// `Io`; `NotAFile`.
    pub fn loaded_from(&self, set: &str) -> Result<Vec<Digest>> {
        let path = self.path.join(INGEST).join(format!("{set}{LOADED}"));
        let Some(text) = list(&path)? else {
            return Ok(Vec::new());
        };
        let digests = text.lines().filter_map(|line| line.strip_prefix(LINE));
        Ok(digests
            .filter_map(|digest| Digest::parse(digest).ok())
            .collect())
    }

    /// Removes the volumes of a set that was loaded, and remembers the digests of its manifests and indexes.
    ///
    /// # Errors
    /// `Io`.
    pub fn finish_volumes(&self, set: &str, images: &[Digest]) -> Result<()> {
        let lines = images.iter().map(|digest| format!("{LINE}{digest}"));
        self.note_below_ingest(&format!("{set}{LOADED}"), lines)?;
        self.release(&format!("{set}{BLOBS}"))?;
        let directory = self.path.join(INGEST).join(set);
        match std::fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Error::io("remove", error).at(directory.to_string_lossy()))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the blobs that are whole in a volume, in their order, each with its place.
fn whole_blobs(range: &FileRange, volume: &Volume, limits: &Limits) -> Result<Vec<WholeBlob>> {
    let Some(start) = volume.table.first_member else {
        return Ok(Vec::new());
    };
    let run = Run {
        start,
        end: range.len(),
        restarts: Vec::new(),
    };
    let (members, _) = match MemberTable::runs(range, &[run], &[], limits) {
        // It is cut inside of a header, or no tar.
        Err(error) if matches!(error.fault(), Fault::Tar { .. }) => return Ok(Vec::new()),
        members => members.map_err(|error| damage(volume, error))?,
    };
    let mut blobs: Vec<WholeBlob> = Vec::new();
    for member in members.members() {
        let (Ok(name), MemberKind::File(Content::Range(content))) =
            (std::str::from_utf8(&member.name), &member.kind)
        else {
            continue;
        };
        let (at, length) = (content.parts().1, content.len());
        let end = blobs.last().map_or(0, |last| last.at + last.length);
        if let Some(digest) = Digest::from_blob_path(name)
            && length >= MIN_BLOB
            && at >= end
        {
            blobs.push(WholeBlob { at, length, digest });
        }
    }
    Ok(blobs)
}

/// Returns the error for a volume that cannot be read: with all of its damaged chunks, if there are any.
fn damage(volume: &Volume, error: Error) -> Error {
    let table = &volume.table;
    let bad = volume.bad_chunks().unwrap_or_default();
    if bad.is_empty() {
        return error.at(volume.path.to_string_lossy());
    }
    let ranges = ranges(table.chunk, &bad);
    let volume = table.name.clone();
    Fault::Volumes(VolumeFault::Damaged { volume, ranges }).into()
}

/// Returns the blobs of a volume that was kept; `None` if it was kept as it is.
fn blobs_of(volume: &Volume) -> Result<Option<Vec<WholeBlob>>> {
    let path = with_end(&volume.path, BLOBS);
    let Some(text) = list(&path)? else {
        return Ok(None);
    };
    let mut blobs: Vec<WholeBlob> = Vec::new();
    for line in text.lines() {
        let end = blobs.last().map_or(0, |last| last.at + last.length);
        let size = volume.table.size;
        let blob = parse(line).filter(|blob| {
            let stop = blob.at.checked_add(blob.length);
            blob.at >= end && stop.is_some_and(|stop| stop <= size)
        });
        let invalid = || Error::ambiguous("invalid list of blobs").at(path.to_string_lossy());
        blobs.push(blob.ok_or_else(invalid)?);
    }
    Ok(Some(blobs))
}

fn parse(line: &str) -> Option<WholeBlob> {
    let mut fields = line.split(' ');
    Some(WholeBlob {
        at: fields.next()?.parse().ok()?,
        length: fields.next()?.parse().ok()?,
        digest: Digest::parse(fields.next()?).ok()?,
    })
}

/// Returns the parts of a volume that was kept: its blobs in the store, and the rest in the file at its path.
fn parts(volume: &Volume, blobs: &[WholeBlob], store: &Path) -> Vec<VolumePart> {
    let (mut parts, mut done, mut offset) = (Vec::new(), 0, 0);
    let size = volume.table.size;
    let ends = blobs.iter().map(Some).chain([None]);
    for blob in ends {
        let next = blob.map_or(size, |blob| blob.at);
        if next > done {
            parts.push(VolumePart {
                at: done,
                length: next - done,
                path: volume.path.clone(),
                offset,
            });
            offset += next - done;
        }
        if let Some(blob) = blob {
            parts.push(VolumePart {
                at: blob.at,
                length: blob.length,
                path: store.join(blob.digest.blob_path()),
                offset: 0,
            });
            done = blob.at + blob.length;
        }
    }
    parts
}

/// Reads a list; `None` if it is missing.
fn list(path: &Path) -> Result<Option<String>> {
    if !path.exists() {
        return Ok(None);
    }
    let read = || FileRange::whole(open_regular(path, false)?)?.bytes(MAX_LIST);
    let bytes = read().at(|| path.to_string_lossy().into_owned())?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn with_end(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(end);
    path.with_file_name(name)
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::io("remove", error).at(path.to_string_lossy()))
        }
        _ => Ok(()),
    }
}
