//! What the history says and the image does not bear out, and secrets that it gives away.

use super::instruction::{Certainty, Command, Copy, Instruction};
use super::layers::{Facts, Links};
use super::settings::Settings;
use super::{Finding, Line};
use crate::spec::join_paths;
use crate::spec::{History, Timestamp};

/// A copy whose target its layer does not have.
pub fn copy(copy: &Copy, workdir: &str, facts: &Facts, links: &Links) -> Option<String> {
    let destination = copy.destination.as_str();
    // What a variable stood for is not known, nor what too many paths hold. Where nothing was new, as where the same file
    // was there before, BuildKit's layer is empty or has the directories on the way.
    if destination.contains('$') || facts.cut || !facts.has_news() {
        return None;
    }
    let target = join_paths(workdir, destination);
    let path = links.resolve(&target);
    let here = facts.has(&path) || facts.has(target.trim_start_matches('/').as_bytes());
    (!here).then(|| {
        let word = if copy.add { "ADD" } else { "COPY" };
        format!("{word} to {target}, where its layer has nothing")
    })
}

/// Times that run backwards.
pub fn times(history: &[History]) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut last: Option<(usize, Timestamp)> = None;
    for (i, entry) in history.iter().enumerate() {
        let time = entry.created.as_deref().and_then(Timestamp::parse);
        // Fixed times of reproducible builds are no times.
        let Some(time) = time.filter(|time| time.seconds() > 0) else {
            continue;
        };
        if let Some((before, earlier)) = last
            && time.nanoseconds() < earlier.nanoseconds()
        {
            out.push(Finding {
                kind: "time",
                entry: Some(i + 1),
                layer: None,
                text: format!(
                    "entry {} says it was made at {}, before entry {} below it ({})",
                    i + 1,
                    time.rfc3339(),
                    before + 1,
                    earlier.rfc3339()
                ),
            });
        }
        last = Some((i, time));
    }
    out
}

/// Settings that the history makes and the config does not have.
///
/// A container that was committed may have changed any of them, so then only what is gone counts.
pub fn settings(said: &Settings, known: &Settings, committed: bool) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut say = |kind: &'static str, text: String| {
        out.push(Finding {
            kind,
            entry: None,
            layer: None,
            text,
        });
    };
    for (key, value) in &said.env {
        match known.env.iter().find(|(name, _)| name == key) {
            None => say("env", format!("ENV {key} is not in the config")),
            Some((_, actual)) if actual != value => {
                say("env", format!("ENV {key} has another value in the config"));
            }
            Some(_) => {}
        }
    }
    if committed {
        out.retain(|finding| finding.text.ends_with("not in the config"));
        return out;
    }
    let mut say = |kind: &'static str, text: String| {
        out.push(Finding {
            kind,
            entry: None,
            layer: None,
            text,
        });
    };
    for (key, value) in &said.labels {
        match known.labels.iter().find(|(name, _)| name == key) {
            // Some tools leave labels without a value out.
            None if !value.is_empty() => say("label", format!("LABEL {key} is not in the config")),
            Some((_, actual)) if actual != value => {
                say(
                    "label",
                    format!("LABEL {key} has another value in the config"),
                );
            }
            _ => {}
        }
    }
    for (word, said, known) in [
        ("USER", &said.user, &known.user),
        ("STOPSIGNAL", &said.stop_signal, &known.stop_signal),
    ] {
        if !said.is_empty() && said != known {
            let kind = if word == "USER" { "user" } else { "stopsignal" };
            say(kind, format!("{word} {said} is not what the config has"));
        }
    }
    let root = |path: &str| {
        if path.is_empty() {
            "/".to_owned()
        } else {
            join_paths("/", path)
        }
    };
    if !said.workdir.is_empty() && root(&said.workdir) != root(&known.workdir) {
        say(
            "workdir",
            format!("WORKDIR {} is not what the config has", said.workdir),
        );
    }
    if !said.entrypoint.is_empty() && said.entrypoint != known.entrypoint {
        say("entrypoint", "ENTRYPOINT is not what the config has".into());
    }
    if !said.cmd.is_empty() && said.cmd != known.cmd {
        say("cmd", "CMD is not what the config has".into());
    }
    out
}

/// Paths that a RUN mentions, worth looking for in the layers: some file of a mount leaves no trace.
pub fn mentioned(command: &Command) -> Vec<String> {
    let text = match command {
        Command::Shell(text) | Command::Script(text) | Command::Heredocs(text) => text.clone(),
        Command::Exec(words) => words.join(" "),
    };
    let mut out: Vec<String> = Vec::new();
    let is_end = |c: char| c.is_whitespace() || "\"'`;&|<>(){}=,:".contains(c);
    for word in text.split(is_end) {
        let path = word.trim_end_matches(['/', '.']);
        let plain = path
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"/._-+".contains(&byte));
        let deep = path.starts_with('/') && path.matches('/').count() >= 2 && !path.contains("//");
        let passing = ["/dev/", "/proc/", "/sys/"]
            .iter()
            .any(|start| path.starts_with(start));
        if plain && deep && !passing && path.len() <= 256 && !out.iter().any(|known| known == path)
        {
            out.push(path.to_owned());
            if out.len() == 20 {
                break;
            }
        }
    }
    out
}

