//! Two trees, merged in the order of their walks.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet, VecDeque};

use super::body::{Body, same};
use super::fields::{Field, Fields};
use super::side::{Loading, Side};
use crate::disk::Patterns;
use crate::error::Result;
use crate::parallel::in_parallel;
use crate::tree::{Inode, Node, NodeKind, PathIdx, Tree, cmp_paths};

/// Kind of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It is in the second alone.
    Added,
    /// It is in both and differs.
    Changed,
    /// It is in the first alone.
    Deleted,
    /// Its contents are at another path in the second.
    Renamed,
}

impl ChangeKind {
    /// docker's letter for it, and `R`.
    pub fn letter(self) -> char {
        match self {
            ChangeKind::Added => 'A',
            ChangeKind::Changed => 'C',
            ChangeKind::Deleted => 'D',
            ChangeKind::Renamed => 'R',
        }
    }
}

/// A path that differs. Small, because there may be millions; the nodes are looked up in the trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Kind of the change.
    pub kind: ChangeKind,
    /// Fields that differ. Empty for a directory that is listed only because of its contents.
    pub what: Fields,
    /// The node of the first tree, see [`Tree::at`].
    pub old: Option<PathIdx>,
    /// The node of the second.
    pub new: Option<PathIdx>,
}

impl Change {
    /// The node of the first tree.
    pub fn before<'t>(&self, tree: &'t Tree) -> Option<Node<'t>> {
        tree.at(self.old?)
    }

    /// The node of the second.
    pub fn after<'t>(&self, tree: &'t Tree) -> Option<Node<'t>> {
        tree.at(self.new?)
    }
}

/// Result of comparing two trees.
#[derive(Debug, Default)]
pub struct Compared {
    /// Paths that differ in the chosen fields, in the order of the walk.
    pub changes: Vec<Change>,
    /// Number of common paths that differ in each field, selected or not; contents only where they were compared.
    pub counts: HashMap<Field, u64>,
    /// Number of paths in one tree only.
    pub alone: u64,
    /// Bytes of the files of each, each file once.
    pub bytes: [u64; 2],
    /// Numbers of files, directories and other nodes of each tree.
    pub paths: [u64; 2],
}

/// Merges two walks: the nodes at each path on either side.
pub(super) fn together<'t>(
    a: &'t Tree,
    b: &'t Tree,
    mut take: impl FnMut(&[u8], Option<Node<'t>>, Option<Node<'t>>),
) {
    let named = |node: Node<'t>| (node.path(), node);
    let mut left = a.walk().map(named).peekable();
    let mut right = b.walk().map(named).peekable();
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((a, _)), Some((b, _))) => cmp_paths(a, b),
        };
        let a = if order.is_le() { left.next() } else { None };
        let b = if order.is_ge() { right.next() } else { None };
        let path = a.as_ref().or(b.as_ref()).map_or(&[][..], |(path, _)| path);
        take(
            path,
            a.as_ref().map(|(_, node)| *node),
            b.as_ref().map(|(_, node)| *node),
        );
    }
}

/// Files of one size whose contents have to be compared.
struct Pending {
    old: PathIdx,
    new: PathIdx,
    what: Fields,
    at: usize,
}

