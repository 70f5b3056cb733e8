//! Commands on accounts: `adduser`, `addgroup`, `useradd`, `groupadd`, `usermod`, `gpasswd`.

use super::super::accounts::{Account, Accounts};
use super::super::editor::TreeEditor;
use super::words::Words;
use crate::base::rootfs::Node;

/// Options of `useradd` and `groupadd` that take a value.
const USERADD_VALUED: &str =
    "-d -s -c -u -g -G --home-dir --home --shell --comment --uid --gid --groups";

/// `adduser --system …`, and `adduser USER GROUP`.
pub(super) fn adduser(editor: &mut TreeEditor<'_>, args: &[&str]) -> Option<()> {
    let valued = "--home --shell --gecos --comment --uid --gid --ingroup --firstuid --lastuid";
    let words = Words::new(args, valued);
    let known = "--home --shell --gecos --comment --uid --gid --ingroup --system --group \
        --no-create-home --quiet --force-badname --allow-badname --allow-bad-names \
        --disabled-password --disabled-login --allow-all-names";
    let mut accounts = Accounts::of(&editor.base.rootfs).ok()?;
    accounts.users().next()?;
    words.only(known, "q")?;
    let name = match words.operands.as_slice() {
        [name] => *name,
        [user, group] if !words.has("--system") => {
            let done = accounts.user(user).is_some() && accounts.join(user, group);
            accounts.save(editor).ok()?;
            return done.then_some(());
        }
        _ => return None,
    };
    if accounts.user(name).is_some() {
        return Some(());
    }
    if !words.has("--system") {
        return None;
    }
    let own_group = words.has("--group");
    let uid = match words.value("--uid") {
        Some(uid) => uid.parse().ok()?,
        None => accounts.free(own_group)?,
    };
    let gid = match words.value("--ingroup --gid") {
        _ if own_group => {
            accounts.add_group(name, uid);
            accounts.group(name)?.gid
        }
        Some(group) => accounts.gid(group)?,
        None => accounts.gid("nogroup").unwrap_or(65_534),
    };
    let value = |names, default| words.value(names).unwrap_or(default).to_owned();
    let home = value("--home", "/nonexistent");
    let account = Account {
        name: name.to_owned(),
        uid,
        gid,
        gecos: value("--gecos --comment", ""),
        home: home.clone(),
        shell: value("--shell", "/usr/sbin/nologin"),
        ..Account::default()
    };
    accounts.add_user(account, editor.base.epoch);
    accounts.save(editor).ok()?;
    let makes_home = !words.has("--no-create-home") && home != "/nonexistent" && !home.is_empty();
    if makes_home && !editor.is_directory(&home) {
        let node = Node::directory(0o755).owned(uid, gid);
        editor.put(&home, node).ok()?;
    }
    Some(())
}

/// `addgroup`: carried out only with `--system` or a number.
pub(super) fn addgroup(editor: &mut TreeEditor<'_>, args: &[&str]) -> Option<()> {
    let words = Words::new(args, "--gid");
    let known = "--gid --system --quiet --force-badname --allow-badname --allow-bad-names \
        --allow-all-names";
    let mut accounts = Accounts::of(&editor.base.rootfs).ok()?;
    let name = words.operand()?;
    accounts.groups().next()?;
    words.only(known, "q")?;
    if accounts.group(name).is_some() {
        return Some(());
    }
    let gid = match words.value("--gid") {
        Some(gid) => gid.parse().ok()?,
        None => accounts.free_group().filter(|_| words.has("--system"))?,
    };
    accounts.add_group(name, gid);
    accounts.save(editor).ok()
}

/// `groupadd`: carried out only for system groups and groups with a number.
pub(super) fn groupadd(editor: &mut TreeEditor<'_>, args: &[&str]) -> Option<()> {
    let words = Words::new(args, USERADD_VALUED);
    let mut accounts = Accounts::of(&editor.base.rootfs).ok()?;
    let name = words.operand()?;
    if accounts.group(name).is_some() {
        return Some(());
    }
    let wanted = words.value("-g --gid").and_then(|text| text.parse().ok());
    let is_system = words.has("--system") || words.letter('r');
    let free = || accounts.highest_free_group().filter(|_| is_system);
    let gid = wanted.or_else(free)?;
    words.only("-g --gid --system --force", "rf")?;
    accounts.add_group(name, gid);
    accounts.save(editor).ok()
}

/// `useradd --system`; an existing user is kept.
pub(super) fn useradd(editor: &mut TreeEditor<'_>, args: &[&str]) -> Option<()> {
    let words = Words::new(args, USERADD_VALUED);
    let mut accounts = Accounts::of(&editor.base.rootfs).ok()?;
    let name = words.operand()?;
    if accounts.user(name).is_some() {
        return Some(());
    }
    let known = "-d -s -c -u -g --home-dir --home --shell --comment --uid --gid --system \
        --no-create-home --no-user-group --user-group";
    words.only(known, "rMNU")?;
    if !words.has("--system") && !words.letter('r') {
        return None;
    }
    let wanted = words.value("-u --uid").and_then(|text| text.parse().ok());
    let uid = wanted.or_else(|| accounts.highest_free())?;
    let gid = match words.value("-g --gid") {
        Some(group) => accounts.gid(group)?,
        None if words.letter('N') || words.has("--no-user-group") => 100,
        None => {
            accounts.add_group(name, uid);
            uid
        }
    };
    let value = |names, default: &str| words.value(names).unwrap_or(default).to_owned();
    let account = Account {
        name: name.to_owned(),
        uid,
        gid,
        gecos: value("-c --comment", ""),
        home: value("-d --home-dir --home", &format!("/home/{name}")),
        shell: value("-s --shell", "/bin/sh"),
        ..Account::default()
    };
    accounts.add_user(account, editor.base.epoch);
    accounts.save(editor).ok()
}

/// `usermod -a -G GROUP USER`, `gpasswd -a USER GROUP`.
pub(super) fn join(editor: &mut TreeEditor<'_>, program: &str, args: &[&str]) -> Option<()> {
    let mut accounts = Accounts::of(&editor.base.rootfs).ok()?;
    let (user, groups) = match (program, args) {
        ("usermod", ["-a", "-G", groups, user] | ["-aG", groups, user]) => (*user, *groups),
        ("gpasswd", ["-a", user, group]) => (*user, *group),
        _ => return None,
    };
    accounts.user(user)?;
    let joins = |group| accounts.join(user, group).then_some(());
    groups.split(',').try_for_each(joins)?;
    accounts.save(editor).ok()
}
