//! Container config as docker prints it.

use serde_json::{Map, Value};

use crate::spec::fields;

/// Fields of docker's container config in docker's order, with the value that docker prints for a missing field;
/// `None` if it prints none.
const CONFIG_FIELDS: &[(&str, Option<Empty>)] = &[
    ("Hostname", Some(Empty::Text)),
    ("Domainname", Some(Empty::Text)),
    ("User", Some(Empty::Text)),
    ("AttachStdin", Some(Empty::False)),
    ("AttachStdout", Some(Empty::False)),
    ("AttachStderr", Some(Empty::False)),
    ("ExposedPorts", None),
    ("Tty", Some(Empty::False)),
    ("OpenStdin", Some(Empty::False)),
    ("StdinOnce", Some(Empty::False)),
    ("Env", Some(Empty::Null)),
    ("Cmd", Some(Empty::Null)),
    ("Healthcheck", None),
    ("ArgsEscaped", None),
    ("Image", Some(Empty::Text)),
    ("Volumes", Some(Empty::Null)),
    ("WorkingDir", Some(Empty::Text)),
    ("Entrypoint", Some(Empty::Null)),
    ("NetworkDisabled", None),
    ("MacAddress", None),
    ("OnBuild", Some(Empty::Null)),
    ("Labels", Some(Empty::Null)),
    ("StopSignal", None),
    ("StopTimeout", None),
    ("Shell", None),
];

/// Value that docker prints for a missing field.
#[derive(Debug, Clone, Copy)]
enum Empty {
    Text,
    False,
    Null,
}

/// Returns a container config as docker prints it: the fields that docker knows in its order, then all others.
pub(super) fn docker_config(config: Option<&Value>) -> Value {
    let empty = Map::new();
    let written = config.and_then(Value::as_object).unwrap_or(&empty);
    let mut out = Map::new();
    for (name, default) in CONFIG_FIELDS {
        let value = fields::get(written, name);
        let value = match (value.filter(|value| !value.is_null()), default) {
            (Some(value), None) if is_zero(value) => continue,
            (Some(value), _) => value.clone(),
            (None, None) => continue,
            (None, Some(Empty::Text)) => "".into(),
            (None, Some(Empty::False)) => false.into(),
            (None, Some(Empty::Null)) => Value::Null,
        };
        out.insert((*name).to_owned(), value);
    }
    if let Some(Value::Object(check)) = out.get_mut("Healthcheck") {
        fields::rename(check, &fields::HEALTH_FIELDS);
        let mut ordered = Map::new();
        for name in fields::HEALTH_FIELDS {
            if let Some(value) = check.remove(name).filter(|value| !is_zero(value)) {
                ordered.insert(name.to_owned(), value);
            }
        }
        ordered.append(check);
        *check = ordered;
    }
    // Maps in Go, which are written in the order of their keys.
    for name in ["ExposedPorts", "Volumes", "Labels"] {
        if let Some(Value::Object(map)) = out.get_mut(name) {
            map.sort_keys();
        }
    }
    for (key, value) in written {
        if !CONFIG_FIELDS
            .iter()
            .any(|(name, _)| fields::same(key, name))
        {
            out.insert(key.clone(), value.clone());
        }
    }
    Value::Object(out)
}

/// Tests if Go omits the value in a field marked `omitempty`.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}
