//! Parsed instructions.

use crate::error::{Error, Fault};

/// Parsed instruction, not yet expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// Instruction as written, continued lines joined.
    pub text: String,
    /// Change it makes.
    pub change: Change,
    /// Escape character of its arguments: a backslash, or that of `# escape=`.
    pub(super) escape: char,
}

/// Change of a config.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// `CMD`.
    Cmd(Command),
    /// `ENTRYPOINT`.
    Entrypoint(Command),
    /// `ENV`: names and values.
    Env(Vec<(String, String)>),
    /// `EXPOSE`: ports, port ranges and variables.
    Expose(Vec<String>),
    /// `HEALTHCHECK`.
    Healthcheck(Healthcheck),
    /// `LABEL`: names and values.
    Label(Vec<(String, String)>),
    /// `ONBUILD`: the deferred instruction.
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

/// Command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// JSON form, run without a shell. May be empty.
    Exec(Vec<String>),
    /// Shell form, run by the image's shell.
    Shell(String),
}

/// Health check; durations in nanoseconds, 0 for the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Healthcheck {
    /// `NONE`, or `CMD` or `CMD-SHELL` and the command.
    pub test: Vec<String>,
    /// Time between two checks.
    pub interval: i64,
    /// Time limit of a check.
    pub timeout: i64,
    /// Time in which failures do not count.
    pub start_period: i64,
    /// Time between two checks during the start period.
    pub start_interval: i64,
    /// Consecutive failures that make a container unhealthy.
    pub retries: i64,
}

impl Instruction {
    /// Returns a text that begins like a JSON list but is not one, probably because of missing quotes.
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

/// Returns the error of an invalid instruction, in docker's words.
pub(super) fn rejected(why: impl Into<String>) -> Error {
    Fault::Instruction { why: why.into() }.into()
}
