//! The forms that entries of the history come in: how to tell them, and their parts.

use super::go;
use super::instruction::{Command, Health};
use crate::spec::History;

/// Whether BuildKit wrote an entry, by its remark.
pub fn is_buildkit(entry: &History) -> bool {
    entry.comment.starts_with("buildkit.")
}

/// Whether a word starts an instruction.
pub fn is_keyword(word: &str) -> bool {
    const KEYWORDS: [&str; 18] = [
        "ADD",
        "ARG",
        "CMD",
        "COPY",
        "ENTRYPOINT",
        "ENV",
        "EXPOSE",
        "FROM",
        "HEALTHCHECK",
        "LABEL",
        "MAINTAINER",
        "ONBUILD",
        "RUN",
        "SHELL",
        "STOPSIGNAL",
        "USER",
        "VOLUME",
        "WORKDIR",
    ];
    KEYWORDS.contains(&word)
}

/// Whether what stands before `#(nop)` is a shell: words, the last one an option.
pub fn is_shell_prefix(before: &str) -> bool {
    before.len() <= 4096
        && !before.contains('\n')
        && (before.trim().is_empty() || before.ends_with(' '))
}

/// Whether a text is the name of a shell and nothing else.
pub fn is_bare_shell(text: &str) -> bool {
    let name = text.rsplit(['/', '\\']).next().unwrap_or_default();
    !text.contains(' ')
        && matches!(
            name,
            "sh" | "bash"
                | "ash"
                | "dash"
                | "zsh"
                | "ksh"
                | "fish"
                | "busybox"
                | "cmd"
                | "cmd.exe"
                | "powershell"
                | "powershell.exe"
                | "pwsh"
        )
}

/// Whether a text begins with a shell and an option that takes a command.
pub fn is_shell_command(text: &str) -> bool {
    let words = exec_words(text);
    words.first().is_some_and(|word| is_bare_shell(word)) && words.len() > 2
}

/// What programs without Dockerfiles write.
pub fn is_foreign(text: &str, author: &str) -> bool {
    const BEGINNINGS: [&str; 22] = [
        "bazel build",
        "jib-",
        "apko",
        "ko build",
        "ko publish",
        "umoci ",
        "KIWI",
        "buildpack",
        "Buildpack",
        "Application Image",
        "Application Layer",
        "Software Bill-of-Materials",
        "Launcher Config",
        "Process Types",
        "nix",
        "store paths:",
        "Apply image ",
        "Install update ",
        "crane ",
        "mkosi",
        "# ",
        "Layer: ",
    ];
    const AUTHORS: [&str; 5] = [
        "Bazel",
        "Jib",
        "apko",
        "github.com/ko-build/ko",
        "github.com/google/ko",
    ];
    BEGINNINGS.iter().any(|start| text.starts_with(start)) || AUTHORS.contains(&author)
}

/// The words of a command in the exec form, as far as they can be told: a shell takes all of the rest as one.
pub fn exec_words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim();
    let mut in_shell = false;
    while !rest.is_empty() {
        let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
        if words.is_empty() {
            in_shell = is_bare_shell(word);
        }
        words.push(word.to_owned());
        rest = after.trim_start();
        let takes_text = word.starts_with('-') && !word.starts_with("--") && word.ends_with('c')
            || word.eq_ignore_ascii_case("/c")
            || word.eq_ignore_ascii_case("-command");
        if in_shell && takes_text && words.len() > 1 && !rest.is_empty() {
            words.push(rest.to_owned());
            return words;
        }
    }
    words
}

/// The words of a shell, as in `SHELL`: with PowerShell the text behind `-Command` is one.
pub fn shell_words(text: &str) -> Vec<String> {
    exec_words(text)
}

/// The text of a RUN: one line, a script, or a command line with heredocs.
pub fn script(text: &str) -> Command {
    let Some((first, _)) = text.split_once('\n') else {
        return Command::Shell(text.to_owned());
    };
    match first.contains("<<") {
        true => Command::Heredocs(text.to_owned()),
        false => Command::Script(text.to_owned()),
    }
}

/// What stands between brackets, if there are any.
pub fn unbracketed(value: &str) -> &str {
    value
        .strip_prefix('[')
        .and_then(|value| value.strip_suffix(']'))
        .unwrap_or(value)
}

