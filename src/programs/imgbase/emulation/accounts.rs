//! `/etc/passwd`, `group`, `shadow` and `gshadow`.
//!
//! They begin as the masters of base-passwd; with passwd installed, passwords are in shadow, as `shadowconfig on` moves
//! them. Users and groups get the numbers that `adduser --system` (Debian's, 3.134) and `systemd-sysusers` choose.

use std::fmt;

use super::editor::{MAX_READ, TreeEditor};
use crate::base::rootfs::{Node, Rootfs};
use crate::error::Result;

/// Range of the numbers that Debian allocates to system accounts.
const SYSTEM: std::ops::RangeInclusive<u32> = 100..=999;

/// A line of `/etc/passwd`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    /// Login name.
    pub name: String,
    /// Password field; `x` if the password is in shadow.
    pub password: String,
    /// User number.
    pub uid: u32,
    /// Number of the primary group.
    pub gid: u32,
    /// Comment.
    pub gecos: String,
    /// Home directory.
    pub home: String,
    /// Login shell.
    pub shell: String,
}

/// A line of `/etc/group`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Group {
    /// Group name.
    pub name: String,
    /// Password field; `x` if the password is in gshadow.
    pub password: String,
    /// Group number.
    pub gid: u32,
    /// Names of the additional members.
    pub members: Vec<String>,
}

/// The accounts of a tree, in the order of their files. Invalid lines are kept.
#[derive(Debug, Clone, Default)]
pub struct Accounts {
    users: Vec<Result<Account, String>>,
    groups: Vec<Result<Group, String>>,
    shadow: Option<Vec<String>>,
    gshadow: Option<Vec<String>>,
}

impl Accounts {
    /// Reads the accounts of a tree; none if the files are missing.
    ///
    /// # Errors
    /// As [`Rootfs::read`].
    pub fn of(rootfs: &Rootfs) -> Result<Self> {
        let read = |path: &str| -> Result<Option<String>> {
            let bytes = rootfs.read(path.as_bytes(), MAX_READ)?;
            Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
        };
        let lines = |text: String| text.lines().map(str::to_owned).collect();
        let users = read("etc/passwd")?.unwrap_or_default();
        let groups = read("etc/group")?.unwrap_or_default();
        Ok(Accounts {
            users: users
                .lines()
                .map(|line| account(line).ok_or_else(|| line.to_owned()))
                .collect(),
            groups: groups
                .lines()
                .map(|line| group(line).ok_or_else(|| line.to_owned()))
                .collect(),
            shadow: read("etc/shadow")?.map(lines),
            gshadow: read("etc/gshadow")?.map(lines),
        })
    }

    /// Returns the users.
    pub fn users(&self) -> impl Iterator<Item = &Account> {
        self.users.iter().flatten()
    }

    /// Returns the groups.
    pub fn groups(&self) -> impl Iterator<Item = &Group> {
        self.groups.iter().flatten()
    }

    /// Returns the user with this name.
    pub fn user(&self, name: &str) -> Option<&Account> {
        self.users().find(|account| account.name == name)
    }

