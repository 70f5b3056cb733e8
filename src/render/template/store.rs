//! JSON as template data, with the way back to the JSON it came from.
//!
//! gotmpl sorts its maps, prints strings unescaped, and has only the types of JSON. So the data is converted with its
//! strings escaped, and a store remembers facts that the engine lacks, by the address of the shared value: the order of
//! an object's keys, unescaped strings, and whether a missing key is an error. An address belongs to one value during
//! its life, and [`Loaded`] keeps the value until it removes the addresses; renderings at the same time do not share
//! addresses.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::duration;
use super::shape::{Shape, Zero};
use gotmpl::Value;

/// Reason why a field has no value.
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
    /// An object with known fields.
    Struct,
    /// An object with known fields that docker marshals from a map.
    Row,
    /// An object with arbitrary keys, which Go sorts.
    Free,
}

/// Converted data, which the store remembers until this is dropped.
pub(super) struct Loaded<'a> {
    pub(super) value: Value,
    pub(super) store: &'a Store,
    pub(super) addresses: Vec<usize>,
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

    pub(super) fn known(&self) -> MutexGuard<'_, HashMap<usize, Known>> {
        // No panic can leave the map inconsistent.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the value of `.name` on `value`.
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

    /// Returns the value of `index value key` if the key is missing.
    pub(super) fn missing_key(&self, value: &Value) -> Value {
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

    /// Returns a string before it was escaped.
    pub(super) fn raw(&self, value: &Value) -> Value {
        let known = self.known();
        match address(value).and_then(|at| known.get(&at)) {
            Some(Known::Text(text)) => Value::String(text.clone()),
            _ => value.clone(),
        }
    }

    /// Returns a duration in nanoseconds; `None` for any other value.
    pub(super) fn duration(&self, value: &Value) -> Option<i64> {
        match self.known().get(&address(value)?) {
            Some(Known::Duration(nanoseconds)) => Some(*nanoseconds),
            _ => None,
        }
    }

    /// Tests if the value is a `{}` that prints as such.
    pub(super) fn is_empty_set(&self, value: &Value) -> bool {
        let known = self.known();
        matches!(
            address(value).and_then(|at| known.get(&at)),
            Some(Known::Empty)
        )
    }
}
