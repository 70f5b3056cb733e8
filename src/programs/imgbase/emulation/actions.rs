//! Actions that a user requests, applied to a finished tree.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::accounts::{Account, Accounts};
use super::editor::TreeEditor;
use super::options::EmulationOptions;
use crate::base::rootfs::{Contents, Kind, Node};
use crate::error::{At, During, Fault, Result};
use crate::programs::imgbase::Base;
use crate::programs::imgbase::scripts::{Action, Recipe};

/// Applies an action to a finished tree.
///
/// # Errors
/// `Usage` for a missing account or path; as [`Rootfs::put`](crate::base::rootfs::Rootfs::put).
pub fn apply(base: &mut Base, action: &Action) -> Result<()> {
    let options = EmulationOptions::default();
    let origin = base.origin("recipe");
    let mut editor = TreeEditor::new(base, &options, origin);
    apply_to(&mut editor, action)
}

/// Applies the recipes for installed packages. Returns the packages of all other recipes.
///
/// # Errors
/// As [`apply`]; the context is the package.
pub fn apply_recipes(base: &mut Base, recipes: &[Recipe]) -> Result<Vec<String>> {
    let mut unused = Vec::new();
    for recipe in recipes {
        if !base
            .packages
            .iter()
            .any(|package| recipe.applies_to(package))
        {
            unused.push(recipe.package.clone());
            continue;
        }
        for action in &recipe.actions {
            apply(base, action).map_err(|error| error.at(recipe.package.clone()))?;
        }
    }
    Ok(unused)
}

fn apply_to(editor: &mut TreeEditor<'_>, action: &Action) -> Result<()> {
    let mut accounts = Accounts::of(&editor.base.rootfs)?;
    match action {
        Action::Group { name, gid } => {
            group_of(&mut accounts, name, *gid)?;
            accounts.save(editor)
        }
        Action::User {
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
                editor.base.epoch,
            );
            accounts.save(editor)?;
            match home {
                Some(home) if !editor.is_directory(home) => {
                    editor.put(home, Node::directory(0o755).owned(uid, gid))
                }
                _ => Ok(()),
            }
        }
        Action::Mode { path, mode, owner } => {
            if !editor.exists(path) {
                return usage(format!("cannot change '{path}': not found"));
            }
            let owner = owner
                .as_deref()
                .map(|owner| accounts.owner(owner).ok_or(owner));
            let (uid, gid) = match owner {
                None => (None, None),
                Some(Ok(owner)) => owner,
                Some(Err(owner)) => return usage(format!("unknown account '{owner}'")),
            };
            editor.change(path, |node| {
                node.uid = uid.unwrap_or(node.uid);
                node.gid = gid.unwrap_or(node.gid);
                node.mode = mode.unwrap_or(node.mode);
            })?;
            Ok(())
        }
        Action::Directory { path, mode } => match editor.is_directory(path) {
            true => Ok(()),
            false => editor.put(path, Node::directory(mode.unwrap_or(0o755))),
        },
        Action::Link { path, to } => editor.put(path, Node::symlink(to)),
        Action::Text { path, text, mode } => {
            editor.put(path, Node::file(mode.unwrap_or(0o644), text.clone()))
        }
        Action::Copy { path, from, mode } => match editor.read(from)? {
            Some(bytes) => editor.put(path, Node::file(mode.unwrap_or(0o644), bytes)),
            None => usage(format!("cannot copy '{from}': not found")),
        },
        Action::File { path, source, mode } => {
            let contents =
                Contents::of_path(source).at(|| source.to_string_lossy().into_owned())?;
            let mode = mode.unwrap_or(default_mode(source)?);
            editor.put(path, Node::of(Kind::File(contents), mode))
        }
    }
}

/// Returns the default mode of a copy of a host file. Only its executable bits count, because they do not depend on the
/// umask.
fn default_mode(source: &Path) -> Result<u16> {
    let metadata = std::fs::metadata(source)
        .during("read")
        .at(|| source.to_string_lossy().into_owned())?;
    Ok(match metadata.permissions().mode() & 0o111 {
        0 => 0o644,
        _ => 0o755,
    })
}

