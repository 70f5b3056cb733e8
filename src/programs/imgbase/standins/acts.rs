//! What people ask for, done to a finished tree: [`Act`](crate::programs::imgbase::scripts::Act).

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::Making;
use super::accounts::{Account, Accounts};
use super::commands::{keep, owner_of};
use crate::base::rootfs::{Contents, Kind, Node};
use crate::error::{At, Error, Fault, Result};
use crate::programs::imgbase::scripts::Act;

/// Does what a person asked for.
pub(super) fn act(making: &mut Making<'_>, act: &Act) -> Result<()> {
    let mut accounts = Accounts::of(&making.base.rootfs)?;
    match act {
        Act::Group { name, gid } => {
            group_of(&mut accounts, name, *gid)?;
            keep(making, &accounts)
        }
        Act::User {
            name,
            uid,
            gid,
            home,
            shell,
        } => {
            let (uid, gid) = account_of(&mut accounts, name, *uid, *gid)?;
            accounts.add_user(
                Account {
                    name: name.clone(),
                    uid,
                    gid,
                    home: home.clone().unwrap_or_else(|| "/nonexistent".to_owned()),
                    shell: shell
                        .clone()
                        .unwrap_or_else(|| "/usr/sbin/nologin".to_owned()),
                    ..Account::default()
                },
                making.base.epoch,
            );
            keep(making, &accounts)?;
            match home {
                Some(home) if !making.is_folder(home) => {
                    making.put(home, Node::folder(0o755).owned(uid, gid))
                }
                _ => Ok(()),
            }
        }
        Act::Mode { path, mode, owner } => {
            if !making.exists(path) {
                return usage(format!("there is no '{path}' to change"));
            }
            let owner = owner
                .as_deref()
                .map(|owner| owner_of(&accounts, owner).ok_or(owner));
            let (uid, gid) = match owner {
                None => (None, None),
                Some(Ok(owner)) => owner,
                Some(Err(owner)) => return usage(format!("there is no account '{owner}'")),
            };
            making.change(path, |node| {
                node.uid = uid.unwrap_or(node.uid);
                node.gid = gid.unwrap_or(node.gid);
                node.mode = mode.unwrap_or(node.mode);
            })?;
            Ok(())
        }
        Act::Folder { path, mode } => match making.is_folder(path) {
            true => Ok(()),
            false => making.put(path, Node::folder(mode.unwrap_or(0o755))),
        },
        Act::Link { path, to } => making.put(path, Node::symlink(to)),
        Act::Text { path, text, mode } => {
            making.put(path, Node::file(mode.unwrap_or(0o644), text.clone()))
        }
        Act::Copy { path, from, mode } => match making.read(from)? {
            Some(bytes) => making.put(path, Node::file(mode.unwrap_or(0o644), bytes)),
            None => usage(format!("there is no file '{from}' to copy")),
        },
        Act::File { path, source, mode } => {
            let contents =
                Contents::of_path(source).at(|| source.to_string_lossy().into_owned())?;
            let node = Node {
                kind: Kind::File(contents),
                ..Node::file(mode.unwrap_or(usual_mode(source)?), "")
            };
            making.put(path, node)
        }
    }
}

/// A mode for a file of the system: whether it is a program is all that it says on every host, whatever the umask is.
fn usual_mode(source: &Path) -> Result<u16> {
    let metadata = std::fs::metadata(source)
        .map_err(|error| Error::io("read", error))
        .at(|| source.to_string_lossy().into_owned())?;
    Ok(match metadata.permissions().mode() & 0o111 {
        0 => 0o644,
        _ => 0o755,
    })
}

fn usage<T>(why: String) -> Result<T> {
    Err(Fault::Usage(why).into())
}

/// The number of a group that is asked for; it is added if it is not there.
fn group_of(accounts: &mut Accounts, name: &str, gid: Option<u32>) -> Result<u32> {
    if let Some(there) = accounts.group(name).map(|group| group.gid) {
        return match gid {
            Some(gid) if gid != there => usage(format!(
                "group '{name}': it is there already, with the number {there}"
            )),
            _ => Ok(there),
        };
    }
    let Some(number) = gid.or_else(|| accounts.free_group()) else {
        return usage(format!("group '{name}': no number is free"));
    };
    if let Some(other) = accounts.groups().find(|group| group.gid == number) {
        return usage(format!(
            "group '{name}': its number {number} is that of '{}'",
            other.name
        ));
    }
    accounts.add_group(name, number);
    Ok(number)
}

/// The numbers of a user that is asked for, and of the group, which is added if it is not there.
fn account_of(
    accounts: &mut Accounts,
    name: &str,
    uid: Option<u32>,
    gid: Option<u32>,
) -> Result<(u32, u32)> {
    if let Some(there) = accounts.user(name) {
        let (old, group) = (there.uid, there.gid);
        let fits = uid.is_none_or(|uid| uid == old) && gid.is_none_or(|gid| gid == group);
        return match fits {
            true => Ok((old, group)),
            false => usage(format!(
                "user '{name}': it is there already, with the numbers {old} and {group}"
            )),
        };
    }
    let own = gid.is_none() && accounts.group(name).is_none();
    let Some(number) = uid.or_else(|| accounts.free(own)) else {
        return usage(format!("user '{name}': no number is free"));
    };
    if let Some(other) = accounts.users().find(|user| user.uid == number) {
        return usage(format!(
            "user '{name}': its number {number} is that of '{}'",
            other.name
        ));
    }
    let gid = match gid {
        // A group that is there may be anybody's first one.
        Some(gid) if !accounts.gid_is_free(gid) => gid,
        None if !own => group_of(accounts, name, None)?,
        _ => group_of(accounts, name, Some(gid.unwrap_or(number)))?,
    };
    Ok((number, gid))
}
