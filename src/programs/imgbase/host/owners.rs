//! Mapping of owners by name, because the numbers of accounts differ between systems.

use std::collections::BTreeMap;

use crate::error::Result;
use crate::programs::imgbase::Base;
use crate::programs::imgbase::emulation::{Account, Accounts};
use crate::programs::imgbase::root::Root;

/// Replaces the numbers of owners by those that the accounts have in the image. Accounts that only the system has are
/// created, in the order of their names.
///
/// # Errors
/// As [`Accounts::of`] and [`Rootfs::put`](crate::base::rootfs::Rootfs::put).
pub(super) fn map(
    base: &mut Base,
    root: &Root,
    owned: &BTreeMap<Vec<u8>, (u32, u32)>,
) -> Result<()> {
    let users = table(&root.text(b"etc/passwd")?.unwrap_or_default());
    let groups = table(&root.text(b"etc/group")?.unwrap_or_default());
    let mut accounts = Accounts::of(&base.rootfs)?;
    let has_accounts = base.rootfs.get(b"etc/passwd").is_some();
    let mut made = false;
    let mut wanted_users: BTreeMap<&str, &Row> = BTreeMap::new();
    let mut wanted_groups: BTreeMap<&str, &Row> = BTreeMap::new();
    for (uid, gid) in owned.values() {
        for (table, id, wanted) in [
            (&users, uid, &mut wanted_users),
            (&groups, gid, &mut wanted_groups),
        ] {
            if let Some(row) = table.get(id)
                && *id != 0
            {
                wanted.insert(&row.name, row);
            }
        }
    }
    if has_accounts {
        for name in wanted_groups.keys() {
            if accounts.group(name).is_none()
                && let Some(gid) = accounts.free_group()
            {
                accounts.add_group(name, gid);
                made = true;
            }
        }
        for (name, row) in &wanted_users {
            if accounts.user(name).is_some() {
                continue;
            }
            let Some(uid) = accounts.free(false) else {
                continue;
            };
            let group = row.gid.and_then(|gid| groups.get(&gid));
            let gid = group.and_then(|group| accounts.group(&group.name));
            let account = Account {
                name: (*name).to_owned(),
                password: String::new(),
                uid,
                gid: gid.map_or(65534, |group| group.gid),
                gecos: String::new(),
                home: row.rest.first().cloned().unwrap_or_default(),
                shell: row.rest.get(1).cloned().unwrap_or_default(),
            };
            accounts.add_user(account, base.epoch);
            made = true;
        }
    }
    if made {
        let origin = base.origin("accounts of the system");
        let epoch = base.epoch;
        for (path, node) in accounts.files() {
            base.rootfs
                .put(path.as_bytes(), node.at(epoch).from(origin))?;
        }
    }
    for (path, (uid, gid)) in owned {
        let named = |table: &Table, id: &u32| table.get(id).map(|row| row.name.clone());
        let new_uid = named(&users, uid).and_then(|name| Some(accounts.user(&name)?.uid));
        let new_gid = named(&groups, gid).and_then(|name| Some(accounts.group(&name)?.gid));
        if let Some(node) = base.rootfs.get_mut(path) {
            // An emulation may have changed the owner since.
            if node.uid == *uid {
                node.uid = new_uid.unwrap_or(*uid);
            }
            if node.gid == *gid {
                node.gid = new_gid.unwrap_or(*gid);
            }
        }
    }
    Ok(())
}

/// A line of `/etc/passwd` or `/etc/group`.
struct Row {
    name: String,
    /// Primary group of a user.
    gid: Option<u32>,
    /// Home directory and shell of a user.
    rest: Vec<String>,
}

type Table = BTreeMap<u32, Row>;

/// Parses lines into a table by number. The first line with a number counts, as for programs.
fn table(text: &[u8]) -> Table {
    let mut table = Table::new();
    for line in String::from_utf8_lossy(text).lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let Some(id) = fields.get(2).and_then(|id| id.parse().ok()) else {
            continue;
        };
        table.entry(id).or_insert_with(|| Row {
            name: fields[0].to_owned(),
            gid: fields.get(3).and_then(|gid| gid.parse().ok()),
            rest: fields
                .iter()
                .skip(5)
                .map(|field| (*field).to_owned())
                .collect(),
        });
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rootfs::Node;

    #[test]
    fn numbers_of_the_system_become_those_of_the_image() {
        let directory = tempfile::tempdir().expect("a directory");
        let etc = directory.path().join("etc");
        std::fs::create_dir(&etc).expect("a directory");
        let passwd = "root:x:0:0::/root:/bin/sh\nman:x:6:12::/var/cache/man:/usr/sbin/nologin\n\
            _own:x:114:120::/var/own:/bin/false\n";
        std::fs::write(etc.join("passwd"), passwd).expect("a file");
        std::fs::write(
            etc.join("group"),
            "root:x:0:\nman:x:12:\n_own:x:120:\nmsg:x:104:\n",
        )
        .expect("a file");
        let mut base = Base::new(0);
        for (path, text) in [
            (
                "etc/passwd",
                "root:x:0:0::/root:/bin/sh\nman:x:7:13::/:/x\n",
            ),
            ("etc/group", "root:x:0:\nman:x:13:\ntaken:x:100:\n"),
        ] {
            let node = Node::file(0o644, text);
            base.rootfs.put(path.as_bytes(), node).expect("a file");
        }
        let mut owned = BTreeMap::new();
        for (path, uid, gid) in [("a", 6, 12), ("b", 114, 120), ("c", 0, 104), ("d", 999, 0)] {
            let node = Node::file(0o644, "").owned(uid, gid);
            base.rootfs.put(path.as_bytes(), node).expect("a file");
            owned.insert(path.as_bytes().to_vec(), (uid, gid));
        }
        map(&mut base, &Root::at(directory.path()), &owned).expect("owners");
        let found = |path: &str| {
            let node = base.rootfs.get(path.as_bytes()).expect("a node");
            (node.uid, node.gid)
        };
        // Groups get the first free numbers by name: _own 101, msg 102.
        assert_eq!(
            [found("a"), found("b"), found("c"), found("d")],
            [(7, 13), (100, 101), (0, 102), (999, 0)]
        );
        let made = base.rootfs.read(b"etc/passwd", 1000).expect("a file");
        let made = String::from_utf8(made.expect("a file")).expect("text");
        assert!(
            made.contains("_own:x:100:101::/var/own:/bin/false")
                || made.contains("_own:*:100:101::/var/own:/bin/false"),
            "{made}"
        );
    }
}
