//! Instructions with variables replaced and quotes removed, as builders record them in the history.

use super::expand;
use super::model::{Change, Instruction};
use crate::error::{At, Result};

/// Expands the arguments of an instruction; `variables` are `NAME=value`, the last one of a name counts.
///
/// Commands, health checks and triggers are not expanded, because builders leave that to the shell. Ports and paths are
/// not checked.
///
/// # Errors
/// `Instruction` with docker's text for unclosed quotes or substitutions.
pub fn expanded(instruction: &Instruction, variables: &[String]) -> Result<Change> {
    let word = |text: &String| expand::word(text, variables, instruction.escape);
    let pairs = |pairs: &[(String, String)]| -> Result<Vec<(String, String)>> {
        pairs
            .iter()
            .map(|(key, value)| Ok((word(key)?, word(value)?)))
            .collect()
    };
    let change = || -> Result<Change> {
        Ok(match &instruction.change {
            Change::Env(list) => Change::Env(pairs(list)?),
            Change::Label(list) => Change::Label(pairs(list)?),
            Change::Expose(list) => {
                let words = list
                    .iter()
                    .map(|text| expand::words(text, variables, instruction.escape));
                Change::Expose(words.collect::<Result<Vec<_>>>()?.concat())
            }
            Change::Volume(list) => Change::Volume(list.iter().map(word).collect::<Result<_>>()?),
            Change::StopSignal(text) => Change::StopSignal(word(text)?),
            Change::User(text) => Change::User(word(text)?),
            Change::Workdir(text) => Change::Workdir(word(text)?),
            other => other.clone(),
        })
    };
    change().at(|| instruction.text.clone())
}

/// Expands a single word.
///
/// # Errors
/// `Instruction` with docker's text for unclosed quotes or substitutions.
pub fn expanded_word(text: &str, variables: &[String]) -> Result<String> {
    expand::word(text, variables, '\\')
}
