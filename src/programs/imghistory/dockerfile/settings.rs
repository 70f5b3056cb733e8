//! Settings of an image: read from its config, or added up from instructions.

use serde_json::Value;

use crate::spec::fields;

use crate::spec::instruction::{Healthcheck, Instruction, Pairs};
use crate::spec::join_paths;

/// Limit on the values of one kind that are added up: more than any real image has, as adding is quadratic.
const MOST: usize = 2000;

/// Settings made by instructions. Those of the config are compared with the sum of the lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// `ENV`, in order.
    pub env: Pairs,
    /// `LABEL`, in the order of the document.
    pub labels: Pairs,
    /// `EXPOSE`.
    pub ports: Vec<String>,
    /// `VOLUME`.
    pub volumes: Vec<String>,
    /// `USER`; empty if not set.
    pub user: String,
    /// `WORKDIR`; empty if not set.
    pub workdir: String,
    /// `ENTRYPOINT`; empty if not set.
    pub entrypoint: Vec<String>,
    /// `CMD`; empty if not set.
    pub cmd: Vec<String>,
    /// `HEALTHCHECK`.
    pub health: Option<Healthcheck>,
    /// `STOPSIGNAL`; empty if not set.
    pub stop_signal: String,
    /// `SHELL`; empty if not set.
    pub shell: Vec<String>,
    /// `ONBUILD`.
    pub onbuild: Vec<String>,
}

impl Settings {
    /// Reads docker's `Config` object; fields of the wrong type count as not set.
    pub fn of(config: Option<&Value>) -> Self {
        let Some(config) = config else {
            return Settings::default();
        };
        // Go accepts names of fields in any case.
        let field = |name: &str| fields::of(config, name);
        let text = |name: &str| {
            field(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let texts = |name: &str| strings(field(name));
        let keys = |name: &str| -> Vec<String> {
            let map = field(name).and_then(Value::as_object);
            map.map(|map| map.keys().cloned().collect())
                .unwrap_or_default()
        };
        let env = texts("Env")
            .into_iter()
            .map(|pair| match pair.split_once('=') {
                Some((key, value)) => (key.to_owned(), value.to_owned()),
                None => (pair, String::new()),
            });
        let labels = field("Labels").and_then(Value::as_object);
        let labels = labels
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()));
        Settings {
            env: env.collect(),
            labels: labels.collect(),
            ports: keys("ExposedPorts"),
            volumes: keys("Volumes"),
            user: text("User"),
            workdir: text("WorkingDir"),
            entrypoint: texts("Entrypoint"),
            cmd: texts("Cmd"),
            health: field("Healthcheck").and_then(health),
            stop_signal: text("StopSignal"),
            shell: texts("Shell"),
            onbuild: texts("OnBuild"),
        }
    }

    /// Returns the length of the longest list.
    pub fn longest(&self) -> usize {
        let lists = [
            self.env.len(),
            self.labels.len(),
            self.ports.len(),
            self.volumes.len(),
            self.onbuild.len(),
        ];
        lists.into_iter().max().unwrap_or_default()
    }

    /// Returns the shell that runs commands.
    pub fn shell(&self, windows: bool) -> Vec<String> {
        if !self.shell.is_empty() {
            return self.shell.clone();
        }
        let default: &[&str] = match windows {
            true => &["cmd", "/S", "/C"],
            false => &["/bin/sh", "-c"],
        };
        default.iter().map(|&word| word.to_owned()).collect()
    }

    /// Applies an instruction as the builder does. `cmd_set` is true if a CMD came after FROM.
    pub fn apply(&mut self, instruction: &Instruction, windows: bool, cmd_set: &mut bool) {
        match instruction {
            Instruction::Env(pairs) => pairs.iter().for_each(|pair| put(&mut self.env, pair)),
            Instruction::Label(pairs) => pairs.iter().for_each(|pair| put(&mut self.labels, pair)),
            Instruction::Expose(ports) => {
                for port in ports {
                    add(&mut self.ports, with_protocol(port));
                }
            }
            Instruction::Volume(paths) => {
                paths
                    .iter()
                    .for_each(|path| add(&mut self.volumes, path.clone()));
            }
            Instruction::User(user) => self.user.clone_from(user),
            Instruction::Workdir(path) => self.workdir = join_paths(&self.workdir, path),
            Instruction::StopSignal(signal) => self.stop_signal.clone_from(signal),
            Instruction::Shell(words) => self.shell.clone_from(words),
            Instruction::Cmd(command) => {
                self.cmd = command.argv(self.shell(windows));
                *cmd_set = true;
            }
            Instruction::Entrypoint(command) => {
                self.entrypoint = command.argv(self.shell(windows));
                // The builder drops a CMD of the base.
                if !*cmd_set {
                    self.cmd.clear();
                }
            }
            Instruction::Healthcheck(health) => self.health = Some(health.clone()),
            Instruction::OnBuild(text) => self.onbuild.push(text.clone()),
            Instruction::From(_)
            | Instruction::Run(_)
            | Instruction::Copy(_)
            | Instruction::Arg(_)
            | Instruction::Maintainer(_) => {}
        }
    }
}

/// Returns a port with its protocol, by default TCP.
pub fn with_protocol(port: &str) -> String {
    match port.contains('/') {
        true => port.to_owned(),
        false => format!("{port}/tcp"),
    }
}

fn put(pairs: &mut Pairs, (key, value): &(String, String)) {
    if let Some((_, old)) = pairs.iter_mut().find(|(known, _)| known == key) {
        old.clone_from(value);
    } else if pairs.len() < MOST {
        pairs.push((key.clone(), value.clone()));
    }
}

fn add(list: &mut Vec<String>, item: String) {
    if list.len() < MOST && !list.contains(&item) {
        list.push(item);
    }
}

fn strings(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::Array(items)) => items
            .iter()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect(),
        Some(Value::String(text)) => vec![text.clone()],
        _ => Vec::new(),
    }
}

fn health(value: &Value) -> Option<Healthcheck> {
    let number = |name: &str| {
        fields::of(value, name)
            .and_then(Value::as_u64)
            .unwrap_or_default()
    };
    let test = strings(fields::of(value, "Test"));
    let health = Healthcheck {
        test,
        interval: number("Interval"),
        timeout: number("Timeout"),
        start_period: number("StartPeriod"),
        start_interval: number("StartInterval"),
        retries: number("Retries"),
    };
    (!health.test.is_empty()).then_some(health)
}
