//! Numbers of changes: files and bytes below each top-level directory.

use std::collections::BTreeMap;

use super::fields::Field;
use super::files::{Change, ChangeKind};
use super::side::Side;
use crate::tree::{Node, NodeKind};

/// Changes below one top-level name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stat {
    /// The name at the top, without `/`.
    pub top: Vec<u8>,
    /// Paths that were added, changed, deleted and moved.
    pub added: u64,
    /// Changed ones.
    pub changed: u64,
    /// Deleted ones.
    pub deleted: u64,
    /// Moved ones.
    pub renamed: u64,
    /// Bytes of files that were added or replaced.
    pub bytes_new: u64,
    /// Bytes of files that were deleted or replaced.
    pub bytes_gone: u64,
}

/// Counts changes by the first part of their paths, in its order.
pub fn stat(sides: &[Side; 2], changes: &[Change]) -> Vec<Stat> {
    let [a, b] = sides;
    let mut tops: BTreeMap<Vec<u8>, Stat> = BTreeMap::new();
    let size = |node: Option<Node<'_>>| {
        let node = node.filter(|node| node.kind() == NodeKind::File && node.first_name().is_none());
        node.map_or(0, |node| node.size())
    };
    for change in changes {
        let (old, new) = (change.before(&a.tree), change.after(&b.tree));
        let path = new.or(old).map_or_else(Vec::new, |node| node.path());
        let top = path.split(|byte| *byte == b'/').next().unwrap_or_default();
        let stat = tops.entry(top.to_vec()).or_insert_with(|| Stat {
            top: top.to_vec(),
            ..Stat::default()
        });
        match change.kind {
            ChangeKind::Added => {
                stat.added += 1;
                stat.bytes_new += size(new);
            }
            ChangeKind::Deleted => {
                stat.deleted += 1;
                stat.bytes_gone += size(old);
            }
            ChangeKind::Renamed => stat.renamed += 1,
            ChangeKind::Changed => {
                stat.changed += 1;
                if change.what.has(Field::Content)
                    || change.what.has(Field::Size)
                    || change.what.has(Field::Type)
                {
                    stat.bytes_new += size(new);
                    stat.bytes_gone += size(old);
                }
            }
        }
    }
    tops.into_values().collect()
}
