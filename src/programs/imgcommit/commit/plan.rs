//! What a layer has to say so that one root filesystem becomes another.
//!
//! Both sides are merged by their paths. A path is in the layer if it is new, if anything of it differs, or if
//! something below it is; a path that is gone gets a whiteout, unless a folder above is gone with it. Where nothing of
//! a folder stays as it was and several whiteouts would be needed, one opaque marker says the same.
//!
//! Names of one file are a matter of their own: engines unpack a layer by itself, so a hard link can only lead to an
//! entry of the same layer. Where a file has a name that it did not have, all its names are in the layer.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::side::Side;
use crate::disk::{Excludes, Item, is_portable};
use crate::error::Result;
use crate::layer::{EntryKind, Mtime};
use crate::tree::cmp_paths;

/// One entry of the layer to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The top itself, which is otherwise left alone.
    Top,
    /// Something of the new side, by its number; a hard link to another number if it is a further name.
    Entry(usize, Option<usize>),
    /// Everything that the base has in this folder is removed.
    Opaque(Vec<u8>),
    /// This path of the base is removed.
    Whiteout(Vec<u8>),
}

/// What counts as a difference, and what is not looked at.
pub(super) struct Rules<'a> {
    /// Paths that are left as they are in the base.
    pub excludes: &'a Excludes,
    /// What docker puts into every container, over what the base has there too.
    pub dockers_own: bool,
    /// Take owners from the base.
    pub base_owners: bool,
    /// Times later than this count as this, on both sides.
    pub latest: Option<i64>,
    /// Keep what the new side says of its top where the base says nothing. Of a tree that somebody unpacked it is the
    /// folder that was unpacked into, which is nobody's change.
    pub keep_top: bool,
}

/// A path of either side.
struct Pair {
    base: Option<u32>,
    new: Option<u32>,
    /// The pair of the folder it is in.
    parent: Option<u32>,
    what: What,
    /// Whether it is not looked at with all that is in it.
    whole: bool,
    /// Whether it is a folder on both sides.
    folder: bool,
    new_folder: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Nothing differs but perhaps the contents.
    Same,
    /// In the layer for its own sake.
    Changed,
    /// In the layer because something below it is.
    Passed,
    /// The only difference is the time.
    Time,
    /// Gone: a whiteout.
    Gone,
    /// Gone with a folder above.
    Covered,
    /// Not looked at.
    Ignored,
}

