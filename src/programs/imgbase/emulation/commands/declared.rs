//! `systemd-sysusers` and `systemd-tmpfiles`: accounts and files that packages declare in configuration files.

use super::super::accounts::{Account, Accounts};
use super::super::editor::TreeEditor;
use crate::base::rootfs::Node;
use crate::programs::imgbase::mode::parse_mode;

/// Texts of the configuration files that `systemd-sysusers` and `systemd-tmpfiles` read for these arguments; `None` for
/// unsupported arguments and missing files.
fn configured(editor: &TreeEditor<'_>, args: &[&str], directory: &str) -> Option<Vec<String>> {
    let mut texts = Vec::new();
    for arg in args {
        if arg.starts_with("--") {
            if !["--create", "--replace"].contains(&arg.split('=').next().unwrap_or_default()) {
                return None;
            }
            continue;
        }
        let name = arg.rsplit('/').next().unwrap_or_default();
        let paths = [
            format!("etc/{directory}/{name}"),
            format!("usr/lib/{directory}/{name}"),
        ];
        let path = paths.iter().find(|path| editor.exists(path))?;
        texts.extend(editor.text(path).ok()?);
    }
    Some(texts).filter(|texts| !texts.is_empty())
}

/// Returns a field of a line; `None` for a missing one and for `-`.
fn given(fields: &[String], at: usize) -> Option<&str> {
    let field = fields.get(at).map(String::as_str);
    field.filter(|text| *text != "-")
}

/// Splits a line into its fields, and removes quotes.
fn fields(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quote = None;
    let mut open = false;
    for c in line.chars() {
        match (quote, c) {
            (None, '"' | '\'') => (quote, open) = (Some(c), true),
            (Some(end), c) if c == end => quote = None,
            (None, c) if c.is_whitespace() => {
                if open {
                    fields.push(std::mem::take(&mut field));
                }
                open = false;
            }
            (_, c) => {
                field.push(c);
                open = true;
            }
        }
    }
    if open {
        fields.push(field);
    }
    fields
}

/// `systemd-sysusers`: makes users, groups and group members (`sysusers.d(5)`).
pub(super) fn sysusers(editor: &mut TreeEditor<'_>, args: &[&str]) -> Option<()> {
    let texts = configured(editor, args, "sysusers.d")?;
    let mut accounts = Accounts::of(&editor.base.rootfs).ok()?;
    let mut done = true;
    for line in texts.iter().flat_map(|text| text.lines()) {
        let fields = fields(line);
        let field = |at| given(&fields, at);
        let Some(name) = field(1).filter(|_| !line.trim_start().starts_with('#')) else {
            continue;
        };
        let made = match field(0).unwrap_or_default() {
            "g" => sysgroup(&mut accounts, name, field(2)),
            "u" | "u!" => sysuser(&mut accounts, name, &field, editor.base.epoch),
            "m" => field(2)
                .filter(|group| accounts.join(name, group))
                .map(drop),
            "r" => Some(()),
            _ => None,
        };
        done &= made.is_some();
    }
    accounts.save(editor).ok()?;
    done.then_some(())
}

/// Adds the group of a `g` line, unless it exists; `None` if it cannot be added.
fn sysgroup(accounts: &mut Accounts, name: &str, gid: Option<&str>) -> Option<()> {
    if accounts.group(name).is_none() {
        let gid = match gid {
            Some(gid) => gid.parse().ok()?,
            None => accounts.highest_free_group()?,
        };
        accounts.add_group(name, gid);
    }
    Some(())
}

/// Adds the user of a `u` line, unless it exists; `None` if it cannot be added.
fn sysuser<'f>(
    accounts: &mut Accounts,
    name: &str,
    field: &dyn Fn(usize) -> Option<&'f str>,
    epoch: i64,
) -> Option<()> {
    if accounts.user(name).is_some() {
        return Some(());
    }
    let (uid, gid) = match field(2).map(|id| id.split_once(':').unwrap_or((id, id))) {
        // systemd takes the highest free number.
        None => {
            let id = accounts.highest_free()?;
            (id, id)
        }
        Some((uid, gid)) => (uid.parse().ok()?, accounts.gid(gid)?),
    };
    if accounts.gid_is_free(gid) {
        accounts.add_group(name, gid);
    }
    let account = Account {
        name: name.to_owned(),
        uid,
        gid,
        gecos: field(3).unwrap_or_default().to_owned(),
        home: field(4).unwrap_or("/").to_owned(),
        shell: field(5).unwrap_or("/usr/sbin/nologin").to_owned(),
        ..Account::default()
    };
    accounts.add_user(account, epoch);
    Some(())
}

/// `systemd-tmpfiles`: makes directories, empty files and links (`tmpfiles.d(5)`).
pub(super) fn tmpfiles(editor: &mut TreeEditor<'_>, args: &[&str]) -> Option<()> {
    let texts = configured(editor, args, "tmpfiles.d")?;
    let accounts = Accounts::of(&editor.base.rootfs).ok()?;
    let mut done = true;
    for line in texts.iter().flat_map(|text| text.lines()) {
        let fields = fields(line);
        let field = |at| given(&fields, at);
        let (Some(kind), Some(path)) = (field(0).filter(|kind| !kind.starts_with('#')), field(1))
        else {
            continue;
        };
        let mode = field(2).map(parse_mode);
        let uid = field(3).map_or(Some(0), |name| accounts.uid(name));
        let gid = field(4).map_or(Some(0), |name| accounts.gid(name));
        let is_unsupported = path.contains('%') || mode == Some(None);
        let (Some(uid), Some(gid), false) = (uid, gid, is_unsupported) else {
            done = false;
            continue;
        };
        let mode = mode.flatten();
        let node = match (kind.trim_end_matches(['!', '-', '=']), field(6)) {
            ("d" | "D" | "v" | "q" | "Q", _) => {
                Node::directory(mode.unwrap_or(0o755)).owned(uid, gid)
            }
            ("f", text) => {
                Node::file(mode.unwrap_or(0o644), text.unwrap_or_default()).owned(uid, gid)
            }
            ("L", Some(target)) => Node::symlink(target),
            // Cleanup, and nodes that only a running kernel has.
            ("x" | "X" | "r" | "R" | "e" | "p" | "c" | "b", _) => continue,
            _ => {
                done = false;
                continue;
            }
        };
        editor.add(path, node).ok()?;
    }
    done.then_some(())
}
