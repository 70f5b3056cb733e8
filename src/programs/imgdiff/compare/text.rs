//! Changed files line by line.

use std::io::Read;

use super::body::{Body, open};
use super::fields::Field;
use super::files::{Change, body_of};
use super::side::{Input, Loading, Side, load};
use crate::error::{During, Result};
use crate::layer::clean_path;
use crate::render::is_binary;
use crate::tree::{Node, NodeKind};

/// Texts of a changed file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextChange {
    /// Both texts; one that is not there is empty.
    Lines(Vec<u8>, Vec<u8>),
    /// One of them is no text.
    Binary,
    /// One of them exceeds the limit, in bytes.
    Large(u64),
}

/// Tests if [`texts`] hands out a change: one of the contents of a file, below `path` if that is given.
pub fn has_text(sides: &[Side; 2], change: &Change, path: Option<&[u8]>) -> bool {
    let [a, b] = sides;
    let (old, new) = (change.before(&a.tree), change.after(&b.tree));
    let is_file = |node: &Option<Node<'_>>| node.is_some_and(|node| node.kind() == NodeKind::File);
    let written = match (&old, &new) {
        (Some(_), Some(_)) => {
            change.what.has(Field::Content)
                || change.what.has(Field::Size)
                || change.what.has(Field::Type)
        }
        _ => true,
    };
    let within = path.is_none_or(|path| is_below(sides, change, path));
    written && within && (is_file(&old) || is_file(&new))
}

/// Positions of the first `most` changes of files that both sides have and that are no larger than `limit` bytes, and
/// the number of such changes beyond these, whatever their size.
pub fn small_texts(
    sides: &[Side; 2],
    changes: &[Change],
    path: Option<&[u8]>,
    limit: u64,
    most: usize,
) -> (Vec<usize>, usize) {
    let [a, b] = sides;
    let (mut small, mut others) = (Vec::new(), 0);
    for (i, change) in changes.iter().enumerate() {
        let (Some(old), Some(new)) = (change.before(&a.tree), change.after(&b.tree)) else {
            continue;
        };
        if has_text(sides, change, path) {
            match old.size().max(new.size()) <= limit && small.len() < most {
                true => small.push(i),
                false => others += 1,
            }
        }
    }
    (small, others)
}

/// Tests if a change is at or below `path`.
pub fn is_below(sides: &[Side; 2], change: &Change, path: &[u8]) -> bool {
    let [a, b] = sides;
    let wanted = clean_path(path).path.into_owned();
    let node = change.after(&b.tree).or(change.before(&a.tree));
    node.is_some_and(|node| {
        let own = node.path();
        wanted.is_empty()
            || own
                .strip_prefix(&wanted[..])
                .is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
    })
}

/// Tests if anything is at `path`: in the sides as they were compared, or in layers that both inputs share.
///
/// # Errors
/// As [`load`].
pub fn is_in_any(
    sides: &[Side],
    inputs: Vec<Input>,
    path: &[u8],
    loading: &Loading,
) -> Result<bool> {
    let wanted = clean_path(path).path.into_owned();
    let has = |sides: &[Side]| sides.iter().any(|side| side.tree.get(&wanted).is_some());
    Ok(wanted.is_empty() || has(sides) || has(&load(inputs, loading, false)?))
}

/// Reads the texts of changed files one after the other, and hands out each with its change.
///
/// # Errors
/// Those of `take`; as reading layers and contents.
pub fn texts(
    sides: &mut [Side; 2],
    changes: &[Change],
    path: Option<&[u8]>,
    limit: u64,
    loading: &Loading,
    mut take: impl FnMut(&[Side; 2], &Change, TextChange) -> Result<()>,
) -> Result<()> {
    let wanted: Vec<&Change> = changes
        .iter()
        .filter(|change| has_text(sides, change, path))
        .collect();
    for (i, side) in sides.iter_mut().enumerate() {
        let node = |change: &&&Change| match i {
            0 => change.before(&side.tree),
            _ => change.after(&side.tree),
        };
        let needed = wanted.iter().filter_map(|change| body_of(&node(&change)?));
        let needed: Vec<Body> = needed.filter(|body| body.size <= limit).collect();
        side.make_plain(needed.iter().map(|body| &body.place), loading)?;
    }
    for change in wanted {
        let [a, b] = &*sides;
        let text = match (
            read(a, change.before(&a.tree), limit)?,
            read(b, change.after(&b.tree), limit)?,
        ) {
            (Err(size), Err(other)) => TextChange::Large(size.max(other)),
            (Err(size), _) | (_, Err(size)) => TextChange::Large(size),
            (Ok(old), Ok(new)) if is_binary(&old) || is_binary(&new) => TextChange::Binary,
            (Ok(old), Ok(new)) => TextChange::Lines(old, new),
        };
        take(&*sides, change, text)?;
    }
    Ok(())
}

/// Returns a file's bytes, or its size if that exceeds `limit`. Nodes other than files are empty.
fn read(side: &Side, node: Option<Node<'_>>, limit: u64) -> Result<Result<Vec<u8>, u64>> {
    let Some(body) = node.and_then(|node| body_of(&node)) else {
        return Ok(Ok(Vec::new()));
    };
    if body.size > limit {
        return Ok(Err(body.size));
    }
    bytes_of(side, &body).map(Ok)
}

/// All bytes of a file.
pub(super) fn bytes_of(side: &Side, body: &super::body::Body) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut reader = open(side, &body.place, body.size)?;
    reader.read_to_end(&mut bytes).during("read")?;
    Ok(bytes)
}
