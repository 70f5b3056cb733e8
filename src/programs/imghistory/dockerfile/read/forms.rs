//! Notations in history entries: their detection and their parts.

use crate::spec::History;
use crate::spec::instruction::{Command, Healthcheck, go, parse_duration};

/// Tests if BuildKit wrote an entry, by its comment.
pub fn is_buildkit(entry: &History) -> bool {
    entry.comment.starts_with("buildkit.")
}

/// Tests if the text before `#(nop)` is a shell: words, the last one an option.
pub fn is_shell_prefix(before: &str) -> bool {
    before.len() <= 4096
        && !before.contains('\n')
        && (before.trim().is_empty() || before.ends_with(' '))
}

/// Tests for the name of a shell and nothing else.
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

/// Tests if a text begins with a shell and an option that takes a command.
pub fn is_shell_command(text: &str) -> bool {
    let words = exec_words(text);
    words.first().is_some_and(|word| is_bare_shell(word)) && words.len() > 2
}

/// Tests for an entry of a program without Dockerfiles.
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

/// Splits a command into the words of the exec form, as far as they are known: the command line of a shell, or the text
/// after PowerShell's `-Command`, is one word.
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

/// Returns the command of a RUN: one line, a script, or a command line with heredocs.
pub fn script(text: &str) -> Command {
    let Some((first, _)) = text.split_once('\n') else {
        return Command::Shell(text.to_owned());
    };
    match first.contains("<<") {
        true => Command::Heredocs(text.to_owned()),
        false => Command::Script(text.to_owned()),
    }
}

/// Removes brackets around a text, if there are any.
pub fn unbracketed(value: &str) -> &str {
    value
        .strip_prefix('[')
        .and_then(|value| value.strip_suffix(']'))
        .unwrap_or(value)
}

/// Reads the ports of `map[80/tcp:{} 443/tcp:{}]`, `[80/tcp]` or `80/tcp 443/tcp`.
pub fn ports(value: &str) -> Vec<String> {
    let inner = value.strip_prefix("map").unwrap_or(value);
    let words = unbracketed(inner).split([' ', ',']);
    let words = words.map(|word| word.strip_suffix(":{}").unwrap_or(word).trim_matches('"'));
    words
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Reads a duration in Go's notation; returns nanoseconds.
pub fn duration(text: &str) -> Option<u64> {
    u64::try_from(parse_duration(text).ok()?).ok()
}

/// Reads `["CMD-SHELL" "x"] "30s" "3s" "5s" "0s" '\x03'`, with two, three or four durations.
pub fn printed_health(inner: &str) -> Option<Healthcheck> {
    let (test, mut rest) = go::quoted_list(inner)?;
    let mut health = Healthcheck {
        test,
        ..Healthcheck::default()
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
        **health.times_mut().get_mut(at)? = duration(&time)?;
        at += 1;
        rest = after;
    }
}

/// Reads the arguments of HEALTHCHECK as written in a Dockerfile.
pub fn written_health(value: &str) -> Option<Healthcheck> {
    let mut health = Healthcheck::default();
    let mut rest = value.trim();
    while rest.starts_with("--") {
        let (flag, after) = rest.split_once(' ')?;
        let (name, value) = flag.split_once('=')?;
        let name = name.strip_prefix("--")?;
        match Healthcheck::TIME_FLAGS
            .iter()
            .position(|flag| *flag == name)
        {
            Some(i) => *health.times_mut()[i] = duration(value)?,
            None if name == "retries" => health.retries = value.parse().ok()?,
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

/// Splits off the options of RUN: leading words that begin with `--`.
pub fn run_options(text: &str) -> (Vec<&str>, &str) {
    let mut options = Vec::new();
    let mut rest = text;
    loop {
        let trimmed = rest.trim_start_matches([' ', '\t']);
        let end = trimmed.find([' ', '\t']).unwrap_or(trimmed.len());
        let (word, after) = trimmed.split_at(end);
        let known = ["--mount=", "--network=", "--security=", "--device="];
        if !known.iter().any(|name| word.starts_with(name)) || after.is_empty() {
            // A command without options keeps its leading blanks.
            return match options.is_empty() {
                true => (options, text),
                false => (options, trimmed),
            };
        }
        options.push(word);
        rest = after;
    }
}

/// Removes the checksums of mounts that buildah appends to a command.
pub fn without_sums(command: &str) -> &str {
    let mut rest = command;
    while let Some((before, sum)) = rest.rsplit_once(":sha256:") {
        let is_sum =
            sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit()) || sum == "…";
        // The body of a heredoc or the target of a mount precedes it.
        match (is_sum, before.rsplit_once('\n')) {
            (true, Some((command, _))) => rest = command,
            (true, None) => return before,
            (false, _) => break,
        }
    }
    rest
}

/// Splits off the options that buildah appends to entries: `|inheritLabels=false`, `|force-mtime=…`.
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
