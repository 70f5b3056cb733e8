//! Volumes of sets that are not complete yet.
//!
//! They are kept as they are below `ingest/`, one directory for each set, until the last one arrives. A volume gets its
//! name when its chunks were compared with their digests and it is synced, its table after it: what has a table is whole.

use std::io::Write;
use std::path::PathBuf;

use super::local::Store;
use super::lock::INGEST;
use crate::archive::volumes::{Volume, VolumeTable, chunk_digest, ranges};
use crate::blob::{FileRange, NewFile, make_directory, open_regular, read_full, sync_directory};
use crate::error::{At, During, Error, Fault, Result, VolumeFault};
use crate::spec::Digest;
use crate::write::volumes::write_table;

/// End of the name of the file with the images of a set that was loaded. Its lines protect nothing, and it is removed
/// like the files that do, see [`super::ingest`].
const LOADED: &str = ".loaded";

/// Beginning of its lines.
const LINE: &str = "loaded ";

/// Maximum length in bytes of such a file.
const MAX_LOADED: u64 = 1 << 30;

impl Store {
    /// Returns the directory for the volumes of a set, which may be missing.
    pub fn volumes_of(&self, set: &str) -> PathBuf {
        self.path.join(INGEST).join(set)
    }

    /// Keeps a copy of a volume until its set is complete. A volume that is there already is not read.
    ///
    /// # Errors
    /// `Volumes` with the damaged chunks, nothing is kept then; `Io`.
    pub fn keep_volume(&self, volume: &Volume) -> Result<()> {
        let table = &volume.table;
        self.blob_directory()?;
        let directory = self.volumes_of(&table.set);
        let place = || directory.to_string_lossy().into_owned();
        self.mark_as_layout().at(place)?;
        make_directory(&self.path, INGEST)
            .during("create")
            .at(place)?;
        let ingest = self.path.join(INGEST);
        make_directory(&ingest, &table.set)
            .during("create")
            .at(place)?;
        // Nothing is written through a link within a store.
        let is_directory =
            |path: &PathBuf| std::fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
        if !is_directory(&ingest) || !is_directory(&directory) {
            return Err(Error::not_a_file("a symbolic link").at(place()));
        }
        let kept = directory.join(&table.name);
        let known = Volume::read(&directory.join(format!("{}.sha256", table.name)));
        let is_kept = |known: &Volume| known.is_present() && known.table == *table;
        if known.is_ok_and(|known| known.as_ref().is_some_and(is_kept)) {
            return Ok(());
        }
        let file = NewFile::in_directory(&directory, 0o600)?;
        let bad = copy(volume, &file).at(|| volume.path.to_string_lossy().into_owned())?;
        if !bad.is_empty() {
            return Err(damaged(table, &bad));
        }
        file.replace(&table.name)?;
        write_table(&kept, table)?;
        sync_directory(&directory).at(place)
    }

    /// Returns the digests of the manifests and indexes of a set that was loaded; none if it was not, or 30 days ago.
    ///
    /// # Errors
    /// `Io`; `NotAFile`.
    pub fn loaded_from(&self, set: &str) -> Result<Vec<Digest>> {
        let path = self.path.join(INGEST).join(format!("{set}{LOADED}"));
        if !path.exists() {
            return Ok(Vec::new());
        }
        let read = || FileRange::whole(open_regular(&path, false)?)?.bytes(MAX_LOADED);
        let bytes = read().at(|| path.to_string_lossy().into_owned())?;
        let text = String::from_utf8_lossy(&bytes);
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
        let directory = self.volumes_of(set);
        match std::fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("remove", error).at(directory.to_string_lossy()))
            }
            _ => Ok(()),
        }
    }
}

/// Copies a volume; returns the numbers of its damaged chunks.
fn copy(volume: &Volume, file: &NewFile) -> Result<Vec<u64>> {
    let table = &volume.table;
    let range = FileRange::whole(open_regular(&volume.path, true)?)?;
    let mut reader = range.reader();
    let mut out = file.file();
    let mut bytes = vec![0; usize::try_from(table.chunk).unwrap_or_default()];
    let mut bad = Vec::new();
    for (digest, number) in table.chunks.iter().zip(0_u64..) {
        let left = table.size.saturating_sub(number * table.chunk);
        let wanted = usize::try_from(left.min(table.chunk)).unwrap_or_default();
        let chunk = bytes.get_mut(..wanted).unwrap_or_default();
        let found = read_full(&mut reader, chunk).unwrap_or_default();
        if found < chunk.len() || chunk_digest(chunk) != *digest {
            bad.push(number);
            continue;
        }
        out.write_all(chunk)
            .map_err(|error| file.write_error(error))
            .during("write")?;
    }
    Ok(bad)
}

fn damaged(table: &VolumeTable, bad: &[u64]) -> Error {
    let ranges = ranges(table.chunk, bad);
    let volume = table.name.clone();
    Fault::Volumes(VolumeFault::Damaged { volume, ranges }).into()
}
