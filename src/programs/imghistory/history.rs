//! The history of an image, each step with its layer.

use crate::archive::Image;
use crate::archive::Sizes;

/// The history of an image.
#[derive(Debug)]
pub struct HistoryReport {
    /// Image ID in full.
    pub id: String,
    /// Steps, newest first as docker prints them.
    pub rows: Vec<HistoryRow>,
    /// Mismatches of history and layers, in words.
    pub warnings: Vec<String>,
}

/// Step of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// Creation time, as written.
    pub created: Option<String>,
    /// Command, as the builder wrote it; empty for a layer without an entry.
    pub created_by: String,
    /// Comment.
    pub comment: String,
    /// Author.
    pub author: Option<String>,
    /// True if the entry says that it made no layer.
    pub empty_layer: bool,
    /// True for a history entry; false for a layer without one.
    pub recorded: bool,
    /// Number of the layer, 1 = base layer.
    pub layer: Option<usize>,
    /// Digest of the stored layer, if a manifest states it.
    pub layer_digest: Option<String>,
    /// Digest of the uncompressed layer.
    pub diff_id: Option<String>,
    /// Bytes of the layer's files; 0 without a layer, `None` for a layer that is not in the archive.
    pub size: Option<u64>,
    /// Stored bytes of the layer.
    pub stored: Option<u64>,
}

/// Returns the history of an image. `sizes` are those of its layers.
pub fn history(image: &Image, sizes: &Sizes) -> HistoryReport {
    let mut warnings = Vec::new();
    if let Some(entries) = image.history_mismatch() {
        let layers = image.layers.len();
        let detail = if entries < layers {
            "the history is aligned from the top and the lowest layers have no entry"
        } else {
            "the last entries have no layer"
        };
        warnings.push(format!(
            "history lists {entries} layers, the image has {layers}: {detail}"
        ));
    } else if image.config.history.is_empty() && !image.layers.is_empty() {
        warnings.push(format!(
            "the image has no history, only {} layers",
            image.layers.len()
        ));
    }
    let docker_sizes = sizes.docker_sizes(image);
    let mut rows: Vec<HistoryRow> = image
        .steps()
        .into_iter()
        .map(|step| {
            let layer = step.layer.and_then(|i| image.layers.get(i));
            let measured = layer.and_then(|layer| sizes.of(layer));
            let diff_id = match (step.layer, layer) {
                (_, Some(layer)) => layer.diff_id.clone(),
                (Some(i), None) => image
                    .config
                    .diff_ids
                    .as_ref()
                    .and_then(|ids| ids.get(i))
                    .cloned(),
                (None, None) => None,
            };
            let entry = step.history.cloned().unwrap_or_default();
            HistoryRow {
                created: entry.created,
                created_by: entry.created_by,
                comment: entry.comment,
                author: entry.author,
                empty_layer: entry.empty_layer,
                recorded: step.history.is_some(),
                layer: step.layer.map(|i| i + 1),
                layer_digest: layer
                    .and_then(|layer| layer.descriptor.as_ref())
                    .map(|descriptor| descriptor.digest.to_string()),
                diff_id: diff_id.map(|id| id.to_string()),
                size: match step.layer {
                    Some(i) => docker_sizes.get(i).copied().flatten(),
                    None => Some(0),
                },
                stored: measured.map(|size| size.stored),
            }
        })
        .collect();
    rows.reverse();
    HistoryReport {
        id: image.id.to_string(),
        rows,
        warnings,
    }
}
