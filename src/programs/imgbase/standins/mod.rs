//! Stand-ins: what maintainer scripts, triggers and dpkg itself would have made, made without running anything.
//!
//! A table of small functions over a [`Base`], in a fixed order, each with a name that turns it off. Those that stand in
//! for a helper program (`pam`, `shells`, `cacerts`, …) read what that program reads and write what it writes;
//! `commands` does what maintainer scripts say in so many words: `mkdir`, `chown`, `adduser`, `update-alternatives`.
//! What neither can do is left to the report of [`scripts`](super::scripts), which looks at the tree afterwards.
//!
//! Whatever is there already stays: a stand-in adds what is missing, as the scripts do on a first installation.

mod accounts;
mod acts;
mod alternatives;
mod cacerts;
mod commands;
mod copies;
mod dpkg;
mod ldcache;
mod pam;
mod shells;
mod systemd;
mod usrmerge;

use std::collections::BTreeSet;

use super::Base;
use crate::base::debian::Unpacked;
use crate::base::rootfs::{Kind, Node, Origin};
use crate::error::{Fault, Result};

pub use accounts::{Account, Accounts, Group};
pub use dpkg::Database;
pub use usrmerge::{is_merged, merge_usr};

/// How much of one file of the tree is read: the largest that a stand-in reads is the bundle of certificates.
const MAX_READ: u64 = 16 << 20;

/// What is to be made.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// The names of those that are left out.
    pub without: BTreeSet<String>,
    /// How packages are recorded.
    pub database: Database,
    /// The time zone, as below `/usr/share/zoneinfo`; `Etc/UTC` where nothing is said.
    pub time_zone: Option<String>,
}

impl Choice {
    /// Leaves one out, by its name.
    ///
    /// # Errors
    /// `Usage` for a name that no stand-in has.
    pub fn leave_out(&mut self, name: &str) -> Result<()> {
        if !names().any(|(known, _)| known == name) {
            let known: Vec<&str> = names().map(|(name, _)| name).collect();
            let why = format!(
                "no stand-in is called '{name}': there are {}",
                known.join(", ")
            );
            return Err(Fault::Usage(why).into());
        }
        self.without.insert(name.to_owned());
        Ok(())
    }
}

/// What one stand-in did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StandInReport {
    /// Its name.
    pub name: &'static str,
    /// The paths it made or changed, from the top, sorted.
    pub made: Vec<Vec<u8>>,
    /// What people should know of it.
    pub notes: Vec<String>,
}

/// One of the table.
struct StandIn {
    name: &'static str,
    about: &'static str,
    make: fn(&mut Making<'_>) -> Result<()>,
}

/// In the order in which they run: accounts before what is owned by them, what looks at the whole tree last.
const TABLE: [StandIn; 9] = [
    StandIn {
        name: "accounts",
        about: "passwd, group, shadow and gshadow out of base-passwd's masters",
        make: accounts::make,
    },
    StandIn {
        name: "cacerts",
        about: "/etc/ssl/certs: the bundle and the links by subject",
        make: cacerts::make,
    },
    StandIn {
        name: "commands",
        about: "what maintainer scripts say in so many words: mkdir, chown, adduser, update-alternatives, ...",
        make: commands::make,
    },
    StandIn {
        name: "pam",
        about: "/etc/pam.d/common-* out of the profiles in /usr/share/pam-configs",
        make: pam::make,
    },
    StandIn {
        name: "shells",
        about: "/etc/shells out of /usr/share/debianutils/shells.d",
        make: shells::make,
    },
    StandIn {
        name: "timezone",
        about: "/etc/localtime and /etc/timezone",
        make: copies::time_zone,
    },
    StandIn {
        name: "apt",
        about: "the owner of apt's folders for files that are on their way",
        make: copies::apt,
    },
    StandIn {
        name: "ldcache",
        about: "/etc/ld.so.cache",
        make: ldcache::make,
    },
    StandIn {
        name: "database",
        about: "dpkg's database, or /var/lib/dpkg/status.d",
        make: dpkg::make,
    },
];

/// The names of all stand-ins and what each makes, in the order in which they run.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.iter().map(|one| (one.name, one.about))
}

/// Makes everything that is wanted and not there yet.
///
/// # Errors
/// What cannot be put into the tree, as [`Rootfs::put`](crate::base::rootfs::Rootfs::put) says; files that are too large or
/// damaged where damage matters. The place is the stand-in, then the path.
pub fn run(base: &mut Base, choice: &Choice) -> Result<Vec<StandInReport>> {
    let mut reports = Vec::new();
    for one in &TABLE {
        if choice.without.contains(one.name) {
            continue;
        }
        let origin = base.origin(one.name);
        let mut making = Making::new(base, choice, origin);
        (one.make)(&mut making).map_err(|error| error.at(one.name))?;
        let (made, notes) = (making.made, making.notes);
        reports.push(StandInReport {
            name: one.name,
            made: made.into_iter().collect(),
            notes,
        });
    }
    Ok(reports)
}

