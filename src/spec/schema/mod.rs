//! Validation of documents against the published schemas: fields, types and formats.
//!
//! The input is a parsed document, the output its violations, each with the path of the field, and whether engines fail
//! to read the document because of it. The rules are tables in `rules.rs`. Two keys that match one field in Go, and
//! invalid JSON, are refused by the parser.

mod form;
mod rule;
mod rules;

use std::fmt::Write;

use serde_json::{Map, Value};

use super::{Digest, MediaType, fields, json};
use crate::error::Error;
use form::Fit;
use rule::{Need, Rule};

/// Number of violations listed for one document.
const MOST: usize = 20;

/// Kinds of documents with rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Image index.
    Index,
    /// Image manifest, also of an artifact.
    Manifest,
    /// Artifact manifest with a media type of its own.
    Artifact,
    /// Docker manifest list.
    DockerList,
    /// Docker manifest of schema 2.
    DockerManifest,
    /// Config of an image with a manifest.
    Config,
    /// Config of an image of a docker-archive.
    DockerConfig,
    /// `json` of an image before docker 1.10.
    V1Config,
}

impl Kind {
    /// Returns the kind of an index by its media type; an image index by default.
    pub fn of_index(media_type: &MediaType) -> Self {
        match media_type.is_docker() {
            true => Kind::DockerList,
            false => Kind::Index,
        }
    }

    /// Returns the kind of a manifest by its media type; an image manifest by default.
    pub fn of_manifest(media_type: &MediaType) -> Self {
        match media_type.as_str() {
            _ if media_type.is_docker() => Kind::DockerManifest,
            "" => Kind::Manifest,
            _ if media_type.is_manifest() || media_type.is_index() => Kind::Manifest,
            _ => Kind::Artifact,
        }
    }

    fn rule(self) -> &'static Rule {
        match self {
            Kind::Index => &rules::INDEX,
            Kind::Manifest => &rules::MANIFEST,
            Kind::Artifact => &rules::ARTIFACT,
            Kind::DockerList => &rules::DOCKER_LIST,
            Kind::DockerManifest => &rules::DOCKER_MANIFEST,
            Kind::Config => &rules::OCI_CONFIG,
            Kind::DockerConfig => &rules::DOCKER_CONFIG,
            Kind::V1Config => &rules::V1_CONFIG,
        }
    }
}

/// Value that breaks a rule.
#[derive(Debug, Clone)]
pub struct Violation {
    /// `Schema` with the path of the field, or `BadDigest` with it as context.
    pub error: Error,
    /// True if engines fail to read the document, false if only the schema is violated.
    pub unreadable: bool,
}

/// Violations of a document, in the order of the rules, and the number of those left out past the first 20.
pub fn check(document: &Value, kind: Kind) -> (Vec<Violation>, usize) {
    let mut check = Check {
        path: Vec::new(),
        found: Vec::new(),
        left_out: 0,
    };
    check.value(document, kind.rule(), true);
    (check.found, check.left_out)
}

/// Step of the path to a value.
#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Item(usize),
}

/// Check in progress. Its depth is that of its rule, which is constant.
struct Check<'a> {
    path: Vec<Step<'a>>,
    found: Vec<Violation>,
    left_out: usize,
}

impl<'a> Check<'a> {
    /// Checks a value; `read` is true if engines read it.
    fn value(&mut self, value: &'a Value, rule: &Rule, read: bool) {
        if value.is_null() && !self.path.is_empty() {
            // Go keeps the previous value; the schema allows null in few fields.
            return self.wrong(value, kind_of(rule), false);
        }
        match (rule, value) {
            (Rule::Text, Value::String(_)) | (Rule::Bool, Value::Bool(_)) => {}
            (Rule::Formed(form), Value::String(text)) => match (form.fit)(text) {
                Fit::Good => {}
                fit => self.wrong(value, form.expected, read && fit == Fit::Unreadable),
            },
            (Rule::Digest, Value::String(text)) => {
                if let Err(error) = Digest::parse(text) {
                    let path = self.field();
                    self.add(error.at(path), read);
                }
            }
            (Rule::Integer(least, most), Value::Number(number)) => match number.as_i64() {
                Some(number) if (*least..=*most).contains(&number) => {}
                Some(_) => self.wrong(value, kind_of(rule), false),
                None => self.wrong(value, kind_of(rule), read),
            },
            (Rule::List(item), Value::Array(items)) => self.items(items, item, read),
            (Rule::NotEmpty(_), Value::Array(items)) if items.is_empty() => {
                self.add(
                    self.fault("at least one item", "an empty list".into()),
                    false,
                );
            }
            (Rule::NotEmpty(item), Value::Array(items)) => self.items(items, item, read),
            (Rule::Words, Value::String(_)) => self.wrong(value, "a list", false),
            (Rule::Words, Value::Array(items)) => self.items(items, &Rule::Text, read),
            (Rule::Map(item), Value::Object(map)) => {
                for (key, value) in map {
                    self.within(Step::Key(key), value, item, read);
                }
            }
            (Rule::Object(groups), Value::Object(map)) => self.object(map, groups, read),
            _ => self.wrong(value, kind_of(rule), read),
        }
    }

