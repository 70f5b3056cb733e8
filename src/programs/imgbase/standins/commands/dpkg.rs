//! `dpkg-divert` and `dpkg-statoverride`: what a script has dpkg remember.

use super::super::Making;
use super::super::accounts::Accounts;
use super::Words;
use super::files::octal;
use crate::error::Result;

/// `dpkg-divert --add` and `--remove` that move no file.
pub(super) fn divert(making: &mut Making<'_>, args: &[&str]) -> Result<bool> {
    const FILE: &str = "var/lib/dpkg/diversions";
    let words = Words::new(args, &["--package", "--divert"]);
    let known = [
        "--package",
        "--divert",
        "--add",
        "--remove",
        "--rename",
        "--no-rename",
        "--quiet",
        "--local",
    ];
    let (Some(path), true) = (words.plain.first(), words.only(&known, "")) else {
        return Ok(false);
    };
    if words.plain.len() != 1 || words.has("--local") {
        return Ok(false);
    }
    let Some(package) = words.value(&["--package"]) else {
        return Ok(false);
    };
    let text = making.text(FILE)?.unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let mut records: Vec<[&str; 3]> = lines
        .chunks_exact(3)
        .map(|three| [three[0], three[1], three[2]])
        .collect();
    let known = records.iter().position(|record| record[0] == *path);
    if words.has("--remove") {
        if let Some(known) = known.filter(|known| records[*known][2] == package) {
            records.remove(known);
        } else {
            // Nothing to remove, or another's, which dpkg leaves as well.
            return Ok(known.is_none());
        }
    } else {
        let moved = format!("{path}.distrib");
        let to = words.value(&["--divert"]).unwrap_or(&moved).to_owned();
        if let Some(known) = known {
            return Ok(records[known] == [*path, to.as_str(), package]);
        }
        if words.has("--rename") && making.exists(path) {
            return Ok(false);
        }
        let text = format!("{path}\n{to}\n{package}\n{text}");
        return making.write(FILE, text).map(|()| true);
    }
    let text: String = records
        .iter()
        .flatten()
        .map(|line| format!("{line}\n"))
        .collect();
    making.write(FILE, text).map(|()| true)
}

/// `dpkg-statoverride --update --add USER GROUP MODE PATH`.
pub(super) fn override_stat(making: &mut Making<'_>, args: &[&str]) -> Result<bool> {
    const FILE: &str = "var/lib/dpkg/statoverride";
    let words = Words::new(args, &[]);
    let (true, [user, group, mode, path]) = (words.has("--add"), words.plain.as_slice()) else {
        return Ok(false);
    };
    let text = making.text(FILE)?.unwrap_or_default();
    if text
        .lines()
        .any(|line| line.split(' ').nth(3) == Some(path))
    {
        return Ok(true);
    }
    let accounts = Accounts::of(&making.base.rootfs)?;
    let (Some(uid), Some(gid), Some(bits)) = (accounts.uid(user), accounts.gid(group), octal(mode))
    else {
        return Ok(false);
    };
    if words.has("--update") && making.exists(path) {
        making.change(path, |node| {
            (node.uid, node.gid, node.mode) = (uid, gid, bits)
        })?;
    }
    let text = format!("{user} {group} {bits:o} {path}\n{text}");
    making.write(FILE, text).map(|()| true)
}
