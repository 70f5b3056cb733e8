//! imghistory: what was done to make an image, and which layer each step made.

use crate::archive::Image;
use crate::archive::Sizes;

/// The history of an image.
#[derive(Debug)]
pub struct HistoryReport {
    /// The image's ID in full.
    pub id: String,
    /// The steps, newest first as docker prints them.
    pub rows: Vec<HistoryRow>,
    /// Where history and layers do not match, in words.
    pub warnings: Vec<String>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// When, as written.
    pub created: Option<String>,
    /// The command, as the builder wrote it; empty for a layer that no entry speaks of.
    pub created_by: String,
    /// A remark.
    pub comment: String,
    /// Who.
    pub author: Option<String>,
    /// Whether the entry says that it made no layer.
    pub empty_layer: bool,
    /// Whether an entry speaks of it: without one, the layer is known and nothing else.
    pub recorded: bool,
    /// The number of the layer it made, 1 being the base.
    pub layer: Option<usize>,
    /// The digest of the stored layer, where a manifest states it.
    pub layer_digest: Option<String>,
    /// The digest of the plain layer.
    pub diff_id: Option<String>,
    /// Bytes of the layer's files; 0 for a step without a layer, `None` for a layer that is not in the archive.
    pub size: Option<u64>,
    /// Bytes of the layer as stored.
    pub stored: Option<u64>,
}

/// Lists the steps of an image. `sizes` are those of its layers.
pub fn history(image: &Image, sizes: &Sizes) -> HistoryReport {
    let mut warnings = Vec::new();
    if let Some(entries) = image.history_mismatch() {
        let layers = image.layers.len();
        let what = if entries < layers {
            "the history is aligned from the top and the lowest layers have no entry"
        } else {
            "the last entries have no layer"
        };
        warnings.push(format!(
            "history speaks of {entries} layers, the image has {layers}: {what}"
        ));
    } else if image.config.history.is_empty() && !image.layers.is_empty() {
        warnings.push(format!(
            "the image has no history, only {} layers",
            image.layers.len()
        ));
    }
    let shown = sizes.docker_sizes(image);
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
                    Some(i) => shown.get(i).copied().flatten(),
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
