//! `dpkg-divert` and `dpkg-statoverride`: settings that a script stores in dpkg's database.

use super::super::accounts::Accounts;
use super::super::editor::TreeEditor;
use super::words::Words;
use crate::base::rootfs::Node;
use crate::programs::imgbase::mode::parse_mode;

/// `dpkg-divert --add` and `--remove`, where no file is moved.
pub(super) fn divert(editor: &mut TreeEditor<'_>, args: &[&str]) -> Option<()> {
    const FILE: &str = "var/lib/dpkg/diversions";
    let words = Words::new(args, "--package --divert");
    let path = words.operand()?;
    words.only(
        "--package --divert --add --remove --rename --no-rename --quiet",
        "",
    )?;
    let package = words.value("--package")?;
    let text = editor.text(FILE).ok()?.unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let mut records: Vec<&[&str]> = lines.chunks_exact(3).collect();
    let known = records.iter().position(|record| record[0] == path);
    if words.has("--remove") {
        // Nothing to remove, or the diversion of another package, which dpkg keeps as well.
        let Some(known) = known else { return Some(()) };
        if records.remove(known)[2] != package {
            return None;
        }
        let lines = records.into_iter().flatten();
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        return editor.write(FILE, text).ok();
    }
    let moved = format!("{path}.distrib");
    let to = words.value("--divert").unwrap_or(&moved);
    if let Some(known) = known {
        return (records[known] == [path, to, package]).then_some(());
    }
    if words.has("--rename") && editor.exists(path) {
        return None;
    }
    editor
        .write(FILE, format!("{path}\n{to}\n{package}\n{text}"))
        .ok()
}

/// `dpkg-statoverride --update --add USER GROUP MODE PATH`.
pub(super) fn override_stat(editor: &mut TreeEditor<'_>, args: &[&str]) -> Option<()> {
    const FILE: &str = "var/lib/dpkg/statoverride";
    let words = Words::new(args, "");
    let (true, [user, group, mode, path]) = (words.has("--add"), &words.operands[..]) else {
        return None;
    };
    let text = editor.text(FILE).ok()?.unwrap_or_default();
    let mut paths = text.lines().map(|line| line.split(' ').nth(3));
    if paths.any(|known| known == Some(path)) {
        return Some(());
    }
    let accounts = Accounts::of(&editor.base.rootfs).ok()?;
    let (uid, gid) = (accounts.uid(user)?, accounts.gid(group)?);
    let mode = parse_mode(mode)?;
    if words.has("--update") && editor.exists(path) {
        let change = |node: &mut Node| (node.uid, node.gid, node.mode) = (uid, gid, mode);
        editor.change(path, change).ok()?;
    }
    editor
        .write(FILE, format!("{user} {group} {mode:o} {path}\n{text}"))
        .ok()
}
