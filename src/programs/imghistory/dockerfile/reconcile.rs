//! Last stage: lines for settings that the config has and no history entry makes, and the last findings.

use std::collections::HashMap;

use super::line::{Certainty, Dockerfile, Finding, Line, escape_character};
use super::read::{BUILDAH_LABEL, DEFAULT_PATH};
use super::secrets;
use super::settings::{Settings, with_protocol};
use super::write::Written;
use crate::spec::instruction::{Command, Instruction, Pairs, Printer};

impl Written {
    /// Makes the lines add up to the settings in the config, `known`.
    pub fn reconcile(mut self, known: &Settings) -> Dockerfile {
        self.drop_triggers(known);
        // Settings that no line makes come first, as commands may need them; changed ones come last.
        let (missing, changed) = env(known, &self.sum, self.windows);
        if !missing.is_empty() {
            let line = self.added(Instruction::Env(missing), known);
            self.lines.insert(1, line);
        }
        let mut added = Vec::new();
        if !changed.is_empty() {
            added.push(Instruction::Env(changed));
        }
        added.extend(differences(known, &self.sum));
        added.extend(self.cmd(known));
        added.extend(self.triggers(known));
        for instruction in added {
            let line = self.added(instruction, known);
            self.lines.push(line);
        }
        let is_placed = |line: &Line| line.entry.is_some() || line.text.is_empty();
        if self
            .lines
            .iter()
            .any(|line| trigger(line).is_some() && !is_placed(line))
        {
            self.findings.push(Finding::of_image(
                "onbuild",
                "ONBUILD is in the config and in no entry of the history: where it stood is not known",
            ));
        }
        self.findings.extend(secrets::find(&self.lines));
        for finding in self
            .findings
            .iter()
            .filter(|finding| finding.kind == "copy")
        {
            if let Some(line) = self.lines.iter_mut().find(|line| finding.is_about(line)) {
                line.certainty = line.certainty.max(Certainty::Inferred);
            }
        }
        Dockerfile {
            id: self.id,
            windows: self.windows,
            lines: self.lines,
            findings: self.findings,
            remarks: self.remarks,
        }
    }

    /// Returns a line for a setting without a history entry.
    fn added(&self, instruction: Instruction, known: &Settings) -> Line {
        let mut line = Line::new(instruction, Certainty::Inferred);
        line.remarks
            .push("in the config, without an entry in the history".into());
        line.print(&Printer {
            escape: escape_character(self.windows),
            shell: &known.shell(self.windows),
            heredocs: false,
        });
        line
    }

    /// Turns triggers that the config no longer has into comments: those of a base ran already.
    fn drop_triggers(&mut self, known: &Settings) {
        let mut left: HashMap<&str, usize> = HashMap::new();
        for text in &known.onbuild {
            *left.entry(text).or_default() += 1;
        }
        for line in self.lines.iter_mut().rev() {
            let Some(text) = trigger(line) else {
                continue;
            };
            match left.get_mut(text).filter(|count| **count > 0) {
                Some(count) => *count -= 1,
                // buildah omits triggers from the config, as the OCI format has no field for them.
                None if line.verbatim && known.onbuild.is_empty() => line
                    .notes
                    .push("not in the config: the OCI format has no place for triggers".into()),
                None if !line.text.is_empty() => {
                    line.notes
                        .push(format!("{}, a trigger that is no longer there", line.text));
                    line.text.clear();
                }
                None => {}
            }
        }
    }

    /// Returns the CMD that makes the lines add up. A CMD that an ENTRYPOINT reset becomes a comment.
    fn cmd(&mut self, known: &Settings) -> Option<Instruction> {
        let is_cmd =
            |line: &Line| matches!(line.statement.instruction(), Some(Instruction::Cmd(_)));
        let is_entrypoint = |line: &Line| {
            matches!(
                line.statement.instruction(),
                Some(Instruction::Entrypoint(_))
            )
        };
        let own_cmd = self.lines.iter().any(is_cmd);
        let sets_entrypoint = known.entrypoint != self.sum.entrypoint;
        let reset = sets_entrypoint && !own_cmd;
        if known.cmd == self.sum.cmd && (!reset || known.cmd.is_empty()) {
            return None;
        }
        if !known.cmd.is_empty() {
            return Some(Instruction::Cmd(Command::Exec(known.cmd.clone())));
        }
        if own_cmd && self.start.cmd.is_empty() {
            // CMD and ENTRYPOINT of a base, in one Dockerfile with the lines on it.
            let last = match sets_entrypoint {
                true => self.lines.len(),
                false => self.lines.iter().rposition(is_entrypoint).unwrap_or(0),
            };
            for line in self.lines.iter_mut().take(last).filter(|line| is_cmd(line)) {
                let text = line.text.split('\n').next().unwrap_or_default();
                line.notes
                    .push(format!("{text}, which a later ENTRYPOINT reset"));
                line.text.clear();
            }
            return None;
        }
        (!reset).then(|| Instruction::Cmd(Command::Exec(Vec::new())))
    }

