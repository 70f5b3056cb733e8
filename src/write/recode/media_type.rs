//! The media type of a layer after its conversion.

use super::layers::ConvertedLayer;
use super::options::Recode;
use crate::blob::Compression;
use crate::error::{Error, Result};
use crate::spec::{LayerKind, MediaType};
use crate::write::media_types::MediaTypes;

/// Returns the media type of a layer after its conversion; `new` is missing for a layer that is kept.
///
/// # Errors
/// `Unsupported` for layers that Docker's media types have no type for.
pub(super) fn media_type(
    old: &MediaType,
    new: Option<&ConvertedLayer>,
    recode: &Recode,
) -> Result<MediaType> {
    let Some(kind) = old.layer_kind() else {
        return Ok(old.clone());
    };
    if new.is_none() && recode.media_types.is_none() {
        return Ok(old.clone());
    }
    let kind = match new.map(|new| new.compression) {
        Some(Compression::Gzip) => LayerKind::Gzip,
        Some(Compression::Zstd) => LayerKind::Zstd,
        Some(_) => LayerKind::Tar,
        None => kind,
    };
    if kind == LayerKind::Encrypted {
        return Ok(old.clone());
    }
    let types = recode.media_types.unwrap_or({
        match old.as_str().contains("docker") {
            true => MediaTypes::Docker,
            false => MediaTypes::Oci,
        }
    });
    if (types, kind) == (MediaTypes::Docker, LayerKind::Zstd) {
        // Programs that fetch parts of a layer do not expect such layers under Docker's types.
        let what = match (recode.chunked && new.is_some(), old.is_foreign()) {
            (true, _) => {
                "zstd:chunked in zstd layers under docker's media types; use --media-types oci"
            }
            (false, true) => "a foreign layer in zstd under docker's media types",
            (false, false) => "",
        };
        if !what.is_empty() {
            let what = what.to_owned();
            return Err(Error::unsupported(what));
        }
    }
    Ok(MediaType::new(types.layer_type(kind, old.is_foreign())))
}
