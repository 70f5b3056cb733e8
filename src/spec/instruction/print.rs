//! Instructions as the text of a Dockerfile that docker's parser reads back as the same values.
//!
//! The grammar (BuildKit, `frontend/dockerfile/parser`): an instruction is a line; the escape character at the end of a
//! line continues it; a line that starts with `#` is dropped, even within an instruction; leading words that start with
//! `--` are options; a JSON list of strings is the exec form; in RUN, COPY and ADD a word `<<X` begins a heredoc; no
//! line may be longer than 64 KiB.

use super::duration::format_duration;
use super::model::{Command, Copy, Healthcheck, Instruction, Pairs};
use super::shell_lines::shell_lines;
use super::trigger::is_trigger;
use super::words::{is_bare_char, is_bare_word, is_port};

/// Limit on the bytes of a line, with room for the escape character.
const LINE: usize = 60_000;
/// Columns up to which several values stay on one line.
const WIDTH: usize = 100;

/// Prints instructions as the text of a Dockerfile.
#[derive(Debug, Clone, Copy)]
pub struct Printer<'a> {
    /// The escape character: a backslash, for Windows a backquote.
    pub escape: char,
    /// The shell in force at the instruction.
    pub shell: &'a [String],
    /// Allows heredocs: only BuildKit reads them.
    pub heredocs: bool,
}

/// Text of an instruction, and the loss in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Printed {
    /// One or more lines without the last line end; empty for an instruction that cannot be written.
    pub text: String,
    /// Values that the text could not hold, in words.
    pub lost: Vec<String>,
}

