//! State between history entries, and passes over the history.

use std::collections::HashMap;

use super::forms::is_buildkit;
use super::parsed::{BUILDAH_LABEL, ParsedEntry};
use super::verbatim;
use crate::programs::imghistory::dockerfile::settings::Settings;
use crate::spec::instruction::{Command, Instruction, Pairs};
use crate::spec::{History, ImageConfig};

/// Limit on the values of build arguments that are remembered.
const VALUES: usize = 100;

/// Traces of the build in the config document, beside the config object.
#[derive(Debug, Clone, Default)]
pub struct BuildRecord {
    /// True if docker's classic builder or a commit wrote the document.
    pub docker: bool,
    /// Words of the last command, as recorded by docker's classic builder.
    pub words: Vec<String>,
}

impl BuildRecord {
    /// Reads the fields that docker writes beside the config object.
    pub fn of(config: &ImageConfig) -> Self {
        let container = config.document.get("container_config");
        let words = container
            .and_then(|container| container.get("Cmd"))
            .and_then(serde_json::Value::as_array);
        BuildRecord {
            docker: container.is_some()
                || config
                    .extra("docker_version")
                    .is_some_and(|version| !version.is_empty()),
            words: words
                .into_iter()
                .flatten()
                .filter_map(|word| word.as_str().map(str::to_owned))
                .collect(),
        }
    }
}

/// Reads entries in order, oldest first.
#[derive(Debug)]
pub struct Reader<'a> {
    /// Settings in the config.
    pub(super) known: &'a Settings,
    pub(super) windows: bool,
    /// True if docker or buildah made some of the entries, so that a mere command is theirs.
    pub(super) docker: bool,
    /// Shell in force.
    pub(super) shell: Vec<String>,
    /// Names of the build arguments declared so far.
    pub(super) declared: Vec<String>,
    /// Names in the last ARG of buildah.
    pub(super) listed: Vec<String>,
    /// Values of build arguments anywhere in the history.
    pub(super) had: Pairs,
    /// Settings that the entries read so far make.
    pub(super) so_far: Settings,
    cmd_set: bool,
    /// True if buildah made some of the entries.
    pub(super) buildah: bool,
    /// True if commands are recorded with the default shell in spite of `SHELL`, as buildah does.
    pub(super) fixed_prefix: bool,
    /// Number of the current entry, 1 = oldest entry.
    pub(super) at: usize,
    /// True for the last entry.
    pub(super) is_last: bool,
    /// True in the first pass.
    learning: bool,
    /// Words of the last command, if docker recorded them.
    pub(super) words: Vec<String>,
    /// Number of times that each key is set in the whole history.
    pub(super) sets: HashMap<String, usize>,
    /// Number of times that each key is set so far.
    pub(super) set: HashMap<String, usize>,
    /// Build arguments of commands, with the number of the entry.
    pub(super) runs: Vec<(usize, Pairs)>,
    /// Build arguments whose values follow from the config.
    pub(super) solved: Pairs,
    /// Default values of ARG.
    pub(super) defaults: Pairs,
    /// True while PATH is assumed to have the value that builders give an image without one: that of the base is unknown.
    pub(super) assumed: bool,
    /// Number of the base's entries, and settings of the base.
    base: Option<(usize, Settings)>,
}

impl<'a> Reader<'a> {
    /// Returns a reader for the first pass over a history; `known` are the settings in the config.
    pub fn new(
        known: &'a Settings,
        windows: bool,
        history: &[History],
        record: BuildRecord,
    ) -> Self {
        let buildah = known.labels.iter().any(|(key, _)| key == BUILDAH_LABEL)
            || history
                .iter()
                .any(|entry| entry.comment.starts_with("FROM "));
        let docker = record.docker
            || history.iter().any(|entry| {
                entry.created_by.contains("#(nop)")
                    || is_buildkit(entry)
                    || entry.created_by.starts_with('|')
            });
        Reader {
            known,
            windows,
            docker,
            shell: Settings::default().shell(windows),
            declared: Vec::new(),
            listed: Vec::new(),
            had: Vec::new(),
            so_far: Settings::default(),
            cmd_set: false,
            buildah,
            fixed_prefix: false,
            at: 0,
            is_last: false,
            learning: true,
            words: record.words,
            sets: HashMap::new(),
            set: HashMap::new(),
            runs: Vec::new(),
            solved: Vec::new(),
            defaults: Vec::new(),
            assumed: true,
            base: None,
        }
    }

    /// Restarts; after the base's entries the settings are those of `base`.
    pub fn restart_on(self, entries: usize, mut base: Settings) -> Self {
        // Triggers of the base ran already.
        base.onbuild.clear();
        Reader {
            base: Some((entries, base)),
            ..self.restart()
        }
    }

    /// Restarts with the facts of the last pass: ends and values of build arguments, and the last of several settings.
    pub fn restart(self) -> Self {
        Reader {
            shell: Settings::default().shell(self.windows),
            declared: Vec::new(),
            listed: Vec::new(),
            so_far: Settings::default(),
            cmd_set: false,
            fixed_prefix: false,
            assumed: true,
            at: 0,
            learning: false,
            sets: match self.learning {
                true => self.set,
                false => self.sets,
            },
            set: HashMap::new(),
            ..self
        }
    }

    /// Tests if buildah made some of the entries.
    pub fn is_buildah(&self) -> bool {
        self.buildah
    }

    /// Returns the settings that the entries read so far make.
    pub fn so_far(&self) -> &Settings {
        &self.so_far
    }

    /// Reads the next entry. `layer` is the position of its layer, from 0.
    pub fn read(&mut self, entry: &History, layer: Option<usize>, is_last: bool) -> ParsedEntry {
        let mut parsed = ParsedEntry::new(entry.comment.clone());
        if let Some((entries, base)) = &self.base
            && *entries == self.at
        {
            self.so_far.clone_from(base);
            self.assumed = false;
        }
        self.at += 1;
        self.is_last = is_last;
        self.read_entry(entry, layer, &mut parsed);
        if !parsed.build_args.is_empty() && self.learning {
            self.runs.push((self.at, parsed.build_args.clone()));
        }
        remember(&mut self.solved, parsed.learnt.iter().cloned());
        match parsed.statement.instruction() {
            // Only a shell marks the end of the last value.
            Some(Instruction::Run(Command::Shell(_))) => {
                remember(&mut self.had, parsed.build_args.iter().cloned());
            }
            Some(Instruction::Arg(args)) => {
                let values = args
                    .iter()
                    .filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
                let values: Pairs = values.collect();
                self.defaults.extend(values.iter().cloned());
                remember(&mut self.had, values);
                self.declared
                    .extend(args.iter().map(|(name, _)| name.clone()));
            }
            Some(Instruction::Env(pairs)) => {
                let text = parsed.verbatim.as_deref().unwrap_or_default();
                let extends = verbatim::names(text).iter().any(|name| name == "PATH");
                self.assumed &= extends || !pairs.iter().any(|(key, _)| key == "PATH");
            }
            _ => {}
        }
        if let Some(instruction) = parsed.statement.instruction().filter(|_| !parsed.inert) {
            self.so_far
                .apply(instruction, self.windows, &mut self.cmd_set);
            if let Instruction::Shell(words) = instruction {
                self.shell.clone_from(words);
            }
        }
        parsed.shell.clone_from(&self.shell);
        parsed
    }
}

/// Adds pairs that are new, up to the limit.
fn remember(list: &mut Pairs, pairs: impl IntoIterator<Item = (String, String)>) {
    for pair in pairs {
        if list.len() < VALUES && !list.contains(&pair) {
            list.push(pair);
        }
    }
}
