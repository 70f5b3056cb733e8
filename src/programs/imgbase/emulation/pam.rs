//! `/etc/pam.d/common-*`, as `pam-auth-update --package` of libpam-runtime makes them on a first installation.

use std::collections::{BTreeMap, BTreeSet};

use super::editor::TreeEditor;
use crate::error::Result;

const PROFILES: &str = "usr/share/pam-configs";
const TYPES: &str = "auth account password session session-noninteractive";

/// Fields of a profile; lines of a field are joined by newlines.
type Profile = BTreeMap<String, String>;

/// Writes the PAM configuration and the state of pam-auth-update, unless the state exists.
pub(super) fn make(editor: &mut TreeEditor<'_>) -> Result<()> {
    let mut profiles: BTreeMap<String, Profile> = BTreeMap::new();
    for name in editor.children(PROFILES) {
        // Backup files of editors.
        if name.ends_with('~') || name.starts_with('#') && name.ends_with('#') {
            continue;
        }
        if let Some(text) = editor.text(&format!("{PROFILES}/{name}"))? {
            profiles.insert(name, profile(&text));
        }
    }
    if profiles.is_empty() || editor.exists("var/lib/pam/seen") {
        return Ok(());
    }
    let priority = |name: &String| -> i64 {
        let text = profiles[name].get("Priority");
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    };
    let mut sorted: Vec<&String> = profiles.keys().collect();
    sorted.sort_by(|a, b| priority(b).cmp(&priority(a)).then_with(|| b.cmp(a)));
    let mut enabled: Vec<&String> = sorted
        .iter()
        .copied()
        .filter(|name| profiles[*name].get("Default").map(String::as_str) == Some("yes"))
        .collect();
    // Of two conflicting profiles the one with the higher priority is kept.
    let mut dropped: BTreeSet<String> = BTreeSet::new();
    for name in &enabled {
        let conflicts = profiles[*name].get("Conflicts");
        if let Some(conflicts) = conflicts.filter(|_| !dropped.contains(*name)) {
            dropped.extend(conflicts.split(", ").map(str::to_owned));
        }
    }
    enabled.retain(|name| !dropped.contains(*name));

    let mut files = Vec::new();
    for kind in TYPES.split(' ') {
        let target = format!("etc/pam.d/common-{kind}");
        let Some(template) = editor.text(&format!("usr/share/pam/common-{kind}"))? else {
            continue;
        };
        if !editor.exists(&target) {
            files.push((target, fill(&template, kind, &profiles, &enabled)));
        }
        files.push((
            format!("var/lib/pam/{kind}"),
            state(kind, &profiles, &enabled),
        ));
    }
    let seen = sorted.iter().map(|name| format!("{name}\n")).collect();
    files.push(("var/lib/pam/seen".to_owned(), seen));
    for (path, text) in files {
        editor.write(&path, text)?;
    }
    Ok(())
}

/// Parses a profile.
fn profile(text: &str) -> Profile {
    let mut profile = Profile::new();
    let mut field = String::new();
    for line in text.lines() {
        let head = line.split_once(':').filter(|(name, value)| {
            !name.is_empty()
                && !name.contains(char::is_whitespace)
                && value.starts_with(char::is_whitespace)
                && !value.trim().is_empty()
        });
        let alone = line
            .strip_suffix(':')
            .filter(|name| !name.contains(char::is_whitespace));
        if let Some((name, value)) = head {
            field = name.trim_end_matches("-Final").to_owned();
            profile.insert(field.clone(), value.trim().to_owned());
        } else if let Some(name) = alone.filter(|name| !name.is_empty()) {
            field = name.trim_end_matches("-Final").to_owned();
            profile.insert(field.clone(), String::new());
        } else if !line.trim().is_empty() {
            let value = profile.entry(field.clone()).or_default();
            if !value.is_empty() {
                value.push('\n');
            }
            value.push_str(line.trim());
        }
    }
    if !profile.contains_key("Session-Interactive-Only") {
        for part in ["-Type", "", "-Initial"] {
            if let Some(value) = profile.get(&format!("Session{part}")).cloned() {
                profile.insert(format!("Session-noninteractive{part}"), value);
            }
        }
    }
    profile
}

