//! Lines to instructions: the arguments that each takes.

use super::invalid::invalid;
use super::lines::{Arguments, Line};
use super::model::{Command, Healthcheck, Instruction};
use super::values;
use crate::error::Result;

/// Returns the instruction of a line, its arguments as written.
pub(super) fn instruction(line: &Line) -> Result<Instruction> {
    let name = line.name.to_uppercase();
    let at_least_one = || invalid(format!("{name} requires at least one argument"));
    match line.name.as_str() {
        "env" | "label" => {
            let pairs = match &line.arguments {
                Arguments::Pairs(pairs) if !pairs.is_empty() => pairs,
                _ => return Err(at_least_one()),
            };
            no_flags(line)?;
            if pairs.iter().any(|(name, _)| name.is_empty()) {
                return Err(invalid(format!("{name} names can not be blank")));
            }
            Ok(match line.name.as_str() {
                "env" => Instruction::Env(pairs.clone()),
                _ => Instruction::Label(pairs.clone()),
            })
        }
        "cmd" => {
            no_flags(line)?;
            Ok(Instruction::Cmd(command(&line.arguments)))
        }
        "entrypoint" => {
            no_flags(line)?;
            Ok(Instruction::Entrypoint(command(&line.arguments)))
        }
        "expose" => {
            let mut ports = texts(&line.arguments);
            if ports.is_empty() {
                return Err(at_least_one());
            }
            no_flags(line)?;
            ports.sort();
            Ok(Instruction::Expose(ports))
        }
        "volume" => {
            let volumes = texts(&line.arguments);
            if volumes.is_empty() {
                return Err(at_least_one());
            }
            no_flags(line)?;
            let volumes: Vec<String> = volumes.iter().map(|path| path.trim().to_owned()).collect();
            if volumes.iter().any(String::is_empty) {
                return Err(invalid("VOLUME specified can not be an empty string"));
            }
            Ok(Instruction::Volume(volumes))
        }
        "stopsignal" | "user" | "workdir" => {
            let [text] = &texts(&line.arguments)[..] else {
                return Err(invalid(format!("{name} requires exactly one argument")));
            };
            no_flags(line)?;
            Ok(match line.name.as_str() {
                "stopsignal" => Instruction::StopSignal(text.clone()),
                "user" => Instruction::User(text.clone()),
                _ => Instruction::Workdir(text.clone()),
            })
        }
        "onbuild" => {
            let Arguments::Nested(inner) = &line.arguments else {
                return Err(at_least_one());
            };
            no_flags(line)?;
            match inner.name.to_uppercase().as_str() {
                "ONBUILD" => Err(invalid(
                    "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed",
                )),
                trigger @ ("MAINTAINER" | "FROM") => Err(invalid(format!(
                    "{trigger} isn't allowed as an ONBUILD trigger"
                ))),
                _ => {
                    let rest = line.text.get("onbuild".len()..).unwrap_or_default();
                    Ok(Instruction::OnBuild(rest.trim_start().to_owned()))
                }
            }
        }
        "healthcheck" => healthcheck(line).map(Instruction::Healthcheck),
        other => Err(invalid(format!("{other} is not a valid change command"))),
    }
}

fn texts(arguments: &Arguments) -> Vec<String> {
    match arguments {
        Arguments::Json(texts) | Arguments::Words(texts) => texts.clone(),
        _ => Vec::new(),
    }
}

fn command(arguments: &Arguments) -> Command {
    match arguments {
        Arguments::Json(words) => Command::Exec(words.clone()),
        Arguments::Words(text) if !text.is_empty() => Command::Shell(text.join(" ")),
        _ => Command::Exec(Vec::new()),
    }
}

fn no_flags(line: &Line) -> Result<()> {
    flags(line, &[]).map(drop)
}

/// The values of the flags that an instruction takes, in the order of `known`; empty where not given.
fn flags(line: &Line, known: &[&str]) -> Result<Vec<String>> {
    let mut values = vec![None; known.len()];
    for flag in &line.flags {
        let flag = flag.strip_prefix("--").unwrap_or(flag);
        let (name, value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, None),
        };
        let Some(position) = known.iter().position(|known| *known == name) else {
            return Err(invalid(format!("Unknown flag: {name}")));
        };
        if values[position].is_some() {
            return Err(invalid(format!("Duplicate flag specified: {name}")));
        }
        let value = value.ok_or_else(|| invalid(format!("Missing a value on flag: {name}")))?;
        values[position] = Some(value.to_owned());
    }
    Ok(values.into_iter().map(Option::unwrap_or_default).collect())
}

fn healthcheck(line: &Line) -> Result<Healthcheck> {
    let Arguments::Check(kind, command) = &line.arguments else {
        return Err(invalid("HEALTHCHECK requires at least one argument"));
    };
    let words = texts(command);
    match kind.to_uppercase().as_str() {
        "" => Err(invalid("HEALTHCHECK requires at least one argument")),
        "NONE" if !words.is_empty() => Err(invalid("HEALTHCHECK NONE takes no arguments")),
        "NONE" => Ok(Healthcheck {
            test: vec!["NONE".to_owned()],
            ..Healthcheck::default()
        }),
        kind => {
            const KNOWN: [&str; 5] = [
                "interval",
                "timeout",
                "start-period",
                "start-interval",
                "retries",
            ];
            let values = flags(line, &KNOWN)?;
            if kind != "CMD" {
                return Err(invalid(format!(
                    "Unknown type {kind:?} in HEALTHCHECK (try CMD)"
                )));
            }
            if words.is_empty() {
                return Err(invalid("Missing command after HEALTHCHECK CMD"));
            }
            let kind = match **command {
                Arguments::Json(_) => "CMD",
                _ => "CMD-SHELL",
            };
            let mut test = vec![kind.to_owned()];
            test.extend(words);
            let duration = |i: usize| values::interval(KNOWN[i], &values[i]);
            Ok(Healthcheck {
                test,
                interval: duration(0)?,
                timeout: duration(1)?,
                start_period: duration(2)?,
                start_interval: duration(3)?,
                retries: values::retries(&values[4])?,
            })
        }
    }
}
