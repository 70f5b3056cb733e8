//! History entries read back: what builders have written over the years, and which instruction each form stands for.

use std::collections::HashMap;

use super::forms::{
    exec_words, is_bare_shell, is_buildkit, is_foreign, is_keyword, is_shell_command,
    is_shell_prefix, ports, printed_health, run_options, script, shell_words, unbracketed,
    without_sums, without_tails, written_health,
};
use super::go;
use super::instruction::{Certainty, Command, Copy, Health, Instruction, Pairs};
use super::pairs;
use super::settings::Settings;
use super::typed::{self, Around};
use crate::spec::{History, ImageConfig};

/// The most bytes of an entry that is taken apart; the builders read no instruction that long, except heredocs.
const LENGTH: usize = 256 << 10;

/// The label of buildah's own.
pub const BUILDAH: &str = "io.buildah.version";

/// A remark on a RUN whose words were joined.
pub const EXEC_FORM: &str = "the exec form: where its words end is not recorded";

/// What wrote an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Producer {
    /// Docker's builder before BuildKit, and buildah, which writes like it.
    Classic,
    /// BuildKit.
    BuildKit,
    /// A builder that notes instructions as they stand in the Dockerfile, as kaniko does.
    Plain,
    /// `docker commit`, `buildah commit`.
    Commit,
    /// `docker import`, and the makers of root filesystems.
    Import,
    /// Something that knows no Dockerfiles.
    Other,
}

/// An entry read back.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// What it says.
    pub instruction: Instruction,
    /// How sure that is.
    pub certainty: Certainty,
    /// What was never recorded, said where it would stand.
    pub notes: Vec<String>,
    /// What else there is to say, for those who ask.
    pub remarks: Vec<String>,
    /// The build arguments that were set.
    pub build_args: Pairs,
    /// What wrote it.
    pub producer: Producer,
    /// The shell in force for it.
    pub shell: Vec<String>,
    /// The instruction as it was typed, where that can stand as it is.
    pub typed: Option<String>,
    /// Options of RUN, as typed.
    pub options: Vec<String>,
    /// Build arguments that the config gave away.
    pub learnt: Pairs,
    /// Whether it sets nothing: the format that it was built for has no place for it.
    pub inert: bool,
    /// The builder's remark.
    pub comment: String,
    /// Whether it looks like an entry of buildah's.
    pub buildah: bool,
}

/// What the document of the config says of how the image was made.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// Whether docker's classic builder or a commit left its marks.
    pub docker: bool,
    /// The words of the last command, as docker's classic builder keeps them.
    pub words: Vec<String>,
}

