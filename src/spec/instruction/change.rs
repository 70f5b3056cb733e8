//! Changes as given to `docker import -c` and `docker commit -c`.

use super::invalid::invalid;
use super::model::{Command, Instruction};
use super::{arguments, expand, lines};
use crate::error::{At, Result};

/// One instruction of a `-c` option: parsed, its variables and quotes not yet expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The instruction as written, continuation lines joined.
    pub text: String,
    /// The parsed instruction, its arguments as written.
    pub instruction: Instruction,
    /// The escape character: a backslash, or that of an `# escape=` directive.
    pub(super) escape: char,
}

/// Names of the instructions that a change may have.
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

/// Parses changes as docker does: they are the lines of one Dockerfile, so a backslash at the end of one continues it
/// with the next, and `# escape=` may come first.
///
/// # Errors
/// `Instruction` with docker's words; its context is the instruction.
pub fn parse<T: AsRef<str>>(changes: &[T]) -> Result<Vec<Change>> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let text: Vec<&str> = changes.iter().map(AsRef::as_ref).collect();
    let (parsed, escape) = lines::parse(&text.join("\n"))?;
    for line in &parsed {
        if !VALID.contains(&line.name.as_str()) {
            let why = format!("{} is not a valid change command", line.name);
            return Err(invalid(why).at(line.text.clone()));
        }
    }
    parsed
        .into_iter()
        .map(|line| {
            let instruction = arguments::instruction(&line).at(|| line.text.clone())?;
            Ok(Change {
                text: line.text,
                instruction,
                escape,
            })
        })
        .collect()
}

impl Change {
    /// Returns an argument that begins like a JSON list but is not valid JSON, so that it is read as text: its quotes
    /// are probably missing.
    pub fn malformed_list(&self) -> Option<&str> {
        let begins = |text: &&str| text.trim_start().starts_with('[');
        match &self.instruction {
            Instruction::Cmd(Command::Shell(text))
            | Instruction::Entrypoint(Command::Shell(text)) => Some(text.as_str()).filter(begins),
            Instruction::Healthcheck(check) => match &check.test[..] {
                [kind, text] if kind == "CMD-SHELL" => Some(text.as_str()).filter(begins),
                _ => None,
            },
            Instruction::Volume(paths) => paths.first().map(String::as_str).filter(begins),
            _ => None,
        }
    }

    /// Returns the instruction with its variables replaced and quotes removed. `variables` are `NAME=value`; of several
    /// with one name the last counts.
    ///
    /// Commands, health checks and triggers stay as written: builders leave them to the shell. Ports and paths are not
    /// checked.
    ///
    /// # Errors
    /// `Instruction` with docker's words for unclosed quotes and substitutions.
    pub fn expand(&self, variables: &[String]) -> Result<Instruction> {
        let word = |text: &String| expand::word(text, variables, self.escape);
        let pairs = |pairs: &[(String, String)]| -> Result<Vec<(String, String)>> {
            pairs
                .iter()
                .map(|(key, value)| Ok((word(key)?, word(value)?)))
                .collect()
        };
        let expanded = || -> Result<Instruction> {
            Ok(match &self.instruction {
                Instruction::Env(list) => Instruction::Env(pairs(list)?),
                Instruction::Label(list) => Instruction::Label(pairs(list)?),
                Instruction::Expose(list) => {
                    let words = list
                        .iter()
                        .map(|text| expand::words(text, variables, self.escape));
                    Instruction::Expose(words.collect::<Result<Vec<_>>>()?.concat())
                }
                Instruction::Volume(list) => {
                    Instruction::Volume(list.iter().map(word).collect::<Result<_>>()?)
                }
                Instruction::StopSignal(text) => Instruction::StopSignal(word(text)?),
                Instruction::User(text) => Instruction::User(word(text)?),
                Instruction::Workdir(text) => Instruction::Workdir(word(text)?),
                other => other.clone(),
            })
        };
        expanded().at(|| self.text.clone())
    }
}

/// Expands one word; the escape character is a backslash.
///
/// # Errors
/// `Instruction` with docker's words for unclosed quotes and substitutions.
pub fn expand_word(text: &str, variables: &[String]) -> Result<String> {
    expand::word(text, variables, '\\')
}