/// Compares the files of two sides. Contents are read only where sizes agree and nothing else tells.
///
/// # Errors
/// As reading layers and contents.
pub fn compare(
    sides: &mut [Side; 2],
    fields: Fields,
    ignored: &Patterns,
    loading: &Loading,
) -> Result<Compared> {
    let mut compared = Compared::default();
    let mut pending: Vec<Pending> = Vec::new();
    let mut links = Leaders::default();
    let [a, b] = &*sides;
    together(&a.tree, &b.tree, |path, old, new| {
        if ignored.matches(path) {
            return;
        }
        for (i, node) in [(0, old), (1, new)] {
            if let Some(node) = node {
                compared.paths[i] += 1;
                if node.kind() == NodeKind::File && node.first_name().is_none() {
                    compared.bytes[i] += node.size();
                }
            }
        }
        let (old, new) = match (old, new) {
            (Some(old), Some(new)) => (old, new),
            (old, new) => {
                // The top is on both sides.
                compared.alone += 1;
                compared.changes.push(Change {
                    kind: if new.is_some() {
                        ChangeKind::Added
                    } else {
                        ChangeKind::Deleted
                    },
                    what: Fields::NONE,
                    old: old.as_ref().map(Node::index),
                    new: new.as_ref().map(Node::index),
                });
                return;
            }
        };
        let mut what = Fields::NONE;
        if links.differ(&old, &new) {
            what = what.with(Field::Links);
        }
        if !old.is_same_entry(&new) {
            what = differences(&old, &new, what);
            let readable = old.kind() == NodeKind::File && new.kind() == NodeKind::File;
            if readable && old.size() == new.size() && old.size() > 0 && fields.has(Field::Content)
            {
                pending.push(Pending {
                    old: old.index(),
                    new: new.index(),
                    what,
                    at: compared.changes.len(),
                });
            }
        }
        let pends = pending
            .last()
            .is_some_and(|last| last.at == compared.changes.len() && last.new == new.index());
        for field in what.iter() {
            *compared.counts.entry(field).or_default() += 1;
        }
        if pends || !what.and(fields).is_empty() {
            compared.changes.push(Change {
                kind: ChangeKind::Changed,
                what: what.and(fields),
                old: Some(old.index()),
                new: Some(new.index()),
            });
        }
    });
    let differing = contents(sides, &pending, loading)?;
    for (one, differs) in pending.iter().zip(differing) {
        if differs {
            *compared.counts.entry(Field::Content).or_default() += 1;
            compared.changes[one.at].what = one.what.and(fields).with(Field::Content);
        }
    }
    let stays = |change: &Change| change.kind != ChangeKind::Changed || !change.what.is_empty();
    compared.changes.retain(stays);
    Ok(compared)
}

/// Which of the files differ in their contents.
fn contents(sides: &mut [Side; 2], pending: &[Pending], loading: &Loading) -> Result<Vec<bool>> {
    let body = |side: &Side, index: PathIdx| -> Option<Body> {
        let node = side.tree.at(index)?;
        body_of(&node)
    };
    let [a, b] = &*sides;
    let bodies: Vec<Option<(Body, Body)>> = pending
        .iter()
        .map(|one| Some((body(a, one.old)?, body(b, one.new)?)))
        .collect();
    for (i, side) in sides.iter_mut().enumerate() {
        let pairs = bodies.iter().flatten();
        let own = pairs.map(|(old, new)| if i == 0 { old } else { new });
        let needed = own.filter(|body| body.digest.is_none());
        side.make_plain(needed.map(|body| &body.place), loading)?;
    }
    let [a, b] = &*sides;
    // The names of one file are read once.
    let mut first: HashMap<[(usize, u64); 2], usize> = HashMap::new();
    let mut unique: Vec<&(Body, Body)> = Vec::new();
    let slots: Vec<Option<usize>> = bodies
        .iter()
        .map(|pair| {
            let pair = pair.as_ref()?;
            let key = [&pair.0, &pair.1].map(|body| (body.place.layer, body.place.offset));
            Some(*first.entry(key).or_insert_with(|| {
                unique.push(pair);
                unique.len() - 1
            }))
        })
        .collect();
    let differing: Vec<bool> = in_parallel(&unique, |(old, new)| same((a, old), (b, new)))
        .into_iter()
        .map(|same| same.map(|same| !same))
        .collect::<Result<_>>()?;
    Ok(slots
        .into_iter()
        .map(|slot| slot.is_some_and(|slot| differing[slot]))
        .collect())
}

/// The contents of a file.
pub(super) fn body_of(node: &Node<'_>) -> Option<Body> {
    Some(Body {
        place: node.location()?,
        size: node.size(),
        digest: node.digest(),
    })
}

