//! Instructions as the text of a Dockerfile that docker's parser reads back as the same values.
//!
//! What the grammar wants (BuildKit, `frontend/dockerfile/parser`): an instruction is a line; a line that ends in the
//! escape character goes on; a line that starts with `#` is dropped, even within an instruction; words in front that
//! start with `--` are options; a text that is a JSON list of strings is the exec form; in RUN, COPY and ADD a word
//! `<<X` begins a heredoc; no line may be longer than 64 KiB.

use super::go;
use super::instruction::{Command, Copy, Health, Instruction, Pairs};
use super::wrap::wrap;

/// The most bytes of a line, with room for the escape character.
const LINE: usize = 60_000;
/// Columns up to which several values stay on one line.
const WIDTH: usize = 100;

/// How a Dockerfile is written.
#[derive(Debug, Clone, Copy)]
pub struct Writer<'a> {
    /// The escape character: a backslash, a backquote for Windows.
    pub escape: char,
    /// The shell that is set where the instruction stands.
    pub shell: &'a [String],
    /// Whether heredocs may be used: only BuildKit knows them.
    pub heredocs: bool,
}

/// A text, and in words what of the values it could not hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// One or more lines without the last line end; empty if the instruction cannot be written at all.
    pub text: String,
    /// What is lost.
    pub lost: Vec<String>,
}

