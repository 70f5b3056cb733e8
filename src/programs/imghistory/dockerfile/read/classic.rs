//! Entries of docker's classic builder, and of buildah, which writes like it.

use super::forms::{exec_words, run_options, without_sums, without_tails};
use super::parsed::{EXEC_FORM, ParsedEntry};
use super::reader::Reader;
use crate::programs::imghistory::dockerfile::settings::Settings;
use crate::spec::instruction::{Command, Instruction};

impl Reader<'_> {
    /// Reads the text after `#(nop) `.
    pub(super) fn classic(&mut self, rest: &str, layer: Option<usize>, out: &mut ParsedEntry) {
        // docker writes a second blank, and values instead of the instruction as written.
        let is_verbatim = is_verbatim_prefix(rest);
        let rest = rest.trim_start();
        let (word, value) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let (value, dropped) = without_tails(value.trim());
        if !dropped.is_empty() {
            out.remarks
                .push(format!("buildah noted {}", dropped.join(" ")));
        }
        match word {
            "ADD" | "COPY" => self.copy_with_sums(word == "ADD", value, layer, out),
            "RUN" => self.command(value, out),
            "ARG" if is_verbatim && self.buildah && !value.contains('=') => self.listed(value, out),
            _ if is_verbatim && self.verbatim(word, value, self.buildah, out) => {}
            _ => self.setting(word, value, layer, out),
        }
        if is_verbatim
            && self.buildah
            && let Some(Instruction::Shell(words)) = out.instruction()
        {
            if self.known.shell.is_empty() {
                out.inert = true;
                out.notes.push("the config has no SHELL: the OCI format has no place for it, and buildah leaves it without effect there".to_owned());
            } else {
                self.fixed_prefix |= *words != Settings::default().shell(self.windows);
            }
        }
    }

    /// Reads a command without the keyword `RUN` and without the shell in force: the exec form, or another shell.
    pub(super) fn command(&self, text: &str, out: &mut ParsedEntry) {
        if let Some(words) = self.kept_words(text) {
            out.set(Instruction::Run(Command::Exec(words)));
            return;
        }
        if let Some(command) = text.strip_prefix(&format!("{} ", self.prefix().join(" "))) {
            return self.run(command, out);
        }
        out.infer(EXEC_FORM);
        out.set(Instruction::Run(Command::Exec(exec_words(text))));
    }

    /// Reads the text after RUN and the shell. buildah records options and the exec form there as written.
    pub(super) fn run(&self, command: &str, out: &mut ParsedEntry) {
        let (options, text) = run_options(without_sums(command));
        out.options = options.iter().map(|&option| option.to_owned()).collect();
        // Builders read a list as the exec form, so it was never a command for the shell.
        let list = serde_json::from_str::<Vec<String>>(text.trim());
        out.set(Instruction::Run(match list {
            Ok(words) if !words.is_empty() => Command::Exec(words),
            _ => Command::Shell(text.to_owned()),
        }));
    }

    /// Returns the words of the last entry's exec form, if docker recorded them.
    pub(super) fn kept_words(&self, text: &str) -> Option<Vec<String>> {
        let shell = self.prefix();
        let is_shell_form = self.words.len() == shell.len() + 1 && self.words.starts_with(&shell);
        let is_it = self.is_last && !is_shell_form && self.words.join(" ") == text;
        (is_it && !self.words.is_empty()).then(|| self.words.clone())
    }

    /// Returns the shell that commands are recorded with.
    pub(super) fn prefix(&self) -> Vec<String> {
        match self.fixed_prefix {
            true => Settings::default().shell(self.windows),
            false => self.shell.clone(),
        }
    }

    /// Sets the shell to that of the prefix of a classic entry.
    pub(super) fn follow_shell(&mut self, prefix: &str, verbatim: bool) {
        if prefix.is_empty() || self.prefix().join(" ") == prefix {
            return;
        }
        if verbatim && self.buildah && prefix == "/bin/sh -c" {
            self.fixed_prefix = true;
            return;
        }
        self.fixed_prefix = false;
        let known = &self.known.shell;
        self.shell = match known.join(" ") == prefix {
            true => known.clone(),
            false => exec_words(prefix),
        };
        self.so_far.shell.clone_from(&self.shell);
    }

    /// Reads an ARG of buildah: it has the names of all arguments with values, instead of its own.
    fn listed(&mut self, value: &str, out: &mut ParsedEntry) {
        let names: Vec<String> = value.split_whitespace().map(str::to_owned).collect();
        // A new stage has its own arguments.
        if !self.listed.iter().all(|known| names.contains(known)) {
            self.listed.clear();
        }
        let mut new: Vec<String> = names
            .iter()
            .filter(|name| !self.listed.contains(name))
            .cloned()
            .collect();
        self.listed = names;
        if new.is_empty() {
            // An argument that is declared again may have a new value.
            let next = self.runs.partition_point(|(at, _)| *at < self.at);
            let value = |at: Option<usize>, name: &String| {
                let (_, pairs) = self.runs.get(at?)?;
                let found = pairs.iter().find(|(known, _)| known == name);
                found.map(|(_, value)| value.clone())
            };
            let changed = |name: &&String| {
                let before = value(next.checked_sub(1), name);
                let after = value(Some(next), name);
                before.is_some() && after.is_some() && before != after
            };
            new.extend(self.listed.iter().find(changed).cloned());
        }
        if new.is_empty() {
            return out.lose(
                "an ARG whose name is not recorded: it had no value, or the one it had before",
            );
        }
        out.set(Instruction::Arg(
            new.into_iter().map(|name| (name, None)).collect(),
        ));
    }
}

/// Tests for a single blank after `#(nop)`: docker, which records values, writes two.
pub(super) fn is_verbatim_prefix(rest: &str) -> bool {
    rest.starts_with(' ') && !rest.starts_with("  ")
}