/// Fields in which the entries of two nodes differ; contents only as far as sizes show.
pub(super) fn differences(old: &Node<'_>, new: &Node<'_>, mut what: Fields) -> Fields {
    let mut note = |field, differs: bool| {
        if differs {
            what = what.with(field);
        }
    };
    let (was, is) = (old.meta(), new.meta());
    // The mode bits of a symbolic link have no meaning, and tools write arbitrary ones.
    let link = old.kind() == NodeKind::Symlink && new.kind() == NodeKind::Symlink;
    note(Field::Mode, was.mode != is.mode && !link);
    note(Field::Uid, was.owner.uid != is.owner.uid);
    note(Field::Gid, was.owner.gid != is.owner.gid);
    let names =
        was.owner.user_name != is.owner.user_name || was.owner.group_name != is.owner.group_name;
    note(Field::Names, names);
    note(Field::Mtime, was.mtime != is.mtime);
    let sorted = |mut xattrs: Vec<crate::layer::Xattr>| {
        xattrs.sort_by(|a, b| a.name.cmp(&b.name));
        xattrs
    };
    note(
        Field::Xattrs,
        was.xattrs != is.xattrs && sorted(was.xattrs) != sorted(is.xattrs),
    );
    if old.kind() != new.kind() {
        note(Field::Type, true);
        return what;
    }
    match old.kind() {
        NodeKind::File => {
            note(Field::Size, old.size() != new.size());
            note(Field::Content, old.size() != new.size());
        }
        NodeKind::Symlink => note(Field::Target, old.link_target() != new.link_target()),
        NodeKind::CharDevice | NodeKind::BlockDevice => {
            note(Field::Device, old.device() != new.device())
        }
        NodeKind::Directory | NodeKind::Fifo => {}
    }
    what
}

/// Of the names of each file the first that is on both sides: when those are the same, the same names are one file.
#[derive(Debug, Default)]
struct Leaders {
    of: [HashMap<Inode, u32>; 2],
    seen: u32,
}

impl Leaders {
    fn differ(&mut self, old: &Node<'_>, new: &Node<'_>) -> bool {
        self.seen += 1;
        if old.link_count() == 1 && new.link_count() == 1 {
            return false;
        }
        let seen = self.seen;
        let mut leader = |i: usize, node: &Node<'_>| match node.inode() {
            Some(inode) => *self.of[i].entry(inode).or_insert(seen),
            None => seen,
        };
        leader(0, old) != leader(1, new)
    }
}

/// Finds deleted files whose contents were added elsewhere, and makes one line of each two.
///
/// Files of one size are hashed. Of several that fit, one with the same name is taken, then the first.
///
/// # Errors
/// As [`compare`].
pub fn renames(
    sides: &mut [Side; 2],
    changes: &mut Vec<Change>,
    fields: Fields,
    loading: &Loading,
) -> Result<()> {
    let file = |side: &Side, index: Option<PathIdx>| -> Option<Body> {
        let node = side.tree.at(index?)?;
        let single = node.kind() == NodeKind::File && node.link_count() == 1 && node.size() > 0;
        single.then(|| body_of(&node)).flatten()
    };
    let mut sizes: HashMap<u64, [Vec<(usize, Body)>; 2]> = HashMap::new();
    for (at, change) in changes.iter().enumerate() {
        let (i, body) = match change.kind {
            ChangeKind::Deleted => (0, file(&sides[0], change.old)),
            ChangeKind::Added => (1, file(&sides[1], change.new)),
            _ => continue,
        };
        if let Some(body) = body {
            sizes.entry(body.size).or_default()[i].push((at, body));
        }
    }
    sizes.retain(|_, [old, new]| !old.is_empty() && !new.is_empty());
    for i in 0..2 {
        let bodies = sizes.values().flat_map(|both| &both[i]);
        let needed = bodies.map(|(_, body)| body);
        let needed = needed.filter(|body| body.digest.is_none());
        sides[i].make_plain(needed.map(|body| &body.place), loading)?;
    }
    let mut work: Vec<(usize, usize, &Body)> = Vec::new();
    for both in sizes.values() {
        for (i, list) in both.iter().enumerate() {
            work.extend(list.iter().map(|(at, body)| (*at, i, body)));
        }
    }
    work.sort_unstable_by_key(|(at, ..)| *at);
    let hashed = in_parallel(&work, |(at, i, body)| {
        (*at, *i, body.size, body.hash(&sides[*i]))
    });
    let [a, b] = &*sides;
    let part = |at: usize| -> Vec<u8> {
        let change = &changes[at];
        let node = change.after(&b.tree).or_else(|| change.before(&a.tree));
        node.map_or_else(Vec::new, |node| node.name().to_vec())
    };
    let mut old = Vec::new();
    let mut new = Vec::new();
    for (at, i, size, digest) in hashed {
        let side = if i == 0 { &mut old } else { &mut new };
        side.push((at, (size, digest?)));
    }
    let pairs = equal_contents(old, new, part);
    let mut gone = HashSet::new();
    for (at, other) in pairs {
        let (old, new) = (changes[at].before(&a.tree), changes[other].after(&b.tree));
        let what = match (old, new) {
            (Some(old), Some(new)) => differences(&old, &new, Fields::NONE).and(fields),
            _ => Fields::NONE,
        };
        changes[other] = Change {
            kind: ChangeKind::Renamed,
            what,
            old: changes[at].old,
            new: changes[other].new,
        };
        gone.insert(at);
    }
    let mut at = 0;
    changes.retain(|_| {
        at += 1;
        !gone.contains(&(at - 1))
    });
    Ok(())
}

