//! Comparison of two sides, path by path.

use std::cmp::Ordering;

use super::groups::Groups;
use super::pair::{Pair, Status};
use super::side::Side;
use crate::disk::{Item, Patterns, is_portable};
use crate::layer::{EntryKind, Mtime};
use crate::tree::cmp_paths;

/// Rules of the comparison.
pub(super) struct Rules<'a> {
    /// Paths that are not compared.
    pub excludes: &'a Patterns,
    /// Leave out the files that docker creates in every container, even if the base has them.
    pub leave_out_docker: bool,
    /// Take owners from the base.
    pub base_owners: bool,
    /// Latest time in seconds since 1970; later times of both sides are clamped.
    pub latest: Option<i64>,
    /// Keep the metadata of the root directory if the base has none. In an unpacked tree it is that of the target
    /// directory, which is not a change.
    pub keep_top: bool,
}

/// Paths that docker creates in every container.
const DOCKER_PATHS: [&[u8]; 10] = [
    b".dockerenv",
    b"dev/console",
    b"dev/pts",
    b"dev/shm",
    b"etc/hostname",
    b"etc/hosts",
    b"etc/mtab",
    b"etc/resolv.conf",
    b"proc",
    b"sys",
];

/// Tests if docker has created an item for a container.
fn is_from_docker(item: &Item) -> bool {
    let empty = match item.kind {
        EntryKind::File => item.size == 0,
        EntryKind::Symlink => item.link_target == b"/proc/mounts",
        EntryKind::Directory => true,
        _ => false,
    };
    empty && DOCKER_PATHS.contains(&&*item.path)
}

/// Merges both sides by path, in the order of [`cmp_paths`].
pub(super) fn merge(base: &dyn Side, new: &dyn Side, rules: &Rules<'_>) -> (Vec<Pair>, Groups) {
    let mut merger = Merger {
        base,
        new,
        rules,
        pairs: Vec::new(),
        groups: Groups::default(),
        above: Vec::new(),
    };
    let (mut b, mut n) = (0, 0);
    let (mut old, mut now) = (base.item(b), new.item(n));
    loop {
        let order = match (&old, &now) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(old), Some(now)) => cmp_paths(&old.path, &now.path),
        };
        let mut left = None;
        if order.is_le() {
            left = old.take().map(|item| (b, item));
            b += 1;
            old = base.item(b);
        }
        let mut right = None;
        if order.is_ge() {
            right = now.take().map(|item| (n, item));
            n += 1;
            now = new.item(n);
        }
        merger.add(left, right);
    }
    for pair in &mut merger.pairs {
        if pair.status == Status::Time {
            pair.status = Status::Changed;
        }
    }
    (merger.pairs, merger.groups)
}

/// Pairs in the making.
struct Merger<'a> {
    base: &'a dyn Side,
    new: &'a dyn Side,
    rules: &'a Rules<'a>,
    pairs: Vec<Pair>,
    groups: Groups,
    /// Directories above the current path, with their pairs.
    above: Vec<(Vec<u8>, u32)>,
}

