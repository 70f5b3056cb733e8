//! Referrers of rewritten manifests: tags that contain a digest, and contents that name one.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use base64::Engine;
use serde_json::Value;

use super::rewritten::Rewritten;
use crate::archive::Name;
use crate::spec::{Digest, Document, json};
use crate::write::bundle::Bundle;
use crate::write::loss::Loss;
use crate::write::output::Source;

/// Number of bytes of a blob that are searched for a digest: a statement names its subject at the beginning.
const SEARCH_LIMIT: u64 = 4 << 20;

/// Number of hexadecimal digits in a tag that contains a digest (distribution specification, "Referrers Tag Schema").
const TAG_DIGITS: usize = 64;

impl Bundle {
    /// Renames the tags that contain the digest of a rewritten document.
    pub(super) fn rename_tags(&mut self, rewritten: &mut Rewritten) {
        let mut tags: HashMap<String, (&Digest, &Digest)> = HashMap::new();
        for (old, new) in &rewritten.descriptors {
            tags.insert(tag_of(old), (old, &new.digest));
        }
        for listed in &mut self.listed {
            for listed_name in &mut listed.names {
                let tag = match &listed_name.name {
                    Name::Full(reference) => reference.tag().unwrap_or_default(),
                    Name::Tag(tag) => tag,
                    Name::Text(_) => continue,
                }
                .to_owned();
                let (stem, suffix) = match tag.split_once('.') {
                    Some((stem, _)) => tag.split_at(stem.len()),
                    None => (tag.as_str(), ""),
                };
                let Some((old, new)) = tags.get(stem) else {
                    continue;
                };
                listed_name.retag(&tag, &format!("{}{suffix}", tag_of(new)));
                rewritten
                    .referrers
                    .push((listed.descriptor.digest.clone(), (*old).clone()));
            }
        }
    }

    /// Reports the referrers whose contents name a digest that they do not point to any more.
    pub(super) fn report_stale_referrers(&mut self, rewritten: &mut Rewritten) {
        let mut reported = HashSet::new();
        for (referrer, old) in std::mem::take(&mut rewritten.referrers) {
            let referrer = rewritten
                .descriptors
                .get(&referrer)
                .map_or(referrer, |new| new.digest.clone());
            if reported.insert((referrer.clone(), old.clone()))
                && self.contents_contain(&referrer, &old)
            {
                self.losses.push(Loss::Names { referrer, old });
            }
        }
    }

    /// Returns true if a blob of an artifact or attestation contains a digest. Unreadable blobs do not.
    fn contents_contain(&self, manifest: &Digest, old: &Digest) -> bool {
        let Some(bytes) = self.document(manifest) else {
            return false;
        };
        let Ok(Document::Manifest(manifest)) = Document::parse_known(&bytes) else {
            return false;
        };
        let blobs = manifest.layers.iter().chain(&manifest.config);
        let mut contents = blobs.filter(|blob| blob.media_type.layer_kind().is_none());
        contents.any(|blob| {
            let bytes = match self.blob(&blob.digest).map(|blob| &blob.source) {
                Some(Source::Document(bytes)) => bytes.to_vec(),
                Some(Source::Stored(content)) => {
                    let mut bytes = Vec::new();
                    let read = content.reader().map(|reader| reader.take(SEARCH_LIMIT));
                    if read.is_ok_and(|mut read| read.read_to_end(&mut bytes).is_err()) {
                        return false;
                    }
                    bytes
                }
                Some(Source::Decoded(_)) | None => return false,
            };
            contains(&bytes, old.encoded())
        })
    }
}

/// The tag that contains a digest.
fn tag_of(digest: &Digest) -> String {
    let encoded = digest.encoded();
    let digits = &encoded[..encoded.len().min(TAG_DIGITS)];
    format!("{}-{digits}", digest.algorithm())
}

/// Returns true if bytes contain a text, directly or in the base64 payload of a JSON envelope.
fn contains(bytes: &[u8], text: &str) -> bool {
    let holds = |bytes: &[u8]| {
        let mut windows = bytes.windows(text.len());
        windows.any(|window| window == text.as_bytes())
    };
    if holds(bytes) {
        return true;
    }
    let Ok(value) = json::parse(bytes, &crate::limits::JsonLimits::default()) else {
        return false;
    };
    let engines = [
        base64::engine::general_purpose::STANDARD,
        base64::engine::general_purpose::STANDARD_NO_PAD,
        base64::engine::general_purpose::URL_SAFE,
        base64::engine::general_purpose::URL_SAFE_NO_PAD,
    ];
    let mut work = vec![&value];
    while let Some(value) = work.pop() {
        match value {
            Value::Array(items) => work.extend(items),
            Value::Object(map) => {
                for (key, value) in map {
                    let payload = value
                        .as_str()
                        .filter(|_| key.to_ascii_lowercase().ends_with("payload"));
                    let decoded = payload.and_then(|payload| {
                        engines
                            .iter()
                            .find_map(|engine| engine.decode(payload).ok())
                    });
                    if decoded.is_some_and(|decoded| holds(&decoded)) {
                        return true;
                    }
                    work.push(value);
                }
            }
            _ => {}
        }
    }
    false
}
