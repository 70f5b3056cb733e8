//! Commands on accounts: `adduser`, `addgroup`, `useradd`, `groupadd`, `usermod`, `gpasswd`.

use super::super::accounts::{Account, Accounts};
use super::super::editor::TreeEditor;
use super::words::Words;
use crate::base::rootfs::Node;
use crate::error::Result;

/// `adduser --system …`, and `adduser USER GROUP`.
pub(super) fn adduser(editor: &mut TreeEditor<'_>, args: &[&str]) -> Result<bool> {
    let valued = [
        "--home",
        "--shell",
        "--gecos",
        "--comment",
        "--uid",
        "--gid",
        "--ingroup",
        "--firstuid",
        "--lastuid",
    ];
    let words = Words::new(args, &valued);
    let known = [
        "--home",
        "--shell",
        "--gecos",
        "--comment",
        "--uid",
        "--gid",
        "--ingroup",
        "--system",
        "--group",
        "--no-create-home",
        "--quiet",
        "--force-badname",
        "--allow-badname",
        "--allow-bad-names",
        "--disabled-password",
        "--disabled-login",
        "--allow-all-names",
    ];
    let mut accounts = Accounts::of(&editor.base.rootfs)?;
    if accounts.users().next().is_none() || !words.only(&known, "q") {
        return Ok(false);
    }
    let name = match words.operands.as_slice() {
        [name] => *name,
        [user, group] if !words.has("--system") => {
            let done = accounts.user(user).is_some() && accounts.join(user, group);
            accounts.save(editor)?;
            return Ok(done);
        }
        _ => return Ok(false),
    };
    if accounts.user(name).is_some() {
        return Ok(true);
    }
    if !words.has("--system") {
        return Ok(false);
    }
    let own_group = words.has("--group");
    let wanted = words.value(&["--uid"]).map(str::parse::<u32>);
    let uid = match wanted {
        Some(Ok(uid)) => Some(uid),
        Some(Err(_)) => None,
        None => accounts.free(own_group),
    };
    let Some(uid) = uid else {
        return Ok(false);
    };
    let group = words.value(&["--ingroup", "--gid"]);
    let gid = match (own_group, group) {
        (true, _) => match accounts.group(name) {
            Some(group) => group.gid,
            None => {
                accounts.add_group(name, uid);
                uid
            }
        },
        (false, Some(group)) => match accounts.gid(group) {
            Some(gid) => gid,
            None => return Ok(false),
        },
        (false, None) => accounts.gid("nogroup").unwrap_or(65_534),
    };
    let home = words.value(&["--home"]).unwrap_or("/nonexistent");
    let account = Account {
        name: name.to_owned(),
        uid,
        gid,
        gecos: words
            .value(&["--gecos", "--comment"])
            .unwrap_or_default()
            .to_owned(),
        home: home.to_owned(),
        shell: words
            .value(&["--shell"])
            .unwrap_or("/usr/sbin/nologin")
            .to_owned(),
        ..Account::default()
    };
    accounts.add_user(account, editor.base.epoch);
    accounts.save(editor)?;
    let makes_home = !words.has("--no-create-home") && home != "/nonexistent" && !home.is_empty();
    if makes_home && !editor.is_directory(home) {
        editor.put(home, Node::directory(0o755).owned(uid, gid))?;
    }
    Ok(true)
}

/// `addgroup`: carried out only with `--system` or a number.
pub(super) fn addgroup(editor: &mut TreeEditor<'_>, args: &[&str]) -> Result<bool> {
    let words = Words::new(args, &["--gid"]);
    let known = [
        "--gid",
        "--system",
        "--quiet",
        "--force-badname",
        "--allow-badname",
        "--allow-bad-names",
        "--allow-all-names",
    ];
    let mut accounts = Accounts::of(&editor.base.rootfs)?;
    let [name] = words.operands.as_slice() else {
        return Ok(false);
    };
    if accounts.groups().next().is_none() || !words.only(&known, "q") {
        return Ok(false);
    }
    if accounts.group(name).is_some() {
        return Ok(true);
    }
    let wanted = words.value(&["--gid"]).map(str::parse::<u32>);
    let gid = match wanted {
        Some(gid) => gid.ok(),
        None if words.has("--system") => accounts.free_group(),
        None => None,
    };
    let Some(gid) = gid else {
        return Ok(false);
    };
    accounts.add_group(name, gid);
    accounts.save(editor)?;
    Ok(true)
}