impl Merger<'_> {
    /// Adds the pair of one path: its items on both sides, with their numbers.
    fn add(&mut self, left: Option<(usize, Item)>, right: Option<(usize, Item)>) {
        let Some((_, item)) = right.as_ref().or(left.as_ref()) else {
            return;
        };
        let path = item.path.clone();
        let number = self.pairs.len();
        let parent = self.parent(&path);
        let mut pair = self.compare(&path, parent, left.as_ref(), right.as_ref());
        pair.parent = parent;
        let is_directory = |item: &Item| item.kind == EntryKind::Directory;
        if let Some((b, item)) = &left {
            pair.base = u32::try_from(*b).ok();
            self.groups.add_base(number, item);
        }
        if let Some((n, item)) = &right {
            pair.new = u32::try_from(*n).ok();
            pair.is_new_directory = is_directory(item);
            pair.is_directory =
                pair.is_new_directory && left.as_ref().is_some_and(|(_, left)| is_directory(left));
            self.groups.add_new(number, item);
        }
        if [&left, &right]
            .into_iter()
            .flatten()
            .any(|(_, item)| is_directory(item))
        {
            self.above
                .push((path, u32::try_from(number).unwrap_or(u32::MAX)));
        }
        // Files that docker creates change the time of their directory; that alone is not a change.
        if pair.status == Status::Ignored
            && let Some(parent) = parent
            && let Some(above) = self.pairs.get_mut(parent as usize)
            && above.status == Status::Time
        {
            above.status = Status::Same;
        }
        self.pairs.push(pair);
    }

    /// Returns the pair of the parent directory, and leaves the directories that do not contain the path.
    fn parent(&mut self, path: &[u8]) -> Option<u32> {
        while self
            .above
            .pop_if(|(directory, _)| {
                !(path.starts_with(directory) && path.get(directory.len()) == Some(&b'/'))
            })
            .is_some()
        {}
        self.above.last().map(|(_, pair)| *pair)
    }

    /// Compares both sides of a path.
    fn compare(
        &self,
        path: &[u8],
        parent: Option<u32>,
        left: Option<&(usize, Item)>,
        right: Option<&(usize, Item)>,
    ) -> Pair {
        let rules = self.rules;
        let above = parent.and_then(|parent| self.pairs.get(parent as usize));
        let excluded = rules.excludes.matches(path);
        let from_docker =
            right.is_some_and(|(_, item)| rules.leave_out_docker && is_from_docker(item));
        let ignores_contents =
            above.is_some_and(|above| above.ignores_contents) || !excluded && from_docker;
        let status = match (left, right) {
            _ if excluded || from_docker => Status::Ignored,
            (None, Some(_)) if ignores_contents => Status::Ignored,
            (Some(_), None) => match above {
                None => Status::Removed,
                Some(above) if above.status == Status::Ignored => Status::Ignored,
                Some(above) if above.is_new_directory => Status::Removed,
                Some(_) => Status::Covered,
            },
            (Some((b, old)), Some((n, now))) => {
                let implied = self.base.is_implied(*b) || self.new.is_implied(*n);
                self.compare_items(old, now, implied)
            }
            _ => Status::Changed,
        };
        Pair {
            status,
            ignores_contents,
            ..Pair::default()
        }
    }

    /// Compares the metadata of two items; the time only if both are entries of a layer or directory.
    fn compare_items(&self, old: &Item, now: &Item, implied: bool) -> Status {
        let clamped = |time: Mtime| match self.rules.latest {
            Some(latest) if time.seconds >= latest => Mtime {
                seconds: latest,
                nanos: 0,
            },
            _ => time,
        };
        let mut old = old.clone();
        if self.rules.base_owners {
            (old.metadata.uid, old.metadata.gid) = (now.metadata.uid, now.metadata.gid);
        }
        if implied || same_time(clamped(old.metadata.mtime), clamped(now.metadata.mtime)) {
            old.metadata.mtime = now.metadata.mtime;
        }
        if same(&old, now) {
            return Status::Same;
        }
        old.metadata.mtime = now.metadata.mtime;
        match same(&old, now) {
            true => Status::Time,
            false => Status::Changed,
        }
    }
}

/// Compares times: to the second if one has no nanoseconds, as in a tar without PAX headers.
fn same_time(a: Mtime, b: Mtime) -> bool {
    a == b || a.seconds == b.seconds && (a.nanos == 0 || b.nanos == 0)
}

/// Compares items, but not their contents and further names.
pub(super) fn same(a: &Item, b: &Item) -> bool {
    let xattrs = |item: &Item| -> Vec<_> {
        let xattrs = item.metadata.xattrs.iter();
        xattrs
            .filter(|xattr| is_portable(&xattr.name))
            .cloned()
            .collect()
    };
    // The mode of a symbolic link has no effect, and differs between archives.
    let mode = a.kind == EntryKind::Symlink || a.metadata.mode == b.metadata.mode;
    a.kind == b.kind
        && mode
        && (a.metadata.uid, a.metadata.gid, a.size, a.device)
            == (b.metadata.uid, b.metadata.gid, b.size, b.device)
        && a.link_target == b.link_target
        && same_time(a.metadata.mtime, b.metadata.mtime)
        && (a.metadata.xattrs == b.metadata.xattrs || xattrs(a) == xattrs(b))
}