/// A stand-in at work.
struct Making<'a> {
    base: &'a mut Base,
    choice: &'a Choice,
    origin: Origin,
    made: BTreeSet<Vec<u8>>,
    notes: Vec<String>,
}

impl<'a> Making<'a> {
    /// With nothing made yet.
    fn new(base: &'a mut Base, choice: &'a Choice, origin: Origin) -> Self {
        Making {
            base,
            choice,
            origin,
            made: BTreeSet::new(),
            notes: Vec::new(),
        }
    }

    /// Puts something at a path, whatever is there.
    fn put(&mut self, path: &str, node: Node) -> Result<()> {
        let node = Node {
            mtime: if node.mtime == 0 {
                self.base.epoch
            } else {
                node.mtime
            },
            origin: self.origin,
            ..node
        };
        let put = self.base.rootfs.put(path.as_bytes(), node)?;
        self.made.insert(put.path);
        Ok(())
    }

    /// Puts something at a path unless there is something.
    fn add(&mut self, path: &str, node: Node) -> Result<()> {
        match self.exists(path) {
            true => Ok(()),
            false => self.put(path, node),
        }
    }

    /// A file of root's that all may read.
    fn write(&mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Result<()> {
        self.put(path, Node::file(0o644, bytes))
    }

    /// Whether anything is there, a link that leads nowhere included.
    fn exists(&self, path: &str) -> bool {
        let there = self.base.rootfs.resolve(path.as_bytes());
        there.is_ok_and(|path| self.base.rootfs.get(&path).is_some())
    }

    fn is_folder(&self, path: &str) -> bool {
        let there = self.base.rootfs.follow(path.as_bytes());
        let node = there.ok().and_then(|path| self.base.rootfs.get(&path));
        node.is_some_and(|node| node.kind == Kind::Folder)
    }

    /// A file's bytes, links followed.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.base.rootfs.read(path.as_bytes(), MAX_READ)
    }

    fn text(&self, path: &str) -> Result<Option<String>> {
        let bytes = self.read(path)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The node a path leads to, to be changed.
    fn change(&mut self, path: &str, change: impl FnOnce(&mut Node)) -> Result<bool> {
        let there = self.base.rootfs.follow(path.as_bytes())?;
        let Some(node) = self.base.rootfs.get_mut(&there) else {
            return Ok(false);
        };
        let before = (node.mode, node.uid, node.gid);
        change(node);
        if before != (node.mode, node.uid, node.gid) {
            self.made.insert(there);
        }
        Ok(true)
    }

    fn package(&self, name: &str) -> Option<&Unpacked> {
        self.base
            .packages
            .iter()
            .find(|package| package.name() == name)
    }

    /// The names right in a folder.
    fn children(&self, folder: &str) -> Vec<String> {
        let Ok(there) = self.base.rootfs.follow(folder.as_bytes()) else {
            return Vec::new();
        };
        let start = if there.is_empty() { 0 } else { there.len() + 1 };
        let children = self.base.rootfs.children(&there);
        children
            .map(|named| String::from_utf8_lossy(&named.path[start..]).into_owned())
            .collect()
    }

    fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}

/// Whether a command of a script would still change a tree; `None` for one that is not understood. It is done to the tree.
pub(super) fn would_change(base: &mut Base, effect: &super::scripts::Effect) -> Option<bool> {
    let choice = Choice::default();
    let mut making = Making::new(base, &choice, Origin::default());
    match commands::perform(&mut making, effect) {
        Ok(true) => Some(!making.made.is_empty()),
        _ => None,
    }
}

/// What packages need that are still to be configured: accounts, and a database that says so.
pub(super) fn unconfigured(base: &mut Base, choice: &Choice) -> Result<()> {
    let origin = base.origin("database");
    let mut making = Making::new(base, choice, origin);
    accounts::make(&mut making)?;
    dpkg::full(&mut making, dpkg::State::Unpacked)
}

/// Makes glibc's cache of libraries, for a tree that is not made of packages.
pub(super) fn loader_cache(base: &mut Base) -> Result<()> {
    let choice = Choice::default();
    let origin = base.origin("ldcache");
    let mut making = Making::new(base, &choice, origin);
    ldcache::make(&mut making)
}

pub(super) use dpkg::conffile_names;

/// Does what a person asked for to a finished tree, see [`Act`](super::scripts::Act).
///
/// # Errors
/// `Usage` for an account or a path that is not there, or a mode that is none; what putting files gives.
pub(super) fn act(base: &mut Base, act: &super::scripts::Act) -> Result<()> {
    let choice = Choice::default();
    let origin = base.origin("recipe");
    let mut making = Making::new(base, &choice, origin);
    acts::act(&mut making, act)
}