fn usage<T>(why: String) -> Result<T> {
    Err(Fault::Usage(why).into())
}

/// Returns the number of a requested group, which is added if it is missing.
fn group_of(accounts: &mut Accounts, name: &str, gid: Option<u32>) -> Result<u32> {
    if let Some(existing) = accounts.group(name).map(|group| group.gid) {
        return match gid {
            Some(gid) if gid != existing => usage(format!(
                "group '{name}' already exists with the number {existing}"
            )),
            _ => Ok(existing),
        };
    }
    let Some(number) = gid.or_else(|| accounts.free_group()) else {
        return usage(format!("group '{name}': no free number"));
    };
    if let Some(other) = accounts.groups().find(|group| group.gid == number) {
        return usage(format!(
            "group '{name}': number {number} belongs to '{}'",
            other.name
        ));
    }
    accounts.add_group(name, number);
    Ok(number)
}

/// Returns the numbers of a requested user and its group, which is added if it is missing.
fn account_of(
    accounts: &mut Accounts,
    name: &str,
    uid: Option<u32>,
    gid: Option<u32>,
) -> Result<(u32, u32)> {
    if let Some(existing) = accounts.user(name) {
        let (old, group) = (existing.uid, existing.gid);
        let fits = uid.is_none_or(|uid| uid == old) && gid.is_none_or(|gid| gid == group);
        return match fits {
            true => Ok((old, group)),
            false => usage(format!(
                "user '{name}' already exists with the numbers {old} and {group}"
            )),
        };
    }
    let own = gid.is_none() && accounts.group(name).is_none();
    let Some(number) = uid.or_else(|| accounts.free(own)) else {
        return usage(format!("user '{name}': no free number"));
    };
    if let Some(other) = accounts.users().find(|user| user.uid == number) {
        return usage(format!(
            "user '{name}': number {number} belongs to '{}'",
            other.name
        ));
    }
    let gid = match gid {
        // An existing group may be the primary group of several users.
        Some(gid) if !accounts.gid_is_free(gid) => gid,
        None if !own => group_of(accounts, name, None)?,
        _ => group_of(accounts, name, Some(gid.unwrap_or(number)))?,
    };
    Ok((number, gid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::debian::{Control, Unpacked};

    #[test]
    fn a_recipe_does_what_it_says_to_the_packages_it_applies_to() {
        let text = br#"{"recipes": [{"package": "a", "since": "1", "before": "2", "answers": ["ucf "],
            "do": [{"user": "web", "home": "/srv/web"}, {"file": "/etc/x", "text": "one\n", "mode": "0600"},
                   {"chown": "web:web", "path": "/etc/x"}, {"link": "/etc/y", "to": "x"}]}]}"#;
        let recipes = Recipe::parse(text).expect("recipes");
        let mut base = Base::new(1);
        base.rootfs
            .put(
                b"etc/passwd",
                crate::base::rootfs::Node::file(0o644, "root:x:0:0::/root:/bin/sh\n"),
            )
            .expect("a file");
        let mut package = Unpacked {
            control: Control::parse("Package: a\nVersion: 2\n").expect("control"),
            ..Unpacked::default()
        };
        assert!(!recipes[0].applies_to(&package));
        package.control = Control::parse("Package: a\nVersion: 1.5\n").expect("control");
        base.packages.push(package);
        apply_recipes(&mut base, &recipes).expect("done");
        let node = base.rootfs.get(b"etc/x").expect("a file");
        assert_eq!((node.mode, node.uid, node.gid), (0o600, 100, 100));
        assert_eq!(base.rootfs.get(b"srv/web").map(|node| node.uid), Some(100));
        assert!(
            Recipe::parse(
                br#"{"recipes": [{"package": "a", "do": [{"dir": "/x", "mode": "9"}]}]}"#
            )
            .is_err()
        );
        assert!(Recipe::parse(br#"{"recipes": [{"package": "a", "do": [{}]}]}"#).is_err());
    }
}
