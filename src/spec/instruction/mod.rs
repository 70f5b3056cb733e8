//! Dockerfile instructions that change a config: what `docker import -c` and `docker commit -c` take.
//!
//! In come the texts of the instructions, out goes a changed config object. The rules, the order in which errors are
//! found and their words are those of docker's Dockerfile parser, its shell-like expansion and its dispatcher, so that
//! what works there works here. Where docker 20.10 and newer ones differ the newer are followed: `STOPSIGNAL` and
//! `--start-interval` are known, `CMD` without a command clears it, zero stands for an inherited health check setting,
//! and variables may be expanded with `-`, `+` and `?` alone, too.
//!
//! ```
//! use imgkit::spec::instruction::{apply, parse};
//! let mut config = serde_json::Map::new();
//! let changes = parse(&["ENV port=80", "EXPOSE $port/tcp", r#"CMD ["/app", "-p", "80"]"#])?;
//! apply(&mut config, &changes)?;
//! assert_eq!(
//!     serde_json::to_string(&config).unwrap(),
//!     r#"{"ExposedPorts":{"80/tcp":{}},"Env":["port=80"],"Cmd":["/app","-p","80"]}"#
//! );
//! # Ok::<(), imgkit::Error>(())
//! ```

mod apply;
mod command;
mod expand;
mod expanded;
mod lines;
#[cfg(test)]
mod tests;
mod values;

pub use apply::apply;
pub use expanded::{expanded, expanded_word};

use crate::error::{At, Error, Fault, Result};

/// One instruction, its arguments taken apart but not yet expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The instruction as it was written, continued lines joined.
    pub text: String,
    /// What it does.
    pub change: Change,
    /// What escapes in its arguments: a backslash, or what `# escape=` says.
    escape: char,
}

/// What an instruction changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// `CMD`.
    Cmd(Command),
    /// `ENTRYPOINT`.
    Entrypoint(Command),
    /// `ENV`: names and values.
    Env(Vec<(String, String)>),
    /// `EXPOSE`: ports, ranges of them and variables that hold some.
    Expose(Vec<String>),
    /// `HEALTHCHECK`.
    Healthcheck(Healthcheck),
    /// `LABEL`: names and values.
    Label(Vec<(String, String)>),
    /// `ONBUILD`: the instruction that is kept for later.
    OnBuild(String),
    /// `STOPSIGNAL`.
    StopSignal(String),
    /// `USER`.
    User(String),
    /// `VOLUME`.
    Volume(Vec<String>),
    /// `WORKDIR`.
    Workdir(String),
}

/// A command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The JSON form: run as it is. May be empty.
    Exec(Vec<String>),
    /// The shell form: run by the image's shell.
    Shell(String),
}

/// A health check; durations in nanoseconds, 0 where the default holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Healthcheck {
    /// `NONE`, or `CMD` or `CMD-SHELL` and what is run.
    pub test: Vec<String>,
    /// Time between two checks.
    pub interval: i64,
    /// Time that a check may take.
    pub timeout: i64,
    /// Time in which failures do not count.
    pub start_period: i64,
    /// Time between two checks during the start period.
    pub start_interval: i64,
    /// Failures in a row that make a container unhealthy.
    pub retries: i64,
}

/// The instructions that may stand in a change.
const VALID: [&str; 11] = [
    "cmd",
    "entrypoint",
    "healthcheck",
    "env",
    "expose",
    "label",
    "onbuild",
    "stopsignal",
    "user",
    "volume",
    "workdir",
];

/// Takes instructions apart, in docker's way: the texts are the lines of one Dockerfile, so one may continue another
/// with a backslash at its end, and `# escape=` may come first.
///
/// # Errors
/// `Instruction` with docker's words; the place is the instruction.
pub fn parse<T: AsRef<str>>(changes: &[T]) -> Result<Vec<Instruction>> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let text: Vec<&str> = changes.iter().map(AsRef::as_ref).collect();
    let (parsed, escape) = lines::parse(&text.join("\n"))?;
    for line in &parsed {
        if !VALID.contains(&line.name.as_str()) {
            let why = format!("{} is not a valid change command", line.name);
            return Err(wrong(why).at(line.text.clone()));
        }
    }
    parsed
        .into_iter()
        .map(|line| {
            let change = command::change(&line).at(|| line.text.clone())?;
            Ok(Instruction {
                text: line.text,
                change,
                escape,
            })
        })
        .collect()
}

impl Instruction {
    /// What begins like a list in JSON and is none, so that it is taken for a text: probably quotes are missing.
    pub fn malformed_list(&self) -> Option<&str> {
        let begins = |text: &&str| text.trim_start().starts_with('[');
        match &self.change {
            Change::Cmd(Command::Shell(text)) | Change::Entrypoint(Command::Shell(text)) => {
                Some(text.as_str()).filter(begins)
            }
            Change::Healthcheck(check) => match &check.test[..] {
                [kind, text] if kind == "CMD-SHELL" => Some(text.as_str()).filter(begins),
                _ => None,
            },
            Change::Volume(paths) => paths.first().map(String::as_str).filter(begins),
            _ => None,
        }
    }
}

fn wrong(why: impl Into<String>) -> Error {
    Fault::Instruction { why: why.into() }.into()
}
