//! Conversion from JSON to template data, and back to the same JSON.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use gotmpl::Value;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Number, Value as Json};

use super::duration;
use super::shape::Shape;
use super::store::{Kind, Known, Loaded, Store, address};
use crate::escape;
use crate::render::json;

impl Store {
    /// Converts the data of a template.
    pub(super) fn load(&self, json: &Json) -> Loaded<'_> {
        self.load_as(
            json,
            if self.shape.row {
                Kind::Row
            } else {
                Kind::Struct
            },
        )
    }

    /// Converts the headings of a table, by field.
    pub(super) fn load_headings(&self, json: &Json) -> Loaded<'_> {
        self.load_as(json, Kind::Free)
    }

    fn load_as(&self, json: &Json, kind: Kind) -> Loaded<'_> {
        let mut loading = Loading::new(self);
        let value = loading.value(json, "", kind);
        let addresses = loading.found.iter().map(|(address, _)| *address).collect();
        self.known().extend(loading.found);
        Loaded {
            value,
            store: self,
            addresses,
        }
    }

    /// Returns the JSON of a converted value.
    pub(super) fn json(&self, value: &Value) -> crate::Result<String> {
        let known = self.known();
        let is_row = matches!(
            address(value).and_then(|at| known.get(&at)),
            Some(Known::Object {
                kind: Kind::Row,
                ..
            })
        );
        let original = Original::new(value, &known);
        match is_row {
            true => json::line_html(&original),
            false => json::line(&original),
        }
    }
}

/// Conversion in progress, and facts about its values for the store.
pub(super) struct Loading<'a> {
    store: &'a Store,
    pub(super) found: Vec<(usize, Known)>,
}

impl<'a> Loading<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Loading {
            store,
            found: Vec::new(),
        }
    }

    fn note(&mut self, value: Value, known: Known) -> Value {
        self.found.extend(address(&value).map(|at| (at, known)));
        value
    }

    fn text(&mut self, text: &str) -> Value {
        let shown = escape::text(text);
        let value = Value::String(Arc::from(&*shown));
        match shown == text {
            true => value,
            false => self.note(value, Known::Text(text.into())),
        }
    }

    fn duration(&mut self, number: &Number) -> Value {
        match number.as_i64() {
            Some(nanoseconds) => self.note(
                Value::String(duration::text(nanoseconds).into()),
                Known::Duration(nanoseconds),
            ),
            None => self.value(&Json::Number(number.clone()), "", Kind::Struct),
        }
    }

    /// Converts the value of `field`; an empty name is for values that are no fields.
    pub(super) fn value(&mut self, json: &Json, field: &str, kind: Kind) -> Value {
        let Shape {
            lists, maps, sets, ..
        } = self.store.shape;
        let is_free = maps.contains(&field) || sets.contains(&field);
        match json {
            Json::Null if lists.contains(&field) => self.store.nil_list.clone(),
            Json::Null if is_free => self.store.nil_map.clone(),
            Json::Null => Value::Nil,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(number), ..) => Value::Int(number),
                (_, Some(number), _) => Value::Uint(number),
                (.., number) => Value::Float(number.unwrap_or_default()),
            },
            Json::String(text) => self.text(text),
            Json::Array(items) => {
                let items: Vec<Value> = items
                    .iter()
                    .map(|item| self.value(item, "", Kind::Struct))
                    .collect();
                Value::List(items.into())
            }
            Json::Object(object) => {
                let kind = if is_free { Kind::Free } else { kind };
                let entries: Vec<(Arc<str>, Value)> = object
                    .iter()
                    .map(|(key, value)| {
                        let value = match value {
                            Json::Object(empty) if empty.is_empty() && sets.contains(&field) => {
                                self.store.empty.clone()
                            }
                            Json::Number(number)
                                if self.store.shape.durations.contains(&(field, key.as_str())) =>
                            {
                                self.duration(number)
                            }
                            // A label may well be called Labels.
                            value if kind == Kind::Free => self.value(value, "", Kind::Struct),
                            value => self.value(value, key, Kind::Struct),
                        };
                        (Arc::from(key.as_str()), value)
                    })
                    .collect();
                self.object(entries, field, kind)
            }
        }
    }

    fn object(&mut self, mut entries: Vec<(Arc<str>, Value)>, field: &str, kind: Kind) -> Value {
        if matches!(kind, Kind::Row | Kind::Free) {
            entries.sort_by(|a, b| a.0.cmp(&b.0));
        }
        let map: BTreeMap<Arc<str>, Value> = entries
            .iter()
            .map(|(key, value)| (Arc::from(&*escape::text(key)), value.clone()))
            .collect();
        let known = Known::Object {
            entries,
            field: field.into(),
            kind,
        };
        self.note(Value::Map(Arc::new(map)), known)
    }
}

/// Template data that serializes as its original JSON.
pub(super) struct Original<'a> {
    value: &'a Value,
    known: &'a HashMap<usize, Known>,
}

impl<'a> Original<'a> {
    pub(super) fn new(value: &'a Value, known: &'a HashMap<usize, Known>) -> Self {
        Original { value, known }
    }
}

impl Serialize for Original<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let of = |value| Original::new(value, self.known);
        match address(self.value).and_then(|at| self.known.get(&at)) {
            Some(Known::Null) => return serializer.serialize_unit(),
            Some(Known::Empty) => return serializer.serialize_map(Some(0))?.end(),
            Some(Known::Text(text)) => return serializer.serialize_str(text),
            Some(Known::Duration(nanoseconds)) => return serializer.serialize_i64(*nanoseconds),
            Some(Known::Object { entries, .. }) => {
                return serializer
                    .collect_map(entries.iter().map(|(key, value)| (&**key, of(value))));
            }
            None => {}
        }
        match self.value {
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Uint(number) => serializer.serialize_u64(*number),
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::String(text) => serializer.serialize_str(text),
            Value::List(items) => serializer.collect_seq(items.iter().map(of)),
            Value::Map(map) => serializer.collect_map(map.iter().map(|(k, v)| (&**k, of(v)))),
            _ => serializer.serialize_unit(),
        }
    }
}