/// Paths that docker puts into every container.
const DOCKERS_OWN: [&[u8]; 10] = [
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

/// Whether docker made this for a container, as far as it shows.
fn is_dockers_own(item: &Item) -> bool {
    let empty = match item.kind {
        EntryKind::File => item.size == 0,
        EntryKind::Symlink => item.link_target == b"/proc/mounts",
        EntryKind::Directory => true,
        _ => false,
    };
    empty && DOCKERS_OWN.contains(&&*item.path)
}

/// The layer's entries in order: each folder, then its markers, then what is in it.
///
/// `equal` compares contents of a base file and a new one of the same size; it is asked for what does not differ
/// otherwise, all of it at once, in the order of the base.
pub(super) fn plan(
    base: &dyn Side,
    new: &dyn Side,
    rules: &Rules<'_>,
    equal: impl FnOnce(&[(usize, usize)]) -> Result<Vec<bool>>,
) -> Result<Vec<Step>> {
    let (mut pairs, groups) = merge(base, new, rules);
    let asked: Vec<usize> = (0..pairs.len())
        .filter(|&i| groups.asks(i) && is_file_on_both(&pairs[i], new))
        .collect();
    let numbers: Vec<(usize, usize)> = asked
        .iter()
        .filter_map(|&i| Some((pairs[i].base? as usize, pairs[i].new? as usize)))
        .collect();
    for (i, equal) in asked.into_iter().zip(equal(&numbers)?) {
        if !equal {
            pairs[i].what = What::Changed;
        }
    }
    groups.settle(&mut pairs);
    pass(&mut pairs);
    let opaque = opaque(&pairs);
    let mut steps = Vec::new();
    if let Some(top) = new.top()
        && base.top().map_or(rules.keep_top, |base| !same(&base, &top))
    {
        steps.push(Step::Top);
    }
    emit(&pairs, &opaque, base, new, &groups, &mut steps);
    Ok(steps)
}

fn is_file_on_both(pair: &Pair, new: &dyn Side) -> bool {
    let is_file = |i: u32| {
        new.item(i as usize)
            .is_some_and(|item| item.kind == EntryKind::File && item.size > 0)
    };
    pair.what == What::Same && pair.base.is_some() && pair.new.is_some_and(is_file)
}

/// Brings both sides together, path by path.
fn merge(base: &dyn Side, new: &dyn Side, rules: &Rules<'_>) -> (Vec<Pair>, Groups) {
    let mut pairs: Vec<Pair> = Vec::new();
    let mut groups = Groups::default();
    let mut above: Vec<(Vec<u8>, u32)> = Vec::new();
    let clamped = |time: Mtime| match rules.latest {
        Some(latest) if time.seconds >= latest => Mtime {
            seconds: latest,
            nanos: 0,
        },
        _ => time,
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
        let number = pairs.len();
        let mut pair = Pair {
            base: None,
            new: None,
            parent: None,
            what: What::Same,
            whole: false,
            folder: false,
            new_folder: false,
        };
        let left = if order.is_le() { old.take() } else { None };
        let right = if order.is_ge() { now.take() } else { None };
        let path = match (&right, &left) {
            (Some(item), _) | (None, Some(item)) => item.path.clone(),
            (None, None) => break,
        };
        while above.last().is_some_and(|(folder, _)| {
            !(path.starts_with(folder) && path.get(folder.len()) == Some(&b'/'))
        }) {
            above.pop();
        }
        pair.parent = above.last().map(|(_, pair)| *pair);
        let parent = pair.parent.and_then(|parent| pairs.get(parent as usize));
        let excluded = rules.excludes.is_excluded(&path);
        let is_dockers = |item: &Item| rules.dockers_own && is_dockers_own(item);
        pair.whole = parent.is_some_and(|above| above.whole)
            || !excluded && right.as_ref().is_some_and(is_dockers);
        pair.what = match (&left, &right) {
            _ if excluded => What::Ignored,
            (_, Some(item)) if is_dockers(item) => What::Ignored,
            (None, Some(_)) if pair.whole => What::Ignored,
            (Some(_), None) => match parent {
                None => What::Gone,
                Some(above) if above.what == What::Ignored => What::Ignored,
                Some(above) if above.new_folder => What::Gone,
                Some(_) => What::Covered,
            },
            (Some(old), Some(now)) => {
                let mut old = old.clone();
                if rules.base_owners {
                    (old.metadata.uid, old.metadata.gid) = (now.metadata.uid, now.metadata.gid);
                }
                let implied = base.is_implied(b) || new.is_implied(n);
                if implied || same_time(clamped(old.metadata.mtime), clamped(now.metadata.mtime)) {
                    old.metadata.mtime = now.metadata.mtime;
                }
                let with_time = |mtime| {
                    let mut item = old.clone();
                    item.metadata.mtime = mtime;
                    item
                };
                match same(&old, now) {
                    true => What::Same,
                    false if same(&with_time(now.metadata.mtime), now) => What::Time,
                    false => What::Changed,
                }
            }
            _ => What::Changed,
        };
        if let Some(item) = &left {
            pair.base = u32::try_from(b).ok();
            groups.add_base(number, item);
            b += 1;
            old = base.item(b);
        }
        if let Some(item) = &right {
            pair.new = u32::try_from(n).ok();
            pair.new_folder = item.kind == EntryKind::Directory;
            pair.folder = pair.new_folder
                && left
                    .as_ref()
                    .is_some_and(|left| left.kind == EntryKind::Directory);
            groups.add_new(number, item);
            n += 1;
            now = new.item(n);
        }
        let is_folder = [&left, &right]
            .into_iter()
            .flatten()
            .any(|item| item.kind == EntryKind::Directory);
        if is_folder {
            above.push((path, u32::try_from(number).unwrap_or(u32::MAX)));
        }
        // What docker adds to a folder makes its time another; that alone is no change.
        if pair.what == What::Ignored
            && let Some(parent) = pair.parent
            && let Some(above) = pairs.get_mut(parent as usize)
            && above.what == What::Time
        {
            above.what = What::Same;
        }
        pairs.push(pair);
    }
    for pair in &mut pairs {
        if pair.what == What::Time {
            pair.what = What::Changed;
        }
    }
    (pairs, groups)
}

/// Times are compared as exactly as the less exact of the two is: plain headers know whole seconds.
fn same_time(a: Mtime, b: Mtime) -> bool {
    a == b || a.seconds == b.seconds && (a.nanos == 0 || b.nanos == 0)
}

/// Whether nothing but contents and further names may differ.
fn same(a: &Item, b: &Item) -> bool {
    let xattrs = |item: &Item| -> Vec<_> {
        let xattrs = item.metadata.xattrs.iter();
        xattrs
            .filter(|xattr| is_portable(&xattr.name))
            .cloned()
            .collect()
    };
    // The mode of a symbolic link means nothing, and archives say one thing or another.
    let mode = a.kind == EntryKind::Symlink || a.metadata.mode == b.metadata.mode;
    a.kind == b.kind
        && mode
        && (a.metadata.uid, a.metadata.gid, a.size, a.device)
            == (b.metadata.uid, b.metadata.gid, b.size, b.device)
        && a.link_target == b.link_target
        && same_time(a.metadata.mtime, b.metadata.mtime)
        && (a.metadata.xattrs == b.metadata.xattrs || xattrs(a) == xattrs(b))
}

/// Files with several names, by pairs.
#[derive(Default)]
struct Groups {
    /// The file of the base that a pair is a name of.
    base: HashMap<usize, u64>,
    /// The file of the new side that a pair is a name of.
    new: HashMap<usize, u64>,
    /// The names of each file of the new side.
    names: HashMap<u64, Vec<usize>>,
}

impl Groups {
    fn add_base(&mut self, pair: usize, item: &Item) {
        if let Some(inode) = item.inode {
            self.base.insert(pair, inode);
        }
    }

    fn add_new(&mut self, pair: usize, item: &Item) {
        if let Some(inode) = item.inode {
            self.new.insert(pair, inode);
            self.names.entry(inode).or_default().push(pair);
        }
    }

    /// Whether a pair's contents have to be compared: of a file's names, the first's.
    fn asks(&self, pair: usize) -> bool {
        let names = self.new.get(&pair).and_then(|inode| self.names.get(inode));
        names.is_none_or(|names| names.first() == Some(&pair))
    }

    /// Changes all names of a file, or none.
    fn settle(&self, pairs: &mut [Pair]) {
        let mut files: Vec<&Vec<usize>> = self.names.values().collect();
        files.sort_unstable();
        // A file of the base that came apart can stay under the names of one of its parts only.
        let mut taken: HashMap<u64, usize> = HashMap::new();
        for names in files {
            let base = names.first().and_then(|first| self.base.get(first));
            let one = |pair: &usize| {
                pairs[*pair].what == What::Ignored
                    || pairs[*pair].what == What::Same && self.base.get(pair) == base
            };
            let mut stays = base.is_some() && names.iter().all(one);
            if let (true, Some(base)) = (stays, base) {
                let first = names.first().copied().unwrap_or_default();
                stays = *taken.entry(*base).or_insert(first) == first;
            }
            if !stays {
                for &pair in names {
                    if pairs[pair].what != What::Ignored {
                        pairs[pair].what = What::Changed;
                    }
                }
            }
        }
        // Names that stand alone now but shared a file before.
        for (i, pair) in pairs.iter_mut().enumerate() {
            if pair.what == What::Same
                && !self.new.contains_key(&i)
                && let Some(base) = self.base.get(&i)
                && *taken.entry(*base).or_insert(i) != i
            {
                pair.what = What::Changed;
            }
        }
    }
}

/// Puts the folders above all that is in the layer into it, too.
fn pass(pairs: &mut [Pair]) {
    for i in 0..pairs.len() {
        if !matches!(pairs[i].what, What::Changed | What::Gone) {
            continue;
        }
        let mut at = pairs[i].parent;
        while let Some(parent) = at {
            let above = &mut pairs[parent as usize];
            match above.what {
                What::Same => above.what = What::Passed,
                // Left out, but something in it is not: then it has to be there.
                What::Ignored if above.new_folder && !above.folder => above.what = What::Passed,
                What::Ignored => {}
                _ => break,
            }
            at = above.parent;
        }
    }
}

/// The topmost folders in which nothing stays as it was and two whiteouts or more would be needed.
fn opaque(pairs: &[Pair]) -> Vec<bool> {
    let mut whiteouts = vec![0u32; pairs.len()];
    let mut stays = vec![false; pairs.len()];
    for (i, pair) in pairs.iter().enumerate().rev() {
        let own_stays = matches!(pair.what, What::Same | What::Ignored) && pair.base.is_some();
        if let Some(parent) = pair.parent {
            let parent = parent as usize;
            whiteouts[parent] += whiteouts[i] + u32::from(pair.what == What::Gone);
            stays[parent] |= stays[i] || own_stays;
        }
    }
    let mut opaque = vec![false; pairs.len()];
    for (i, pair) in pairs.iter().enumerate() {
        let above = pair.parent.is_some_and(|parent| opaque[parent as usize]);
        let own = pair.folder
            && matches!(pair.what, What::Changed | What::Passed)
            && whiteouts[i] > 1
            && !stays[i];
        opaque[i] = above || own;
    }
    opaque
}

fn emit(
    pairs: &[Pair],
    opaque: &[bool],
    base: &dyn Side,
    new: &dyn Side,
    groups: &Groups,
    steps: &mut Vec<Step>,
) {
    // Whiteouts stand before what else is in their folder.
    let mut gone: HashMap<Option<u32>, Vec<usize>> = HashMap::new();
    for (i, pair) in pairs.iter().enumerate() {
        let covered = pair.parent.is_some_and(|parent| opaque[parent as usize]);
        if pair.what == What::Gone && !covered {
            gone.entry(pair.parent).or_default().push(i);
        }
    }
    let whiteouts = |parent: Option<u32>, steps: &mut Vec<Step>| {
        for &i in gone.get(&parent).into_iter().flatten() {
            let item = pairs[i]
                .base
                .and_then(|base_at| base.item(base_at as usize));
            steps.extend(item.map(|item| Step::Whiteout(item.path)));
        }
    };
    whiteouts(None, steps);
    let mut written: HashMap<u64, usize> = HashMap::new();
    for (i, pair) in pairs.iter().enumerate() {
        let (What::Changed | What::Passed, Some(number)) = (pair.what, pair.new) else {
            continue;
        };
        let number = number as usize;
        let link = groups
            .new
            .get(&i)
            .map(|inode| *written.entry(*inode).or_insert(number))
            .filter(|first| *first != number);
        steps.push(Step::Entry(number, link));
        if !pair.folder {
            continue;
        }
        let above = pair.parent.is_some_and(|parent| opaque[parent as usize]);
        if opaque[i] && !above {
            let item = new.item(number);
            steps.extend(item.map(|item| Step::Opaque(item.path)));
        }
        whiteouts(u32::try_from(i).ok(), steps);
    }
}
