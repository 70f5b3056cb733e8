//! Bundles as folders: an OCI layout, skopeo's `dir:`.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::archive::{OCI_LAYOUT, index, one_only};
use super::bundle::Bundle;
use super::copy;
use super::output::{BlobOut, Source};
use crate::archive::Content;
use crate::blob::{Meter, NewDirectory, NewFile, SerialWriter, make_directory, sync_directory};
use crate::error::{At, Error, Fault, Result};
use crate::parallel::in_parallel;
use crate::spec::Digest;

/// Permission bits of blobs and documents in folders, before the umask.
const MODE: u32 = 0o644;

/// Writes the blobs of a bundle below `blobs/` of a layout, on all cores; those that are there are left alone, and the
/// bundle's are compared with what is stated of them all the same.
///
/// Returns the bytes that were written. Each blob appears under its name only when it is whole and synced, and is then
/// put into `new`.
///
/// # Errors
/// `SizeMismatch`, `DigestMismatch`, `Io`; what was added by then stays, nothing refers to it, and it is in `new`.
pub(crate) fn blobs(
    bundle: &Bundle,
    layout: &Path,
    meter: &Meter,
    new: &Mutex<Vec<Digest>>,
) -> Result<u64> {
    let added = |digest: &Digest| {
        let mut new = new.lock().unwrap_or_else(PoisonError::into_inner);
        new.push(digest.clone());
    };
    let mut work: Vec<&BlobOut> = Vec::new();
    let mut known: Vec<&BlobOut> = Vec::new();
    for blob in bundle.blobs() {
        match is_there(layout, blob)? {
            true => known.push(blob),
            false => work.push(blob),
        }
    }
    let mut folders: Vec<String> = work
        .iter()
        .map(|blob| format!("blobs/{}", blob.digest.algorithm()))
        .collect();
    folders.sort_unstable();
    folders.dedup();
    for folder in &folders {
        std::fs::create_dir_all(layout)
            .and_then(|()| make_directory(layout, "blobs"))
            .and_then(|()| make_directory(layout, folder))
            .map_err(|error| {
                Error::io("create", error).at(layout.join(folder).to_string_lossy())
            })?;
    }
    known.sort_by_key(|blob| std::cmp::Reverse(blob.size));
    // What would say that a damaged archive was taken, because its blobs came from elsewhere before.
    in_parallel(&known, |blob| copy::check(blob, meter))
        .into_iter()
        .collect::<Result<()>>()?;
    work.sort_by_key(|blob| std::cmp::Reverse(blob.size));
    let written = in_parallel(&work, |blob| -> Result<u64> {
        let folder = layout.join("blobs").join(blob.digest.algorithm());
        let name = blob.digest.encoded();
        if let Source::Stored(Content::Kept(kept)) = &blob.source
            && kept.scan.digest == blob.digest
            && kept.scan.size == blob.size
            && kept.file.is_in(&folder)
            && (kept.file.link_as(name)? || is_there(layout, blob)?)
        {
            // It came by on a stream, was hashed then, and lay in this folder: all it lacked was its name.
            added(&blob.digest);
            meter.skip(blob.size);
            return Ok(blob.size);
        }
        let file = NewFile::in_directory(&folder, MODE)?;
        copy::to_file(blob, &SerialWriter::new(file.file()), 0, meter)?;
        // Another program may have added it meanwhile, and a third one read that: then it stays that file.
        if !file.link_as(name)? && !is_there(layout, blob)? {
            file.replace(name)?;
        }
        added(&blob.digest);
        Ok(blob.size)
    });
    let written = written.into_iter().sum::<Result<u64>>()?;
    for folder in &folders {
        sync_directory(&layout.join(folder))?;
    }
    Ok(written)
}

/// Whether a layout has the blob. Half a blob under a whole name is some other program's accident, and is replaced.
///
/// # Errors
/// `NotAFile` for anything else in its place.
fn is_there(layout: &Path, blob: &BlobOut) -> Result<bool> {
    let path = layout.join(blob.digest.blob_path());
    match std::fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_file() => Ok(metadata.len() == blob.size),
        Ok(_) => Err(Error::new(Fault::NotAFile {
            kind: "no regular file",
        })
        .at(path.to_string_lossy())),
        Err(_) => Ok(false),
    }
}

/// Writes a bundle as a new OCI layout: blobs first, `index.json` last.
///
/// # Errors
/// `Io` if the folder is there and not empty; as the writing of blobs.
pub fn layout(bundle: &Bundle, path: &Path, meter: &Meter) -> Result<()> {
    fresh(path, |folder| {
        std::fs::create_dir_all(folder.join("blobs/sha256"))
            .map_err(|error| Error::io("create", error))?;
        blobs(bundle, folder, meter, &Mutex::default())?;
        put(folder, "oci-layout", OCI_LAYOUT)?;
        put(folder, "index.json", &index(&bundle.listed))
    })
}

/// Writes a bundle of one image as skopeo's `dir:`.
///
/// # Errors
/// `Unsupported` for several images; as [`layout`].
pub fn dir(bundle: &Bundle, path: &Path, meter: &Meter) -> Result<()> {
    let listed = one_only(bundle)?;
    let absent = || {
        Error::new(Fault::BlobMissing {
            digest: listed.descriptor.digest.to_string(),
        })
    };
    let manifest = bundle.blob(&listed.descriptor.digest).ok_or_else(absent)?;
    fresh(path, |folder| {
        put(folder, "version", b"Directory Transport Version: 1.1\n")?;
        let work: Vec<(&BlobOut, String)> = bundle
            .blobs()
            .iter()
            .map(|blob| {
                let is_document = matches!(blob.source, Source::Document(_));
                let is_child = is_document && bundle.is_manifest(&blob.digest);
                match (blob.digest == manifest.digest, is_child) {
                    (true, _) => (blob, "manifest.json".to_owned()),
                    (false, true) => (blob, format!("{}.manifest.json", blob.digest.encoded())),
                    (false, false) => (blob, blob.digest.encoded().to_owned()),
                }
            })
            .collect();
        in_parallel(&work, |(blob, name)| {
            let file = NewFile::in_directory(folder, MODE)?;
            copy::to_file(blob, &SerialWriter::new(file.file()), 0, meter)?;
            file.replace(name)
        })
        .into_iter()
        .collect::<Result<()>>()?;
        let mut signatures = bundle.valid_signatures();
        signatures.try_for_each(|signature| {
            put(folder, &signature.name(&manifest.digest), &signature.bytes)
        })
    })
}

/// Makes a folder beside its place and moves it there when it is whole. An empty folder may be there already.
fn fresh(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let place = || path.to_string_lossy().into_owned();
    let occupied = match std::fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(Error::io("open", error).at(place())),
    };
    if occupied {
        return Err(Error::io("create", rustix::io::Errno::EXIST.into()).at(place()));
    }
    let folder = NewDirectory::beside(path).at(place)?;
    fill(folder.path()).map_err(|error| match error.fault() {
        // The folder's name of the moment would tell nobody anything.
        Fault::Io { action, .. } if *action != "read" => {
            Error::new(error.fault().clone()).at(place())
        }
        _ => error,
    })?;
    sync_directory(folder.path())?;
    folder.become_target(path).at(place)
}

/// Replaces a document in a folder as a whole.
///
/// # Errors
/// `Io`.
pub(crate) fn put(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let file = NewFile::in_directory(folder, MODE)?;
    let failed = |error| Error::io("write", error).at(folder.join(name).to_string_lossy());
    std::io::Write::write_all(&mut file.file(), bytes).map_err(failed)?;
    file.replace(name)
}
