//! Application of instructions to a config object: other fields stay, and new ones are inserted in docker's order.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::model::{Change, Command, Healthcheck, Instruction, rejected};
use super::{expand, values};
use crate::error::{At, Error, Fault, Result};
use crate::spec::{fields, join_paths};

/// Applies instructions to the `config` object of an image config, in their order.
///
/// As in docker, an `ENTRYPOINT` removes a `CMD` that is not among the same instructions, and the shell form is run by
/// the config's `Shell`, or by `/bin/sh -c`.
///
/// # Errors
/// `Instruction` with docker's text, the context is the instruction; `Schema` for a config with fields of other types.
pub fn apply(config: &mut Map<String, Value>, instructions: &[Instruction]) -> Result<()> {
    let mut cmd_set = false;
    for instruction in instructions {
        let place = || instruction.text.clone();
        let env = texts(config, "Env")?;
        let word = |text: &str| expand::word(text, &env, instruction.escape);
        match &instruction.change {
            Change::Cmd(command) => {
                let words = command_line(config, command)?;
                set(config, "Cmd", words.into());
                fields::remove(config, "ArgsEscaped");
                cmd_set |= !matches!(command, Command::Exec(words) if words.is_empty());
            }
            Change::Entrypoint(command) => {
                let words = command_line(config, command)?;
                match words.is_empty() {
                    true => fields::remove(config, "Entrypoint"),
                    false => set(config, "Entrypoint", words.into()),
                }
                fields::remove(config, "ArgsEscaped");
                if !cmd_set {
                    fields::remove(config, "Cmd");
                }
            }
            Change::Env(pairs) => {
                let mut env = env.clone();
                for (name, value) in pairs {
                    let (name, value) = (word(name).at(place)?, word(value).at(place)?);
                    let variable = format!("{name}={value}");
                    let known = |known: &String| known.split('=').next() == Some(&name);
                    match env.iter().position(known) {
                        Some(position) => env[position] = variable,
                        None => env.push(variable),
                    }
                }
                set(config, "Env", env.into());
            }
            Change::Expose(arguments) => {
                let mut ports = Vec::new();
                for argument in arguments {
                    let words = expand::words(argument, &env, instruction.escape).at(place)?;
                    for word in words {
                        ports.extend(values::ports(&word).at(place)?);
                    }
                }
                let ports = ports.into_iter().map(|port| (port, json!({})));
                insert_all(config, "ExposedPorts", ports)?;
            }
            Change::Healthcheck(check) => set(config, "Healthcheck", healthcheck(check)),
            Change::Label(pairs) => {
                let label = |(name, value): &(String, String)| -> Result<(String, Value)> {
                    Ok((word(name)?, word(value)?.into()))
                };
                let labels = pairs.iter().map(label).collect::<Result<Vec<_>>>();
                insert_all(config, "Labels", labels.at(place)?)?;
            }
            Change::OnBuild(text) => {
                let mut list = texts(config, "OnBuild")?;
                list.push(text.clone());
                set(config, "OnBuild", list.into());
            }
            Change::StopSignal(text) => {
                let signal = word(text).at(place)?;
                values::signal(&signal).at(place)?;
                set(config, "StopSignal", signal.into());
            }
            Change::User(text) => {
                let user = word(text).at(place)?;
                set(config, "User", user.into());
            }
            Change::Volume(paths) => {
                let volume = |path: &String| match word(path)? {
                    path if path.is_empty() => {
                        Err(rejected("VOLUME specified can not be an empty string"))
                    }
                    path => Ok((path, json!({}))),
                };
                let volumes = paths.iter().map(volume).collect::<Result<Vec<_>>>();
                insert_all(config, "Volumes", volumes.at(place)?)?;
            }
            Change::Workdir(text) => {
                let path = word(text).at(place)?;
                let folder = match path.as_str() {
                    "" => return Err(rejected("cannot normalize nothing").at(place())),
                    path if path.starts_with('/') => path.to_owned(),
                    path => join_paths(&text_of(config, "WorkingDir")?, path),
                };
                set(config, "WorkingDir", folder.into());
            }
        }
    }
    Ok(())
}

fn command_line(config: &Map<String, Value>, command: &Command) -> Result<Vec<String>> {
    Ok(match command {
        Command::Exec(words) => words.clone(),
        Command::Shell(text) => {
            let mut words = texts(config, "Shell")?;
            if words.is_empty() {
                words = vec!["/bin/sh".to_owned(), "-c".to_owned()];
            }
            words.push(text.clone());
            words
        }
    })
}

fn healthcheck(check: &Healthcheck) -> Value {
    let mut value = Map::new();
    value.insert("Test".into(), check.test.clone().into());
    for (name, number) in [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
        ("Retries", check.retries),
    ] {
        if number != 0 {
            value.insert(name.into(), number.into());
        }
    }
    value.into()
}

// Configs of other writers spell fields in any case, which Go accepts.
fn get<'a>(config: &'a Map<String, Value>, name: &str) -> &'a Value {
    fields::get(config, name).unwrap_or(&Value::Null)
}

/// Sets a field under its existing key, or inserts it after the fields that precede it in docker's order.
fn set(config: &mut Map<String, Value>, name: &str, value: Value) {
    if let Some(place) = fields::get_mut(config, name) {
        *place = value;
        return;
    }
    let rank = |name: &str| {
        fields::RUN_FIELDS
            .iter()
            .position(|known| fields::same(known, name))
    };
    let own = rank(name);
    let before = config
        .keys()
        .rposition(|key| rank(key).is_some_and(|rank| Some(rank) < own));
    let position = before.map_or(0, |before| before + 1);
    config.shift_insert(position, name.to_owned(), value);
}

fn schema(name: &str, expected: &'static str) -> Error {
    let field = format!("config.{name}");
    let found = "something else".to_owned();
    Fault::Schema {
        field,
        expected,
        found,
    }
    .into()
}

fn texts(config: &Map<String, Value>, name: &str) -> Result<Vec<String>> {
    let list = match get(config, name) {
        Value::Null => return Ok(Vec::new()),
        Value::Array(list) => list,
        _ => return Err(schema(name, "a list of texts")),
    };
    let text = |item: &Value| item.as_str().map(str::to_owned);
    let texts: Option<Vec<String>> = list.iter().map(text).collect();
    texts.ok_or_else(|| schema(name, "a list of texts"))
}

fn text_of(config: &Map<String, Value>, name: &str) -> Result<String> {
    match get(config, name) {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        _ => Err(schema(name, "a text")),
    }
}

/// Adds keys to an object field in the order of keys, as docker writes maps.
fn insert_all(
    config: &mut Map<String, Value>,
    name: &str,
    items: impl IntoIterator<Item = (String, Value)>,
) -> Result<()> {
    let mut items: BTreeMap<String, Value> = items.into_iter().collect();
    if items.is_empty() {
        return Ok(());
    }
    let mut there = match get(config, name) {
        Value::Null => Map::new(),
        Value::Object(map) => map.clone(),
        _ => return Err(schema(name, "an object")),
    };
    for (key, known) in &mut there {
        if let Some(value) = items.remove(key) {
            *known = value;
        }
    }
    // Each key is inserted before the first greater one; existing keys keep their order, which need not be sorted.
    let mut items = items.into_iter().peekable();
    let mut map = Map::new();
    for (key, value) in there {
        while let Some((new, value)) = items.next_if(|(new, _)| *new < key) {
            map.insert(new, value);
        }
        map.insert(key, value);
    }
    map.extend(items);
    set(config, name, map.into());
    Ok(())
}
