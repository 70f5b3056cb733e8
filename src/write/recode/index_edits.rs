//! Indexes above edited images: their annotations, their descriptors of the images, and referrers in them.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::rewritten::{Rewritten, attested_digest};
use crate::spec::{Digest, Document, Index, Platform, fields};
use crate::write::bundle::Bundle;

/// Changes of annotations.
pub type Annotating<'a> = &'a dyn Fn(&mut Map<String, Value>);

/// Changes of the documents above an image.
pub struct IndexEdits<'a> {
    /// Annotations of each index that leads to an edited image.
    pub index: Annotating<'a>,
    /// Annotations of each descriptor of an edited image in an index.
    pub descriptor: Annotating<'a>,
    /// Platform in descriptors of edited images.
    pub platform: Option<&'a Platform>,
    /// Keep referrers of changed manifests as they are.
    pub keep_referrers: bool,
}

/// Edited manifests, and changes of the indexes above them.
pub(super) struct Edited<'a> {
    /// Manifests of the images by their old digest, changed or not.
    pub manifests: HashMap<Digest, Value>,
    pub edits: &'a IndexEdits<'a>,
}

impl Bundle {
    /// Edits an index that leads to edited images, and removes referrers of changed manifests.
    pub(super) fn edit_index(
        &self,
        digest: &Digest,
        index: &Index,
        edited: &Edited<'_>,
        value: &mut Value,
        rewritten: &mut Rewritten,
    ) {
        let edits = edited.edits;
        let mut leads = false;
        let mut is_kept = Vec::with_capacity(index.manifests.len());
        for (i, child) in index.manifests.iter().enumerate() {
            let about = attested_digest(child).or_else(|| self.subject_of(&child.digest));
            let is_stale = about.is_some_and(|about| rewritten.descriptors.contains_key(&about));
            is_kept.push(edits.keep_referrers || !is_stale);
            if is_stale && !edits.keep_referrers {
                rewritten.dropped.push(child.digest.clone());
            }
            leads |= rewritten.above.contains(&child.digest);
            if edited.manifests.contains_key(&child.digest) {
                leads = true;
                if let Some(entry) = super::edit::item(value, "manifests", i) {
                    edit_entry(entry, edits);
                }
            }
        }
        let mut is_kept = is_kept.into_iter();
        if let Some(Value::Array(list)) = fields::of_mut(value, "manifests") {
            list.retain(|_| is_kept.next().unwrap_or(true));
        }
        if leads {
            rewritten.above.insert(digest.clone());
            let mut annotations = annotations_of(value);
            let before = annotations.clone();
            (edits.index)(&mut annotations);
            if let (true, Value::Object(document)) = (annotations != before, value) {
                put_annotations(document, annotations);
            }
        }
    }

    fn subject_of(&self, digest: &Digest) -> Option<Digest> {
        let subject = match Document::parse_known(&self.document(digest)?).ok()? {
            Document::Manifest(manifest) => manifest.subject,
            Document::Index(index) => index.subject,
            Document::Schema1(_) => None,
        };
        subject.map(|subject| subject.digest)
    }
}

/// Edits the descriptor of an image in an index.
pub(super) fn edit_entry(entry: &mut Map<String, Value>, edits: &IndexEdits<'_>) {
    let mut annotations = match fields::get(entry, "annotations") {
        Some(Value::Object(map)) => map.clone(),
        _ => Map::new(),
    };
    let before = annotations.clone();
    (edits.descriptor)(&mut annotations);
    if annotations != before {
        put_annotations(entry, annotations);
    }
    let Some(platform) = edits.platform else {
        return;
    };
    if let Some(Value::Object(stated)) = fields::get_mut(entry, "platform") {
        fields::set(
            stated,
            "architecture",
            platform.architecture.as_str().into(),
        );
        fields::set(stated, "os", platform.os.as_str().into());
        for (name, text) in [
            ("variant", &platform.variant),
            ("os.version", &platform.os_version),
        ] {
            match text {
                Some(text) => fields::set(stated, name, text.as_str().into()),
                None => fields::remove(stated, name),
            }
        }
    }
}

/// Returns the annotations of a document.
pub(super) fn annotations_of(document: &Value) -> Map<String, Value> {
    match fields::of(document, "annotations") {
        Some(Value::Object(map)) => map.clone(),
        _ => Map::new(),
    }
}

/// Sets the annotations of a document or descriptor; an empty map removes the field.
pub(super) fn put_annotations(document: &mut Map<String, Value>, annotations: Map<String, Value>) {
    match annotations.is_empty() {
        true => fields::remove(document, "annotations"),
        false => fields::set(document, "annotations", Value::Object(annotations)),
    }
}
