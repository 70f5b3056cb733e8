//! Conversion of selected images, and writing them to the destination.

use std::path::Path;

use super::destination::Destination;
use crate::blob::{Compression, Meter, PendingFile};
use crate::cli::{self, Io, Opened};
use crate::error::{At, Error, Fault, Result};
use crate::spec::Platform;
use crate::write::{self, Bundle, Change, Listed, ListedName, Loss, Recode, archive};

/// Arguments of a conversion.
pub(super) struct Request<'a> {
    /// Output to write.
    pub destination: &'a Destination,
    /// Destination as the user typed it, for progress.
    pub label: &'a str,
    /// New name of the only image; `None` keeps all names.
    pub name: Option<ListedName>,
    /// Platform to choose in an index.
    pub platform: Option<&'a Platform>,
    /// Requested changes to layers and documents.
    pub recode: Recode,
    /// Refuse to change a digest.
    pub keep_digests: bool,
    /// File for the digest map.
    pub digest_map: Option<&'a Path>,
    /// Directory for temporary files.
    pub temp_dir: &'a Path,
    /// Suppress progress.
    pub quiet: bool,
}

/// Result of a conversion.
pub(super) struct Converted {
    /// Images as written.
    pub listed: Vec<Listed>,
    /// Changed digests.
    pub changes: Vec<Change>,
    /// Properties that the destination cannot hold.
    pub losses: Vec<Loss>,
    /// Digest map that is complete but does not have its name yet.
    pub digest_map: Option<PendingFile>,
}

/// Converts the selected images and writes them to the destination.
///
/// The digest map is written before the output, so that there is no output if it cannot be written.
///
/// # Errors
/// Damage of the source, with the archive as context; `Usage` for a digest that must not change; `Exists`; `Io`.
pub(super) fn convert(opened: &Opened, request: &Request<'_>, io: &mut Io) -> Result<Converted> {
    let (source, destination) = (&opened.archive, request.destination);
    let place = || source.place.clone();
    opened.check_complete()?;
    let bundle = select(opened, request)?;
    let mut recode = request.recode;
    if destination.is_docker_legacy() && recode.compression.is_none() {
        recode.compression = Some(Compression::None);
    }
    if destination.is_registry() && bundle.has_new_manifests() && !request.keep_digests {
        recode.uncompressed = Some(Compression::Gzip);
    }
    let meter = Meter::default();
    let mut recoding = recode.changes_layers().then(|| {
        let total = archive::size(&bundle);
        io.progress("recompressing", Some(total), &meter, request.quiet)
    });
    let mut digest_map = None;
    let in_place = destination.is_rewritable();
    let written = bundle.recoded(&recode, in_place, request.temp_dir, &meter, |bundle| {
        recoding = None;
        if request.keep_digests {
            check_unchanged(&bundle.changes)?;
        }
        if let Some(path) = request.digest_map {
            let text = cli::digest_map(&bundle.changes, &[])?;
            digest_map = Some(PendingFile::new(path, text.as_bytes())?);
        }
        let meter = Meter::default();
        let total = archive::size(bundle);
        let _progress = io.progress(request.label, Some(total), &meter, request.quiet);
        destination.write(bundle, io, &meter)
    });
    let bundle = written.map_err(|error| match error.fault() {
        Fault::Io { .. } | Fault::Exists { .. } => error,
        // Damage is of the source.
        _ => error.at(place()),
    })?;
    Ok(Converted {
        losses: bundle.losses(destination.holds()),
        listed: bundle.listed,
        changes: bundle.changes,
        digest_map,
    })
}

/// Collects the selected images, with the name that they get in the destination.
fn select(opened: &Opened, request: &Request<'_>) -> Result<Bundle> {
    let (source, name) = (&opened.archive, request.name.as_ref());
    let mut bundle = Bundle::default();
    let collect = match request.destination {
        Destination::Tree(..) => write::collect,
        _ => write::save,
    };
    collect(
        &mut bundle,
        source,
        &opened.chosen()?,
        request.platform,
        name,
    )
    .at(|| source.place.clone())?;
    if matches!(request.destination, Destination::Store(_)) {
        bundle.name_for_store();
    }
    Ok(bundle)
}

/// Fails if a digest of the source has changed.
fn check_unchanged(changes: &[Change]) -> Result<()> {
    match changes.iter().find(|change| change.old.is_some()) {
        None => Ok(()),
        Some(change) => {
            let (old, new) = (change.old.as_deref().unwrap_or_default(), &change.new);
            Err(Error::usage(format!(
                "{} {old} would become {new}: {}",
                change.what, change.why
            )))
        }
    }
}
