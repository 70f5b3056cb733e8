//! `dpkg-divert` and `dpkg-statoverride`: settings that a script stores in dpkg's database.

use super::super::accounts::Accounts;
use super::super::editor::TreeEditor;
use super::words::Words;
use crate::error::Result;
use crate::programs::imgbase::mode::parse_mode;

/// `dpkg-divert --add` and `--remove`, where no file is moved.
pub(super) fn divert(editor: &mut TreeEditor<'_>, args: &[&str]) -> Result<bool> {
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
    let (Some(path), true) = (words.operands.first(), words.only(&known, "")) else {
        return Ok(false);
    };
    if words.operands.len() != 1 || words.has("--local") {
        return Ok(false);
    }
    let Some(package) = words.value(&["--package"]) else {
        return Ok(false);
    };
    let text = editor.text(FILE)?.unwrap_or_default();
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
            // Nothing to remove, or the diversion of another package, which dpkg keeps as well.
            return Ok(known.is_none());
        }
    } else {
        let moved = format!("{path}.distrib");
        let to = words.value(&["--divert"]).unwrap_or(&moved).to_owned();
        if let Some(known) = known {
            return Ok(records[known] == [*path, to.as_str(), package]);
        }
        if words.has("--rename") && editor.exists(path) {
            return Ok(false);
        }
        let text = format!("{path}\n{to}\n{package}\n{text}");
        return editor.write(FILE, text).map(|()| true);
    }
    let text: String = records
        .iter()
        .flatten()
        .map(|line| format!("{line}\n"))
        .collect();
    editor.write(FILE, text).map(|()| true)
}

/// `dpkg-statoverride --update --add USER GROUP MODE PATH`.
pub(super) fn override_stat(editor: &mut TreeEditor<'_>, args: &[&str]) -> Result<bool> {
    const FILE: &str = "var/lib/dpkg/statoverride";
    let words = Words::new(args, &[]);
    let (true, [user, group, mode, path]) = (words.has("--add"), words.operands.as_slice()) else {
        return Ok(false);
    };
    let text = editor.text(FILE)?.unwrap_or_default();
    if text
        .lines()
        .any(|line| line.split(' ').nth(3) == Some(path))
    {
        return Ok(true);
    }
    let accounts = Accounts::of(&editor.base.rootfs)?;
    let (Some(uid), Some(gid), Some(bits)) =
        (accounts.uid(user), accounts.gid(group), parse_mode(mode))
    else {
        return Ok(false);
    };
    if words.has("--update") && editor.exists(path) {
        editor.change(path, |node| {
            (node.uid, node.gid, node.mode) = (uid, gid, bits)
        })?;
    }
    let text = format!("{user} {group} {bits:o} {path}\n{text}");
    editor.write(FILE, text).map(|()| true)
}
