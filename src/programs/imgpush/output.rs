//! Output of imgpush, as docker push prints it, or one JSON object for each tag.

use std::collections::HashSet;

use serde_json::json;

use crate::cli::Io;
use crate::error::Result;
use crate::render::json;
use crate::spec::Digest;
use crate::write::Bundle;
use crate::write::registry::{BlobState, LayerState, Pushed, below};

/// Prints the layers on standard error.
pub(super) fn layers(pushed: &Pushed, io: &Io) {
    for (name, layers) in &pushed.layers {
        io.note(&format!("The push refers to repository [{name}]"));
        for (digest, state) in layers {
            let state = match state {
                LayerState::Pushed => "Pushed".to_owned(),
                LayerState::Existing => "Layer already exists".to_owned(),
                LayerState::Mounted(other) => format!("Mounted from {other}"),
            };
            io.note(&format!("{}: {state}", digest.short()));
        }
    }
}

/// Prints the tags. A blob that several tags need is new for the first of them only.
///
/// # Errors
/// `Io`; as [`json::line`].
pub(super) fn tags(bundle: &Bundle, pushed: &Pushed, as_json: bool, io: &mut Io) -> Result<()> {
    let mut counted: HashSet<Digest> = HashSet::new();
    for tag in &pushed.tags {
        let planned = &tag.planned;
        if tag.kept {
            io.note(&format!(
                "{}:{}: tag exists for another image, not overwritten",
                tag.name, tag.tag
            ));
        }
        if !as_json {
            if !tag.kept {
                io.line(&format!(
                    "{}: digest: {} size: {}",
                    tag.tag, planned.digest, planned.size
                ))?;
            }
            continue;
        }
        let blobs = below(bundle, &planned.digest);
        let (mut new, mut bytes) = (0, 0);
        for digest in &blobs {
            if let Some((size, BlobState::Pushed)) = pushed.blobs.get(digest)
                && counted.insert(digest.clone())
            {
                new += 1;
                bytes += size;
            }
        }
        io.line(&json::line(&json!({
            "Name": tag.name,
            "Tag": tag.tag,
            "Digest": planned.digest,
            "Size": planned.size,
            "Blobs": blobs.len(),
            "BlobsNew": new,
            "BytesNew": bytes,
            "Replaced": tag.replaced,
            "Kept": tag.kept,
        }))?)?;
    }
    Ok(())
}
