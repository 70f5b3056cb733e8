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

/// `deb-systemd-helper [--quiet] [--user] VERB UNIT...`.
pub(super) fn enable(editor: &mut TreeEditor<'_>, args: &[&str]) -> Option<()> {
    let mut words = args.iter().copied().filter(|arg| !arg.starts_with("--"));
    match words.next()? {
        "enable" => {}
        // On a first installation no unit is masked or disabled, and no state is outdated.
        "unmask" | "update-state" | "purge" => return Some(()),
        _ => return None,
    }
    if !editor.exists("usr/bin/deb-systemd-helper") {
        return Some(());
    }
    let (kind, state) = match args.contains(&"--user") {
        true => ("user", "var/lib/systemd/deb-systemd-user-helper-enabled"),
        false => ("system", "var/lib/systemd/deb-systemd-helper-enabled"),
    };
    for unit in words {
        let links = closure(editor, unit, kind).ok()?;
        let list: String = links.iter().map(|(link, _)| format!("{link}\n")).collect();
        for (link, target) in &links {
            editor.add(link, Node::symlink(target)).ok()?;
            if let Some(inside) = link.strip_prefix(&format!("/etc/systemd/{kind}/")) {
                let file = Node::file(0o644, "");
                editor.add(&format!("{state}/{inside}"), file).ok()?;
            }
        }
        let file = Node::file(0o644, list);
        editor.add(&format!("{state}/{unit}.dsh-also"), file).ok()?;
    }
    Some(())
}

/// Returns the links that enable a unit and those of `Also=`: path and target of each.
fn closure(editor: &TreeEditor<'_>, unit: &str, kind: &str) -> Result<Vec<(String, String)>> {
    let mut links: Vec<(String, String)> = Vec::new();
    let mut seen = BTreeSet::new();
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
            let directories = directories.iter();
            directories.map(move |directory| format!("{directory}/{name}"))
        });
        let Some(path) = paths.find(|path| editor.exists(path)) else {
            continue;
        };
        let text = editor.text(&path)?.unwrap_or_default();
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
pub(super) fn update_rc(editor: &mut TreeEditor<'_>, args: &[&str]) -> Option<()> {
    let mut words = args.iter().copied().filter(|arg| !arg.starts_with('-'));
    let (name, verb) = (words.next()?, words.next()?);
    let at_start = match verb {
        "defaults" => 'S',
        "defaults-disabled" => 'K',
        "remove" => return Some(()),
        _ => return None,
    };
    let Some(text) = editor.text(&format!("etc/init.d/{name}")).ok()? else {
        // Without the script no link is made.
        return Some(());
    };
    if !editor.exists("usr/sbin/update-rc.d") || name.contains('/') {
        return Some(());
    }
    let lines = text.lines();
    let header = lines.skip_while(|line| !line.starts_with("### BEGIN INIT INFO"));
    let header = header.take_while(|line| !line.starts_with("### END INIT INFO"));
    let target = format!("../init.d/{name}");
    for (key, letter) in [("# Default-Start", at_start), ("# Default-Stop", 'K')] {
        let mut lines = header.clone().filter_map(|line| line.strip_prefix(key));
        let levels = lines.next().unwrap_or_default().trim_start();
        let levels = levels.strip_prefix(':').unwrap_or_default();
        let levels = levels.split_ascii_whitespace();
        for level in levels.filter(|level| level.len() == 1) {
            let directory = format!("etc/rc{level}.d");
            let exists = editor
                .children(&directory)
                .iter()
                .any(|link| link.get(3..) == Some(name) && link.starts_with(['S', 'K']));
            if !exists {
                let path = format!("{directory}/{letter}01{name}");
                editor.add(&path, Node::symlink(&target)).ok()?;
            }
        }
    }
    Some(())
}