    /// Returns the group with this name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups().find(|group| group.name == name)
    }

    /// Returns the number of a user, given by name or number.
    pub fn uid(&self, text: &str) -> Option<u32> {
        let named = self.user(text).map(|account| account.uid);
        named.or_else(|| text.parse().ok())
    }

    /// Returns the number of a group, given by name or number.
    pub fn gid(&self, text: &str) -> Option<u32> {
        let named = self.group(text).map(|group| group.gid);
        named.or_else(|| text.parse().ok())
    }

    /// Returns the lowest number of the system range that neither a user nor, with `also_group`, a group has.
    pub fn free(&self, also_group: bool) -> Option<u32> {
        SYSTEM
            .into_iter()
            .find(|id| self.uid_is_free(*id) && (!also_group || self.gid_is_free(*id)))
    }

    /// Returns the lowest number of the system range that no group has.
    pub fn free_group(&self) -> Option<u32> {
        SYSTEM.into_iter().find(|id| self.gid_is_free(*id))
    }

    /// Returns the highest number of the system range that neither a user nor a group has, as useradd and systemd choose it.
    pub(super) fn highest_free(&self) -> Option<u32> {
        let mut ids = SYSTEM.rev();
        ids.find(|id| self.uid_is_free(*id) && self.gid_is_free(*id))
    }

    /// Returns the highest number of the system range that no group has.
    pub(super) fn highest_free_group(&self) -> Option<u32> {
        SYSTEM.rev().find(|id| self.gid_is_free(*id))
    }

    /// Parses an owner, and returns the user and group number: `USER`, `USER:GROUP`, `USER:` (the user's group) or
    /// `:GROUP`, by name or number; `None` for an unknown account.
    pub(super) fn owner(&self, text: &str) -> Option<(Option<u32>, Option<u32>)> {
        let at = text
            .find(':')
            .or_else(|| text.find('.').filter(|_| self.user(text).is_none()));
        let (user, group) = match at {
            Some(at) => (&text[..at], Some(&text[at + 1..])),
            None => (text, None),
        };
        let uid = match user {
            "" => None,
            user => Some(self.uid(user)?),
        };
        let gid = match group {
            None => None,
            Some("") => Some(self.user(user)?.gid),
            Some(group) => Some(self.gid(group)?),
        };
        Some((uid, gid))
    }

    /// Writes the files that differ from those of the tree.
    pub(super) fn save(&self, editor: &mut TreeEditor<'_>) -> Result<()> {
        for (path, node) in self.files() {
            let contents = node.contents().map(|contents| contents.bytes(MAX_READ));
            if editor.read(path)? != contents.transpose()? {
                editor.put(path, node)?;
            }
        }
        Ok(())
    }

    /// Returns whether no user has this number.
    pub fn uid_is_free(&self, uid: u32) -> bool {
        !self.users().any(|account| account.uid == uid)
    }

    /// Returns whether no group has this number.
    pub fn gid_is_free(&self, gid: u32) -> bool {
        !self.groups().any(|group| group.gid == gid)
    }

    /// Adds a user at the end, without a password, if none has this name. `epoch` is the time of the change in seconds
    /// since 1970.
    pub fn add_user(&mut self, account: Account, epoch: i64) {
        if self.user(&account.name).is_some() {
            return;
        }
        if let Some(shadow) = &mut self.shadow {
            let day = epoch.div_euclid(86_400);
            shadow.push(format!("{}:!:{day}::::::", account.name));
        }
        let password = match &self.shadow {
            Some(_) => "x",
            None => "*",
        };
        self.users.push(Ok(Account {
            password: password.to_owned(),
            ..account
        }));
    }

    /// Adds a group at the end, if none has this name.
    pub fn add_group(&mut self, name: &str, gid: u32) {
        if self.group(name).is_some() {
            return;
        }
        if let Some(gshadow) = &mut self.gshadow {
            gshadow.push(format!("{name}:!::"));
        }
        self.groups.push(Ok(Group {
            name: name.to_owned(),
            password: "x".to_owned(),
            gid,
            members: Vec::new(),
        }));
    }

    /// Adds a user to a group. Returns whether the group exists.
    pub fn join(&mut self, user: &str, group: &str) -> bool {
        let mut groups = self.groups.iter_mut().flatten();
        let Some(found) = groups.find(|known| known.name == group) else {
            return false;
        };
        if !found.members.iter().any(|member| member == user) {
            found.members.push(user.to_owned());
            for line in self.gshadow.iter_mut().flatten() {
                if line.split(':').next() == Some(group) {
                    let comma = if line.ends_with(':') { "" } else { "," };
                    *line = format!("{line}{comma}{user}");
                }
            }
        }
        true
    }

    /// Moves passwords into shadow and gshadow, if these are missing.
    fn shadow(&mut self, epoch: i64) {
        let day = epoch.div_euclid(86_400);
        if self.shadow.is_none() {
            let mut lines = Vec::new();
            for account in self.users.iter_mut().flatten() {
                let password = std::mem::replace(&mut account.password, "x".to_owned());
                lines.push(format!("{}:{password}:{day}:0:99999:7:::", account.name));
            }
            self.shadow = Some(lines);
        }
        if self.gshadow.is_none() {
            let mut lines = Vec::new();
            for group in self.groups.iter_mut().flatten() {
                let password = std::mem::replace(&mut group.password, "x".to_owned());
                lines.push(format!(
                    "{}:{password}::{}",
                    group.name,
                    group.members.join(",")
                ));
            }
            self.gshadow = Some(lines);
        }
    }

    /// Returns the account files as pairs of path and node.
    pub fn files(&self) -> Vec<(&'static str, Node)> {
        let shadow_group = self.group("shadow").map_or(0, |group| group.gid);
        let mut files = vec![
            ("etc/passwd", Node::file(0o644, text(&self.users))),
            ("etc/group", Node::file(0o644, text(&self.groups))),
        ];
        for (path, lines) in [("etc/shadow", &self.shadow), ("etc/gshadow", &self.gshadow)] {
            if let Some(lines) = lines {
                let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
                files.push((path, Node::file(0o640, text).owned(0, shadow_group)));
            }
        }
        files
    }
}

