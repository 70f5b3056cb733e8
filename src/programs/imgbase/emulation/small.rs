//! Emulations of a few lines each: the time zone, apt's directories.

use super::accounts::Accounts;
use super::editor::TreeEditor;
use crate::base::rootfs::Node;
use crate::error::Result;

/// Makes `/etc/localtime` and `/etc/timezone` where tzdata is installed.
pub(super) fn time_zone(editor: &mut TreeEditor<'_>) -> Result<()> {
    let zone = editor.options.time_zone.clone();
    let wanted = zone.as_deref().unwrap_or("Etc/UTC");
    let path = format!("/usr/share/zoneinfo/{wanted}");
    if !editor.exists(&path) {
        if zone.is_some() {
            editor.note(format!("there is no time zone {wanted}: tzdata has it"));
        }
        return Ok(());
    }
    if zone.is_some() {
        editor.put("etc/localtime", Node::symlink(&path))?;
        return editor.write("etc/timezone", format!("{wanted}\n"));
    }
    editor.add("etc/localtime", Node::symlink(&path))?;
    editor.add("etc/timezone", Node::file(0o644, format!("{wanted}\n")))
}

/// Gives apt's download directories to its user, as apt does when it first runs.
pub(super) fn apt(editor: &mut TreeEditor<'_>) -> Result<()> {
    let accounts = Accounts::of(&editor.base.rootfs)?;
    let Some(user) = accounts.user("_apt").map(|account| account.uid) else {
        return Ok(());
    };
    for directory in [
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
    ] {
        if editor.is_directory(directory) {
            editor.change(directory, |node| {
                (node.uid, node.gid, node.mode) = (user, 0, 0o700);
            })?;
        }
    }
    Ok(())
}