impl Made {
    /// Reads what docker writes beside the config.
    pub fn of(config: &ImageConfig) -> Self {
        let container = config.document.get("container_config");
        let words = container
            .and_then(|container| container.get("Cmd"))
            .and_then(serde_json::Value::as_array);
        Made {
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
    known: &'a Settings,
    windows: bool,
    /// Whether docker or buildah made some of the entries, so that a mere command is one of theirs.
    docker: bool,
    shell: Vec<String>,
    /// Names of build arguments so far.
    declared: Vec<String>,
    /// Those that buildah listed last.
    listed: Vec<String>,
    /// Values that build arguments have anywhere.
    had: Pairs,
    /// What has been set so far.
    so_far: Settings,
    cmd_set: bool,
    /// Whether buildah made some of the entries.
    buildah: bool,
    /// Whether commands are noted with the default shell whatever `SHELL` says, as buildah does.
    fixed_prefix: bool,
    /// The number of the entry that is read.
    at: usize,
    is_last: bool,
    /// Whether entries are read for the first time.
    learning: bool,
    /// The words of the last command, where docker kept them.
    words: Vec<String>,
    /// How often each key is set, and how often it was so far.
    sets: HashMap<String, usize>,
    set: HashMap<String, usize>,
    /// Build arguments of commands, with the number of the entry.
    runs: Vec<(usize, Pairs)>,
    /// Build arguments that the config gave away.
    solved: Pairs,
    /// Values that ARG itself states.
    defaults: Pairs,
    /// Whether PATH is what builders give to an image that has none, because nothing tells what the base has.
    assumed: bool,
    /// What the base sets, and how many entries are the base's.
    base: Option<(usize, Settings)>,
}

impl<'a> Reader<'a> {
    /// Begins with an image's history; `known` is what its config says.
    pub fn new(known: &'a Settings, windows: bool, history: &[History], made: Made) -> Self {
        let buildah = known.labels.iter().any(|(key, _)| key == BUILDAH)
            || history
                .iter()
                .any(|entry| entry.comment.starts_with("FROM "));
        let docker = made.docker
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
            words: made.words,
            sets: HashMap::new(),
            set: HashMap::new(),
            runs: Vec::new(),
            solved: Vec::new(),
            defaults: Vec::new(),
            assumed: true,
            base: None,
        }
    }

    /// Begins once more, and takes what is set after the base's entries from the base itself.
    pub fn upon(self, entries: usize, mut base: Settings) -> Self {
        base.onbuild.clear();
        Reader {
            base: Some((entries, base)),
            ..self.again()
        }
    }

    /// The same from the start, with what was learnt on the way: where values of build arguments end, which of several
    /// settings is the last, and the values of build arguments.
    pub fn again(self) -> Self {
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

    /// Whether buildah made some of the entries.
    pub fn is_buildah(&self) -> bool {
        self.buildah
    }

    /// What the entries read so far set.
    pub fn so_far(&self) -> &Settings {
        &self.so_far
    }

    /// Reads the next entry. `layer` tells whether it made one and which, `next` is the entry after it.
    pub fn read(&mut self, entry: &History, layer: Option<usize>, is_last: bool) -> Parsed {
        let mut parsed = Parsed {
            instruction: Instruction::Nothing,
            certainty: Certainty::Exact,
            notes: Vec::new(),
            remarks: Vec::new(),
            build_args: Vec::new(),
            producer: Producer::Other,
            shell: Vec::new(),
            typed: None,
            options: Vec::new(),
            learnt: Vec::new(),
            inert: false,
            comment: entry.comment.clone(),
            buildah: false,
        };
        if let Some((entries, base)) = &self.base
            && *entries == self.at
        {
            self.so_far.clone_from(base);
            self.assumed = false;
        }
        self.at += 1;
        self.is_last = is_last;
        self.instruction(entry, layer, is_last, &mut parsed);
        if !parsed.build_args.is_empty() && self.learning {
            self.runs.push((self.at, parsed.build_args.clone()));
        }
        for pair in &parsed.learnt {
            if self.solved.len() < 100 && !self.solved.contains(pair) {
                self.solved.push(pair.clone());
            }
        }
        // Only a shell tells where the last value ends.
        if matches!(parsed.instruction, Instruction::Run(Command::Shell(_))) {
            self.learn(parsed.build_args.clone());
        }
        if let Instruction::Arg(args) = &parsed.instruction {
            let values = args
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
            let values: Pairs = values.collect();
            self.defaults.extend(values.iter().cloned());
            self.learn(values);
            self.declared
                .extend(args.iter().map(|(name, _)| name.clone()));
        }
        if let Instruction::Env(pairs) = &parsed.instruction {
            let typed = parsed.typed.as_deref().unwrap_or_default();
            let own = typed::names(typed).iter().any(|name| name == "PATH");
            self.assumed &= own || !pairs.iter().any(|(key, _)| key == "PATH");
        }
        if !parsed.inert {
            self.so_far
                .apply(&parsed.instruction, self.windows, &mut self.cmd_set);
            if let Instruction::Shell(words) = &parsed.instruction {
                self.shell.clone_from(words);
            }
        }
        parsed.shell.clone_from(&self.shell);
        parsed
    }

    fn learn(&mut self, pairs: Pairs) {
        for pair in pairs {
            if self.had.len() < 100 && !self.had.contains(&pair) {
                self.had.push(pair);
            }
        }
    }

    fn instruction(
        &mut self,
        entry: &History,
        layer: Option<usize>,
        is_last: bool,
        out: &mut Parsed,
    ) {
        let raw = entry.created_by.as_str();
        let text = raw.trim();
        if raw.len() > LENGTH {
            out.notes
                .push("an entry of the history is too long to be read".to_owned());
            return self.opaque(layer, out);
        }
        let comment = entry.comment.as_str();
        if comment.starts_with("merge sha256:") && comment.contains(" to sha256:") {
            out.notes.push(format!("squashed: {comment}"));
            if text.is_empty() {
                return self.opaque(layer, out);
            }
        }
        if text.is_empty() {
            return self.unnamed(comment, layer, out);
        }
        if let Some((before, rest)) = text.split_once("#(nop)")
            && is_shell_prefix(before)
        {
            out.producer = Producer::Classic;
            out.buildah = is_typed_prefix(rest);
            self.follow_shell(before.trim(), out.buildah);
            return self.classic(rest, layer, out);
        }
        // Without the blank too: the suffix comes after an empty command.
        let (body, suffixed) = match raw.strip_suffix("# buildkit") {
            Some(body) => (body.strip_suffix(' ').unwrap_or(body), true),
            None => (raw, false),
        };
        let (word, rest) = body.split_once([' ', '\t', '\n']).unwrap_or((body, ""));
        if (suffixed || is_buildkit(entry)) && is_keyword(word) {
            out.producer = Producer::BuildKit;
            return self.buildkit(word, rest, layer, out);
        }
        if text.starts_with('|')
            && let Some((args, command)) =
                pairs::build_args(text, &self.declared, &self.had, &self.prefix().join(" "))
        {
            out.producer = Producer::Classic;
            out.buildah = self.buildah;
            out.build_args = args;
            return self.command(command, out);
        }
        if let Some(command) = raw.strip_prefix(&format!("{} ", self.prefix().join(" "))) {
            out.producer = Producer::Classic;
            out.buildah = self.buildah;
            return match self.kept_words(raw) {
                Some(words) => out.instruction = Instruction::Run(Command::Exec(words)),
                None => self.run(command, out),
            };
        }
        if is_bare_shell(text) || self.is_commit(text, is_last) {
            return self.committed(comment, layer, out);
        }
        if is_foreign(text, entry.author.as_deref().unwrap_or_default()) {
            return self.foreign(text, layer, out);
        }
        if is_keyword(word) && !rest.trim().is_empty() {
            out.producer = Producer::Plain;
            let sure = entry.author.as_deref() == Some("kaniko");
            return self.plain(word, rest.trim(), layer, sure, out);
        }
        if self.docker || is_shell_command(text) {
            out.producer = Producer::Classic;
            return self.command(text, out);
        }
        self.foreign(text, layer, out);
    }

    /// A command without the words `RUN` or a shell that is set: the exec form, or another shell.
    fn command(&self, text: &str, out: &mut Parsed) {
        if let Some(words) = self.kept_words(text) {
            out.instruction = Instruction::Run(Command::Exec(words));
            return;
        }
        if let Some(command) = text.strip_prefix(&format!("{} ", self.prefix().join(" "))) {
            return self.run(command, out);
        }
        out.certainty = Certainty::Inferred;
        out.remarks.push(EXEC_FORM.to_owned());
        out.instruction = Instruction::Run(Command::Exec(exec_words(text)));
    }

    /// What stood behind RUN and the shell. buildah notes options and the exec form there as they were typed.
    fn run(&self, command: &str, out: &mut Parsed) {
        let (options, text) = run_options(without_sums(command));
        out.options = options.iter().map(|&option| option.to_owned()).collect();
        // The builders take a list for the exec form, so a shell was never given one.
        let list = serde_json::from_str::<Vec<String>>(text.trim());
        out.instruction = Instruction::Run(match list {
            Ok(words) if !words.is_empty() => Command::Exec(words),
            _ => Command::Shell(text.to_owned()),
        });
    }

    /// The words of the last entry's exec form, where docker kept them.
    fn kept_words(&self, text: &str) -> Option<Vec<String>> {
        let shell = self.prefix();
        let is_shell_form = self.words.len() == shell.len() + 1 && self.words.starts_with(&shell);
        let is_it = self.is_last && !is_shell_form && self.words.join(" ") == text;
        (is_it && !self.words.is_empty()).then(|| self.words.clone())
    }

    /// The shell that commands are noted with.
    fn prefix(&self) -> Vec<String> {
        match self.fixed_prefix {
            true => Settings::default().shell(self.windows),
            false => self.shell.clone(),
        }
    }

    /// The shell that the prefix of a classic entry names is in force from there on.
    fn follow_shell(&mut self, prefix: &str, typed: bool) {
        if prefix.is_empty() || self.prefix().join(" ") == prefix {
            return;
        }
        if typed && self.buildah && prefix == "/bin/sh -c" {
            self.fixed_prefix = true;
            return;
        }
        self.fixed_prefix = false;
        let known = &self.known.shell;
        self.shell = match known.join(" ") == prefix {
            true => known.clone(),
            false => shell_words(prefix),
        };
        self.so_far.shell.clone_from(&self.shell);
    }

    /// What follows `#(nop) `.
    fn classic(&mut self, rest: &str, layer: Option<usize>, out: &mut Parsed) {
        // docker has a second blank there, and values behind the word instead of what was typed.
        let is_typed = is_typed_prefix(rest);
        let rest = rest.trim_start();
        let (word, value) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
        let (value, dropped) = without_tails(value.trim());
        if !dropped.is_empty() {
            out.remarks
                .push(format!("buildah noted {}", dropped.join(" ")));
        }
        match word {
            "ADD" | "COPY" => self.copied(word == "ADD", value, layer, out),
            "RUN" => self.command(value, out),
            "ARG" if is_typed && self.buildah && !value.contains('=') => self.listed(value, out),
            _ if is_typed && self.as_typed(word, value, self.buildah, out) => {}
            _ => self.setting(word, value, layer, out),
        }
        if is_typed
            && self.buildah
            && let Instruction::Shell(words) = &out.instruction
        {
            if self.known.shell.is_empty() {
                out.inert = true;
                out.notes.push("the config has no SHELL: the OCI format has no place for it, and buildah leaves it without effect there".to_owned());
            } else {
                self.fixed_prefix |= *words != Settings::default().shell(self.windows);
            }
        }
    }

    /// ARG of buildah's: not its own name, but those of all arguments that have values by then.
    fn listed(&mut self, value: &str, out: &mut Parsed) {
        let names: Vec<String> = value.split_whitespace().map(str::to_owned).collect();
        // Another stage begins anew.
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
            // One that is declared again has another value from then on.
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
            out.certainty = Certainty::Lost;
            out.notes.push(
                "an ARG whose name is not recorded: it had no value, or the one it had before"
                    .to_owned(),
            );
            return;
        }
        out.instruction = Instruction::Arg(new.into_iter().map(|name| (name, None)).collect());
    }

    /// Reads an instruction as it was typed; false if it is none, or if the config tells that values stand there.
    ///
    /// `sure` says that the builder is one that notes what was typed.
    fn as_typed(&mut self, word: &str, value: &str, sure: bool, out: &mut Parsed) -> bool {
        let args = self.args_here();
        let last = |key: &str| {
            let so_far = self.set.get(key).copied().unwrap_or_default();
            self.sets.get(key).is_some_and(|all| so_far + 1 >= *all)
        };
        let around = Around {
            args: &args,
            declared: &self.declared,
            so_far: &self.so_far,
            known: self.known,
            last: &last,
            assumed: self.assumed,
        };
        let Some(found) = typed::read(word, value, &around) else {
            return false;
        };
        let as_values = self.values_fit(word, value);
        let is_command = matches!(
            found.instruction,
            Instruction::Cmd(_) | Instruction::Entrypoint(_)
        );
        let is_it = match sure {
            true => !(found.fits == Some(false) && as_values),
            false => !is_command && found.fits == Some(true) && !as_values,
        };
        if !is_it {
            return false;
        }
        for key in typed::keys(word, value) {
            *self.set.entry(key).or_default() += 1;
        }
        if found.stands {
            out.typed = Some(format!("{word} {value}"));
        } else if !found.sure {
            out.certainty = Certainty::Inferred;
            out.remarks
                .push("the value of a build argument in it is not recorded".to_owned());
        }
        out.instruction = found.instruction;
        out.learnt = found.learnt;
        let named = typed::names(value);
        let of_it = |(name, _): &&(String, String)| named.contains(name);
        out.learnt.extend(self.solved.iter().filter(of_it).cloned());
        true
    }

    /// Whether the config has what an entry says if it is read as values.
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

    /// Build arguments with the values they have here: those of the next command, or else of the one before.
    fn args_here(&self) -> Pairs {
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

    fn buildkit(&mut self, word: &str, rest: &str, layer: Option<usize>, out: &mut Parsed) {
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
                out.instruction = Instruction::Run(script(text));
                if text.trim().starts_with("/dev/pipes/") && !text.trim().contains(' ') {
                    out.instruction = Instruction::Run(Command::Script(String::new()));
                    out.certainty = Certainty::Lost;
                    out.notes
                        .push("the body of this RUN is not recorded (shebang heredoc)".to_owned());
                }
            }
            "COPY" | "ADD" => self.copied_words(word == "ADD", rest, out),
            _ => self.setting(word, rest.trim(), layer, out),
        }
    }