    /// Returns the triggers in the config that no line sets.
    fn triggers(&self, known: &Settings) -> Vec<Instruction> {
        let written = self.lines.iter().filter(|line| !line.text.is_empty());
        let written: Vec<&str> = written.filter_map(trigger).collect();
        let missing = known
            .onbuild
            .iter()
            .filter(|text| !written.contains(&text.as_str()));
        missing.cloned().map(Instruction::OnBuild).collect()
    }
}

/// Returns the trigger of an ONBUILD.
fn trigger(line: &Line) -> Option<&str> {
    match line.statement.instruction() {
        Some(Instruction::OnBuild(text)) => Some(text),
        _ => None,
    }
}

/// Returns the variables of the config that no line sets, and those with another value in the lines.
fn env(known: &Settings, sum: &Settings, windows: bool) -> (Pairs, Pairs) {
    let differing = known
        .env
        .iter()
        .filter(|(key, value)| is_equal(&sum.env, key, value) != Some(true))
        .cloned();
    let (missing, changed): (Pairs, Pairs) =
        differing.partition(|(key, value)| is_equal(&sum.env, key, value).is_none());
    // Builders set it in an image without a base, or the base has it.
    let is_default =
        |(key, value): &(String, String)| key == "PATH" && !windows && value == DEFAULT_PATH;
    let missing = missing.into_iter().filter(|pair| !is_default(pair));
    (missing.collect(), changed)
}

/// Compares the value of a key; returns `None` for a missing key.
fn is_equal(pairs: &[(String, String)], key: &str, value: &str) -> Option<bool> {
    let found = pairs.iter().find(|(name, _)| name == key);
    found.map(|(_, known)| known == value)
}

/// Returns instructions for the settings of the config that differ from the sum of the lines, except ENV, CMD and
/// ONBUILD.
fn differences(known: &Settings, sum: &Settings) -> Vec<Instruction> {
    let mut out = Vec::new();
    let labels: Pairs = known
        .labels
        .iter()
        .filter(|(key, value)| is_equal(&sum.labels, key, value) != Some(true))
        // buildah adds it to each image.
        .filter(|(key, _)| key != BUILDAH_LABEL)
        .cloned()
        .collect();
    if !labels.is_empty() {
        out.push(Instruction::Label(labels));
    }
    let ports = missing(&known.ports, |port| {
        sum.ports.contains(&with_protocol(port))
    });
    if !ports.is_empty() && !sum.ports.iter().any(|port| port.contains('-')) {
        out.push(Instruction::Expose(ports));
    }
    let volumes = missing(&known.volumes, |path| sum.volumes.contains(path));
    if !volumes.is_empty() {
        out.push(Instruction::Volume(volumes));
    }
    let or_root = |path: &str| match path {
        "" => "/".to_owned(),
        path => path.to_owned(),
    };
    let workdir = or_root(&known.workdir);
    if workdir != or_root(&sum.workdir) {
        out.push(Instruction::Workdir(workdir));
    }
    if !known.user.is_empty() && known.user != sum.user {
        out.push(Instruction::User(known.user.clone()));
    }
    if !known.stop_signal.is_empty() && known.stop_signal != sum.stop_signal {
        out.push(Instruction::StopSignal(known.stop_signal.clone()));
    }
    if !known.shell.is_empty() && known.shell != sum.shell {
        out.push(Instruction::Shell(known.shell.clone()));
    }
    if let Some(health) = &known.health
        && known.health != sum.health
    {
        out.push(Instruction::Healthcheck(health.clone()));
    }
    if known.entrypoint != sum.entrypoint {
        let command = Command::Exec(known.entrypoint.clone());
        out.push(Instruction::Entrypoint(command));
    }
    out
}

/// Returns the values that the test does not accept.
fn missing(values: &[String], is_set: impl Fn(&String) -> bool) -> Vec<String> {
    let missing = values.iter().filter(|value| !is_set(value));
    missing.cloned().collect()
}
