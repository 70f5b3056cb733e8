//! Parsing of instructions.

use super::model::{Instruction, rejected};
use super::{command, lines};
use crate::error::{At, Result};

/// Instructions that are valid in a change.
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

/// Parses instructions as docker does. The texts are the lines of one Dockerfile, so one may continue on the next with
/// a backslash at its end, and `# escape=` may come first.
///
/// # Errors
/// `Instruction` with docker's text; the context is the instruction.
pub fn parse<T: AsRef<str>>(changes: &[T]) -> Result<Vec<Instruction>> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let text: Vec<&str> = changes.iter().map(AsRef::as_ref).collect();
    let (parsed, escape) = lines::parse(&text.join("\n"))?;
    for line in &parsed {
        if !VALID.contains(&line.name.as_str()) {
            let why = format!("{} is not a valid change command", line.name);
            return Err(rejected(why).at(line.text.clone()));
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