    /// An instruction as it stood in the Dockerfile.
    ///
    /// `sure` says that the builder is one that notes what was typed.
    fn plain(
        &mut self,
        word: &str,
        rest: &str,
        layer: Option<usize>,
        sure: bool,
        out: &mut Parsed,
    ) {
        match word {
            "RUN" => {
                let (options, rest) = run_options(rest);
                out.options = options.iter().map(|&option| option.to_owned()).collect();
                let list = serde_json::from_str::<Vec<String>>(rest);
                out.instruction = Instruction::Run(match list {
                    Ok(words) if !words.is_empty() => Command::Exec(words),
                    _ => script(rest),
                });
            }
            "COPY" | "ADD" => self.copied_words(word == "ADD", rest, out),
            "FROM" => {
                out.remarks.push(format!("the entry says FROM {rest}"));
                self.opaque(layer, out);
            }
            _ if self.as_typed(word, rest, sure, out) => {}
            _ => self.setting(word, rest, layer, out),
        }
    }

    /// Instructions that set something, whoever wrote them.
    fn setting(&mut self, word: &str, value: &str, layer: Option<usize>, out: &mut Parsed) {
        let mut inferred = |sure: bool, why: &str| {
            if !sure {
                out.certainty = Certainty::Inferred;
                out.remarks.push(why.to_owned());
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
                None => Instruction::Nothing,
            },
            "ONBUILD" => Instruction::Onbuild(value.to_owned()),
            "MAINTAINER" => Instruction::Maintainer(value.to_owned()),
            _ => Instruction::Nothing,
        };
        if instruction == Instruction::Nothing {
            out.certainty = Certainty::Lost;
            out.notes.push(format!(
                "an entry of the history that is not understood: {word} {value}"
            ));
            return self.opaque(layer, out);
        }
        out.instruction = instruction;
    }

