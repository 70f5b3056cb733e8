//! Hard links among the compared paths.

use std::collections::HashMap;

use super::pair::{Pair, Status};
use crate::disk::Item;

/// Files with several names, by the numbers of their pairs.
#[derive(Default)]
pub(super) struct Groups {
    /// File in the base of each pair.
    base: HashMap<usize, u64>,
    /// File on the new side of each pair.
    pub(super) new: HashMap<usize, u64>,
    /// Names of each file on the new side.
    names: HashMap<u64, Vec<usize>>,
}

impl Groups {
    /// Adds an item of the base.
    pub(super) fn add_base(&mut self, pair: usize, item: &Item) {
        if let Some(inode) = item.inode {
            self.base.insert(pair, inode);
        }
    }

    /// Adds an item of the new side.
    pub(super) fn add_new(&mut self, pair: usize, item: &Item) {
        if let Some(inode) = item.inode {
            self.new.insert(pair, inode);
            self.names.entry(inode).or_default().push(pair);
        }
    }

    /// Tests if the contents of a pair are compared: those of the first name of a file.
    pub(super) fn is_compared(&self, pair: usize) -> bool {
        let names = self.new.get(&pair).and_then(|inode| self.names.get(inode));
        names.is_none_or(|names| names.first() == Some(&pair))
    }

    /// Marks all names of a file as changed if one of them is.
    pub(super) fn settle(&self, pairs: &mut [Pair]) {
        let mut files: Vec<&Vec<usize>> = self.names.values().collect();
        files.sort_unstable();
        // If a file of the base was divided, the names of one of its parts can stay unchanged.
        let mut taken: HashMap<u64, usize> = HashMap::new();
        for names in files {
            let base = names.first().and_then(|first| self.base.get(first));
            let one = |pair: &usize| {
                pairs[*pair].status == Status::Ignored
                    || pairs[*pair].status == Status::Same && self.base.get(pair) == base
            };
            let mut stays = base.is_some() && names.iter().all(one);
            if let (true, Some(base)) = (stays, base) {
                let first = names.first().copied().unwrap_or_default();
                stays = *taken.entry(*base).or_insert(first) == first;
            }
            if !stays {
                for &pair in names {
                    if pairs[pair].status != Status::Ignored {
                        pairs[pair].status = Status::Changed;
                    }
                }
            }
        }
        // Names that shared a file and are files of their own now.
        for (i, pair) in pairs.iter_mut().enumerate() {
            if pair.status == Status::Same
                && !self.new.contains_key(&i)
                && let Some(base) = self.base.get(&i)
                && *taken.entry(*base).or_insert(i) != i
            {
                pair.status = Status::Changed;
            }
        }
    }
}
