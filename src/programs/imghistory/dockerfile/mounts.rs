//! Files of mounts: commands mention them, and no layer has them.

use super::layer_facts::Links;
use super::line::Line;
use crate::spec::instruction::{Command, Instruction};

/// Returns the absolute paths that a command mentions, at most 20.
pub fn mentioned_paths(command: &Command) -> Vec<String> {
    let text = command.text();
    let mut out: Vec<String> = Vec::new();
    let is_end = |c: char| c.is_whitespace() || "\"'`;&|<>(){}=,:".contains(c);
    for word in text.split(is_end) {
        let path = word.trim_end_matches(['/', '.']);
        let is_simple = path
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte));
        let is_deep =
            path.starts_with('/') && path.matches('/').count() >= 2 && !path.contains("//");
        let is_virtual = ["/dev/", "/proc/", "/sys/"]
            .iter()
            .any(|start| path.starts_with(start));
        if is_simple
            && is_deep
            && !is_virtual
            && path.len() <= 256
            && !out.iter().any(|known| known == path)
        {
            out.push(path.to_owned());
            if out.len() == 20 {
                break;
            }
        }
    }
    out
}

/// Tests if a command reads an existing file: its first mention is a source of a command that copies, prints or runs it.
fn reads(command: &Command, path: &str) -> bool {
    let text = command.text();
    let part = text
        .split(['&', ';', '|', '\n', '(', ')'])
        .find(|part| part.contains(path));
    let Some(part) = part.filter(|part| !part.contains('>')) else {
        return false;
    };
    let is_path = |word: &str| {
        let word = word.trim_matches(['"', '\'']);
        word.strip_prefix(path)
            .is_some_and(|rest| matches!(rest, "" | "/" | "/."))
    };
    let words: Vec<&str> = part
        .split_whitespace()
        .skip_while(|word| word.contains('=') || matches!(*word, "set" | "-e" | "-x" | "-ex"))
        .collect();
    let Some((program, arguments)) = words.split_first() else {
        return false;
    };
    let sources = match program.rsplit('/').next().unwrap_or_default() {
        _ if is_path(program) => return true,
        "cp" | "mv" | "install" => match arguments.split_last() {
            Some((_, sources)) if !arguments.contains(&"-t") => sources,
            _ => return false,
        },
        "." | "source" | "cat" | "sh" | "bash" | "python" | "python3" => arguments,
        _ => return false,
    };
    sources.iter().any(|word| is_path(word))
}

/// Notes the missing files of a RUN: they were probably mounted.
pub fn add_note(line: &mut Line, missing: &[String]) {
    let secret = missing
        .iter()
        .find_map(|path| path.strip_prefix("/run/secrets/"));
    match secret {
        Some(id) => line.notes.push(format!(
            "options of this RUN are not recorded; it probably had --mount=type=secret,id={id}"
        )),
        None => line.remarks.push(format!(
            "options of RUN are not recorded; no layer has {}, which may have been mounted or removed again",
            missing.join(", ")
        )),
    }
}

/// Returns a finding for a RUN that needs files of a mount, which BuildKit does not record.
pub fn lost_mount(line: &Line, missing: &[String], links: &Links) -> Option<String> {
    let Some(Instruction::Run(command)) = line.statement.instruction() else {
        return None;
    };
    let lost = missing.iter().find(|path| {
        // Files that the builder itself mounts, and files behind a link, do not count.
        let is_builders = matches!(
            path.as_str(),
            "/etc/hosts" | "/etc/resolv.conf" | "/etc/hostname"
        );
        let is_linked = links.resolve(path) != path.trim_start_matches('/').as_bytes();
        !is_builders && !is_linked && (path.starts_with("/run/secrets/") || reads(command, path))
    })?;
    Some(format!(
        "RUN reads {lost}, which no layer has: it probably had a --mount, which BuildKit does not record"
    ))
}