/// `groupadd`: carried out only for system groups and groups with a number.
pub(super) fn groupadd(editor: &mut TreeEditor<'_>, args: &[&str]) -> Result<bool> {
    let words = Words::new(args, &USERADD_VALUED);
    let mut accounts = Accounts::of(&editor.base.rootfs)?;
    let [name] = words.operands.as_slice() else {
        return Ok(false);
    };
    if accounts.group(name).is_some() {
        return Ok(true);
    }
    let wanted = words
        .value(&["-g", "--gid"])
        .and_then(|text| text.parse().ok());
    let is_system = words.has("--system") || words.letter('r');
    let free = || accounts.highest_free(|accounts, id| accounts.gid_is_free(id));
    let gid = wanted.or_else(|| free().filter(|_| is_system));
    let known = ["-g", "--gid", "--system", "--force"];
    let (Some(gid), true) = (gid, words.only(&known, "rf")) else {
        return Ok(false);
    };
    accounts.add_group(name, gid);
    accounts.save(editor)?;
    Ok(true)
}

/// Options of `useradd` and `groupadd` that take a value.
const USERADD_VALUED: [&str; 13] = [
    "-d",
    "-s",
    "-c",
    "-u",
    "-g",
    "-G",
    "--home-dir",
    "--home",
    "--shell",
    "--comment",
    "--uid",
    "--gid",
    "--groups",
];

/// `useradd --system`; an existing user is kept.
pub(super) fn useradd(editor: &mut TreeEditor<'_>, args: &[&str]) -> Result<bool> {
    let words = Words::new(args, &USERADD_VALUED);
    let mut accounts = Accounts::of(&editor.base.rootfs)?;
    let [name] = words.operands.as_slice() else {
        return Ok(false);
    };
    if accounts.user(name).is_some() {
        return Ok(true);
    }
    let known = [
        "-d",
        "-s",
        "-c",
        "-u",
        "-g",
        "--home-dir",
        "--home",
        "--shell",
        "--comment",
        "--uid",
        "--gid",
        "--system",
        "--no-create-home",
        "--no-user-group",
        "--user-group",
    ];
    let is_system = words.has("--system") || words.letter('r');
    if !words.only(&known, "rMNU") || !is_system {
        return Ok(false);
    }
    let wanted = words
        .value(&["-u", "--uid"])
        .and_then(|text| text.parse().ok());
    let free = || {
        accounts.highest_free(|accounts, id| accounts.uid_is_free(id) && accounts.gid_is_free(id))
    };
    let Some(uid) = wanted.or_else(free) else {
        return Ok(false);
    };
    let gid = match words.value(&["-g", "--gid"]) {
        Some(group) => match accounts.gid(group) {
            Some(gid) => gid,
            None => return Ok(false),
        },
        None if words.letter('N') || words.has("--no-user-group") => 100,
        None => {
            accounts.add_group(name, uid);
            uid
        }
    };
    let home = words.value(&["-d", "--home-dir", "--home"]);
    let value = |names| words.value(names);
    let account = Account {
        name: (*name).to_owned(),
        uid,
        gid,
        gecos: value(&["-c", "--comment"]).unwrap_or_default().to_owned(),
        home: home.map_or_else(|| format!("/home/{name}"), str::to_owned),
        shell: value(&["-s", "--shell"]).unwrap_or("/bin/sh").to_owned(),
        ..Account::default()
    };
    accounts.add_user(account, editor.base.epoch);
    accounts.save(editor)?;
    Ok(true)
}

/// `usermod -a -G GROUP USER`, `gpasswd -a USER GROUP`.
pub(super) fn join(editor: &mut TreeEditor<'_>, program: &str, args: &[&str]) -> Result<bool> {
    let mut accounts = Accounts::of(&editor.base.rootfs)?;
    let (user, groups) = match (program, args) {
        ("usermod", ["-a", "-G", groups, user] | ["-aG", groups, user]) => (*user, *groups),
        ("gpasswd", ["-a", user, group]) => (*user, *group),
        _ => return Ok(false),
    };
    let mut done = accounts.user(user).is_some();
    for group in groups.split(',') {
        done &= accounts.join(user, group);
    }
    if done {
        accounts.save(editor)?;
    }
    Ok(done)
}
