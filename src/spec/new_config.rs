//! New configs, from nothing or from an existing one.

use serde_json::{Map, Value, json};

use super::instruction::{self, Change};
use super::json::{self, Node};
use super::{Digest, History, Platform, Timestamp, fields, texts};
use crate::error::{Error, Result};

/// Config document for modification. Everything else stays as written, unknown fields and invalid Unicode included.
#[derive(Debug, Clone, PartialEq)]
pub struct NewConfig {
    pub(super) document: Map<String, Value>,
}

/// Fields about the build of the previous image, which would be wrong in the new one.
const OF_ITS_MAKING: [&str; 8] = [
    "author",
    "comment",
    "container",
    "container_config",
    "docker_version",
    "id",
    "parent",
    "Size",
];

impl NewConfig {
    /// Returns an empty config for a platform.
    pub fn for_platform(platform: &Platform) -> Self {
        let mut config = NewConfig {
            document: Map::new(),
        };
        config.set_platform(platform);
        config.set("config", json!({}));
        config.set("rootfs", json!({"type": "layers", "diff_ids": []}));
        config
    }

    /// Returns a copy of a config.
    ///
    /// # Errors
    /// `Json` and `Schema` for anything but an image config.
    pub fn like(bytes: &[u8]) -> Result<Self> {
        let value = json::parse_exact(bytes)?;
        // An unreadable config would make an unreadable image.
        super::ImageConfig::parse_known(bytes)?;
        let node = Node::root(&value);
        let known = ["architecture", "config", "rootfs"];
        let has = |name: &&str| node.field(name).is_ok_and(|field| field.is_some());
        match value {
            Value::Object(ref document) if known.iter().any(has) => Ok(NewConfig {
                document: document.clone(),
            }),
            _ => Err(node.expected("an image config")),
        }
    }

    /// Sets the platform.
    pub fn set_platform(&mut self, platform: &Platform) {
        self.set("architecture", platform.architecture.as_str().into());
        self.set("os", platform.os.as_str().into());
        match &platform.variant {
            Some(variant) => self.set("variant", variant.as_str().into()),
            None => self.remove("variant"),
        }
        match &platform.os_version {
            Some(version) => self.set("os.version", version.as_str().into()),
            None => self.remove("os.version"),
        }
    }

    /// Applies `-c` instructions.
    ///
    /// # Errors
    /// As [`instruction::apply`].
    pub fn apply(&mut self, changes: &[Change]) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let mut config = match self.get("config") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(config)) => config.clone(),
            Some(other) => return Err(wrong("config", "an object", other)),
        };
        instruction::apply(&mut config, changes)?;
        self.set("config", config.into());
        Ok(())
    }

    /// Command that a container of the image would run, as docker records it for a committed container.
    pub fn command(&self) -> String {
        let words = || -> Option<Vec<&str>> {
            let config = self.get("config")?.as_object()?;
            fields::get(config, "Cmd")?
                .as_array()?
                .iter()
                .map(Value::as_str)
                .collect()
        };
        words().unwrap_or_default().join(" ")
    }

    /// Sets creation time and author, and removes the fields about the build of the previous image.
    pub fn made(&mut self, created: Timestamp, author: Option<&str>, comment: Option<&str>) {
        for name in OF_ITS_MAKING {
            self.remove(name);
        }
        self.set("created", created.rfc3339_nano().into());
        if let Some(author) = author {
            self.set("author", author.into());
        }
        if let Some(comment) = comment {
            self.set("comment", comment.into());
        }
    }

    /// Replaces the layers.
    pub fn set_layers<'a>(&mut self, diff_ids: impl IntoIterator<Item = &'a Digest>) {
        let diff_ids: Vec<&Digest> = diff_ids.into_iter().collect();
        self.set("rootfs", json!({"type": "layers", "diff_ids": diff_ids}));
    }

    /// Appends a step to the history.
    ///
    /// # Errors
    /// `Schema` if the history is not a list.
    pub fn add_history(&mut self, step: &History) -> Result<()> {
        let mut history = self.history()?;
        let mut entry = Map::new();
        if let Some(created) = &step.created {
            entry.insert("created".into(), created.as_str().into());
        }
        if let Some(author) = &step.author {
            entry.insert("author".into(), author.as_str().into());
        }
        for (name, text) in [("created_by", &step.created_by), ("comment", &step.comment)] {
            if !text.is_empty() {
                entry.insert(name.into(), text.as_str().into());
            }
        }
        if step.empty_layer {
            entry.insert("empty_layer".into(), true.into());
        }
        history.push(entry.into());
        self.set("history", history.into());
        Ok(())
    }

    /// Marks the steps from position `from` on (from 0) as empty layers; nothing else changes.
    ///
    /// # Errors
    /// As [`NewConfig::add_history`].
    pub fn empty_history(&mut self, from: usize) -> Result<()> {
        let mut history = self.history()?;
        for step in history.iter_mut().skip(from) {
            if let Value::Object(step) = step {
                fields::remove(step, "empty_layer");
                step.insert("empty_layer".into(), true.into());
            }
        }
        if !history.is_empty() {
            self.set("history", history.into());
        }
        Ok(())
    }

    /// Serializes the document without white space.
    pub fn bytes(&self) -> Vec<u8> {
        texts::bytes(&Value::Object(self.document.clone()))
    }

    pub(super) fn history(&self) -> Result<Vec<Value>> {
        match self.get("history") {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(history)) => Ok(history.clone()),
            Some(other) => Err(wrong("history", "a list", other)),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        fields::get(&self.document, name)
    }

    pub(super) fn remove(&mut self, name: &str) {
        fields::remove(&mut self.document, name);
    }

    /// Sets a field under its existing key, or inserts it in docker's order, by name.
    pub fn set(&mut self, name: &str, value: Value) {
        if let Some(place) = fields::get_mut(&mut self.document, name) {
            *place = value;
            return;
        }
        let position = self.document.keys().position(|key| key.as_str() > name);
        let position = position.unwrap_or(self.document.len());
        self.document.shift_insert(position, name.to_owned(), value);
    }
}

