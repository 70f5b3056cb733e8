//! JSON parsing for image documents: strict about ambiguity, lenient about spelling.
//!
//! A hostile archive could try to show two readers different documents (duplicate keys, keys that differ only in case,
//! trailing text), or to exhaust the stack (depth) or the memory (size, items). [`parse`] refuses all of these before
//! any field is read; [`Node`] then reads fields with errors that name the field.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::{Digest, fields, texts};
use crate::error::{Error, Result};
use crate::limits::JsonLimits;

/// Parses one JSON document that fills `bytes` to the end. Invalid Unicode in strings is read as Go reads it, see
/// [`texts::readable`].
///
/// # Errors
/// `Json` for invalid syntax, a byte order mark, trailing data, a duplicate key in an object, and numbers out of range;
/// `Limit` if it exceeds `limits`.
pub fn parse(bytes: &[u8], limits: &JsonLimits) -> Result<Value> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(Error::json("byte order mark at the start"));
    }
    let limit = Cell::new(None);
    let items = Cell::new(0);
    let strict = Strict {
        depth: 0,
        items: &items,
        limit: &limit,
        limits,
    };
    let bytes = texts::readable(bytes);
    let mut deserializer = serde_json::Deserializer::from_slice(&bytes);
    let value = strict
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| match limit.take() {
        Some((what, limit, found)) => Error::limit(what, limit, found),
        None => Error::json(error.to_string()),
    })
}

/// Parses bytes that were parsed before under other limits.
///
/// # Errors
/// As [`parse`].
pub fn parse_known(bytes: &[u8]) -> Result<Value> {
    parse(bytes, &JsonLimits::KNOWN)
}

/// Parses a document for modification. Invalid Unicode and numbers that are no machine integers are marked, see
/// [`texts`].
///
/// # Errors
/// As [`parse_known`].
pub fn parse_exact(document: &[u8]) -> Result<Value> {
    parse_known(document)?;
    parse_known(&texts::rewritten(document, true))
}

/// Returns the paths of strings and keys that are not valid Unicode, in the order of the document; `None` if there are
/// none or it is not JSON.
pub fn invalid_texts(document: &[u8]) -> Option<Vec<String>> {
    match texts::readable(document) {
        Cow::Borrowed(_) => None,
        Cow::Owned(_) => Some(texts::marked_paths(&parse_exact(document).ok()?)),
    }
}

type Reached = Option<(&'static str, u64, u64)>;

#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: u64,
    items: &'a Cell<u64>,
    limit: &'a Cell<Reached>,
    limits: &'a JsonLimits,
}