/// Returns the field of a type: `Session-noninteractive` for `session-noninteractive`.
fn field_of(kind: &str) -> String {
    let mut field = kind.to_owned();
    if let Some(first) = field.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    field
}

/// Returns the profiles of a block, and their lines; the first profile may have different lines.
fn block<'p>(
    kind: &str,
    value: &str,
    profiles: &'p BTreeMap<String, Profile>,
    enabled: &[&'p String],
) -> Vec<(&'p String, Vec<&'p str>)> {
    let field = field_of(kind);
    let mut found = Vec::new();
    for name in enabled {
        let profile = &profiles[*name];
        if profile.get(&format!("{field}-Type")).map(String::as_str) != Some(value) {
            continue;
        }
        let initial = profile.get(&format!("{field}-Initial"));
        let lines = initial
            .filter(|_| found.is_empty())
            .or_else(|| profile.get(&field));
        let lines = lines.map_or("", String::as_str);
        found.push((
            *name,
            lines.split('\n').filter(|line| !line.is_empty()).collect(),
        ));
    }
    found
}

/// Fills the blocks of a template.
fn fill(
    template: &str,
    kind: &str,
    profiles: &BTreeMap<String, Profile>,
    enabled: &[&String],
) -> String {
    let word = kind.trim_end_matches("-noninteractive");
    let mut text = String::new();
    let mut skipping = false;
    for line in template.lines() {
        if line.starts_with("# here's the fallback if no module succeeds")
            || line.starts_with("# end of pam-auth-update config")
        {
            skipping = false;
        }
        if skipping {
            continue;
        }
        text.push_str(line);
        text.push('\n');
        let primary =
            line.starts_with("# here are the per-package modules (the \"Primary\" block)");
        if !primary
            && !line
                .starts_with("# and here are more per-package modules (the \"Additional\" block)")
        {
            continue;
        }
        skipping = true;
        let value = if primary { "Primary" } else { "Additional" };
        let found = block(kind, value, profiles, enabled);
        let lines = found.iter().flat_map(|(_, lines)| lines);
        let mut left = lines.clone().count();
        // A jump in the second block must not leave the stack.
        left = left.saturating_sub(usize::from(!primary));
        if primary && left == 0 {
            text.push_str(&format!("{word}\t[default=1]\t\t\tpam_permit.so\n"));
        }
        for line in lines {
            text.push_str(&format!("{word}\t{}\n", with_jump(line, left)));
            left = left.saturating_sub(1);
        }
    }
    text
}

/// Returns a line of a profile with the number of lines to jump for `end`, and its options separated by single blanks.
fn with_jump(line: &str, left: usize) -> String {
    // Control in brackets or one word, module, options.
    let control = match line.starts_with('[') {
        true => line.find(']').map_or(line.len(), |end| end + 1),
        false => line.find(char::is_whitespace).unwrap_or(line.len()),
    };
    let rest = &line[control..];
    let module = rest.len() - rest.trim_start().len();
    let end = rest[module..]
        .find(char::is_whitespace)
        .map_or(rest.len(), |end| module + end);
    let (head, options) = line.split_at(control + end);
    let options: Vec<&str> = options.split_whitespace().collect();
    format!(
        "{} {}",
        head.replace("end", &left.to_string()),
        options.join(" ")
    )
}

/// Returns the state by which pam-auth-update recognizes its own lines.
fn state(kind: &str, profiles: &BTreeMap<String, Profile>, enabled: &[&String]) -> String {
    let mut text = String::new();
    let primary = block(kind, "Primary", profiles, enabled);
    if primary.is_empty() {
        text.push_str("Module: null\n[default=1]\t\t\tpam_permit.so\n");
    }
    for (name, lines) in primary
        .iter()
        .chain(&block(kind, "Additional", profiles, enabled))
    {
        if !lines.is_empty() {
            text.push_str(&format!("Module: {name}\n{}\n", lines.join("\n")));
        }
    }
    text
}