pub(super) fn wrong(field: &str, expected: &'static str, found: &Value) -> crate::Error {
    let found = match found {
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
        _ => "another type",
    };
    Error::schema(field.to_owned(), expected, found.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_fields_are_kept() {
        let base = br#"{"x":{"b":1,"a":2},"architecture":"arm64","config":{"Z":1,"Cmd":["a","b"]},"container":"c","history":[{"created_by":"one","y":2},{"created_by":"two","empty_layer":true}],"os":"linux","rootfs":{"type":"layers","diff_ids":[]},"variant":"v8"}"#;
        let mut config = NewConfig::like(base).expect("a config");
        assert_eq!(config.command(), "a b");
        config.made(Timestamp::from_unix(0, 0), Some("me"), None);
        config.empty_history(0).expect("a list");
        config
            .add_history(&History {
                created: Some("1970-01-01T00:00:00Z".into()),
                comment: "c".into(),
                ..History::default()
            })
            .expect("a list");
        let expected = r#"{"x":{"b":1,"a":2},"architecture":"arm64","config":{"Z":1,"Cmd":["a","b"]},"history":[{"created_by":"one","y":2,"empty_layer":true},{"created_by":"two","empty_layer":true},{"created":"1970-01-01T00:00:00Z","comment":"c"}],"os":"linux","rootfs":{"type":"layers","diff_ids":[]},"variant":"v8"}"#;
        let found = String::from_utf8(config.bytes()).expect("UTF-8");
        // A new field is inserted before the first field that follows it in docker's order.
        let added = r#"{"author":"me","created":"1970-01-01T00:00:00Z","#;
        assert!(found.starts_with(added), "{found}");
        let found = found.replacen(added, "{", 1);
        assert_eq!(found, expected);
    }

    #[test]
    fn new_config_has_dockers_order() {
        let platform = Platform::parse("linux/arm/v7").expect("a platform");
        let mut config = NewConfig::for_platform(&platform);
        config.made(Timestamp::from_unix(0, 0), None, Some("Imported from -"));
        config
            .add_history(&History::default())
            .expect("a new history");
        assert_eq!(
            String::from_utf8(config.bytes()).expect("UTF-8"),
            r#"{"architecture":"arm","comment":"Imported from -","config":{},"created":"1970-01-01T00:00:00Z","history":[{}],"os":"linux","rootfs":{"type":"layers","diff_ids":[]},"variant":"v7"}"#
        );
    }

    #[test]
    fn invalid_configs_are_refused() {
        for text in [
            "[]",
            "{}",
            "{\"history\":[]}",
            "x",
            r#"{"config":{},"history":{}}"#,
        ] {
            assert!(NewConfig::like(text.as_bytes()).is_err(), "{text}");
        }
    }
}
