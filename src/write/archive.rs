//! Bundles as archives in one file: docker-archives, of docker 25 or before, and OCI archives.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::Path;

use super::bundle::Bundle;
use super::legacy;
use super::manifest::{OCI_LAYOUT, index, manifest, repositories};
use super::output::{BlobOut, Source};
use super::registry;
use super::tar_out::{self, Body, Member};
use super::volumes::existing;
use crate::blob::{CHUNK, Meter, NewFile, parent_directory, sync_directory};
use crate::error::{At, During, Error, Result};

/// Format of an archive to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OCI layout with `manifest.json` and `repositories` over the same blobs, as docker 25 and newer write it. All
    /// tools read it.
    Docker,
    /// Archive of docker 1.10 to 24: a directory for each layer, links for repeated ones.
    DockerLegacy,
    /// OCI layout in a tar.
    Oci,
    /// Files of a registry's storage, to be unpacked at its root.
    RegistryTree,
}

/// Writes a bundle as an archive into an empty file, on all cores.
///
/// # Errors
/// `Unsupported` for images that the format cannot hold, `SizeMismatch` and `DigestMismatch` for blobs that differ from
/// their descriptors, `Io`.
pub fn to_file(bundle: &Bundle, format: Format, file: &File, meter: &Meter) -> Result<()> {
    tar_out::to_file(&members(bundle, format)?, file, meter)
}

/// Refuses a path that cannot name an archive: a directory, or one that ends with `/` or `/.`.
///
/// # Errors
/// `Exists`.
pub fn check_target(path: &Path) -> Result<()> {
    let bytes = path.as_os_str().as_encoded_bytes();
    let is_like_one = bytes.ends_with(b"/") || bytes.ends_with(b"/.");
    match is_like_one || path.is_dir() || path.file_name().is_none() {
        true => Err(Error::exists("a directory")),
        false => Ok(()),
    }
}

/// Writes a bundle as an archive, readable by its owner alone. The file gets its name when it is complete.
///
/// An existing device or FIFO is written to, not replaced.
///
/// ```no_run
/// use imgkit::archive::Open;
/// use imgkit::blob::Meter;
/// use imgkit::write::{Bundle, Format, ListedName, archive};
///
/// let source = Open::default().path("layout".as_ref())?;
/// let mut bundle = Bundle::default();
/// for root in &source.roots {
///     let names = root.names.iter().cloned().map(ListedName::short);
///     bundle.add(&source, root, None, names.collect())?;
/// }
/// archive::to_path(&bundle, Format::Docker, "app.tar".as_ref(), &Meter::default())?;
/// # Ok::<(), imgkit::Error>(())
/// ```
///
/// # Errors
/// As [`check_target`], placed at the path; as [`to_file`].
pub fn to_path(bundle: &Bundle, format: Format, path: &Path, meter: &Meter) -> Result<()> {
    check_target(path).at(|| path.to_string_lossy().into_owned())?;
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return Err(Error::not_a_file("no name in UTF-8"));
    };
    if !is_replaceable(path) {
        let file = OpenOptions::new().write(true).open(path).during("open")?;
        return to_stream(
            bundle,
            format,
            &mut BufWriter::with_capacity(CHUNK, file),
            meter,
        );
    }
    let file = NewFile::beside(path, 0o600)?;
    to_file(bundle, format, file.file(), meter)?;
    file.replace(name)?;
    existing::remove_stale(path)?;
    sync_directory(parent_directory(path))
}

/// Returns true if [`to_path`] makes a new file for the path, false for an existing device or FIFO, which it writes to.
pub fn is_replaceable(path: &Path) -> bool {
    std::fs::metadata(path).map_or(true, |metadata| metadata.is_file())
}

/// Writes a bundle as an archive to a stream.
///
/// # Errors
/// As [`to_file`]; the output is then incomplete.
pub fn to_stream(
    bundle: &Bundle,
    format: Format,
    mut out: &mut dyn Write,
    meter: &Meter,
) -> Result<()> {
    tar_out::to_sink(&members(bundle, format)?, &mut out, meter)?;
    out.flush().during("write")
}

/// Size of all blobs in bytes, for progress.
pub fn size(bundle: &Bundle) -> u64 {
    bundle.blobs().iter().map(|blob| blob.size).sum()
}

/// Documents first, so that readers of a stream know its content early; then layers in the order of the images.
pub(super) fn members(bundle: &Bundle, format: Format) -> Result<Vec<Member<'_>>> {
    if format == Format::DockerLegacy {
        return legacy::members(bundle);
    }
    if format == Format::RegistryTree {
        return registry::members(bundle);
    }
    let document = |name: &str, bytes: Vec<u8>| Member {
        name: name.into(),
        body: Body::Document(bytes),
    };
    let mut members = vec![
        document("oci-layout", OCI_LAYOUT.to_vec()),
        document("index.json", index(&bundle.listed)),
    ];
    let documents = bundle.documents.iter();
    members.extend(documents.map(|(name, bytes)| document(name, bytes.to_vec())));
    if format == Format::Docker {
        members.push(document("manifest.json", manifest(bundle)?));
        let repositories = repositories(bundle, |image| {
            image
                .layers
                .last()
                .map(|layer| layer.descriptor.digest.encoded().to_owned())
        });
        if let Some(repositories) = repositories {
            members.push(document("repositories", repositories));
        }
    }
    let mut algorithms: Vec<&str> = bundle
        .blobs()
        .iter()
        .map(|blob| blob.digest.algorithm())
        .collect();
    algorithms.sort_unstable();
    algorithms.dedup();
    let directory = |name: String| Member {
        name,
        body: Body::Directory,
    };
    members.push(directory("blobs".into()));
    members.extend(
        algorithms
            .into_iter()
            .map(|algorithm| directory(format!("blobs/{algorithm}"))),
    );
    let is_document = |blob: &&BlobOut| matches!(blob.source, Source::Document(_));
    let (documents, layers): (Vec<&BlobOut>, Vec<&BlobOut>) =
        bundle.blobs().iter().partition(is_document);
    members.extend(documents.into_iter().chain(layers).map(|blob| Member {
        name: blob.digest.blob_path(),
        body: Body::Blob(blob),
    }));
    Ok(members)
}