impl Writer<'_> {
    /// Writes an instruction.
    pub fn write(&self, instruction: &Instruction) -> Written {
        let mut lost = Vec::new();
        let text = self.text(instruction, &mut lost).unwrap_or_default();
        if text.is_empty() && lost.is_empty() && *instruction != Instruction::Nothing {
            lost.push(format!(
                "this {} cannot be written in a Dockerfile",
                instruction.keyword()
            ));
        }
        Written {
            text: self.fold(&text),
            lost,
        }
    }

    /// Whether a line that was typed is read back as it is.
    pub fn can_stand(&self, line: &str) -> bool {
        self.escape == '\\' && self.is_plain_line(line) && !line.contains("<<")
    }

    fn text(&self, instruction: &Instruction, lost: &mut Vec<String>) -> Option<String> {
        let word = instruction.keyword();
        Some(match instruction {
            Instruction::Nothing => return None,
            Instruction::From(image) => format!("FROM {image}"),
            Instruction::Run(command) => return self.run(command),
            Instruction::Cmd(command) | Instruction::Entrypoint(command) => match command {
                Command::Exec(words) => format!("{word} {}", json_list(words)),
                Command::Shell(text) | Command::Script(text) | Command::Heredocs(text) => {
                    match self.is_plain_command(text) {
                        true => format!("{word} {text}"),
                        false => format!("{word} {}", self.in_shell(text)),
                    }
                }
            },
            Instruction::Copy(copy) => return self.copy(copy, lost),
            Instruction::Layer(name) => format!("COPY <{name}> /"),
            Instruction::Env(pairs) | Instruction::Label(pairs) => {
                return self.pairs(word, pairs, lost);
            }
            Instruction::Arg(args) => return self.args(args, lost),
            Instruction::Expose(ports) => {
                let (good, bad): (Vec<&String>, Vec<&String>) =
                    ports.iter().partition(|port| is_port(port));
                if !bad.is_empty() {
                    lost.push("a port that is none is left out".to_owned());
                }
                let good: Vec<&str> = good.into_iter().map(String::as_str).collect();
                if good.is_empty() {
                    return None;
                }
                format!("EXPOSE {}", good.join(" "))
            }
            Instruction::Volume(paths) => {
                let paths: Vec<String> = paths
                    .iter()
                    .filter(|path| !path.trim().is_empty())
                    .map(|path| self.word(path))
                    .collect();
                if paths.is_empty() {
                    return None;
                }
                format!("VOLUME {}", json_list(&paths))
            }
            Instruction::User(text)
            | Instruction::Workdir(text)
            | Instruction::StopSignal(text) => {
                format!("{word} {}", self.line(text)?)
            }
            Instruction::Shell(words) if words.is_empty() => return None,
            Instruction::Shell(words) => format!("SHELL {}", json_list(words)),
            Instruction::Healthcheck(health) => return self.healthcheck(health, lost),
            Instruction::Onbuild(text) => {
                if !can_be_trigger(text) || !self.is_plain_line(text) {
                    return None;
                }
                format!("ONBUILD {}", text.trim())
            }
            Instruction::Maintainer(text) => {
                if !self.is_plain_line(text) || text.trim_start().starts_with("--") {
                    return None;
                }
                format!("MAINTAINER {}", text.trim())
            }
        })
    }

    fn run(&self, command: &Command) -> Option<String> {
        let (text, script) = match command {
            Command::Exec(words) if words.is_empty() => return None,
            Command::Exec(words) => return Some(format!("RUN {}", json_list(words))),
            Command::Heredocs(text) if self.heredocs && is_whole(text) && is_short(text) => {
                return Some(format!("RUN {text}"));
            }
            Command::Heredocs(text) | Command::Script(text) => (text, true),
            Command::Shell(text) => (text, text.contains('\n')),
        };
        if script && self.heredocs && is_short(text) {
            return Some(heredoc(text));
        }
        if text.trim().is_empty() {
            return None;
        }
        if !self.is_plain_command(text) || text.contains("<<") {
            return Some(format!("RUN {}", self.in_shell(text)));
        }
        let lines = match self.is_posix_shell() {
            true => wrap(text.trim()),
            false => vec![text.trim().to_owned()],
        };
        let separator = format!(" {}\n    ", self.escape);
        Some(format!("RUN {}", lines.join(&separator)))
    }

    /// Whether the shell reads blanks, `&&` and `;` as POSIX has it.
    fn is_posix_shell(&self) -> bool {
        let program = self.shell.first().map_or("", String::as_str);
        let name = program.rsplit('/').next().unwrap_or_default();
        matches!(name, "sh" | "bash" | "ash" | "dash" | "ksh" | "zsh")
    }

    /// The exec form of a text for the shell: the same command, whatever is in it.
    fn in_shell(&self, text: &str) -> String {
        let mut words = self.shell.to_vec();
        words.push(text.to_owned());
        json_list(&words)
    }

    /// Whether a text can stand as the shell form and is read back as it is.
    fn is_plain_command(&self, text: &str) -> bool {
        let trimmed = text.trim();
        self.is_plain_line(text) && !begins_with_list(trimmed) && !trimmed.starts_with("--")
    }

    /// Whether a text is one line, not empty, and does not run into the next.
    fn is_plain_line(&self, text: &str) -> bool {
        !text.trim().is_empty()
            && !text.trim_end().ends_with(self.escape)
            && !text.chars().any(|c| c != '\t' && c.is_control())
    }

    /// A word or path in which nothing is expanded.
    fn word(&self, text: &str) -> String {
        let mut out = String::new();
        if text.starts_with("--") {
            out.push(self.escape);
        }
        for c in text.chars() {
            if matches!(c, '$' | '"' | '\'') || c == self.escape {
                out.push(self.escape);
            }
            out.push(c);
        }
        out
    }

    /// A value that takes the rest of its line.
    fn line(&self, text: &str) -> Option<String> {
        let text = text.trim();
        let fits = !text.is_empty() && !text.chars().any(char::is_control);
        fits.then(|| self.word(text))
    }

    /// A value in double quotes.
    fn quoted(&self, text: &str) -> String {
        let mut out = String::from("\"");
        for c in text.chars() {
            if matches!(c, '$' | '"') || c == self.escape {
                out.push(self.escape);
            }
            out.push(c);
        }
        out.push('"');
        out
    }

    /// A value in double quotes; line breaks, which a Dockerfile cannot hold, as `\n`.
    fn value(&self, key: &str, value: &str, lost: &mut Vec<String>) -> String {
        if !value.contains(['\n', '\r']) {
            return self.quoted(value);
        }
        lost.push(format!(
            "the value of {key} has line breaks, which a Dockerfile cannot hold"
        ));
        self.quoted(&value.replace('\r', "\\r").replace('\n', "\\n"))
    }

    fn pairs(&self, word: &str, pairs: &Pairs, lost: &mut Vec<String>) -> Option<String> {
        let mut items = Vec::new();
        for (key, value) in pairs {
            let value = self.value(key, value, lost);
            if is_plain_key(key) {
                items.push(format!("{key}={value}"));
            } else if !key.is_empty() && !key.contains(['=', '\n', '\r', '\0']) && word == "LABEL" {
                items.push(format!("{}={value}", self.quoted(key)));
            } else {
                lost.push(format!("the key '{key}' cannot be written in a Dockerfile"));
            }
        }
        let width: usize = items.iter().map(|item| item.chars().count() + 1).sum();
        let separator = match width > WIDTH && items.len() > 1 {
            true => format!(" {}\n    ", self.escape),
            false => " ".to_owned(),
        };
        let items = items.join(&separator);
        (!items.is_empty()).then(|| format!("{word} {items}"))
    }

    fn args(&self, args: &[(String, Option<String>)], lost: &mut Vec<String>) -> Option<String> {
        let mut lines = Vec::new();
        for (name, value) in args {
            if !is_plain_key(name) {
                lost.push(format!(
                    "the name '{name}' cannot be written in a Dockerfile"
                ));
                continue;
            }
            lines.push(match value {
                None => format!("ARG {name}"),
                Some(value) if value.chars().all(is_plain_in_value) => {
                    format!("ARG {name}={value}")
                }
                Some(value) => format!("ARG {name}={}", self.value(name, value, lost)),
            });
        }
        (!lines.is_empty()).then(|| lines.join("\n"))
    }

    fn copy(&self, copy: &Copy, lost: &mut Vec<String>) -> Option<String> {
        let word = if copy.add { "ADD" } else { "COPY" };
        let mut out = word.to_owned();
        for flag in &copy.flags {
            if is_copy_flag(flag) {
                out.push(' ');
                out.push_str(flag);
            } else {
                lost.push(format!("the option '{flag}' is not known and left out"));
            }
        }
        if copy.destination.is_empty() {
            return None;
        }
        if let (Some(body), [name]) = (&copy.body, copy.sources.as_slice())
            && let Some(text) = self.copied_text(name, body, &copy.destination)
        {
            return Some(format!("{out} {text}"));
        }
        let mut words: Vec<&str> = copy.sources.iter().map(String::as_str).collect();
        if words.is_empty() {
            words.push("<unknown>");
        }
        words.push(&copy.destination);
        let plain = |word: &&str| {
            !word.is_empty()
                && !word.chars().any(|c| c.is_whitespace() || c.is_control())
                && !word.starts_with(['[', '-'])
                && !word.contains("<<")
        };
        let escaped: Vec<String> = words.iter().map(|word| self.word(word)).collect();
        // The JSON form takes what blanks would tear apart and what begins a list or a heredoc.
        let (escaped, is_plain) = (escaped, words.iter().all(plain));
        let joined = escaped.join(" ");
        match is_plain && !joined.ends_with(self.escape) {
            true => Some(format!("{out} {joined}")),
            false => Some(format!("{out} {}", json_list(&escaped))),
        }
    }

    /// A file with its content: the word after `<<` is delimiter and name.
    fn copied_text(&self, name: &str, body: &str, destination: &str) -> Option<String> {
        let fits = is_plain_key(name)
            && self.heredocs
            && body.ends_with('\n')
            && is_short(body)
            && !body.lines().any(|line| line == name)
            && !destination.contains(char::is_whitespace)
            && !destination.contains(char::is_control)
            && !destination.starts_with('-');
        fits.then(|| format!("<<\"{name}\" {}\n{body}{name}", self.word(destination)))
    }

    fn healthcheck(&self, health: &Health, lost: &mut Vec<String>) -> Option<String> {
        let mut out = String::from("HEALTHCHECK");
        let (kind, words) = health.test.split_first()?;
        if kind == "NONE" {
            return Some(out + " NONE");
        }
        let names = ["interval", "timeout", "start-period", "start-interval"];
        for (name, nanos) in names.iter().zip(health.times) {
            if nanos > 0 {
                out.push_str(&format!(" --{name}={}", go::show_duration(nanos)));
            }
        }
        if health.retries > 0 {
            out.push_str(&format!(" --retries={}", health.retries));
        }
        match (kind.as_str(), words) {
            ("CMD-SHELL", [text]) if self.is_plain_command(text) => {
                Some(format!("{out} CMD {}", text.trim()))
            }
            ("CMD-SHELL", [text]) => {
                lost.push(
                    "a test of several lines or odd characters is no longer in the shell form"
                        .to_owned(),
                );
                Some(format!("{out} CMD {}", self.in_shell(text)))
            }
            ("CMD", [_, ..]) => Some(format!("{out} CMD {}", json_list(words))),
            _ => None,
        }
    }

    /// Breaks lines that are longer than the builder reads. Heredocs never are.
    pub fn fold(&self, text: &str) -> String {
        if text.lines().all(|line| line.len() <= LINE) {
            return text.to_owned();
        }
        let mut out = String::with_capacity(text.len() + text.len() / LINE * 2);
        for (i, line) in text.split('\n').enumerate() {
            if i > 0 {
                out.push('\n');
            }
            let mut since = 0;
            let mut before = ' ';
            for c in line.chars() {
                // A new line must not look like a comment, nor be empty, nor may an escape be torn apart.
                let safe = !matches!(c, '#' | ' ' | '\t') && before != self.escape;
                if since > LINE && safe && c != self.escape && !c.is_whitespace() {
                    out.push(self.escape);
                    out.push('\n');
                    since = 0;
                }
                out.push(c);
                since += c.len_utf8();
                before = c;
            }
        }
        out
    }
}