/// Size and digest of a file.
type Contents = (u64, [u8; 32]);

/// Pairs of positions whose contents are equal: first those with equal names, then the rest in their order.
fn equal_contents(
    mut old: Vec<(usize, Contents)>,
    new: Vec<(usize, Contents)>,
    name: impl Fn(usize) -> Vec<u8>,
) -> Vec<(usize, usize)> {
    let mut added: HashMap<(Contents, Vec<u8>), VecDeque<usize>> = HashMap::new();
    for (at, contents) in &new {
        let key = (*contents, name(*at));
        added.entry(key).or_default().push_back(*at);
    }
    let mut pairs: Vec<(usize, usize)> = Vec::new();
    let mut taken: HashSet<usize> = HashSet::new();
    old.retain(|(at, contents)| {
        let found = added
            .get_mut(&(*contents, name(*at)))
            .and_then(VecDeque::pop_front);
        if let Some(other) = found {
            taken.insert(other);
            pairs.push((*at, other));
        }
        found.is_none()
    });
    let mut left: HashMap<Contents, VecDeque<usize>> = HashMap::new();
    for (at, contents) in new.into_iter().filter(|(at, _)| !taken.contains(at)) {
        left.entry(contents).or_default().push_back(at);
    }
    for (at, contents) in old {
        if let Some(other) = left.get_mut(&contents).and_then(VecDeque::pop_front) {
            pairs.push((at, other));
        }
    }
    pairs
}

/// Turns changes into the output of `docker diff`: directories with changed contents are changed, and of a deleted
/// directory only the directory itself is listed.
pub fn with_parents(a: &Tree, b: &Tree, changes: &mut Vec<Change>) {
    let told: HashSet<PathIdx> = changes.iter().filter_map(|change| change.new).collect();
    let mut parents: HashSet<PathIdx> = HashSet::new();
    let mut more = Vec::new();
    changes.retain(|change| {
        let old = change.before(a);
        let gone = change.kind == ChangeKind::Deleted;
        let above = old.and_then(|node| node.parent());
        !gone
            || above.is_none_or(|above| {
                b.get(&above.path())
                    .is_some_and(|node| node.kind() == NodeKind::Directory)
            })
    });
    for change in &*changes {
        let mut above = match change.after(b) {
            Some(node) => node.parent(),
            None => change
                .before(a)
                .and_then(|node| node.parent())
                .and_then(|node| b.get(&node.path())),
        };
        while let Some(node) = above.filter(|node| node.parent().is_some()) {
            if !parents.insert(node.index()) {
                break;
            }
            if !told.contains(&node.index()) {
                more.push(Change {
                    kind: ChangeKind::Changed,
                    what: Fields::NONE,
                    old: a.get(&node.path()).as_ref().map(Node::index),
                    new: Some(node.index()),
                });
            }
            above = node.parent();
        }
    }
    changes.append(&mut more);
}
