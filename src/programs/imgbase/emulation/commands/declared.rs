//! `systemd-sysusers` and `systemd-tmpfiles`: accounts and files that packages declare in configuration files.

use super::super::accounts::{Account, Accounts};
use super::super::editor::TreeEditor;
use crate::base::rootfs::Node;
use crate::error::Result;
use crate::programs::imgbase::mode::parse_mode;

/// Texts of the configuration files that `systemd-sysusers` and `systemd-tmpfiles` read for these arguments; `None` for
/// unsupported arguments and missing files.
fn configured(
    editor: &TreeEditor<'_>,
    args: &[&str],
    directory: &str,
) -> Result<Option<Vec<String>>> {
    let mut texts = Vec::new();
    for arg in args {
        if arg.starts_with("--") {
            if !["--create", "--replace"].contains(&arg.split('=').next().unwrap_or_default()) {
                return Ok(None);
            }
            continue;
        }
        let name = arg.rsplit('/').next().unwrap_or_default();
        let paths = [
            format!("etc/{directory}/{name}"),
            format!("usr/lib/{directory}/{name}"),
        ];
        let Some(path) = paths.iter().find(|path| editor.exists(path)) else {
            return Ok(None);
        };
        texts.extend(editor.text(path)?);
    }
    Ok(Some(texts).filter(|texts| !texts.is_empty()))
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
pub(super) fn sysusers(editor: &mut TreeEditor<'_>, args: &[&str]) -> Result<bool> {
    let Some(texts) = configured(editor, args, "sysusers.d")? else {
        return Ok(false);
    };
    let mut accounts = Accounts::of(&editor.base.rootfs)?;
    let mut done = true;
    for text in &texts {
        for line in text.lines() {
            let fields = fields(line);
            let field = |at| given(&fields, at);
            let Some(name) = field(1).filter(|_| !line.trim_start().starts_with('#')) else {
                continue;
            };
            match field(0).unwrap_or_default() {
                "g" => match field(2).map(str::parse) {
                    _ if accounts.group(name).is_some() => {}
                    Some(Ok(gid)) => accounts.add_group(name, gid),
                    None => match accounts.highest_free(|accounts, id| accounts.gid_is_free(id)) {
                        Some(gid) => accounts.add_group(name, gid),
                        None => done = false,
                    },
                    Some(Err(_)) => done = false,
                },
                "u" | "u!" => done &= sysuser(&mut accounts, name, &field, editor.base.epoch),
                "m" => done &= field(2).is_some_and(|group| accounts.join(name, group)),
                "r" => {}
                _ => done = false,
            }
        }
    }
    accounts.save(editor)?;
    Ok(done)
}

/// Adds the user of a `u` line. Returns whether the user exists now.
fn sysuser<'f>(
    accounts: &mut Accounts,
    name: &str,
    field: &dyn Fn(usize) -> Option<&'f str>,
    epoch: i64,
) -> bool {
    if accounts.user(name).is_some() {
        return true;
    }
    let (uid, gid) = match field(2).map(|id| id.split_once(':').unwrap_or((id, id))) {
        // systemd takes the highest free number.
        None => match accounts
            .highest_free(|accounts, id| accounts.gid_is_free(id) && accounts.uid_is_free(id))
        {
            Some(id) => (id, id),
            None => return false,
        },
        Some((uid, gid)) => match (uid.parse(), accounts.gid(gid)) {
            (Ok(uid), Some(gid)) => (uid, gid),
            _ => return false,
        },
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
    true
}

/// `systemd-tmpfiles`: makes directories, empty files and links (`tmpfiles.d(5)`).
pub(super) fn tmpfiles(editor: &mut TreeEditor<'_>, args: &[&str]) -> Result<bool> {
    let Some(texts) = configured(editor, args, "tmpfiles.d")? else {
        return Ok(false);
    };
    let accounts = Accounts::of(&editor.base.rootfs)?;
    let mut done = true;
    for line in texts.iter().flat_map(|text| text.lines()) {
        let fields = fields(line);
        let field = |at| given(&fields, at);
        let (Some(kind), Some(path)) = (field(0).filter(|kind| !kind.starts_with('#')), field(1))
        else {
            continue;
        };
        let mode = field(2).map(parse_mode);
        let owner = (
            field(3).map(|name| accounts.uid(name)),
            field(4).map(|name| accounts.gid(name)),
        );
        if path.contains('%')
            || mode == Some(None)
            || owner.0 == Some(None)
            || owner.1 == Some(None)
        {
            done = false;
            continue;
        }
        let owned = |node: Node| {
            node.owned(
                owner.0.flatten().unwrap_or(0),
                owner.1.flatten().unwrap_or(0),
            )
        };
        let mode = mode.flatten();
        match kind.trim_end_matches(['!', '-', '=']) {
            "d" | "D" | "v" | "q" | "Q" => {
                editor.add(path, owned(Node::directory(mode.unwrap_or(0o755))))?
            }
            "f" => editor.add(
                path,
                owned(Node::file(
                    mode.unwrap_or(0o644),
                    field(6).unwrap_or_default(),
                )),
            )?,
            "L" => match field(6) {
                Some(target) => editor.add(path, Node::symlink(target))?,
                None => done = false,
            },
            // Cleanup, and nodes that only a running kernel has.
            "x" | "X" | "r" | "R" | "e" | "p" | "c" | "b" => {}
            _ => done = false,
        }
    }
    Ok(done)
}