/// Whether the builder takes a text for a list: what follows one it does not look at.
fn begins_with_list(text: &str) -> bool {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
    text.starts_with('[') && matches!(values.next(), Some(Ok(_)))
}

/// A JSON list of strings in one line, with no character that a terminal would act on.
pub fn json_list(words: &[String]) -> String {
    let mut out = String::from("[");
    for (i, word) in words.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push('"');
        for c in word.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\t' => out.push_str("\\t"),
                '\r' => out.push_str("\\r"),
                c if crate::escape::text(c.encode_utf8(&mut [0; 4]))
                    != *c.encode_utf8(&mut [0; 4]) =>
                {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        out.push_str(&format!("\\u{unit:04x}"));
                    }
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
    out.push(']');
    out
}

/// A script as a heredoc whose end is not in it.
fn heredoc(script: &str) -> String {
    let mut name = String::from("EOF");
    let mut number = 1;
    while script.lines().any(|line| line == name) {
        number += 1;
        name = format!("EOF{number}");
    }
    // The first bytes `#!` would make it a program of its own instead of a text for the shell.
    let guard = if script.starts_with("#!") { "\n" } else { "" };
    let end = if script.ends_with('\n') || script.is_empty() {
        ""
    } else {
        "\n"
    };
    format!("RUN <<{name}\n{guard}{script}{end}{name}")
}

