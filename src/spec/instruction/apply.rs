//! Changes of a config object: other fields stay untouched, new ones are placed where docker writes them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::change::Change;
use super::invalid::invalid;
use super::model::{Command, Healthcheck, Instruction};
use super::{expand, values};
use crate::error::{At, Error, Result};
use crate::spec::{fields, join_paths};

/// Applies changes to the `config` object of an image's config, in order.
///
/// As with docker, an `ENTRYPOINT` removes a `CMD` that is not among the same changes, and shell forms are run by the
/// config's `Shell`, by default `/bin/sh -c`.
///
/// # Errors
/// `Instruction` with docker's words, its context is the instruction; `Schema` for a config with a field of the wrong
/// type.
pub fn apply(config: &mut Map<String, Value>, changes: &[Change]) -> Result<()> {
    let mut cmd_set = false;
    for change in changes {
        let context = || change.text.clone();
        let env = texts(config, "Env")?;
        let word = |text: &str| expand::word(text, &env, change.escape);
        match &change.instruction {
            Instruction::Cmd(command) => {
                let words = command_line(config, command)?;
                set(config, "Cmd", words.into());
                fields::remove(config, "ArgsEscaped");
                cmd_set |= !matches!(command, Command::Exec(words) if words.is_empty());
            }
            Instruction::Entrypoint(command) => {
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
            Instruction::Env(pairs) => {
                let mut env = env.clone();
                for (name, value) in pairs {
                    let (name, value) = (word(name).at(context)?, word(value).at(context)?);
                    let variable = format!("{name}={value}");
                    let known = |known: &String| known.split('=').next() == Some(&name);
                    match env.iter().position(known) {
                        Some(position) => env[position] = variable,
                        None => env.push(variable),
                    }
                }
                set(config, "Env", env.into());
            }
            Instruction::Expose(arguments) => {
                let mut ports = Vec::new();
                for argument in arguments {
                    let words = expand::words(argument, &env, change.escape).at(context)?;
                    for word in words {
                        ports.extend(values::ports(&word).at(context)?);
                    }
                }
                let ports = ports.into_iter().map(|port| (port, json!({})));
                insert_all(config, "ExposedPorts", ports)?;
            }
            Instruction::Healthcheck(check) => set(config, "Healthcheck", healthcheck(check)),
            Instruction::Label(pairs) => {
                let label = |(name, value): &(String, String)| -> Result<(String, Value)> {
                    Ok((word(name)?, word(value)?.into()))
                };
                let labels = pairs.iter().map(label).collect::<Result<Vec<_>>>();
                insert_all(config, "Labels", labels.at(context)?)?;
            }
            Instruction::OnBuild(text) => {
                let mut list = texts(config, "OnBuild")?;
                list.push(text.clone());
                set(config, "OnBuild", list.into());
            }
            Instruction::StopSignal(text) => {
                let signal = word(text).at(context)?;
                values::signal(&signal).at(context)?;
                set(config, "StopSignal", signal.into());
            }
            Instruction::User(text) => {
                let user = word(text).at(context)?;
                set(config, "User", user.into());
            }
            Instruction::Volume(paths) => {
                let volume = |path: &String| match word(path)? {
                    path if path.is_empty() => {
                        Err(invalid("VOLUME specified can not be an empty string"))
                    }
                    path => Ok((path, json!({}))),
                };
                let volumes = paths.iter().map(volume).collect::<Result<Vec<_>>>();
                insert_all(config, "Volumes", volumes.at(context)?)?;
            }
            Instruction::Workdir(text) => {
                let path = word(text).at(context)?;
                let directory = match path.as_str() {
                    "" => return Err(invalid("cannot normalize nothing").at(context())),
                    path if path.starts_with('/') => path.to_owned(),
                    path => join_paths(&text_of(config, "WorkingDir")?, path),
                };
                set(config, "WorkingDir", directory.into());
            }
            // Not among the instructions that a change may have.
            Instruction::From(_)
            | Instruction::Run(_)
            | Instruction::Copy(_)
            | Instruction::Arg(_)
            | Instruction::Shell(_)
            | Instruction::Maintainer(_) => {}
        }
    }
    Ok(())
}

fn command_line(config: &Map<String, Value>, command: &Command) -> Result<Vec<String>> {
    if let Command::Exec(words) = command {
        return Ok(words.clone());
    }
    let mut shell = texts(config, "Shell")?;
    if shell.is_empty() {
        shell = vec!["/bin/sh".to_owned(), "-c".to_owned()];
    }
    Ok(command.argv(shell))
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

/// Returns a field, its name in any case, as Go reads it; `Null` for a missing one.
fn get<'a>(config: &'a Map<String, Value>, name: &str) -> &'a Value {
    fields::get(config, name).unwrap_or(&Value::Null)
}

/// Sets a field; a new one is placed after those that docker writes before it.
fn set(config: &mut Map<String, Value>, name: &str, value: Value) {
    if let Some(field) = fields::get_mut(config, name) {
        *field = value;
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
    Error::schema(field, expected, found)
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

/// Adds to an object field, in the order of the keys, as docker writes its maps.
fn insert_all(
    config: &mut Map<String, Value>,
    name: &str,
    items: impl IntoIterator<Item = (String, Value)>,
) -> Result<()> {
    let mut items: BTreeMap<String, Value> = items.into_iter().collect();
    if items.is_empty() {
        return Ok(());
    }
    let mut existing = match get(config, name) {
        Value::Null => Map::new(),
        Value::Object(map) => map.clone(),
        _ => return Err(schema(name, "an object")),
    };
    for (key, known) in &mut existing {
        if let Some(value) = items.remove(key) {
            *known = value;
        }
    }
    // Each goes before the first greater key; existing ones keep their order, which need not be sorted.
    let mut items = items.into_iter().peekable();
    let mut map = Map::new();
    for (key, value) in existing {
        while let Some((new, value)) = items.next_if(|(new, _)| *new < key) {
            map.insert(new, value);
        }
        map.insert(key, value);
    }
    map.extend(items);
    set(config, name, map.into());
    Ok(())
}
