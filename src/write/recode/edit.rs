//! Descriptors inside the JSON values of manifests and indexes, edited in place. Other fields stay.

use serde_json::{Map, Value};

use crate::spec::{Digest, MediaType, fields};
use crate::write::chunked::toc::Annotations;

/// Returns one item of a list of descriptors.
pub(super) fn item<'a>(
    value: &'a mut Value,
    list: &str,
    i: usize,
) -> Option<&'a mut Map<String, Value>> {
    fields::of_mut(value, list)?.get_mut(i)?.as_object_mut()
}

/// Points an item of a list to another blob.
pub(super) fn edit(
    value: &mut Value,
    list: &str,
    i: usize,
    new: Option<(&Digest, u64)>,
    media_type: &MediaType,
) {
    let Some(item) = item(value, list, i) else {
        return;
    };
    if !media_type.as_str().is_empty() {
        fields::set(item, "mediaType", media_type.as_str().into());
    }
    let Some((digest, size)) = new else { return };
    fields::set(item, "digest", digest.as_str().into());
    fields::set(item, "size", size.into());
    fields::remove(item, "data");
    // A table of contents describes the old bytes.
    if let Some(Value::Object(map)) = fields::get_mut(item, "annotations") {
        map.retain(|key, _| !is_about_bytes(key));
        if map.is_empty() {
            fields::remove(item, "annotations");
        }
    }
}

/// Returns true for annotations about the stored bytes of a layer.
pub(super) fn is_about_bytes(key: &str) -> bool {
    key.contains("zstd-chunked") || key.contains("stargz")
}

/// Adds annotations to a descriptor.
pub(super) fn annotate(item: Option<&mut Map<String, Value>>, annotations: &Annotations) {
    let Some(item) = item.filter(|_| !annotations.is_empty()) else {
        return;
    };
    if fields::get(item, "annotations").is_none_or(Value::is_null) {
        fields::set(item, "annotations", Value::Object(Map::new()));
    }
    if let Some(Value::Object(map)) = fields::get_mut(item, "annotations") {
        for (key, text) in annotations {
            map.insert((*key).into(), text.as_str().into());
        }
    }
}

/// Points a descriptor to another blob.
pub(super) fn point(
    value: Option<&mut Value>,
    digest: &Digest,
    size: u64,
    media_type: Option<&str>,
) {
    let Some(Value::Object(descriptor)) = value else {
        return;
    };
    fields::set(descriptor, "digest", digest.as_str().into());
    fields::set(descriptor, "size", size.into());
    if let Some(media_type) = media_type {
        fields::set(descriptor, "mediaType", media_type.into());
    }
    fields::remove(descriptor, "data");
}