/// Whether the heredocs that a text begins end in it, the last one with the text.
fn is_whole(text: &str) -> bool {
    let Some((first, rest)) = text.split_once('\n') else {
        return false;
    };
    if first.ends_with('\\') || first.trim_start().starts_with(['[', '-']) {
        return false;
    }
    let mut lines = rest.split('\n');
    let mut any = false;
    for word in first.split(' ') {
        let Some((before, name)) = word.split_once("<<") else {
            continue;
        };
        let (name, tabs) = match name.strip_prefix('-') {
            Some(name) => (name, true),
            None => (name, false),
        };
        let name = name.trim_matches(['"', '\'']);
        if !is_plain_key(name) || !before.bytes().all(|byte| byte.is_ascii_digit()) {
            return false;
        }
        any = true;
        let ends = |line: &str| match tabs {
            true => line.trim_start_matches('\t') == name,
            false => line == name,
        };
        if !lines.by_ref().any(ends) {
            return false;
        }
    }
    any && lines.next().is_none()
}

/// Whether a text can stand as it is, line by line.
fn is_short(text: &str) -> bool {
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    text.split('\n').all(|line| line.len() <= LINE) && !text.chars().any(odd)
}

/// A name that needs no quotes, wherever it stands.
pub fn is_plain_key(key: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '/');
    !key.is_empty() && !key.starts_with('-') && key.chars().all(plain)
}

