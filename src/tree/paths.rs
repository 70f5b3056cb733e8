//! All paths of all layers, each component stored once: an arena of names, found by directory and last component.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use super::positions::PathIdx;
use crate::index_vec::IndexVec;

/// Names by number. A directory has a lower number than its contents.
#[derive(Debug)]
pub(super) struct Paths {
    parents: IndexVec<PathIdx, PathIdx>,
    /// End of each name's last component in the text; it starts at the end of the preceding one.
    ends: Vec<u32>,
    text: Vec<u8>,
    /// Names by directory and last component; dropped when all are known. The hash is keyed against chosen collisions.
    names: HashTable<PathIdx>,
    hasher: RandomState,
    /// All names but the root's by directory and last component, and the start of each directory's names.
    order: Vec<PathIdx>,
    first: Vec<u32>,
}

impl Default for Paths {
    fn default() -> Self {
        Paths {
            parents: vec![PathIdx::ROOT].into(),
            ends: vec![0],
            text: Vec::new(),
            names: HashTable::new(),
            hasher: RandomState::new(),
            order: Vec::new(),
            first: Vec::new(),
        }
    }
}

impl Paths {
    pub(super) fn len(&self) -> usize {
        self.parents.len()
    }

    pub(super) fn text(&self) -> u64 {
        self.text.len() as u64
    }

    /// The last component; empty for the root.
    pub(super) fn part(&self, name: PathIdx) -> &[u8] {
        let at = usize::from(name);
        let start = at.checked_sub(1).and_then(|at| self.ends.get(at));
        let end = self.ends.get(at).copied().unwrap_or_default() as usize;
        self.text
            .get(start.copied().unwrap_or_default() as usize..end)
            .unwrap_or_default()
    }

    pub(super) fn parent(&self, name: PathIdx) -> PathIdx {
        self.parents.get(name).copied().unwrap_or(PathIdx::ROOT)
    }

    /// The full path, without a leading `/`.
    pub(super) fn path(&self, name: PathIdx) -> Vec<u8> {
        let mut parts = Vec::new();
        let mut at = name;
        while at != PathIdx::ROOT {
            parts.push(self.part(at));
            at = self.parent(at);
        }
        parts.reverse();
        parts.join(&b'/')
    }

    /// Returns the name of a component in a directory, until the names are sealed.
    pub(super) fn find(&self, parent: PathIdx, part: &[u8]) -> Option<PathIdx> {
        self.find_hashed(self.hash(parent, part), parent, part)
    }

    fn find_hashed(&self, hash: u64, parent: PathIdx, part: &[u8]) -> Option<PathIdx> {
        let is_wanted = |&name: &PathIdx| self.parent(name) == parent && self.part(name) == part;
        self.names.find(hash, is_wanted).copied()
    }

    /// Returns the name of a component in a directory, and creates it if it is new. `NONE` if there is no number left.
    pub(super) fn child(&mut self, parent: PathIdx, part: &[u8]) -> PathIdx {
        let hash = self.hash(parent, part);
        if let Some(name) = self.find_hashed(hash, parent, part) {
            return name;
        }
        let name = self.parents.next_index();
        if name == PathIdx::NONE {
            return name;
        }
        self.text.extend_from_slice(part);
        self.parents.push(parent);
        self.ends
            .push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        let mut names = std::mem::take(&mut self.names);
        names.insert_unique(hash, name, |&name| {
            self.hash(self.parent(name), self.part(name))
        });
        self.names = names;
        name
    }

    fn hash(&self, parent: PathIdx, part: &[u8]) -> u64 {
        self.hasher.hash_one((parent, part))
    }

    /// Sorts each directory's names by their bytes. No name can be added after that.
    pub(super) fn seal(&mut self) {
        self.names = HashTable::new();
        let mut order: Vec<PathIdx> = self.parents.indices().skip(1).collect();
        order.sort_unstable_by(|&a, &b| {
            (self.parent(a), self.part(a)).cmp(&(self.parent(b), self.part(b)))
        });
        let mut first = vec![0; self.parents.len() + 1];
        for &name in &order {
            if let Some(count) = first.get_mut(usize::from(self.parent(name)) + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for count in &mut first {
            sum += *count;
            *count = sum;
        }
        self.order = order;
        self.first = first;
    }

    /// All names in a directory, present or not, sorted; after sealing.
    pub(super) fn children(&self, name: PathIdx) -> &[PathIdx] {
        let at = usize::from(name);
        match (self.first.get(at), self.first.get(at + 1)) {
            (Some(&start), Some(&end)) => self
                .order
                .get(start as usize..end as usize)
                .unwrap_or_default(),
            _ => &[],
        }
    }

    /// Returns the name of a clean path; after sealing.
    pub(super) fn lookup(&self, path: &[u8]) -> Option<PathIdx> {
        let mut name = PathIdx::ROOT;
        if path.is_empty() {
            return Some(name);
        }
        for part in path.split(|&byte| byte == b'/') {
            let children = self.children(name);
            let at = children.binary_search_by(|&child| self.part(child).cmp(part));
            name = *children.get(at.ok()?)?;
        }
        Some(name)
    }
}
