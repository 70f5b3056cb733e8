//! JSON documents, and the instructions that change one.

use imgkit::limits::JsonLimits;
use imgkit::spec::instruction::{apply, parse};
use imgkit::spec::{Descriptor, Document, ImageConfig, NewConfig, json, texts};
use serde_json::{Map, Value};

use super::Taken;

/// Manifests, indexes and configs.
pub fn documents(data: &[u8]) {
    let parsed = json::parse(data, &JsonLimits::default());
    if let Ok(value) = &parsed {
        // A stricter reader of the same language, but for texts that are no valid Unicode.
        let readable = texts::readable(data);
        let theirs: Value = serde_json::from_slice(&readable).expect("serde_json takes less");
        assert_eq!(*value, theirs);
        // What is written again is read as before, and is the same when it is written once more.
        if let Ok(exact) = json::parse_exact(data) {
            let bytes = texts::bytes(&exact);
            let again = json::parse_exact(&bytes).expect("what was written");
            assert_eq!(texts::bytes(&again), bytes);
            assert_eq!(json::parse_known(&bytes).expect("what was written"), *value);
        }
        let node = json::Node::root(value);
        let _ = (Descriptor::from_node(&node), node.text_map(), node.texts());
    }
    let documents = [
        Document::parse(data, &JsonLimits::default()).ok(),
        parsed
            .as_ref()
            .ok()
            .and_then(|value| Document::from_value(value).ok()),
    ];
    for document in documents.iter().flatten() {
        let _ = document.media_type();
        if let Document::Manifest(manifest) = document {
            let _ = (manifest.is_image(), manifest.has_image_layers());
        }
    }
    if let Ok(config) = ImageConfig::parse(data, &JsonLimits::default()) {
        assert!(parsed.is_ok());
        let _ = (config.config(), config.labels());
    }
    if let Ok(config) = NewConfig::like(data) {
        let bytes = config.bytes();
        let again = NewConfig::like(&bytes).expect("what was written");
        assert_eq!(again.bytes(), bytes);
        ImageConfig::parse(&bytes, &JsonLimits::default()).expect("what was written");
    }
}

/// Instructions that change a config, which comes first.
pub fn instruction(data: &[u8]) {
    let mut taken = Taken(data);
    let config: Map<String, Value> = serde_json::from_slice(taken.until(0)).unwrap_or_default();
    let text = String::from_utf8_lossy(taken.0);
    let lines: Vec<&str> = text.split('\u{1}').collect();
    let Ok(changes) = parse(&lines) else {
        return;
    };
    let mut changed = config.clone();
    if apply(&mut changed, &changes).is_err() {
        return;
    }
    let mut again = config;
    apply(&mut again, &changes).expect("as before");
    assert_eq!(changed, again);
    let bytes = serde_json::to_vec(&Value::Object(changed)).expect("a document");
    json::parse(&bytes, &JsonLimits::default()).expect("a document");
}