impl<'a> Strict<'a> {
    fn deeper<E: serde::de::Error>(self) -> Result<Strict<'a>, E> {
        let depth = self.depth + 1;
        if depth > self.limits.depth {
            return Err(self.reached("JSON depth", self.limits.depth, depth));
        }
        Ok(Strict { depth, ..self })
    }

    fn count<E: serde::de::Error>(self) -> Result<(), E> {
        self.items.set(self.items.get() + 1);
        if self.items.get() > self.limits.items {
            return Err(self.reached("JSON items", self.limits.items, self.items.get()));
        }
        Ok(())
    }

    fn reached<E: serde::de::Error>(self, what: &'static str, limit: u64, found: u64) -> E {
        self.limit.set(Some((what, limit, found)));
        E::custom("limit reached")
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(inner)? {
            self.count()?;
            items.push(item);
            if items.len() as u64 > self.limits.array {
                let found = items.len() as u64;
                return Err(self.reached("JSON array items", self.limits.array, found));
            }
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            self.count()?;
            if map.contains_key(&key) {
                return Err(serde::de::Error::custom(format!(
                    "duplicate key '{key}' in one object"
                )));
            }
            let value = access.next_value_seed(inner)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// JSON value with its path, for errors that name the field.
///
/// `null` counts as missing, as in the Go programs that write these documents.
#[derive(Clone)]
pub struct Node<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Node<'a> {
    /// Returns the node of the document.
    pub fn root(value: &'a Value) -> Self {
        Node {
            value,
            path: String::new(),
        }
    }

    /// The value.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// Returns the error that this node is not `expected`.
    pub fn expected(&self, expected: &'static str) -> Error {
        let found = described(self.value);
        let field = if self.path.is_empty() {
            "the document".to_owned()
        } else {
            self.path.clone()
        };
        Error::schema(field, expected, found)
    }

    /// Returns the field of that name, matched as in Go, see [`fields::same`]; `None` if missing or `null`.
    ///
    /// # Errors
    /// `Schema` if this node is not an object, `Ambiguous` if two keys match the field.
    pub fn field(&self, name: &str) -> Result<Option<Node<'a>>> {
        let Value::Object(map) = self.value else {
            return Err(self.expected("an object"));
        };
        let mut found: Option<&'a Value> = None;
        for (key, value) in map {
            if !fields::same(key, name) {
                continue;
            }
            if found.is_some() {
                let path = self.child(name);
                let why = format!("key '{path}' has several spellings");
                return Err(Error::ambiguous(why));
            }
            found = Some(value);
        }
        Ok(found.filter(|value| !value.is_null()).map(|value| Node {
            value,
            path: self.child(name),
        }))
    }

    /// Returns a required field.
    pub fn required(&self, name: &str, expected: &'static str) -> Result<Node<'a>> {
        match self.field(name)? {
            Some(node) => Ok(node),
            None => Err(Error::schema(self.child(name), expected, "nothing")),
        }
    }

    fn child(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// Items of a list.
    pub fn items(&self) -> Result<impl Iterator<Item = Node<'a>> + use<'a>> {
        let Value::Array(items) = self.value else {
            return Err(self.expected("a list"));
        };
        let path = self.path.clone();
        Ok(items.iter().enumerate().map(move |(i, value)| Node {
            value,
            path: format!("{path}[{i}]"),
        }))
    }

    /// Members of an object, in the order of the document.
    pub fn members(&self) -> Result<impl Iterator<Item = (&'a str, Node<'a>)> + use<'a>> {
        let Value::Object(map) = self.value else {
            return Err(self.expected("an object"));
        };
        let path = self.path.clone();
        Ok(map.iter().map(move |(key, value)| {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            (key.as_str(), Node { value, path })
        }))
    }

    /// Value of a string.
    pub fn text(&self) -> Result<&'a str> {
        self.value.as_str().ok_or_else(|| self.expected("a string"))
    }

    /// An integer from 0 to 2^63-1, the range of sizes in the specification.
    pub fn size(&self) -> Result<u64> {
        self.value
            .as_u64()
            .filter(|&n| i64::try_from(n).is_ok())
            .ok_or_else(|| self.expected("an integer from 0 to 9223372036854775807"))
    }

    /// Value of a digest.
    pub fn digest(&self) -> Result<Digest> {
        Digest::parse(self.text()?).map_err(|error| error.at(self.path.clone()))
    }

    /// Values of a list of strings.
    pub fn texts(&self) -> Result<Vec<String>> {
        self.items()?
            .map(|item| item.text().map(str::to_owned))
            .collect()
    }

    /// Values of an object of strings, in the order of the document.
    pub fn text_map(&self) -> Result<Vec<(String, String)>> {
        self.members()?
            .map(|(key, node)| Ok((key.to_owned(), node.text()?.to_owned())))
            .collect()
    }
}

/// Formats a value for errors: short strings and numbers as they are, otherwise the type.
pub(super) fn described(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) => "a boolean".to_owned(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) if text.chars().count() <= 40 => format!("'{text}'"),
        Value::String(_) => "a string".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

/// Returns the value of an optional string field.
pub fn opt_text(node: &Node<'_>, name: &str) -> Result<Option<String>> {
    node.field(name)?
        .map(|field| field.text().map(str::to_owned))
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        parse(text.as_bytes(), &JsonLimits::default())
            .expect_err("an error")
            .to_string()
    }

    #[test]
    fn ambiguous_documents_are_refused() {
        assert!(fault("{\"a\":1,\"a\":2}").contains("duplicate key 'a'"));
        assert!(fault("\u{feff}{}").contains("byte order mark"));
        assert!(fault("{} x").contains("trailing"));
        assert!(fault("1e999").contains("out of range"));
        assert!(fault("").contains("EOF"));
    }

    #[test]
    fn keys_that_differ_in_case_are_one_field() {
        let value = parse(br#"{"repoTags":["a:b"]}"#, &JsonLimits::default()).expect("JSON");
        let tags = Node::root(&value)
            .field("RepoTags")
            .expect("an object")
            .expect("a field");
        assert_eq!(tags.texts().expect("texts"), ["a:b"]);
        let value = parse(br#"{"Config":"a","config":"b"}"#, &JsonLimits::default()).expect("JSON");
        assert!(Node::root(&value).field("Config").is_err());
    }

    #[test]
    fn numbers_are_written_as_they_were_read() {
        for text in ["2.6666666666666663e+70", "1.7976931348623157e+308", "-0.1"] {
            assert_eq!(
                parse(text.as_bytes(), &JsonLimits::default())
                    .expect("JSON")
                    .to_string(),
                text
            );
        }
    }

    #[test]
    fn depth_is_limited() {
        let deep = "[".repeat(100_000);
        assert!(fault(&deep).contains("depth"));
    }

    #[test]
    fn errors_name_the_field() {
        let value = parse(br#"{"layers":[{"size":-1}]}"#, &JsonLimits::default()).expect("JSON");
        let layers = Node::root(&value)
            .required("layers", "a list")
            .expect("layers");
        let layer = layers.items().expect("items").next().expect("an item");
        let error = layer
            .required("size", "a size")
            .expect("size")
            .size()
            .expect_err("an error");
        assert_eq!(
            error.to_string(),
            "layers[0].size: expected an integer from 0 to 9223372036854775807, found the number -1"
        );
    }
}