    /// Whether the value of a build argument ended before `next`, by the arguments of the commands that follow.
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

    fn arg(&self, value: &str) -> Instruction {
        // buildah lists every name that is allowed; BuildKit may have several in one instruction.
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

    /// The value of CMD and ENTRYPOINT in all its prints.
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
            _ => return Command::Shell(value.to_owned()),
        };
        match words.strip_prefix(self.shell.as_slice()) {
            Some([text]) if !text.trim().is_empty() => Command::Shell(text.clone()),
            _ => Command::Exec(words),
        }
    }

    fn shell_list(&self, value: &str) -> (Vec<String>, bool) {
        if let Some((words, "")) = go::quoted_list(value) {
            return (words, true);
        }
        let inner = unbracketed(value);
        // The prefix of a classic entry has set it already.
        for words in [&self.known.shell, &self.shell] {
            if words.join(" ") == inner {
                return (words.clone(), !inner.contains("  "));
            }
        }
        let words = shell_words(inner);
        (words, true)
    }

    fn volumes(&self, value: &str) -> Vec<String> {
        if let Some((words, "")) = go::quoted_list(value) {
            return words;
        }
        pairs::list(unbracketed(value), &self.known.volumes)
    }

    fn health(&self, value: &str) -> Option<(Health, bool)> {
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

    /// `Test:[CMD-SHELL curl …] Interval:30s … Retries:0`, whose test has lost its quotes.
    fn named_health(&self, inner: &str) -> Option<(Health, bool)> {
        let (test, rest) = inner.strip_prefix("Test:[")?.rsplit_once("] Interval:")?;
        let rest = format!("Interval:{rest}");
        let mut health = Health::default();
        for field in rest.split(' ') {
            let (name, value) = field.split_once(':')?;
            let names = ["Interval", "Timeout", "StartPeriod", "StartInterval"];
            match names.iter().position(|known| *known == name) {
                Some(i) => *health.times.get_mut(i)? = go::duration(value)?,
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

    /// `--chown=1:1file:ab… in /x`, as the classic builder and buildah write it.
    fn copied(&self, add: bool, value: &str, layer: Option<usize>, out: &mut Parsed) {
        let mut copy = Copy {
            add,
            ..Copy::default()
        };
        let mut rest = value;
        while rest.starts_with("--") {
            let end = rest.find(' ').unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            // The builder forgets the blank behind an option.
            let glued = ["file:", "dir:", "multi:"]
                .iter()
                .filter_map(|kind| word.find(kind))
                .min();
            let (flag, after) = match glued {
                Some(at) => rest.split_at(at),
                None => (word, after),
            };
            copy.flags.push(flag.to_owned());
            rest = after.trim_start();
        }
        let Some((source, destination)) = rest.split_once(" in ") else {
            if rest.trim_end().ends_with(" in") || rest.is_empty() {
                out.certainty = Certainty::Lost;
                out.notes
                    .push("the target of this copy is not recorded".to_owned());
                return self.opaque(layer, out);
            }
            copy.flags.clear();
            return self.copied_words(add, value, out);
        };
        copy.destination = destination.trim().to_owned();
        if copy.destination.contains('$') && self.buildah {
            let args = self.args_here();
            let around = Around {
                args: &args,
                declared: &self.declared,
                so_far: &self.so_far,
                known: self.known,
                last: &|_| false,
                assumed: false,
            };
            match typed::word(&copy.destination, &around) {
                Some(found) if !found.is_empty() => copy.destination = found,
                _ => out.notes.push(format!(
                    "the target of this copy is {}, and the value of a build argument in it is not recorded",
                    copy.destination
                )),
            }
        }
        let (kind, sum) = source.split_once(':').unwrap_or((source, ""));
        let cut: String = sum.chars().take(12).collect();
        out.certainty = Certainty::Lost;
        match kind {
            "file" => copy.sources.push(format!("<file:{cut}>")),
            "dir" => {
                copy.sources.push(format!("<dir:{cut}>"));
                if !copy.destination.ends_with('/') {
                    copy.destination.push('/');
                }
            }
            "multi" => copy.sources.push("<several-sources>".to_owned()),
            _ if source.starts_with("tarsum") => {
                let end = source.rsplit([':', '+']).next().unwrap_or_default();
                let cut: String = end.chars().take(12).collect();
                copy.sources.push(format!("<tarsum:{cut}>"));
            }
            _ => {
                out.certainty = Certainty::Exact;
                copy.sources
                    .extend(source.split_whitespace().map(str::to_owned));
            }
        }
        if out.certainty == Certainty::Lost {
            out.remarks.push(match (add, kind) {
                (true, "file") => "the name of the source is not recorded; a file, or an archive that was unpacked".to_owned(),
                (_, "multi") => "the names and the number of the sources are not recorded".to_owned(),
                _ => "the name of the source is not recorded".to_owned(),
            });
        }
        out.instruction = Instruction::Copy(copy);
    }

    /// `--chown=a src dst`, as BuildKit and kaniko write it.
    fn copied_words(&self, add: bool, rest: &str, out: &mut Parsed) {
        let mut copy = Copy {
            add,
            ..Copy::default()
        };
        let mut rest = rest;
        while rest.starts_with("--") {
            let end = rest.find(' ').unwrap_or(rest.len());
            let (flag, after) = rest.split_at(end);
            copy.flags.push(flag.to_owned());
            // One blank only: a second one is a source that came to nothing.
            rest = after.strip_prefix(' ').unwrap_or(after);
        }
        // BuildKit puts one blank between words, so that more of them stand for words that were empty: a source that is
        // empty is the whole context, a target the current directory.
        let mut words: Vec<String> = match serde_json::from_str::<Vec<String>>(rest) {
            Ok(words) => words,
            Err(_) if out.producer == Producer::BuildKit => {
                rest.split(' ').map(str::to_owned).collect()
            }
            Err(_) => rest.split_whitespace().map(str::to_owned).collect(),
        };
        copy.destination = match words.pop() {
            Some(destination) if !destination.is_empty() => destination,
            _ => ".".to_owned(),
        };
        let is_unknown = words.iter().all(String::is_empty);
        if is_unknown {
            words.clear();
        }
        copy.sources = words;
        if is_unknown && copy.destination == "." {
            out.certainty = Certainty::Lost;
            out.notes
                .push("a copy whose source and target are not recorded".to_owned());
        } else if copy.sources.is_empty() || copy.sources.iter().any(String::is_empty) {
            out.certainty = Certainty::Lost;
            out.notes.push(
                "a source of this copy came from a variable that was empty when it was noted"
                    .to_owned(),
            );
        } else if out.producer == Producer::BuildKit
            && !add
            && copy.sources.iter().any(|source| source.starts_with('/'))
        {
            out.certainty = Certainty::Inferred;
            out.notes.push(
                "--from of this COPY is not recorded; its absolute source is probably in another stage".to_owned(),
            );
        } else if copy.sources.len() > 1 {
            out.certainty = Certainty::Inferred;
            out.remarks
                .push("blanks within a name look like blanks between names".to_owned());
        }
        out.instruction = Instruction::Copy(copy);
    }

    /// An entry without a command.
    fn unnamed(&self, comment: &str, layer: Option<usize>, out: &mut Parsed) {
        if comment.starts_with("Imported from") || layer == Some(0) {
            out.producer = Producer::Import;
            if !comment.is_empty() {
                out.notes.push(comment.to_owned());
            }
            return self.rootfs("import", layer, out);
        }
        if !comment.is_empty() {
            out.notes.push(comment.to_owned());
        }
        self.opaque(layer, out);
    }

    fn rootfs(&self, what: &str, layer: Option<usize>, out: &mut Parsed) {
        if layer.is_none() {
            return;
        }
        out.certainty = Certainty::Lost;
        out.remarks
            .push("the name of the archive is not recorded".to_owned());
        out.instruction = Instruction::Copy(Copy {
            add: true,
            sources: vec![format!("<{what}>")],
            destination: "/".to_owned(),
            ..Copy::default()
        });
    }

    /// `docker commit` notes what ran in the container, which mostly is what the image says.
    fn is_commit(&self, text: &str, is_last: bool) -> bool {
        let ran = |words: &[String]| !words.is_empty() && words.join(" ") == text;
        ran(&self.so_far.cmd) || is_last && ran(&self.known.cmd)
    }

    fn committed(&self, comment: &str, layer: Option<usize>, out: &mut Parsed) {
        out.producer = Producer::Commit;
        let message = match comment.is_empty() || comment.starts_with("FROM ") {
            true => String::new(),
            false => format!(": {comment}"),
        };
        out.notes.push(format!("committed container{message}"));
        self.opaque(layer, out);
    }

    /// An entry of something that knows no Dockerfiles.
    fn foreign(&self, text: &str, layer: Option<usize>, out: &mut Parsed) {
        out.producer = match text.starts_with("# ") {
            true => Producer::Import,
            false => Producer::Other,
        };
        out.notes.push(text.to_owned());
        match (out.producer, layer) {
            (Producer::Import, Some(_)) => self.rootfs("rootfs", layer, out),
            _ => self.opaque(layer, out),
        }
    }

    /// All that can be said is what the layer holds.
    fn opaque(&self, layer: Option<usize>, out: &mut Parsed) {
        out.certainty = Certainty::Lost;
        if let Some(layer) = layer {
            out.instruction = Instruction::Layer(format!("layer:{}", layer + 1));
        }
    }
}

/// Whether one blank alone follows `#(nop)`: where docker notes values, it has two.
fn is_typed_prefix(rest: &str) -> bool {
    rest.starts_with(' ') && !rest.starts_with("  ")
}
