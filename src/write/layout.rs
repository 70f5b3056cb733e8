//! Bundles as directories: OCI layouts and skopeo's `dir:`.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::bundle::Bundle;
use super::copy;
use super::manifest::{OCI_LAYOUT, index, one_only};
use super::output::{BlobOut, Source};
use crate::archive::Content;
use crate::blob::{Meter, NewDirectory, NewFile, make_directory, sync_directory};
use crate::error::{At, During, Error, Fault, Result};
use crate::parallel::in_parallel;
use crate::spec::Digest;

/// Permission bits of blobs and documents in directories, before the umask.
const MODE: u32 = 0o644;

/// Writes the blobs of a bundle below `blobs/` of a layout, on all cores. Existing blobs are kept, but those of the
/// bundle are verified all the same; those of [`Bundle::replace_stored`] are replaced.
///
/// Returns the number of bytes written. Each blob gets its name when it is complete and synced, and is then added to
/// `new`.
///
/// # Errors
/// `SizeMismatch`, `DigestMismatch`, `Io`. The blobs in `new` stay; no document refers to them.
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
        match !bundle.replaced.contains(&blob.digest) && has_blob(layout, blob)? {
            true => known.push(blob),
            false => work.push(blob),
        }
    }
    let mut directories: Vec<String> = work
        .iter()
        .map(|blob| format!("blobs/{}", blob.digest.algorithm()))
        .collect();
    directories.sort_unstable();
    directories.dedup();
    for directory in &directories {
        std::fs::create_dir_all(layout)
            .and_then(|()| make_directory(layout, "blobs"))
            .and_then(|()| make_directory(layout, directory))
            .map_err(|error| {
                Error::io("create", error).at(layout.join(directory).to_string_lossy())
            })?;
    }
    known.sort_by_key(|blob| std::cmp::Reverse(blob.size));
    // Otherwise a damaged archive would pass if the blobs came from elsewhere before.
    in_parallel(&known, |blob| copy::check(blob, meter))
        .into_iter()
        .collect::<Result<()>>()?;
    work.sort_by_key(|blob| std::cmp::Reverse(blob.size));
    let written = in_parallel(&work, |blob| -> Result<u64> {
        let directory = layout.join("blobs").join(blob.digest.algorithm());
        let name = blob.digest.encoded();
        let is_replaced = bundle.replaced.contains(&blob.digest);
        if !is_replaced
            && let Source::Stored(Content::Kept(kept)) = &blob.source
            && kept.scan.digest == blob.digest
            && kept.scan.size == blob.size
            && kept.file.is_in(&directory)
            && (kept.file.link_as(name)? || has_blob(layout, blob)?)
        {
            // The blob came from a stream, was hashed then, and is in this directory: it only lacks its name.
            added(&blob.digest);
            meter.skip(blob.size);
            return Ok(blob.size);
        }
        let file = NewFile::in_directory(&directory, MODE)?;
        copy::to_new_file(blob, &file, meter)?;
        // Another program may have added the blob meanwhile, and a third one opened it: then that file stays.
        if !file.link_as(name)? && (is_replaced || !has_blob(layout, blob)?) {
            file.replace(name)?;
        }
        added(&blob.digest);
        Ok(blob.size)
    });
    let written = written.into_iter().sum::<Result<u64>>()?;
    for directory in &directories {
        sync_directory(&layout.join(directory))?;
    }
    Ok(written)
}

/// Returns true if a layout has the blob. A file of another size is an accident of another program, and is replaced.
///
/// # Errors
/// `NotAFile` for anything else at the path.
fn has_blob(layout: &Path, blob: &BlobOut) -> Result<bool> {
    let path = layout.join(blob.digest.blob_path());
    match std::fs::symlink_metadata(&path) {
        Ok(metadata) if metadata.is_file() => Ok(metadata.len() == blob.size),
        Ok(_) => Err(Error::not_a_file("no regular file").at(path.to_string_lossy())),
        Err(_) => Ok(false),
    }
}

/// Writes a bundle as a new OCI layout: blobs first, `index.json` last.
///
/// # Errors
/// `Io` if the directory exists and is not empty; the errors of copying blobs.
pub fn layout(bundle: &Bundle, path: &Path, meter: &Meter) -> Result<()> {
    write_new(path, |directory| {
        std::fs::create_dir_all(directory.join("blobs/sha256")).during("create")?;
        blobs(bundle, directory, meter, &Mutex::default())?;
        put(directory, "oci-layout", OCI_LAYOUT)?;
        for (name, bytes) in &bundle.documents {
            put(directory, name, bytes)?;
        }
        put(directory, "index.json", &index(&bundle.listed))
    })
}

/// Writes a bundle of one image as skopeo's `dir:`.
///
/// # Errors
/// `Unsupported` for several images; as [`layout`].
pub fn dir(bundle: &Bundle, path: &Path, meter: &Meter) -> Result<()> {
    let listed = one_only(bundle)?;
    let missing = || Error::blob_missing(&listed.descriptor.digest);
    let manifest = bundle.blob(&listed.descriptor.digest).ok_or_else(missing)?;
    write_new(path, |directory| {
        put(directory, "version", b"Directory Transport Version: 1.1\n")?;
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
            let file = NewFile::in_directory(directory, MODE)?;
            copy::to_new_file(blob, &file, meter)?;
            file.replace(name)
        })
        .into_iter()
        .collect::<Result<()>>()?;
        let mut signatures = bundle.valid_signatures();
        signatures.try_for_each(|signature| {
            put(
                directory,
                &signature.name(&manifest.digest),
                &signature.bytes,
            )
        })
    })
}

/// Fills a temporary directory and renames it to the path when it is complete. An empty directory may exist there.
fn write_new(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let context = || path.to_string_lossy().into_owned();
    let occupied = match std::fs::read_dir(path) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(Error::io("open", error).at(context())),
    };
    if occupied {
        return Err(Error::io("create", rustix::io::Errno::EXIST.into()).at(context()));
    }
    let directory = NewDirectory::beside(path).at(context)?;
    fill(directory.path()).map_err(|error| match error.fault() {
        // The name of the temporary directory would not help the user.
        Fault::Io { action, .. } if *action != "read" => {
            Error::new(error.fault().clone()).at(context())
        }
        _ => error,
    })?;
    sync_directory(directory.path())?;
    directory.become_target(path).at(context)
}

/// Replaces a document in a directory atomically.
///
/// # Errors
/// `Io`.
pub(crate) fn put(directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let file = NewFile::in_directory(directory, MODE)?;
    let failed = |error| Error::io("write", error).at(directory.join(name).to_string_lossy());
    std::io::Write::write_all(&mut file.file(), bytes).map_err(failed)?;
    file.replace(name)
}
