//! Build arguments: values that only later commands have, and declarations that the history does not record.

use std::collections::HashSet;

use super::draft::Draft;
use super::line::{Certainty, Line, Statement};
use crate::spec::instruction::{Instruction, Pairs};

/// Limit on the names of one ARG that get values.
const NAMES: usize = 1000;

/// Adds values to ARG, and ARG for undeclared build arguments.
pub fn complete(drafts: &mut Vec<Draft>) {
    add_values(drafts);
    add_declarations(drafts);
}

/// Gives build arguments the values that the next command has.
fn add_values(drafts: &mut [Draft]) {
    let set: HashSet<String> = drafts
        .iter()
        .filter_map(|draft| match draft.line.statement.instruction() {
            Some(Instruction::Env(pairs)) => Some(pairs.iter().map(|(name, _)| name.clone())),
            _ => None,
        })
        .flatten()
        .collect();
    // Values of the next command, from the last line up.
    let mut next: Pairs = Vec::new();
    for draft in drafts.iter_mut().rev() {
        if !draft.line.build_args.is_empty() {
            next.clone_from(&draft.line.build_args);
        }
        for pair in &draft.learnt {
            if !next.iter().any(|(name, _)| *name == pair.0) {
                next.push(pair.clone());
            }
        }
        let Statement::Instruction(Instruction::Arg(args)) = &mut draft.line.statement else {
            continue;
        };
        let mut filled = false;
        for (name, value) in args.iter_mut().take(NAMES) {
            // The builder sets some, ENV sets others, and an empty one may not have been set.
            let is_other = |had: &str| had.is_empty() || is_platform(name) || set.contains(name);
            if let Some((_, had)) = next.iter().find(|(known, _)| known == name)
                && value.as_ref() != Some(had)
                && !is_other(had)
            {
                *value = Some(had.clone());
                filled = true;
            }
            next.retain(|(known, _)| known != name);
        }
        if filled {
            draft
                .line
                .infer("with the value that it had at a later command");
        }
    }
}

/// Inserts ARG for build arguments that a command has and no ARG declares.
fn add_declarations(drafts: &mut Vec<Draft>) {
    let mut declared: HashSet<String> = HashSet::new();
    let mut last: Pairs = Vec::new();
    let mut out = Vec::with_capacity(drafts.len());
    for mut draft in std::mem::take(drafts) {
        let line = &mut draft.line;
        if let Some(Instruction::Arg(args)) = line.statement.instruction() {
            declared.extend(args.iter().map(|(name, _)| name.clone()));
        }
        if !line.build_args.is_empty() {
            line.new_args = line.build_args != last;
            last.clone_from(&line.build_args);
            let missing = last.iter().filter(|(name, _)| !declared.contains(name));
            let missing: Vec<(String, Option<String>)> = missing
                .map(|(name, value)| (name.clone(), Some(value.clone())))
                .collect();
            if !missing.is_empty() {
                declared.extend(missing.iter().map(|(name, _)| name.clone()));
                let mut added = Line::new(Instruction::Arg(missing), Certainty::Inferred);
                added
                    .remarks
                    .push("not declared in the history, but a command had it".into());
                out.push(Draft::of(added));
            }
        }
        out.push(draft);
    }
    *drafts = out;
}

/// Tests for a build argument that the builder sets: the platforms of the build and of the image.
fn is_platform(name: &str) -> bool {
    let part = name
        .strip_prefix("TARGET")
        .or_else(|| name.strip_prefix("BUILD"));
    matches!(part, Some("PLATFORM" | "OS" | "ARCH" | "VARIANT"))
}
