//! `deb-systemd-helper enable` and `update-rc.d`: links that start services, and their state files.
//!
//! Both are for systems that boot. A container does not use the links, but dpkg and later scripts of the packages rely on
//! them.

use std::collections::BTreeSet;

use super::editor::TreeEditor;
use crate::base::rootfs::Node;
use crate::error::Result;

/// Maximum number of units that `Also=` adds.
const MAX_UNITS: usize = 64;

/// `deb-systemd-helper [--quiet] [--user] VERB UNIT...`. Returns whether its result is in the tree now.
pub(super) fn enable(editor: &mut TreeEditor<'_>, args: &[&str]) -> Result<bool> {
    let is_user = args.contains(&"--user");
    let mut words = args.iter().copied().filter(|arg| !arg.starts_with("--"));
    let Some(verb) = words.next() else {
        return Ok(false);
    };
    match verb {
        "enable" => {}
        // On a first installation no unit is masked or disabled, and no state is outdated.
        "unmask" | "update-state" | "purge" => return Ok(true),
        _ => return Ok(false),
    }
    if !editor.exists("usr/bin/deb-systemd-helper") {
        return Ok(true);
    }
    for unit in words {
        let links = closure(editor, unit, is_user)?;
        let state = if is_user {
            "deb-systemd-user-helper-enabled"
        } else {
            "deb-systemd-helper-enabled"
        };
        let state = format!("var/lib/systemd/{state}");
        let directory = if is_user {
            "/etc/systemd/user/"
        } else {
            "/etc/systemd/system/"
        };
        let list: String = links.iter().map(|(link, _)| format!("{link}\n")).collect();
        for (link, target) in &links {
            editor.add(link, Node::symlink(target))?;
            if let Some(inside) = link.strip_prefix(directory) {
                editor.add(&format!("{state}/{inside}"), Node::file(0o644, ""))?;
            }
        }
        editor.add(&format!("{state}/{unit}.dsh-also"), Node::file(0o644, list))?;
    }
    Ok(true)
}

/// Returns the links that enable a unit and those of `Also=`: path and target of each.
fn closure(editor: &TreeEditor<'_>, unit: &str, is_user: bool) -> Result<Vec<(String, String)>> {
    let mut links: Vec<(String, String)> = Vec::new();
    let mut seen = BTreeSet::new();
    let kind = if is_user { "user" } else { "system" };
    let mut waiting = vec![unit.to_owned()];
    while let Some(unit) = waiting.pop() {
        if seen.len() >= MAX_UNITS || unit.contains(['/', '\n']) || !seen.insert(unit.clone()) {
            continue;
        }
        let directories = [
            format!("/lib/systemd/{kind}"),
            format!("/usr/lib/systemd/{kind}"),
            format!("/etc/systemd/{kind}"),
        ];
        // An instance is defined by its template.
        let template = unit.split_once('@').map(|(name, rest)| {
            let suffix = rest.rsplit('.').next().unwrap_or_default();
            format!("{name}@.{suffix}")
        });
        let names = [Some(unit.clone()), template];
        let mut paths = names.iter().flatten().flat_map(|name| {
            directories
                .iter()
                .map(move |directory| format!("{directory}/{name}"))
        });
        let Some(path) = paths.find(|path| editor.exists(path)) else {
            continue;
        };
        let Some(text) = editor.text(&path)? else {
            continue;
        };
        // Aliases first, as in deb-systemd-helper.
        let mut keys = install_section(&text);
        keys.sort_by_key(|(key, _)| *key != "Alias");
        for (key, value) in keys {
            for word in value.split_ascii_whitespace() {
                let word = word.trim_matches(['"', '\'']);
                if word.contains('/') {
                    continue;
                }
                let base = format!("/etc/systemd/{kind}");
                let link = match key {
                    "WantedBy" => format!("{base}/{word}.wants/{unit}"),
                    "RequiredBy" => format!("{base}/{word}.requires/{unit}"),
                    "Alias" if word != unit => format!("{base}/{word}"),
                    "Also" => {
                        waiting.push(word.to_owned());
                        continue;
                    }
                    _ => continue,
                };
                if !links.iter().any(|(known, _)| *known == link) {
                    links.push((link, path.clone()));
                }
            }
        }
    }
    Ok(links)
}

/// Returns the keys and values of the section `[Install]`.
fn install_section(text: &str) -> Vec<(&str, &str)> {
    let mut inside = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            inside = line == "[Install]";
        } else if inside && let Some((key, value)) = line.split_once('=') {
            found.push((key.trim(), value.trim()));
        }
    }
    found
}

/// `update-rc.d NAME defaults`: makes the links of the runlevels in the script's LSB header.
pub(super) fn update_rc(editor: &mut TreeEditor<'_>, args: &[&str]) -> Result<bool> {
    let words: Vec<&str> = args
        .iter()
        .copied()
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let (name, verb) = match words.as_slice() {
        [name, verb, ..] => (*name, *verb),
        _ => return Ok(false),
    };
    let starts = match verb {
        "defaults" => true,
        "defaults-disabled" => false,
        "remove" => return Ok(true),
        _ => return Ok(false),
    };
    let Some(text) = editor.text(&format!("etc/init.d/{name}"))? else {
        // Without the script no link is made.
        return Ok(true);
    };
    if !editor.exists("usr/sbin/update-rc.d") || name.contains('/') {
        return Ok(true);
    }
    let header = text
        .lines()
        .skip_while(|line| !line.starts_with("### BEGIN INIT INFO"));
    let header: Vec<&str> = header
        .take_while(|line| !line.starts_with("### END INIT INFO"))
        .collect();
    let levels = |key: &str| -> Vec<String> {
        let mut lines = header
            .iter()
            .filter_map(|line| line.strip_prefix("# ")?.strip_prefix(key));
        let line = lines
            .next()
            .and_then(|rest| rest.trim_start().strip_prefix(':'));
        let words = line.unwrap_or_default().split_ascii_whitespace();
        words
            .filter(|word| word.len() == 1)
            .map(str::to_owned)
            .collect()
    };
    let target = format!("../init.d/{name}");
    for (key, letter) in [
        ("Default-Start", if starts { 'S' } else { 'K' }),
        ("Default-Stop", 'K'),
    ] {
        for level in levels(key) {
            let directory = format!("etc/rc{level}.d");
            let exists = editor
                .children(&directory)
                .iter()
                .any(|link| link.get(3..) == Some(name) && link.starts_with(['S', 'K']));
            if !exists {
                editor.add(
                    &format!("{directory}/{letter}01{name}"),
                    Node::symlink(&target),
                )?;
            }
        }
    }
    Ok(true)
}
