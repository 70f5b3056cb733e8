//! Fallback tags: `sha256-<hex>` is an index of the manifests about that digest, for servers without the referrers API
//! (distribution specification, "Referrers Tag Schema").

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::repository::Repository;
use crate::archive::subject_of_tag;
use crate::error::{At, Result};
use crate::spec::{Digest, Document, MediaType, fields, json as parsed, texts};
use crate::write::bundle::Bundle;

/// Returns the digest that a manifest or index of a bundle is about.
pub(super) fn subject_of(bundle: &Bundle, digest: &Digest) -> Option<Digest> {
    let subject = match Document::parse_known(&bundle.document(digest)?).ok()? {
        Document::Index(index) => index.subject,
        Document::Manifest(manifest) => manifest.subject,
        Document::Schema1(_) => None,
    };
    subject.map(|subject| subject.digest)
}

/// Tag of the index of a digest's referrers.
fn fallback_tag(subject: &Digest) -> String {
    let hex = subject.encoded();
    format!("{}-{}", subject.algorithm(), hex.get(..64).unwrap_or(hex))
}

/// Returns the fallback tags of a repository and their indexes; `existing` reads the index that a tag has before.
///
/// # Errors
/// Those of `existing`; `Json`, `Schema` for an existing index that is none.
pub(super) fn fallback_tags(
    bundle: &Bundle,
    repository: &Repository,
    existing: impl Fn(&str) -> Result<Option<Arc<[u8]>>>,
) -> Result<Vec<(String, Arc<[u8]>)>> {
    let mut wanted: BTreeMap<String, BTreeSet<Digest>> = BTreeMap::new();
    for (subject, referrers) in &repository.referrers {
        wanted.insert(fallback_tag(subject), referrers.clone());
    }
    for tag in repository.tags.keys() {
        if subject_of_tag(tag).is_some() && !tag.contains('.') {
            wanted.entry(tag.clone()).or_default();
        }
    }
    let mut tags = Vec::new();
    for (tag, referrers) in wanted {
        let own = repository.tags.get(&tag);
        let own = own.and_then(|planned| bundle.document(&planned.digest));
        let known: Vec<Arc<[u8]>> = existing(&tag)?.into_iter().chain(own).collect();
        let index = fallback_index(bundle, &known, &referrers).at(|| tag.clone())?;
        // Equal contents keep their bytes.
        let none = BTreeSet::new();
        let same = known.into_iter().find(|bytes| {
            let alone = fallback_index(bundle, std::slice::from_ref(bytes), &none);
            alone.is_ok_and(|alone| alone == index)
        });
        tags.push((tag, same.unwrap_or(index)));
    }
    Ok(tags)
}

/// Makes the index of a subject's referrers: the entries of the existing indexes, and the referrers of the bundle,
/// sorted by digest.
///
/// # Errors
/// `Json`, `Schema` for an existing index that is none.
fn fallback_index(
    bundle: &Bundle,
    existing: &[Arc<[u8]>],
    referrers: &BTreeSet<Digest>,
) -> Result<Arc<[u8]>> {
    let mut entries: BTreeMap<String, Value> = BTreeMap::new();
    for bytes in existing {
        Document::parse_known(bytes)?;
        let value = parsed::parse_exact(bytes)?;
        let Some(Value::Array(list)) = fields::of(&value, "manifests") else {
            continue;
        };
        for entry in list {
            if let Some(digest) = fields::of(entry, "digest").and_then(Value::as_str) {
                entries
                    .entry(digest.to_owned())
                    .or_insert_with(|| entry.clone());
            }
        }
    }
    for digest in referrers {
        if let Some(bytes) = bundle.document(digest) {
            let entry = entry(digest, &bytes)?;
            entries.entry(digest.to_string()).or_insert(entry);
        }
    }
    let entries: Vec<Value> = entries.into_values().collect();
    let index =
        json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": entries});
    Ok(texts::bytes(&index).into())
}

/// Descriptor of a referrer.
fn entry(digest: &Digest, bytes: &[u8]) -> Result<Value> {
    let document = Document::parse_known(bytes)?;
    let (artifact_type, annotations) = match &document {
        Document::Index(index) => (index.artifact_type.clone(), &index.annotations[..]),
        Document::Manifest(manifest) => {
            let config = manifest.config.as_ref();
            let of_config = || config.map(|config| config.media_type.as_str().to_owned());
            let artifact_type = manifest.artifact_type.clone().or_else(of_config);
            (artifact_type, &manifest.annotations[..])
        }
        Document::Schema1(_) => (None, &[][..]),
    };
    let mut entry = json!({
        "mediaType": document.served_media_type(),
        "digest": digest,
        "size": bytes.len(),
    });
    if let Some(artifact_type) = artifact_type.filter(|text| !text.is_empty()) {
        entry["artifactType"] = artifact_type.into();
    }
    if !annotations.is_empty() {
        let pairs = annotations.iter();
        let map: Map<String, Value> = pairs
            .map(|(key, text)| (key.clone(), text.as_str().into()))
            .collect();
        entry["annotations"] = map.into();
    }
    Ok(entry)
}