/// Whether a command reads a file that was there before: its first mention is a source of what copies, shows or runs it.
pub fn reads(command: &Command, path: &str) -> bool {
    let text = match command {
        Command::Shell(text) | Command::Script(text) | Command::Heredocs(text) => text.clone(),
        Command::Exec(words) => words.join(" "),
    };
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

/// Looks for secrets in build arguments and in the environment.
pub fn secrets(lines: &[Line]) -> Vec<Finding> {
    let mut out: Vec<Finding> = Vec::new();
    let mut seen: Vec<(String, String)> = Vec::new();
    for line in lines {
        let mut pairs: Vec<(&str, &str, &str)> = Vec::new();
        for (name, value) in &line.build_args {
            pairs.push(("build argument", name, value));
        }
        match &line.instruction {
            Instruction::Arg(args) => {
                for (name, value) in args {
                    pairs.push(("build argument", name, value.as_deref().unwrap_or_default()));
                }
            }
            Instruction::Env(env) => {
                pairs.extend(
                    env.iter()
                        .map(|(name, value)| ("ENV", name.as_str(), value.as_str())),
                );
            }
            _ => {}
        }
        for (what, name, value) in pairs {
            let key = (name.to_owned(), value.to_owned());
            let Some(why) = secret(name, value) else {
                continue;
            };
            if seen.len() < 1000 && !seen.contains(&key) {
                seen.push(key);
                out.push(Finding {
                    kind: "secret",
                    entry: line.entry,
                    layer: line.layer,
                    text: format!(
                        "the value of the {what} {name} looks like a secret ({why}): {}",
                        masked(value)
                    ),
                });
            }
        }
    }
    out
}

/// The first characters of a value, and how long it is.
fn masked(value: &str) -> String {
    let shown: String = value.chars().take(2).collect();
    format!("{shown}… ({} characters)", value.chars().count())
}

/// Why a value looks like a secret.
pub fn secret(name: &str, value: &str) -> Option<&'static str> {
    if value.len() < 4 {
        return None;
    }
    const STARTS: [(&str, &str); 16] = [
        ("AKIA", "an access key of AWS"),
        ("ASIA", "an access key of AWS"),
        ("ghp_", "a token of GitHub"),
        ("gho_", "a token of GitHub"),
        ("ghs_", "a token of GitHub"),
        ("github_pat_", "a token of GitHub"),
        ("glpat-", "a token of GitLab"),
        ("xoxb-", "a token of Slack"),
        ("xoxp-", "a token of Slack"),
        ("npm_", "a token of npm"),
        ("pypi-", "a token of PyPI"),
        ("dckr_pat_", "a token of Docker Hub"),
        ("hvs.", "a token of Vault"),
        ("sk_live_", "a key of Stripe"),
        ("AIza", "a key of Google"),
        ("SG.", "a key of SendGrid"),
    ];
    for (start, why) in STARTS {
        if value.starts_with(start) && value.len() >= start.len() + 12 {
            return Some(why);
        }
    }
    if value.contains("-----BEGIN") && value.contains("PRIVATE KEY") {
        return Some("a private key");
    }
    if value.starts_with("eyJ") && value.matches('.').count() == 2 {
        return Some("a JSON web token");
    }
    if let Some((_, rest)) = value.split_once("://")
        && let Some((user, _)) = rest.split('/').next()?.split_once('@')
        && user
            .split_once(':')
            .is_some_and(|(_, password)| !password.is_empty() && !password.starts_with('$'))
    {
        return Some("a password in a URL");
    }
    let is_reference =
        value.starts_with(['/', '$']) || matches!(value, "true" | "false" | "none" | "null");
    let name = name.to_ascii_lowercase().replace('-', "_");
    const NAMES: [&str; 13] = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "apikey",
        "api_key",
        "access_key",
        "private_key",
        "credential",
        "auth_key",
        "encryption_key",
        "signing_key",
    ];
    let word = |part: &str| name.split('_').any(|word| word == part);
    // Names of files, and of where to get one, are no secrets.
    let points = ["_file", "_path", "_url", "_dir", "_id", "_name", "_type"]
        .iter()
        .any(|end| name.ends_with(end));
    if !is_reference
        && !points
        && (NAMES.iter().any(|part| name.contains(part)) || word("pwd") || word("pass"))
    {
        return Some("by its name");
    }
    None
}

/// What a line whose layer contradicts it is worth.
pub fn worst(a: Certainty, b: Certainty) -> Certainty {
    a.max(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_by_name_or_form() {
        for (name, value, is) in [
            ("NPM_TOKEN", "abcdef123456", true),
            ("X", "npm_0123456789abcdef", true),
            ("X", "ghp_0123456789abcdef", true),
            ("DB_PASSWORD", "hunter2!", true),
            ("DB_PASSWORD_FILE", "/run/secrets/db", false),
            ("DB_PASSWORD", "$OTHER", false),
            ("MYSQL_PWD", "hunter2!", true),
            ("PWD", "/app", false),
            ("VERSION", "1.2.3", false),
            ("PROXY", "http://user:pass@proxy:3128", true),
            ("PROXY", "http://proxy:3128/a@b", false),
            ("JWT", "eyJhbGciOi.eyJzdWIiOi.c2ln", true),
            ("TOKEN", "x", false),
        ] {
            assert_eq!(secret(name, value).is_some(), is, "{name}={value}");
        }
    }
}
