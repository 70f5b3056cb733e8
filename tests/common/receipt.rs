//! Receipts, written as the specification has them.

use std::collections::BTreeMap;

use super::build::{self, Image};

/// All blobs of images: bytes, and the diff ID where it is another.
pub fn blobs_of(images: &[&Image]) -> BTreeMap<String, (usize, Option<String>)> {
    let mut all = BTreeMap::new();
    for image in images {
        all.insert(image.manifest_digest(), (image.manifest().len(), None));
        all.insert(image.id(), (image.config().len(), None));
        for (blob, diff_id) in image.blobs().iter().zip(image.diff_ids()) {
            let digest = build::digest(blob);
            let other = (diff_id != digest).then_some(diff_id);
            all.insert(digest, (blob.len(), other));
        }
    }
    all
}

/// A receipt, as the specification writes it.
pub fn receipt(images: &[&Image], more: &str, lines: &[String]) -> String {
    let blobs = blobs_of(images);
    let mut text = format!(
        "{{\"schema\":\"imgkit-receipt/1\",\"blobs\":{},\"complete\":true{more}}}\n",
        blobs.len()
    );
    for (digest, (size, diff_id)) in &blobs {
        let diff_id = diff_id.as_ref();
        let diff_id = diff_id.map_or(String::new(), |id| format!(",\"diff_id\":\"{id}\""));
        text += &format!("{{\"digest\":\"{digest}\",\"size\":{size}{diff_id}}}\n");
    }
    for line in lines {
        text += &format!("{line}\n");
    }
    let digest = build::digest(text.as_bytes()).replace("sha256:", "");
    let end = blobs.len() + lines.len();
    text + &format!("{{\"end\":{end},\"sha256\":\"{digest}\"}}\n")
}
