//! Field names as matched by Go's JSON decoder, which every engine uses for these documents.
//!
//! In an object decoded to a Go struct, a key matches the field it folds to: letters in any case, and two non-ASCII
//! letters that fold to `s` and `k`. The last of several keys for one field wins, so readers could see different
//! values; [`GoType::check`] refuses such documents. In an object decoded to a Go map (labels, annotations, volumes)
//! keys are exact.

use std::borrow::Cow;
use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// U+017F, LATIN SMALL LETTER LONG S, which folds to `s`.
const LONG_S: char = '\u{17f}';
/// U+212A, KELVIN SIGN, which folds to `k`.
const KELVIN: char = '\u{212a}';

/// Returns the field that a key matches, in lower case.
pub fn folded(key: &str) -> Cow<'_, str> {
    let fold = |letter| match letter {
        LONG_S => 's',
        KELVIN => 'k',
        letter => letter.to_ascii_lowercase(),
    };
    if key.chars().all(|letter| fold(letter) == letter) {
        return Cow::Borrowed(key);
    }
    Cow::Owned(key.chars().map(fold).collect())
}

/// Tests if two keys match the same field.
pub fn same(a: &str, b: &str) -> bool {
    a == b || folded(a) == folded(b)
}

/// Returns the key of an object that matches a field.
pub fn key<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    if let Some((key, _)) = object.get_key_value(name) {
        return Some(key);
    }
    object
        .keys()
        .map(String::as_str)
        .find(|key| same(key, name))
}

/// Returns the value of a field, `null` included.
pub fn get<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(key(object, name)?)
}

/// Returns the value of a field, or `None` if `value` is not an object.
pub fn of<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    get(value.as_object()?, name)
}

/// Returns the value of a field for modification.
pub fn get_mut<'a>(object: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Value> {
    let key = key(object, name)?.to_owned();
    object.get_mut(&key)
}

/// Returns the value of a field for modification, or `None` if `value` is not an object.
pub fn of_mut<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    get_mut(value.as_object_mut()?, name)
}

/// Sets a field under its existing key, or appends it.
pub fn set(object: &mut Map<String, Value>, name: &str, value: Value) {
    match get_mut(object, name) {
        Some(place) => *place = value,
        None => {
            object.insert(name.to_owned(), value);
        }
    }
}

/// Removes a field; the others keep their order.
pub fn remove(object: &mut Map<String, Value>, name: &str) {
    if let Some(key) = key(object, name).map(str::to_owned) {
        object.shift_remove(&key);
    }
}

/// Fields of a config's `config`, in docker's order.
pub const RUN_FIELDS: [&str; 25] = [
    "Hostname",
    "Domainname",
    "User",
    "AttachStdin",
    "AttachStdout",
    "AttachStderr",
    "ExposedPorts",
    "Tty",
    "OpenStdin",
    "StdinOnce",
    "Env",
    "Cmd",
    "Healthcheck",
    "ArgsEscaped",
    "Image",
    "Volumes",
    "WorkingDir",
    "Entrypoint",
    "NetworkDisabled",
    "MacAddress",
    "OnBuild",
    "Labels",
    "StopSignal",
    "StopTimeout",
    "Shell",
];

/// Fields of a config's `config.Healthcheck`.
pub const HEALTH_FIELDS: [&str; 6] = [
    "Test",
    "Interval",
    "Timeout",
    "StartPeriod",
    "StartInterval",
    "Retries",
];

/// Fields of a config, as docker and the specification spell them.
pub const CONFIG_FIELDS: [&str; 18] = [
    "architecture",
    "author",
    "comment",
    "config",
    "container",
    "container_config",
    "created",
    "docker_version",
    "history",
    "id",
    "moby.buildkit.buildinfo.v1",
    "os",
    "os.features",
    "os.version",
    "parent",
    "rootfs",
    "Size",
    "variant",
];

/// Renames the keys of an object to the fields they match; the order stays.
pub fn rename(object: &mut Map<String, Value>, names: &[&str]) {
    let usual = |key: &String| names.iter().find(|name| same(name, key));
    if object
        .keys()
        .all(|key| usual(key).is_none_or(|name| name == key))
    {
        return;
    }
    let renamed = std::mem::take(object).into_iter().map(|(key, value)| {
        let name = usual(&key).map(|name| (*name).to_owned());
        (name.unwrap_or(key), value)
    });
    *object = renamed.collect();
}

