//! Changes to a config object: only what they name is touched, and stands where docker writes it.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Change, Command, Healthcheck, Instruction, expand, values, wrong};
use crate::error::{At, Error, Fault, Result};
use crate::spec::fields;

/// Applies instructions to the `config` object of an image's config, one after the other.
///
/// As with docker, an `ENTRYPOINT` takes away a `CMD` that is not among the same instructions, and shell forms are run
/// by the config's `Shell`, or else by `/bin/sh -c`.
///
/// # Errors
/// `Instruction` with docker's words, the place is the instruction; `Schema` for a config whose fields are not of
/// their kind.
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
                        Err(wrong("VOLUME specified can not be an empty string"))
                    }
                    path => Ok((path, json!({}))),
                };
                let volumes = paths.iter().map(volume).collect::<Result<Vec<_>>>();
                insert_all(config, "Volumes", volumes.at(place)?)?;
            }
            Change::Workdir(text) => {
                let path = word(text).at(place)?;
                let folder = match path.as_str() {
                    "" => return Err(wrong("cannot normalize nothing").at(place())),
                    path if path.starts_with('/') => path.to_owned(),
                    path => joined(&text_of(config, "WorkingDir")?, path),
                };
                set(config, "WorkingDir", folder.into());
            }
        }
    }
    Ok(())
}

/// Two paths as one from the top, without `.`, `..` and doubled slashes.
fn joined(above: &str, below: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in above.split('/').chain(below.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
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

// Foreign configs spell their fields in any case, as Go reads them so.
fn get<'a>(config: &'a Map<String, Value>, name: &str) -> &'a Value {
    fields::get(config, name).unwrap_or(&Value::Null)
}

/// Sets a field where it stands, or adds it after those that docker writes before it.
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

/// Adds to an object among the fields, in the order of the keys, as docker writes its maps.
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
    // Each goes before the first that comes after it; what is there stays in its order, which need not be that of keys.
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