impl Printer<'_> {
    /// Prints an instruction.
    pub fn print(&self, instruction: &Instruction) -> Printed {
        let mut lost = Vec::new();
        let text = self.text(instruction, &mut lost).unwrap_or_default();
        if text.is_empty() && lost.is_empty() {
            lost.push(format!(
                "this {} cannot be written in a Dockerfile",
                instruction.keyword()
            ));
        }
        Printed {
            text: self.fold(&text),
            lost,
        }
    }

    /// Tests if a line as written in another Dockerfile can be copied: it is read back as the same line.
    pub fn is_verbatim(&self, line: &str) -> bool {
        self.escape == '\\' && self.is_single_line(line) && !line.contains("<<")
    }

    fn text(&self, instruction: &Instruction, lost: &mut Vec<String>) -> Option<String> {
        let word = instruction.keyword();
        Some(match instruction {
            Instruction::From(image) => format!("FROM {image}"),
            Instruction::Run(command) => return self.run(command),
            Instruction::Cmd(command) | Instruction::Entrypoint(command) => match command {
                Command::Exec(words) => format!("{word} {}", json_list(words)),
                Command::Shell(text) | Command::Script(text) | Command::Heredocs(text) => {
                    match self.is_shell_form(text) {
                        true => format!("{word} {text}"),
                        false => format!("{word} {}", self.in_shell(text)),
                    }
                }
            },
            Instruction::Copy(copy) => return self.copy(copy, lost),
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
            Instruction::OnBuild(text) => {
                if !is_trigger(text) || !self.is_single_line(text) {
                    return None;
                }
                format!("ONBUILD {}", text.trim())
            }
            Instruction::Maintainer(text) => {
                if !self.is_single_line(text) || text.trim_start().starts_with("--") {
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
            Command::Heredocs(text) if self.heredocs && is_complete(text) && lines_fit(text) => {
                return Some(format!("RUN {text}"));
            }
            Command::Heredocs(text) | Command::Script(text) => (text, true),
            Command::Shell(text) => (text, text.contains('\n')),
        };
        if script && self.heredocs && lines_fit(text) {
            return Some(heredoc(text));
        }
        if text.trim().is_empty() {
            return None;
        }
        if !self.is_shell_form(text) || text.contains("<<") {
            return Some(format!("RUN {}", self.in_shell(text)));
        }
        let lines = match self.is_posix_shell() {
            true => shell_lines(text.trim()),
            false => vec![text.trim().to_owned()],
        };
        let separator = format!(" {}\n    ", self.escape);
        Some(format!("RUN {}", lines.join(&separator)))
    }

    /// Tests if the shell is a POSIX shell by its name: its blanks, `&&` and `;` are known.
    fn is_posix_shell(&self) -> bool {
        let program = self.shell.first().map_or("", String::as_str);
        let name = program.rsplit('/').next().unwrap_or_default();
        matches!(name, "sh" | "bash" | "ash" | "dash" | "ksh" | "zsh")
    }

    /// Returns the exec form of a command line: the same command, whatever characters it has.
    fn in_shell(&self, text: &str) -> String {
        let mut words = self.shell.to_vec();
        words.push(text.to_owned());
        json_list(&words)
    }

    /// Tests if a command line is read back unchanged in the shell form.
    fn is_shell_form(&self, text: &str) -> bool {
        let trimmed = text.trim();
        self.is_single_line(text) && !begins_with_list(trimmed) && !trimmed.starts_with("--")
    }

    /// Tests for one line that is not blank, has no control characters and does not continue on the next.
    fn is_single_line(&self, text: &str) -> bool {
        !text.trim().is_empty()
            && !text.trim_end().ends_with(self.escape)
            && !text.chars().any(|c| c != '\t' && c.is_control())
    }

    /// Escapes a word or path, so that nothing in it is expanded.
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

    /// Escapes a value that takes the rest of its line; `None` for one that cannot be written.
    fn line(&self, text: &str) -> Option<String> {
        let text = text.trim();
        let fits = !text.is_empty() && !text.chars().any(char::is_control);
        fits.then(|| self.word(text))
    }

    /// Returns a value in double quotes.
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

    /// Returns a value in double quotes, with `\n` for line breaks, which a Dockerfile cannot hold.
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
            if is_bare_word(key) {
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
            if !is_bare_word(name) {
                lost.push(format!(
                    "the name '{name}' cannot be written in a Dockerfile"
                ));
                continue;
            }
            lines.push(match value {
                None => format!("ARG {name}"),
                Some(value) if value.chars().all(is_bare_char) => {
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
        let is_bare = |word: &&str| {
            !word.is_empty()
                && !word.chars().any(|c| c.is_whitespace() || c.is_control())
                && !word.starts_with(['[', '-'])
                && !word.contains("<<")
        };
        let escaped: Vec<String> = words.iter().map(|word| self.word(word)).collect();
        // The JSON form holds words with blanks and words that would begin a list or a heredoc.
        let joined = escaped.join(" ");
        match words.iter().all(is_bare) && !joined.ends_with(self.escape) {
            true => Some(format!("{out} {joined}")),
            false => Some(format!("{out} {}", json_list(&escaped))),
        }
    }

    /// Returns a heredoc source with its target and body: the word after `<<` is delimiter and file name.
    fn copied_text(&self, name: &str, body: &str, destination: &str) -> Option<String> {
        let fits = is_bare_word(name)
            && self.heredocs
            && body.ends_with('\n')
            && lines_fit(body)
            && !body.lines().any(|line| line == name)
            && !destination.contains(char::is_whitespace)
            && !destination.contains(char::is_control)
            && !destination.starts_with('-');
        fits.then(|| format!("<<\"{name}\" {}\n{body}{name}", self.word(destination)))
    }

    fn healthcheck(&self, health: &Healthcheck, lost: &mut Vec<String>) -> Option<String> {
        let mut out = String::from("HEALTHCHECK");
        let (kind, words) = health.test.split_first()?;
        if kind == "NONE" {
            return Some(out + " NONE");
        }
        for (name, nanos) in Healthcheck::TIME_FLAGS.iter().zip(health.times()) {
            if nanos > 0 {
                out.push_str(&format!(" --{name}={}", format_duration(nanos)));
            }
        }
        if health.retries > 0 {
            out.push_str(&format!(" --retries={}", health.retries));
        }
        match (kind.as_str(), words) {
            ("CMD-SHELL", [text]) if self.is_shell_form(text) => {
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

    /// Breaks lines that are longer than docker's parser reads; lines of heredocs never are.
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
                // A new line must not look like a comment nor be empty; an escape must stay in one piece.
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

/// Tests if docker's parser reads a text as a list: it ignores text after one.
fn begins_with_list(text: &str) -> bool {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>();
    text.starts_with('[') && matches!(values.next(), Some(Ok(_)))
}

/// Returns a JSON list of strings in one line, control characters escaped.
fn json_list(words: &[String]) -> String {
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

/// Returns RUN with a script as heredoc; no line of the script equals its delimiter.
fn heredoc(script: &str) -> String {
    let mut name = String::from("EOF");
    let mut number = 1;
    while script.lines().any(|line| line == name) {
        number += 1;
        name = format!("EOF{number}");
    }
    // A heredoc that begins with `#!` is run as a program instead of by the shell.
    let guard = if script.starts_with("#!") { "\n" } else { "" };
    let end = if script.ends_with('\n') || script.is_empty() {
        ""
    } else {
        "\n"
    };
    format!("RUN <<{name}\n{guard}{script}{end}{name}")
}

/// Tests if the heredocs that begin in the first line end in the text, the last one with its last line.
fn is_complete(text: &str) -> bool {
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
        if !is_bare_word(name) || !before.bytes().all(|byte| byte.is_ascii_digit()) {
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

/// Tests if all lines of a text fit in a Dockerfile: no long line, no control characters.
fn lines_fit(text: &str) -> bool {
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    text.split('\n').all(|line| line.len() <= LINE) && !text.chars().any(odd)
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
    let is_allowed = |c: char| is_bare_char(c) || matches!(c, '*' | '?');
    known.contains(&name) && !value.is_empty() && value.chars().all(is_allowed)
}
