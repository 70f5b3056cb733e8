//! Values that look like secrets.

use super::line::{Finding, Line};
use crate::spec::instruction::Instruction;

/// Finds secrets in build arguments and in the environment.
pub fn find(lines: &[Line]) -> Vec<Finding> {
    let mut out: Vec<Finding> = Vec::new();
    let mut seen: Vec<(String, String)> = Vec::new();
    for line in lines {
        let mut pairs: Vec<(&str, &str, &str)> = Vec::new();
        for (name, value) in &line.build_args {
            pairs.push(("build argument", name, value));
        }
        match line.statement.instruction() {
            Some(Instruction::Arg(args)) => {
                for (name, value) in args {
                    pairs.push(("build argument", name, value.as_deref().unwrap_or_default()));
                }
            }
            Some(Instruction::Env(env)) => {
                pairs.extend(
                    env.iter()
                        .map(|(name, value)| ("ENV", name.as_str(), value.as_str())),
                );
            }
            _ => {}
        }
        for (kind, name, value) in pairs {
            let key = (name.to_owned(), value.to_owned());
            let Some(reason) = secret(name, value) else {
                continue;
            };
            if seen.len() < 1000 && !seen.contains(&key) {
                seen.push(key);
                out.push(Finding {
                    kind: "secret",
                    entry: line.entry_number(),
                    layer: line.layer_number(),
                    text: format!(
                        "the value of the {kind} {name} looks like a secret ({reason}): {}",
                        masked(value)
                    ),
                });
            }
        }
    }
    out
}

/// Returns the first characters of a value, and its length.
fn masked(value: &str) -> String {
    let start: String = value.chars().take(2).collect();
    format!("{start}… ({} characters)", value.chars().count())
}

/// Returns the reason that a value looks like a secret, or `None`.
fn secret(name: &str, value: &str) -> Option<&'static str> {
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
    for (start, reason) in STARTS {
        if value.starts_with(start) && value.len() >= start.len() + 12 {
            return Some(reason);
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
    // Names of files and addresses are not secrets.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_found_by_name_or_form() {
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