/// Objects of a document that are decoded to Go structs. Fields not listed are maps or unknown, and are not checked.
#[derive(Debug, Clone, Copy)]
pub enum GoType {
    /// Struct, with its fields that hold other structs.
    Struct(&'static [(&'static str, &'static GoType)]),
    /// List.
    List(&'static GoType),
    /// Map.
    Map(&'static GoType),
}

static FLAT: GoType = GoType::Struct(&[]);
static FLATS: GoType = GoType::List(&FLAT);
static DESCRIPTOR: GoType = GoType::Struct(&[("platform", &FLAT)]);
static DESCRIPTORS: GoType = GoType::List(&DESCRIPTOR);
static EXECUTION: GoType = GoType::Struct(&[("Healthcheck", &FLAT)]);
static SOURCES: GoType = GoType::Map(&DESCRIPTOR);
static ITEM: GoType = GoType::Struct(&[("LayerSources", &SOURCES)]);
static SIGNATURE: GoType = GoType::Struct(&[("header", &HEADER)]);
static SIGNATURES: GoType = GoType::List(&SIGNATURE);
static HEADER: GoType = GoType::Struct(&[("jwk", &FLAT)]);

impl GoType {
    /// Manifest or index, schema 1 included.
    pub const MANIFEST: GoType = GoType::Struct(&[
        ("config", &DESCRIPTOR),
        ("layers", &DESCRIPTORS),
        ("blobs", &DESCRIPTORS),
        ("manifests", &DESCRIPTORS),
        ("subject", &DESCRIPTOR),
        ("fsLayers", &FLATS),
        ("history", &FLATS),
        ("signatures", &SIGNATURES),
    ]);
    /// Image config, or `json` of a layer before docker 1.10.
    pub const CONFIG: GoType = GoType::Struct(&[
        ("config", &EXECUTION),
        ("container_config", &EXECUTION),
        ("rootfs", &FLAT),
        ("history", &FLATS),
    ]);
    /// `manifest.json` of docker.
    pub const ITEMS: GoType = GoType::List(&ITEM);
    /// `oci-layout`.
    pub const LAYOUT: GoType = GoType::Struct(&[]);

    /// Refuses several keys for one field.
    ///
    /// # Errors
    /// `Ambiguous` with two of the keys and the path to their object.
    pub fn check(&self, value: &Value) -> Result<()> {
        let mut work = vec![(value, self, String::new())];
        while let Some((value, go_type, path)) = work.pop() {
            match (go_type, value) {
                (GoType::Struct(inner), Value::Object(object)) => {
                    distinct(object, &path)?;
                    for (name, go_type) in inner.iter().rev() {
                        if let Some(value) = get(object, name) {
                            work.push((value, go_type, below(&path, name)));
                        }
                    }
                }
                (GoType::List(go_type), Value::Array(items)) => {
                    for (i, item) in items.iter().enumerate().rev() {
                        work.push((item, go_type, format!("{path}[{i}]")));
                    }
                }
                (GoType::Map(go_type), Value::Object(object)) => {
                    for (key, value) in object.iter().rev() {
                        work.push((value, go_type, below(&path, key)));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn below(path: &str, name: &str) -> String {
    match path.is_empty() {
        true => name.to_owned(),
        false => format!("{path}.{name}"),
    }
}

fn distinct(object: &Map<String, Value>, path: &str) -> Result<()> {
    let mut seen: HashMap<Cow<'_, str>, &str> = HashMap::with_capacity(object.len());
    for key in object.keys() {
        if let Some(first) = seen.insert(folded(key), key) {
            let inside = match path.is_empty() {
                true => String::new(),
                false => format!(" in '{path}'"),
            };
            return Err(Error::ambiguous(format!(
                "keys '{first}' and '{key}'{inside} are several spellings of one field: engines take the last"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(go_type: &GoType, text: &str) -> Option<String> {
        let value = serde_json::from_str(text).expect("JSON");
        go_type.check(&value).err().map(|error| error.to_string())
    }

    #[test]
    fn letters_that_fold_to_ascii_are_the_same() {
        for (a, b) in [
            ("Layers", "Layer\u{17f}"),
            ("diff_ids", "DIFF_ID\u{17f}"),
            ("NetworkDisabled", "Networ\u{212a}di\u{17f}abled"),
            ("os.version", "OS.Version"),
        ] {
            assert!(same(a, b), "{a} {b}");
        }
        for (a, b) in [("Layers", "Layer\u{df}"), ("İd", "id"), ("a_b", "a-b")] {
            assert!(!same(a, b), "{a} {b}");
        }
    }

    #[test]
    fn two_spellings_of_a_struct_field_are_refused() {
        for (go_type, text, keys) in [
            (GoType::CONFIG, r#"{"os":"a","OS":"b"}"#, "'os' and 'OS'"),
            (
                GoType::CONFIG,
                r#"{"Config":{"Labels":{},"Label\u017f":{}}}"#,
                "'Labels' and 'Label\u{17f}' in 'config'",
            ),
            (
                GoType::CONFIG,
                r#"{"config":{"healthcheck":{"Test":[],"TEST":[]}}}"#,
                "'Test' and 'TEST' in 'config.Healthcheck'",
            ),
            (
                GoType::CONFIG,
                r#"{"history":[{},{"empty_layer":true,"Empty_layer":false}]}"#,
                "'empty_layer' and 'Empty_layer' in 'history[1]'",
            ),
            (
                GoType::MANIFEST,
                r#"{"manifests":[{"platform":{"os":"a","o\u017f":"b"}}]}"#,
                "'os' and 'o\u{17f}' in 'manifests[0].platform'",
            ),
            (
                GoType::ITEMS,
                r#"[{"LayerSources":{"sha256:1":{"size":1,"Size":2}}}]"#,
                "'size' and 'Size' in '[0].LayerSources.sha256:1'",
            ),
        ] {
            let found = fault(&go_type, text).expect(text);
            assert!(found.contains(keys), "{found}");
        }
    }

    #[test]
    fn keys_of_maps_and_unknown_fields_are_exact() {
        for text in [
            r#"{"config":{"Labels":{"a":"1","A":"2"},"Volumes":{"/s":{},"/\u017f":{}}}}"#,
            r#"{"config":{"ExposedPorts":{"80/tcp":{},"80/TCP":{}}}}"#,
            r#"{"x":{"a":1,"A":2}}"#,
        ] {
            assert_eq!(fault(&GoType::CONFIG, text), None, "{text}");
        }
        let text =
            r#"{"annotations":{"a":"1","A":"2"},"layers":[{"annotations":{"a":"","A":""}}]}"#;
        assert_eq!(fault(&GoType::MANIFEST, text), None);
    }
}
