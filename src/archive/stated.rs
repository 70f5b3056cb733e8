//! Entries of `index.json` as written, unknown fields included.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::model::OciHalf;
use crate::spec::{fields, json};

impl OciHalf {
    /// Returns the descriptor at a position as written; `None` for the lone manifest of a `dir:` or document, which has
    /// no descriptor. The index is parsed once.
    pub fn stated(&self, position: usize) -> Option<&Arc<Map<String, Value>>> {
        let stated = self.stated.get_or_init(|| {
            let value = json::parse_exact(&self.index).unwrap_or_default();
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