fn is_plain_in_value(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || matches!(c, '_' | '.' | '-' | '/' | ':' | '@' | '%' | '+' | ',' | '=')
}

fn is_copy_flag(flag: &str) -> bool {
    let (name, value) = flag.split_once('=').unwrap_or((flag, "true"));
    let known = [
        "--chown",
        "--chmod",
        "--from",
        "--link",
        "--parents",
        "--exclude",
        "--checksum",
        "--keep-git-dir",
        "--unpack",
    ];
    let plain = |c: char| is_plain_in_value(c) || matches!(c, '*' | '?');
    known.contains(&name) && !value.is_empty() && value.chars().all(plain)
}

/// A port or a range of ports with or without a protocol.
fn is_port(text: &str) -> bool {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
    let number =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok();
    number(first) && number(last) && matches!(protocol, "tcp" | "udp" | "sctp")
}

/// Whether ONBUILD takes it: an instruction with arguments that parses by itself.
fn can_be_trigger(text: &str) -> bool {
    let (word, rest) = text.trim().split_once([' ', '\t']).unwrap_or((text, ""));
    let rest = rest.trim();
    if rest.is_empty() || rest.contains("<<") {
        return false;
    }
    let words = || {
        rest.split_whitespace()
            .filter(|word| !word.starts_with("--"))
    };
    match word.to_ascii_uppercase().as_str() {
        "RUN" | "CMD" | "ENTRYPOINT" => !rest.starts_with('[') || go::quoted_list(rest).is_some(),
        "USER" | "WORKDIR" | "STOPSIGNAL" => true,
        "COPY" | "ADD" => !rest.starts_with('[') && words().count() >= 2 || is_json_list(rest),
        "VOLUME" => !rest.starts_with('[') || is_json_list(rest),
        "EXPOSE" => words().all(is_port),
        "ENV" | "LABEL" => {
            words().all(|word| {
                word.split_once('=').is_some_and(|(key, value)| {
                    is_plain_key(key) && !value.is_empty() && value.chars().all(is_plain_in_value)
                })
            }) || balanced_pairs(rest)
        }
        "ARG" => {
            words().count() == 1
                && words().all(|word| {
                    let (key, value) = word.split_once('=').unwrap_or((word, ""));
                    is_plain_key(key) && value.chars().all(is_plain_in_value)
                })
        }
        "SHELL" => is_json_list(rest),
        _ => false,
    }
}

fn is_json_list(text: &str) -> bool {
    serde_json::from_str::<Vec<String>>(text).is_ok_and(|list| !list.is_empty())
}

/// `KEY="value"` once or more, the values in plain double quotes.
fn balanced_pairs(text: &str) -> bool {
    let mut rest = text.trim();
    while !rest.is_empty() {
        let Some((key, tail)) = rest.split_once("=\"") else {
            return false;
        };
        let Some((value, tail)) = tail.split_once('"') else {
            return false;
        };
        if !is_plain_key(key) || value.contains('\\') || !(tail.is_empty() || tail.starts_with(' '))
        {
            return false;
        }
        rest = tail.trim_start();
    }
    true
}