/// `map[80/tcp:{} 443/tcp:{}]`, `[80/tcp]`, `80/tcp 443/tcp`.
pub fn ports(value: &str) -> Vec<String> {
    let inner = value.strip_prefix("map").unwrap_or(value);
    let words = unbracketed(inner).split([' ', ',']);
    let words = words.map(|word| word.strip_suffix(":{}").unwrap_or(word).trim_matches('"'));
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// `["CMD-SHELL" "x"] "30s" "3s" "5s" "0s" '\x03'`, with two, three or four durations.
pub fn printed_health(inner: &str) -> Option<Health> {
    let (test, mut rest) = go::quoted_list(inner)?;
    let mut health = Health {
        test,
        ..Health::default()
    };
    let mut at = 0;
    loop {
        rest = rest.trim_start();
        if rest.starts_with('\'') {
            let (retries, end) = go::rune(rest)?;
            health.retries = retries;
            return end.is_empty().then_some(health);
        }
        let (time, after) = go::quoted(rest)?;
        *health.times.get_mut(at)? = go::duration(&time)?;
        at += 1;
        rest = after;
    }
}

/// The instruction as it stands in a Dockerfile.
pub fn written_health(value: &str) -> Option<Health> {
    let mut health = Health::default();
    let mut rest = value.trim();
    while rest.starts_with("--") {
        let (flag, after) = rest.split_once(' ')?;
        let (name, value) = flag.split_once('=')?;
        let names = [
            "--interval",
            "--timeout",
            "--start-period",
            "--start-interval",
        ];
        match names.iter().position(|known| *known == name) {
            Some(i) => *health.times.get_mut(i)? = go::duration(value)?,
            None if name == "--retries" => health.retries = value.parse().ok()?,
            None => return None,
        }
        rest = after.trim_start();
    }
    if rest == "NONE" {
        health.test = vec!["NONE".to_owned()];
        return Some(health);
    }
    let command = rest.strip_prefix("CMD")?;
    if !command.starts_with([' ', '\t', '[']) {
        let text = command.strip_prefix("-SHELL ")?;
        health.test = vec!["CMD-SHELL".to_owned(), text.trim().to_owned()];
        return Some(health);
    }
    let command = command.trim();
    health.test = match go::quoted_list(command) {
        Some((words, "")) => std::iter::once("CMD".to_owned()).chain(words).collect(),
        _ => vec!["CMD-SHELL".to_owned(), command.to_owned()],
    };
    Some(health)
}

/// Takes the options of RUN off what was typed behind it: words in front that begin with `--`.
pub fn run_options(text: &str) -> (Vec<&str>, &str) {
    let mut options = Vec::new();
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start_matches([' ', '\t']);
        let end = trimmed.find([' ', '\t']).unwrap_or(trimmed.len());
        let (word, after) = trimmed.split_at(end);
        let known = ["--mount=", "--network=", "--security=", "--device="];
        if !known.iter().any(|name| word.starts_with(name)) || after.is_empty() {
            // Blanks in front stay with a command that has none.
            return match options.is_empty() {
                true => (options, text),
                false => (options, trimmed),
            };
        }
        options.push(word);
        rest = after;
    }
}

/// A command of buildah's without the checksums of what was mounted for it.
pub fn without_sums(command: &str) -> &str {
    let mut rest = command;
    while let Some((before, sum)) = rest.rsplit_once(":sha256:") {
        let is_sum =
            sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit()) || sum == "…";
        // The body of a heredoc or the place of a mount stands before it.
        match (is_sum, before.rsplit_once('\n')) {
            (true, Some((command, _))) => rest = command,
            (true, None) => return before,
            (false, _) => break,
        }
    }
    rest
}

/// What buildah appends to entries: `|inheritLabels=false`, `|force-mtime=…`.
pub fn without_tails(value: &str) -> (&str, Vec<&str>) {
    let mut rest = value;
    let mut dropped = Vec::new();
    while let Some((before, tail)) = rest.rsplit_once('|') {
        let known = tail.split_once('=').is_some_and(|(key, _)| {
            matches!(
                key,
                "unsetLabel"
                    | "inheritLabels"
                    | "force-mtime"
                    | "unsetAnnotation"
                    | "inheritAnnotations"
                    | "annotations"
                    | "annotation"
                    | "rewrite-timestamp"
                    | "setAnnotation"
                    | "source-date-epoch"
            )
        });
        if !known {
            break;
        }
        dropped.push(tail);
        rest = before.trim_end();
    }
    dropped.reverse();
    (rest, dropped)
}
