//! What an `index.json` says of each thing it lists, as it is written: unknown fields too.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::assemble::OciHalf;
use crate::spec::{fields, texts};

impl OciHalf {
    /// The descriptor at a position as it is written; `None` for the lone manifest of a `dir:` or document, which no
    /// descriptor points to. The index is parsed once.
    pub fn stated(&self, position: usize) -> Option<&Arc<Map<String, Value>>> {
        let stated = self.stated.get_or_init(|| {
            let value = texts::exact(&self.index).unwrap_or_default();
            let Some(Value::Array(list)) = fields::of(&value, "manifests") else {
                return Vec::new();
            };
            let objects = list.iter().map(|item| match item {
                Value::Object(map) => Arc::new(map.clone()),
                _ => Arc::default(),
            });
            objects.collect()
        });
        let digest = &self.edges.get(position)?.descriptor.digest;
        let stated = stated.get(position)?;
        let is_same = |value: &Value| value.as_str() == Some(digest.as_str());
        let stated_digest = fields::get(stated, "digest");
        stated_digest.is_some_and(is_same).then_some(stated)
    }
}
