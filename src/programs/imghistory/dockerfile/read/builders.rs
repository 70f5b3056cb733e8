//! Entries of BuildKit, and of builders that record instructions as written.

use super::copies::copy_of_words;
use super::forms::{run_options, script};
use super::pairs;
use super::parsed::ParsedEntry;
use super::reader::Reader;
use super::verbatim::{self, Scope};
use crate::spec::instruction::{Command, Instruction, Pairs};

impl Reader<'_> {
    /// Reads an entry of BuildKit: the instruction with its variables replaced.
    pub(super) fn buildkit(
        &mut self,
        word: &str,
        rest: &str,
        layer: Option<usize>,
        out: &mut ParsedEntry,
    ) {
        match word {
            "RUN" => {
                let shell = self.shell.join(" ");
                let mut rest = rest;
                if let Some((args, command)) =
                    pairs::build_args(rest, &self.declared, &self.had, &shell)
                {
                    out.build_args = args;
                    rest = command;
                }
                let Some(text) = rest.strip_prefix(&format!("{shell} ")) else {
                    return self.command(rest, out);
                };
                out.set(Instruction::Run(script(text)));
                if text.trim().starts_with("/dev/pipes/") && !text.trim().contains(' ') {
                    out.set(Instruction::Run(Command::Script(String::new())));
                    out.lose("the body of this RUN is not recorded (shebang heredoc)");
                }
            }
            "COPY" | "ADD" => copy_of_words(word == "ADD", rest, out),
            _ => self.setting(word, rest.trim(), layer, out),
        }
    }

    /// Reads an instruction that is probably as written in the Dockerfile. `sure` is set for a builder that is known to
    /// record it so.
    pub(super) fn written(
        &mut self,
        word: &str,
        rest: &str,
        layer: Option<usize>,
        sure: bool,
        out: &mut ParsedEntry,
    ) {
        match word {
            "RUN" => {
                let (options, rest) = run_options(rest);
                out.options = options.iter().map(|&option| option.to_owned()).collect();
                let list = serde_json::from_str::<Vec<String>>(rest);
                out.set(Instruction::Run(match list {
                    Ok(words) if !words.is_empty() => Command::Exec(words),
                    _ => script(rest),
                }));
            }
            "COPY" | "ADD" => copy_of_words(word == "ADD", rest, out),
            "FROM" => {
                out.remarks.push(format!("the entry says FROM {rest}"));
                out.set_layer_only(layer);
            }
            _ if self.verbatim(word, rest, sure, out) => {}
            _ => self.setting(word, rest, layer, out),
        }
    }

    /// Reads an instruction as written; returns false if the text is not one, or if by the config it has values
    /// instead. `sure` is set for a builder that is known to record instructions as written.
    pub(super) fn verbatim(
        &mut self,
        word: &str,
        value: &str,
        sure: bool,
        out: &mut ParsedEntry,
    ) -> bool {
        let args = self.args_here();
        let last = |key: &str| {
            let so_far = self.set.get(key).copied().unwrap_or_default();
            self.sets.get(key).is_some_and(|all| so_far + 1 >= *all)
        };
        let scope = Scope {
            args: &args,
            declared: &self.declared,
            so_far: &self.so_far,
            known: self.known,
            last: &last,
            assumed: self.assumed,
        };
        let Some(found) = verbatim::read(word, value, &scope) else {
            return false;
        };
        let fits_as_values = self.values_fit(word, value);
        let is_command = matches!(
            found.instruction,
            Instruction::Cmd(_) | Instruction::Entrypoint(_)
        );
        let is_it = match sure {
            true => !(found.fits == Some(false) && fits_as_values),
            false => !is_command && found.fits == Some(true) && !fits_as_values,
        };
        if !is_it {
            return false;
        }
        for key in verbatim::keys(word, value) {
            *self.set.entry(key).or_default() += 1;
        }
        // A keyword alone, which docker takes for an empty command, other parsers refuse: it is printed as a list.
        if found.can_be_copied && !value.trim().is_empty() {
            out.verbatim = Some(format!("{word} {value}"));
        } else if !found.sure {
            out.infer("the value of a build argument in it is not recorded");
        }
        out.set(found.instruction);
        out.learnt = found.learnt;
        let names = verbatim::names(value);
        let is_used = |(name, _): &&(String, String)| names.contains(name);
        out.learnt
            .extend(self.solved.iter().filter(is_used).cloned());
        true
    }

    /// Tests if the config has the values of an entry, if these are read as final.
    fn values_fit(&self, word: &str, value: &str) -> bool {
        let fit = |known: &Pairs| {
            let (pairs, _) = pairs::pairs(value, known);
            pairs.iter().all(|pair| known.contains(pair))
        };
        match word {
            "ENV" => fit(&self.known.env),
            "LABEL" => fit(&self.known.labels),
            "USER" => self.known.user == value,
            "WORKDIR" => self.known.workdir == value,
            "STOPSIGNAL" => self.known.stop_signal == value,
            _ => false,
        }
    }

    /// Returns the build arguments with their values at this entry: those of the next command, or else of the one
    /// before.
    pub(super) fn args_here(&self) -> Pairs {
        let next = self.runs.partition_point(|(at, _)| *at < self.at);
        let mut out: Pairs = Vec::new();
        let near = [Some(next), next.checked_sub(1)];
        let near = near
            .into_iter()
            .flatten()
            .filter_map(|at| self.runs.get(at));
        let pairs = near
            .flat_map(|(_, pairs)| pairs)
            .chain(self.defaults.iter().rev())
            .chain(&self.solved);
        for pair in pairs {
            if self.declared.contains(&pair.0) && !out.iter().any(|(name, _)| *name == pair.0) {
                out.push(pair.clone());
            }
        }
        out
    }
}
