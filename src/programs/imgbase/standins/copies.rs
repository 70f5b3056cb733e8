//! What takes a few lines each: the time zone, apt's folders.

use super::Making;
use crate::base::rootfs::Node;
use crate::error::Result;

/// `/etc/localtime` and `/etc/timezone`, where tzdata is.
pub(super) fn time_zone(making: &mut Making<'_>) -> Result<()> {
    let zone = making.choice.time_zone.clone();
    let wanted = zone.as_deref().unwrap_or("Etc/UTC");
    let path = format!("/usr/share/zoneinfo/{wanted}");
    if !making.exists(&path) {
        if zone.is_some() {
            making.note(format!("there is no time zone {wanted}: tzdata has it"));
        }
        return Ok(());
    }
    if zone.is_some() {
        making.put("etc/localtime", Node::symlink(&path))?;
        return making.write("etc/timezone", format!("{wanted}\n"));
    }
    making.add("etc/localtime", Node::symlink(&path))?;
    making.add("etc/timezone", Node::file(0o644, format!("{wanted}\n")))
}

/// apt gives its folders for downloads to its user when it first runs.
pub(super) fn apt(making: &mut Making<'_>) -> Result<()> {
    let accounts = super::Accounts::of(&making.base.rootfs)?;
    let Some(user) = accounts.user("_apt").map(|account| account.uid) else {
        return Ok(());
    };
    for folder in [
        "var/lib/apt/lists/partial",
        "var/cache/apt/archives/partial",
    ] {
        if making.is_folder(folder) {
            making.change(folder, |node| {
                (node.uid, node.gid, node.mode) = (user, 0, 0o700);
            })?;
        }
    }
    Ok(())
}