/// Returns the text of a file.
fn text<T: fmt::Display>(lines: &[Result<T, String>]) -> String {
    let line = |line: &Result<T, String>| match line {
        Ok(account) => format!("{account}\n"),
        Err(line) => format!("{line}\n"),
    };
    lines.iter().map(line).collect()
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, password, uid, gid) = (&self.name, &self.password, self.uid, self.gid);
        let (gecos, home, shell) = (&self.gecos, &self.home, &self.shell);
        write!(f, "{name}:{password}:{uid}:{gid}:{gecos}:{home}:{shell}")
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = self.members.join(",");
        write!(f, "{}:{}:{}:{members}", self.name, self.password, self.gid)
    }
}

fn account(line: &str) -> Option<Account> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, password, uid, gid, gecos, home, shell] = fields.as_slice() else {
        return None;
    };
    Some(Account {
        name: (*name).to_owned(),
        password: (*password).to_owned(),
        uid: uid.parse().ok()?,
        gid: gid.parse().ok()?,
        gecos: (*gecos).to_owned(),
        home: (*home).to_owned(),
        shell: (*shell).to_owned(),
    })
}

fn group(line: &str) -> Option<Group> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, password, gid, members] = fields.as_slice() else {
        return None;
    };
    Some(Group {
        name: (*name).to_owned(),
        password: (*password).to_owned(),
        gid: gid.parse().ok()?,
        members: members
            .split(',')
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

/// Copies the masters of base-passwd, and enables shadow passwords where passwd is installed.
pub(super) fn make(editor: &mut TreeEditor<'_>) -> Result<()> {
    for (master, path) in [
        ("usr/share/base-passwd/passwd.master", "etc/passwd"),
        ("usr/share/base-passwd/group.master", "etc/group"),
    ] {
        if let Some(bytes) = editor.read(master)? {
            editor.add(path, Node::file(0o644, bytes))?;
        }
    }
    if editor.package("passwd").is_none() || !editor.exists("etc/passwd") {
        return Ok(());
    }
    let mut accounts = Accounts::of(&editor.base.rootfs)?;
    if accounts.shadow.is_some() {
        return Ok(());
    }
    let (passwd, group) = (text(&accounts.users), text(&accounts.groups));
    accounts.shadow(editor.base.epoch);
    // Backups, as the programs that change these files keep them.
    editor.add("etc/passwd-", Node::file(0o600, passwd))?;
    editor.add("etc/group-", Node::file(0o644, group))?;
    editor.add("etc/.pwd.lock", Node::file(0o600, ""))?;
    for (path, node) in accounts.files() {
        editor.put(path, node)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn system_users_are_numbered_as_adduser_does() {
        let mut tree = Rootfs::default();
        for (path, text) in [
            (
                "etc/passwd",
                "root:x:0:0:root:/root:/bin/bash\nold:x:100:65534::/:/bin/sh\nodd line\n",
            ),
            ("etc/group", "root:x:0:\nusers:x:101:\n"),
            ("etc/shadow", "root:*:1:0:99999:7:::\n"),
            ("etc/gshadow", "root:*::\nusers:*::a\n"),
        ] {
            tree.put(path.as_bytes(), Node::file(0o644, text))
                .expect("a file");
        }
        let mut accounts = Accounts::of(&tree).expect("accounts");
        assert_eq!(
            (accounts.free(false), accounts.free(true)),
            (Some(101), Some(102))
        );
        assert_eq!(accounts.free_group(), Some(100));
        accounts.add_group("web", 102);
        let account = Account {
            name: "web".to_owned(),
            uid: 102,
            gid: 102,
            home: "/nonexistent".to_owned(),
            shell: "/usr/sbin/nologin".to_owned(),
            ..Account::default()
        };
        accounts.add_user(account.clone(), 1_750_000_000);
        accounts.add_user(account, 0);
        assert!(accounts.join("web", "users") && !accounts.join("web", "nothing"));
        let files = accounts.files();
        let text = |at: usize| {
            let contents = files[at].1.contents().expect("a file");
            String::from_utf8(contents.bytes(4096).expect("bytes")).expect("text")
        };
        assert!(text(0).ends_with("odd line\nweb:x:102:102::/nonexistent:/usr/sbin/nologin\n"));
        assert!(
            text(1).ends_with("users:x:101:web\nweb:x:102:\n"),
            "{}",
            text(1)
        );
        assert!(text(2).ends_with("web:!:20254::::::\n"));
        assert_eq!(text(3), "root:*::\nusers:*::a,web\nweb:!::\n");
    }
}