    fn items(&mut self, items: &'a [Value], rule: &Rule, read: bool) {
        for (i, item) in items.iter().enumerate() {
            self.within(Step::Item(i), item, rule, read);
        }
    }

    fn within(&mut self, step: Step<'a>, value: &'a Value, rule: &Rule, read: bool) {
        self.path.push(step);
        self.value(value, rule, read);
        self.path.pop();
    }

    fn object(
        &mut self,
        map: &'a Map<String, Value>,
        groups: &[&'static [rule::Field]],
        read: bool,
    ) {
        for field in groups.iter().copied().flatten() {
            // Several keys for one field are refused by the parser.
            let value = fields::get(map, field.name);
            let read = read && field.read;
            let found = if value.is_some() { "null" } else { "nothing" };
            match value.filter(|value| !value.is_null()) {
                Some(value) => self.within(Step::Key(field.name), value, &field.rule, read),
                None if field.need == Need::Optional => {}
                None => {
                    self.path.push(Step::Key(field.name));
                    let fault = self.fault(missing(&field.rule), found.into());
                    self.path.pop();
                    self.add(fault, read && field.need == Need::Engines);
                }
            }
        }
    }

    fn wrong(&mut self, value: &Value, expected: &'static str, unreadable: bool) {
        self.add(self.fault(expected, json::described(value)), unreadable);
    }

    fn fault(&self, expected: &'static str, found: String) -> Error {
        let field = self.field();
        Error::schema(field, expected, found)
    }

    fn add(&mut self, error: Error, unreadable: bool) {
        if self.found.len() < MOST {
            self.found.push(Violation { error, unreadable });
        } else {
            // Violations that engines fail at precede earlier ones.
            if unreadable && self.found.iter().all(|violation| !violation.unreadable) {
                self.found[MOST - 1] = Violation { error, unreadable };
            }
            self.left_out += 1;
        }
    }

    fn field(&self) -> String {
        let mut path = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) if path.is_empty() => path.push_str(key),
                Step::Key(key) => {
                    path.push('.');
                    path.push_str(key);
                }
                Step::Item(i) => {
                    let _ = write!(path, "[{i}]");
                }
            }
        }
        match path.is_empty() {
            true => "the document".to_owned(),
            false => path,
        }
    }
}

const SIZE: &str = "an integer from 0 to 9223372036854775807";

/// Name of the type of a rule in errors.
fn kind_of(rule: &Rule) -> &'static str {
    match rule {
        Rule::Text | Rule::Formed(_) | Rule::Digest => "a string",
        Rule::Bool => "true or false",
        Rule::Integer(2, 2) => "2",
        Rule::Integer(0, _) => SIZE,
        Rule::Integer(..) => "an integer",
        Rule::List(_) | Rule::NotEmpty(_) | Rule::Words => "a list",
        Rule::Map(_) | Rule::Object(_) => "an object",
    }
}

/// Text for a missing value.
fn missing(rule: &Rule) -> &'static str {
    match rule {
        Rule::Formed(form) => form.expected,
        Rule::Digest => "a digest",
        Rule::Integer(0, _) => "a size in bytes",
        _ => kind_of(rule),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(document: Value, kind: Kind) -> Vec<(String, bool)> {
        let (found, left_out) = check(&document, kind);
        assert_eq!(left_out, 0);
        let found = found.into_iter();
        found
            .map(|violation| (violation.error.to_string(), violation.unreadable))
            .collect()
    }

    #[test]
    fn violations_name_their_field() {
        let id = format!("sha256:{}", "0".repeat(64));
        let config = json!({
            "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [id]},
            "config": {"Env": [7353, "foo"], "Volumes": ["/a"], "Labels": {"a": 1, "b": null}, "Cmd": null},
        });
        let text = |text: &str| text.to_owned();
        assert_eq!(
            found(config, Kind::Config),
            [
                (
                    text("config.Env[0]: expected a string, found the number 7353"),
                    true
                ),
                (
                    text("config.Env[1]: expected NAME=VALUE, found 'foo'"),
                    false
                ),
                (
                    text("config.Volumes: expected an object, found a list"),
                    true
                ),
                (
                    text("config.Labels.a: expected a string, found the number 1"),
                    true
                ),
                (
                    text("config.Labels.b: expected a string, found null"),
                    false
                ),
            ]
        );
    }

    #[test]
    fn violations_past_the_limit_are_counted() {
        let history = vec![json!({"created": "2020-01-01T1:00:00Z"}); 30];
        let mut document = json!({"history": history});
        let (found, left_out) = check(&document, Kind::V1Config);
        assert_eq!((found.len(), left_out), (20, 10));
        assert!(found.iter().all(|violation| !violation.unreadable));
        document["history"][29] = json!({"created": 1});
        let (found, _) = check(&document, Kind::V1Config);
        assert!(found[19].unreadable);
    }
}
