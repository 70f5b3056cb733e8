//! Arguments of the instructions that set something.

use super::forms::{duration, exec_words, ports, printed_health, unbracketed, written_health};
use super::pairs;
use super::parsed::ParsedEntry;
use super::reader::Reader;
use crate::spec::instruction::{Command, Healthcheck, Instruction, go};

impl Reader<'_> {
    /// Reads an instruction that sets something, in the form of any builder.
    pub(super) fn setting(
        &mut self,
        word: &str,
        value: &str,
        layer: Option<usize>,
        out: &mut ParsedEntry,
    ) {
        let mut inferred = |sure: bool, reason: &str| {
            if !sure {
                out.infer(reason);
            }
        };
        let instruction = match word {
            "ENV" => {
                let (pairs, sure) = pairs::pairs(value, &self.known.env);
                inferred(sure, "where values end is not recorded");
                Instruction::Env(pairs)
            }
            "LABEL" => {
                let (pairs, sure) = pairs::pairs(value, &self.known.labels);
                inferred(sure, "where values end is not recorded");
                Instruction::Label(pairs)
            }
            "ARG" => self.arg(value),
            "CMD" => Instruction::Cmd(self.words(value, &self.known.cmd, &mut inferred)),
            "ENTRYPOINT" => {
                Instruction::Entrypoint(self.words(value, &self.known.entrypoint, &mut inferred))
            }
            "EXPOSE" => Instruction::Expose(ports(value)),
            "VOLUME" => Instruction::Volume(self.volumes(value)),
            "USER" => Instruction::User(unbracketed(value).to_owned()),
            "WORKDIR" => Instruction::Workdir(value.to_owned()),
            "STOPSIGNAL" => Instruction::StopSignal(unbracketed(value).to_owned()),
            "SHELL" => {
                let (words, sure) = self.shell_list(value);
                inferred(sure, "where its words end is not recorded");
                Instruction::Shell(words)
            }
            "HEALTHCHECK" => match self.health(value) {
                Some((health, sure)) => {
                    inferred(sure, "the words of the test are not recorded");
                    Instruction::Healthcheck(health)
                }
                None => return not_understood(word, value, layer, out),
            },
            "ONBUILD" => Instruction::OnBuild(value.to_owned()),
            "MAINTAINER" => Instruction::Maintainer(value.to_owned()),
            _ => return not_understood(word, value, layer, out),
        };
        out.set(instruction);
    }

    /// Tests if the value of a build argument ends before the word `next`, by the arguments of later commands.
    fn ends(&self, name: &str, value: &str, next: &str) -> bool {
        let later = self.runs.partition_point(|(at, _)| *at < self.at);
        let value = match go::quoted(value) {
            Some((inner, "")) => inner,
            _ => value.to_owned(),
        };
        let pairs = self.runs.get(later..).unwrap_or_default();
        pairs
            .iter()
            .flat_map(|(_, pairs)| pairs)
            .any(|pair| pair.0 == next || pair.0 == name && pair.1 == value)
    }

    /// Reads the arguments of ARG.
    fn arg(&self, value: &str) -> Instruction {
        // buildah lists all names with values; BuildKit may have several in one instruction.
        let mut args: Vec<(String, Option<String>)> = Vec::new();
        for word in value.split(' ') {
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (word, None),
            };
            let is_name = pairs::is_identifier(name);
            match (args.last_mut(), is_name, value) {
                (_, true, Some(value)) => args.push((name.to_owned(), Some(value.to_owned()))),
                // Blanks belong to the value before them.
                (Some((before, Some(last))), is_name, _)
                    if !(is_name && self.ends(before, last, name)) =>
                {
                    last.push(' ');
                    last.push_str(word);
                }
                (_, _, None) if word.is_empty() => {}
                (_, _, value) => args.push((name.to_owned(), value.map(str::to_owned))),
            }
        }
        if args.len() > 1 && args.iter().all(|(_, value)| value.is_none()) {
            args.retain(|(name, _)| !self.declared.contains(name));
        }
        for (_, value) in &mut args {
            if let Some(text) = value
                && let Some((inner, "")) = go::quoted(text)
            {
                *text = inner;
            }
        }
        Instruction::Arg(args)
    }

    /// Reads the command of CMD and ENTRYPOINT in all its notations.
    fn words(
        &self,
        value: &str,
        known: &[String],
        inferred: &mut impl FnMut(bool, &str),
    ) -> Command {
        let value = value
            .strip_prefix("&{")
            .and_then(|value| value.strip_suffix('}'))
            .unwrap_or(value);
        let words = match go::quoted_list(value) {
            Some((words, "")) => words,
            _ if value.starts_with('[') && value.ends_with(']') => {
                let inner = &value[1..value.len() - 1];
                let sure = known.join(" ") == inner;
                inferred(
                    sure || !inner.contains(' '),
                    "where its words end is not recorded",
                );
                match sure {
                    true => known.to_vec(),
                    false => exec_words(inner),
                }
            }
            _ if value.trim().is_empty() => return Command::Exec(Vec::new()),
            _ => return Command::Shell(value.to_owned()),
        };
        match words.strip_prefix(self.shell.as_slice()) {
            Some([text]) if !text.trim().is_empty() => Command::Shell(text.clone()),
            _ => Command::Exec(words),
        }
    }

    /// Reads the words of SHELL; returns true for certain ones.
    fn shell_list(&self, value: &str) -> (Vec<String>, bool) {
        if let Some((words, "")) = go::quoted_list(value) {
            return (words, true);
        }
        let inner = unbracketed(value);
        // The prefix of a classic entry already set it.
        for words in [&self.known.shell, &self.shell] {
            if words.join(" ") == inner {
                return (words.clone(), !inner.contains("  "));
            }
        }
        let words = exec_words(inner);
        (words, true)
    }

    /// Reads the paths of VOLUME.
    fn volumes(&self, value: &str) -> Vec<String> {
        if let Some((words, "")) = go::quoted_list(value) {
            return words;
        }
        pairs::list(unbracketed(value), &self.known.volumes)
    }

    /// Reads a health check; returns true for a test that is certain.
    fn health(&self, value: &str) -> Option<(Healthcheck, bool)> {
        if let Some(inner) = value
            .strip_prefix("&{")
            .and_then(|value| value.strip_suffix('}'))
        {
            return printed_health(inner).map(|health| (health, true));
        }
        if let Some(inner) = value
            .strip_prefix('{')
            .and_then(|value| value.strip_suffix('}'))
        {
            return self.named_health(inner);
        }
        written_health(value).map(|health| (health, true))
    }

    /// Reads `Test:[CMD-SHELL curl …] Interval:30s … Retries:0`, whose test lost its quotes.
    fn named_health(&self, inner: &str) -> Option<(Healthcheck, bool)> {
        let (test, rest) = inner.strip_prefix("Test:[")?.rsplit_once("] Interval:")?;
        let rest = format!("Interval:{rest}");
        let mut health = Healthcheck::default();
        for field in rest.split(' ') {
            let (name, value) = field.split_once(':')?;
            let names = ["Interval", "Timeout", "StartPeriod", "StartInterval"];
            match names.iter().position(|known| *known == name) {
                Some(i) => *health.times_mut()[i] = duration(value)?,
                None if name == "Retries" => health.retries = value.parse().ok()?,
                None => {}
            }
        }
        if let Some(known) = &self.known.health
            && known.test.join(" ") == test
        {
            health.test.clone_from(&known.test);
            return Some((health, true));
        }
        let (kind, text) = test.split_once(' ').unwrap_or((test, ""));
        let sure = kind != "CMD";
        health.test = match kind {
            "CMD" => std::iter::once("CMD".to_owned())
                .chain(exec_words(text))
                .collect(),
            "NONE" => vec!["NONE".to_owned()],
            _ => vec![kind.to_owned(), text.to_owned()],
        };
        Some((health, sure))
    }
}

/// Reads an entry of unknown form: its layer is all that is known.
fn not_understood(word: &str, value: &str, layer: Option<usize>, out: &mut ParsedEntry) {
    out.notes.push(format!(
        "an entry of the history that is not understood: {word} {value}"
    ));
    out.set_layer_only(layer);
}
