//! JSON as template data, with the way back to the JSON it came from.
//!
//! gotmpl's maps are sorted, its texts are printed as they are, and it knows no types beyond JSON's. So the data is
//! converted with its texts escaped, and a store beside it remembers, by the address of the shared value, what the
//! engine does not carry: an object's keys in order, a text before it was escaped, whether an absent key is an error.
//! An address stands for one value as long as that value lives, and [`Loaded`] keeps it until it takes the addresses
//! out again; two renderings at the same time cannot meet at one.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gotmpl::Value;
use serde_json::Value as Json;

use super::convert::{Loading, Original};
use super::duration;
use super::shape::{Shape, Zero};

/// Why a field cannot be given.
pub(super) type Refused = String;

/// The memory that the functions of one template share.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) shape: Shape,
    known: Arc<Mutex<HashMap<usize, Known>>>,
    pub(super) nil_list: Value,
    pub(super) nil_map: Value,
    pub(super) empty: Value,
    no_time: Value,
}

pub(super) enum Known {
    /// An object, its keys in order.
    Object {
        entries: Vec<(Arc<str>, Value)>,
        field: Arc<str>,
        kind: Kind,
    },
    /// A text before it was escaped.
    Text(Arc<str>),
    /// A list or map that is `null` in JSON.
    Null,
    /// A `{}` that prints as such.
    Empty,
    /// The text of a duration in nanoseconds.
    Duration(i64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Its fields are known.
    Struct,
    /// The same, and docker marshals it from a map.
    Row,
    /// It has any keys, which Go sorts.
    Free,
}

/// Converted data; the store knows it as long as this lives.
pub(super) struct Loaded<'a> {
    pub(super) value: Value,
    store: &'a Store,
    addresses: Vec<usize>,
}

impl Drop for Loaded<'_> {
    fn drop(&mut self) {
        let mut known = self.store.known();
        for address in &self.addresses {
            known.remove(address);
        }
    }
}

pub(super) fn address(value: &Value) -> Option<usize> {
    match value {
        Value::Map(map) => Some(Arc::as_ptr(map).addr()),
        Value::String(text) => Some(text.as_ptr().addr()),
        Value::List(list) => Some(list.as_ptr().addr()),
        _ => None,
    }
}

impl Store {
    pub(super) fn new(shape: Shape) -> Self {
        let nil_list = Value::List(Vec::new().into());
        let nil_map = Value::Map(Arc::new(BTreeMap::new()));
        let empty = Value::String("{}".into());
        let no_time = Value::String(duration::text(0).into());
        let known = [
            (&no_time, Known::Duration(0)),
            (&nil_list, Known::Null),
            (&nil_map, Known::Null),
            (&empty, Known::Empty),
        ];
        let known = known
            .into_iter()
            .filter_map(|(value, known)| Some((address(value)?, known)));
        Store {
            shape,
            known: Arc::new(Mutex::new(known.collect())),
            nil_list,
            nil_map,
            empty,
            no_time,
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<usize, Known>> {
        // Nothing in here can be left half done by a panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

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

    /// What `.name` is on `value`.
    pub(super) fn field(&self, value: &Value, name: &str) -> Result<Value, Refused> {
        let map = match value {
            Value::Map(map) => map,
            Value::Nil => return Ok(Value::Nil),
            other => {
                let kind = other.type_name();
                return Err(format!("can't evaluate field {name} in type {kind}"));
            }
        };
        if let Some(value) = map.get(name) {
            return Ok(value.clone());
        }
        let mut aliases = self.shape.aliases.iter();
        if let Some(value) = aliases
            .find(|alias| alias.0 == name)
            .and_then(|alias| map.get(alias.1))
        {
            return Ok(value.clone());
        }
        let known = self.known();
        let Some(Known::Object {
            entries,
            field,
            kind: Kind::Struct | Kind::Row,
        }) = address(value).and_then(|at| known.get(&at))
        else {
            return Ok(Value::Nil);
        };
        let mut absent = self.shape.absent.iter();
        if let Some((.., zero)) = absent.find(|at| (at.0, at.1) == (field, name)) {
            return Ok(match zero {
                Zero::List => self.nil_list.clone(),
                Zero::Map => self.nil_map.clone(),
                Zero::Nil => Value::Nil,
                Zero::Text => Value::String("".into()),
                Zero::False => Value::Bool(false),
                Zero::Number => Value::Int(0),
                Zero::Duration => self.no_time.clone(),
            });
        }
        let names: Vec<&str> = entries.iter().map(|(key, _)| &**key).collect();
        Err(match names.as_slice() {
            [] => format!("no field '{name}'"),
            names => format!("no field '{name}': there are {}", names.join(", ")),
        })
    }

    /// What `index value key` is where the key is absent.
    pub(super) fn absent_key(&self, value: &Value) -> Value {
        let known = self.known();
        match address(value).and_then(|at| known.get(&at)) {
            Some(
                Known::Null
                | Known::Object {
                    kind: Kind::Free, ..
                },
            ) => Value::String("".into()),
            _ => Value::Nil,
        }
    }

    /// A text as it was before it was escaped.
    pub(super) fn raw(&self, value: &Value) -> Value {
        let known = self.known();
        match address(value).and_then(|at| known.get(&at)) {
            Some(Known::Text(text)) => Value::String(text.clone()),
            _ => value.clone(),
        }
    }

    /// Nanoseconds of a duration; `None` for anything else.
    pub(super) fn duration(&self, value: &Value) -> Option<i64> {
        match self.known().get(&address(value)?) {
            Some(Known::Duration(nanoseconds)) => Some(*nanoseconds),
            _ => None,
        }
    }

    /// Whether it is a `{}` that prints as such.
    pub(super) fn is_empty_set(&self, value: &Value) -> bool {
        let known = self.known();
        matches!(
            address(value).and_then(|at| known.get(&at)),
            Some(Known::Empty)
        )
    }

    /// The JSON the value came from.
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
            true => super::super::json::line_html(&original),
            false => super::super::json::line(&original),
        }
    }
}
