//! Entries of the layer that turns one root filesystem into another.
//!
//! Both sides are merged by path. A path is in the layer if it is new, if anything of it differs, or if something below it
//! is in the layer; a removed path gets a whiteout, unless a directory above is removed with it. A directory of which
//! nothing stays unchanged gets one opaque whiteout instead of several.
//!
//! Engines unpack each layer by itself, so a hard link can only point to an entry of the same layer: if a file has a new
//! name, all its names are in the layer.

use std::collections::HashMap;

use super::groups::Groups;
use super::pair::{Pair, Status};
use super::pairs::{Rules, merge, same};
use super::side::Side;
use crate::error::Result;
use crate::layer::EntryKind;

/// One entry of the new layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// The root directory.
    Top,
    /// Item of the new side, by number; a hard link to another number for a further name.
    Entry(usize, Option<usize>),
    /// Opaque whiteout: removes the contents of a directory from the base.
    Opaque(Vec<u8>),
    /// Whiteout: removes a path from the base.
    Whiteout(Vec<u8>),
}

/// Returns the entries of the layer in order: each directory, then its whiteouts, then its contents.
///
/// `equal` compares the contents of files that do not differ otherwise, given as numbers in the base and on the new side;
/// it is called once, in the order of the base.
pub(super) fn plan(
    base: &dyn Side,
    new: &dyn Side,
    rules: &Rules<'_>,
    equal: impl FnOnce(&[(usize, usize)]) -> Result<Vec<bool>>,
) -> Result<Vec<Step>> {
    let (mut pairs, groups) = merge(base, new, rules);
    let compared: Vec<usize> = (0..pairs.len())
        .filter(|&i| groups.is_compared(i) && is_file_on_both(&pairs[i], new))
        .collect();
    let numbers: Vec<(usize, usize)> = compared
        .iter()
        .filter_map(|&i| Some((pairs[i].base? as usize, pairs[i].new? as usize)))
        .collect();
    for (i, equal) in compared.into_iter().zip(equal(&numbers)?) {
        if !equal {
            pairs[i].status = Status::Changed;
        }
    }
    groups.settle(&mut pairs);
    add_parents(&mut pairs);
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

/// Tests if a path is a file with contents on both sides that does not differ otherwise.
fn is_file_on_both(pair: &Pair, new: &dyn Side) -> bool {
    let is_file = |i: u32| {
        new.item(i as usize)
            .is_some_and(|item| item.kind == EntryKind::File && item.size > 0)
    };
    pair.status == Status::Same && pair.base.is_some() && pair.new.is_some_and(is_file)
}

/// Adds the parent directories of all changes to the layer.
fn add_parents(pairs: &mut [Pair]) {
    for i in 0..pairs.len() {
        if !matches!(pairs[i].status, Status::Changed | Status::Removed) {
            continue;
        }
        let mut at = pairs[i].parent;
        while let Some(parent) = at {
            let above = &mut pairs[parent as usize];
            match above.status {
                Status::Same => above.status = Status::Parent,
                // An ignored directory must exist for a change below it.
                Status::Ignored if above.is_new_directory && !above.is_directory => {
                    above.status = Status::Parent
                }
                Status::Ignored => {}
                _ => break,
            }
            at = above.parent;
        }
    }
}

/// Returns for each pair if it is, or is in, a directory in which nothing stays unchanged and that needs two whiteouts
/// or more; such a directory gets one opaque whiteout.
fn opaque(pairs: &[Pair]) -> Vec<bool> {
    let mut whiteouts = vec![0u32; pairs.len()];
    let mut stays = vec![false; pairs.len()];
    for (i, pair) in pairs.iter().enumerate().rev() {
        let own_stays =
            matches!(pair.status, Status::Same | Status::Ignored) && pair.base.is_some();
        if let Some(parent) = pair.parent {
            let parent = parent as usize;
            whiteouts[parent] += whiteouts[i] + u32::from(pair.status == Status::Removed);
            stays[parent] |= stays[i] || own_stays;
        }
    }
    let mut opaque = vec![false; pairs.len()];
    for (i, pair) in pairs.iter().enumerate() {
        let above = pair.parent.is_some_and(|parent| opaque[parent as usize]);
        let own = pair.is_directory
            && matches!(pair.status, Status::Changed | Status::Parent)
            && whiteouts[i] > 1
            && !stays[i];
        opaque[i] = above || own;
    }
    opaque
}

/// Appends the entries of the layer.
fn emit(
    pairs: &[Pair],
    opaque: &[bool],
    base: &dyn Side,
    new: &dyn Side,
    groups: &Groups,
    steps: &mut Vec<Step>,
) {
    // Whiteouts precede the other entries of their directory.
    let mut removed: HashMap<Option<u32>, Vec<usize>> = HashMap::new();
    for (i, pair) in pairs.iter().enumerate() {
        let covered = pair.parent.is_some_and(|parent| opaque[parent as usize]);
        if pair.status == Status::Removed && !covered {
            removed.entry(pair.parent).or_default().push(i);
        }
    }
    let whiteouts = |parent: Option<u32>, steps: &mut Vec<Step>| {
        for &i in removed.get(&parent).into_iter().flatten() {
            let item = pairs[i]
                .base
                .and_then(|base_at| base.item(base_at as usize));
            steps.extend(item.map(|item| Step::Whiteout(item.path)));
        }
    };
    whiteouts(None, steps);
    let mut written: HashMap<u64, usize> = HashMap::new();
    for (i, pair) in pairs.iter().enumerate() {
        let (Status::Changed | Status::Parent, Some(number)) = (pair.status, pair.new) else {
            continue;
        };
        let number = number as usize;
        let link = groups
            .new
            .get(&i)
            .map(|inode| *written.entry(*inode).or_insert(number))
            .filter(|first| *first != number);
        steps.push(Step::Entry(number, link));
        if !pair.is_directory {
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
