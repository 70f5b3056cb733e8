//! What instructions change, with variables replaced and quotes removed: what builders note in the history.

use super::{Change, Instruction, expand};
use crate::error::{At, Result};

/// Expands the arguments of an instruction; `variables` are `NAME=value`, of several with one name the last holds.
///
/// Commands, health checks and triggers are left alone, as builders leave them to the shell. Ports and paths are not
/// checked.
///
/// # Errors
/// `Instruction` with docker's words, where quotes or substitutions are not closed.
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

/// Expands one word that stands by itself.
///
/// # Errors
/// `Instruction` with docker's words, where quotes or substitutions are not closed.
pub fn expanded_word(text: &str, variables: &[String]) -> Result<String> {
    expand::word(text, variables, '\\')
}
