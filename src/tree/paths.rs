//! All paths of all layers, each part kept once: an arena of names, found by folder and last part.

use std::hash::{BuildHasher, RandomState};

/// The top of the tree.
pub(super) const TOP: u32 = 0;
/// No name, no version.
pub(super) const NONE: u32 = u32::MAX;

/// Names by number. A folder always has a lower number than what is in it.
#[derive(Debug)]
pub(super) struct Paths {
    parents: Vec<u32>,
    /// Where each name's last part ends in the text; it starts where the one before ends.
    ends: Vec<u32>,
    text: Vec<u8>,
    /// Open addressing, a power of two long, `NONE` where free; dropped when all names are known. The keyed hash
    /// keeps chosen names from meeting.
    slots: Vec<u32>,
    hasher: RandomState,
    /// All names but the top by folder and last part, and where each folder's run starts.
    order: Vec<u32>,
    first: Vec<u32>,
}

impl Default for Paths {
    fn default() -> Self {
        Paths {
            parents: vec![TOP],
            ends: vec![0],
            text: Vec::new(),
            slots: vec![NONE; 1024],
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

    /// The last part; empty for the top.
    pub(super) fn part(&self, name: u32) -> &[u8] {
        let at = name as usize;
        let start = at.checked_sub(1).and_then(|at| self.ends.get(at));
        let end = self.ends.get(at).copied().unwrap_or_default() as usize;
        self.text
            .get(start.copied().unwrap_or_default() as usize..end)
            .unwrap_or_default()
    }

    pub(super) fn parent(&self, name: u32) -> u32 {
        self.parents.get(name as usize).copied().unwrap_or_default()
    }

    /// The whole path, without a leading `/`.
    pub(super) fn path(&self, name: u32) -> Vec<u8> {
        let mut parts = Vec::new();
        let mut at = name;
        while at != TOP {
            parts.push(self.part(at));
            at = self.parent(at);
        }
        parts.reverse();
        parts.join(&b'/')
    }

    /// The name of a part in a folder, as long as names are being added.
    pub(super) fn find(&self, parent: u32, part: &[u8]) -> Option<u32> {
        let slot = self.slots.get(self.slot(parent, part)).copied();
        slot.filter(|&name| name != NONE)
    }

    /// The same; it is made if it is new. `NONE` where there is no number left.
    pub(super) fn child(&mut self, parent: u32, part: &[u8]) -> u32 {
        if self.parents.len() * 4 > self.slots.len() * 3 {
            self.grow();
        }
        let slot = self.slot(parent, part);
        match self.slots.get_mut(slot) {
            Some(free) if *free == NONE => {
                let name = u32::try_from(self.parents.len()).unwrap_or(NONE);
                *free = name;
                self.text.extend_from_slice(part);
                self.parents.push(parent);
                self.ends
                    .push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
                name
            }
            Some(name) => *name,
            None => NONE,
        }
    }

    /// Where a name is, or the free slot where it belongs.
    fn slot(&self, parent: u32, part: &[u8]) -> usize {
        let hash = self.hasher.hash_one((parent, part));
        let mask = self.slots.len() - 1;
        let mut slot = usize::try_from(hash).unwrap_or(usize::MAX) & mask;
        while let Some(&name) = self.slots.get(slot)
            && name != NONE
            && (self.parent(name) != parent || self.part(name) != part)
        {
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        self.slots = vec![NONE; self.slots.len() * 2];
        for name in 1..u32::try_from(self.parents.len()).unwrap_or(NONE) {
            let slot = self.slot(self.parent(name), self.part(name));
            if let Some(free) = self.slots.get_mut(slot) {
                *free = name;
            }
        }
    }

    /// Sorts each folder's names by their bytes. No name can be added after that.
    pub(super) fn seal(&mut self) {
        self.slots = Vec::new();
        let names = u32::try_from(self.parents.len()).unwrap_or(NONE);
        let mut order: Vec<u32> = (1..names).collect();
        order.sort_unstable_by(|&a, &b| {
            (self.parent(a), self.part(a)).cmp(&(self.parent(b), self.part(b)))
        });
        let mut first = vec![0; self.parents.len() + 1];
        for &name in &order {
            if let Some(count) = first.get_mut(self.parent(name) as usize + 1) {
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

    /// What is or was in a folder, sorted; once sealed.
    pub(super) fn children(&self, name: u32) -> &[u32] {
        let at = name as usize;
        match (self.first.get(at), self.first.get(at + 1)) {
            (Some(&start), Some(&end)) => self
                .order
                .get(start as usize..end as usize)
                .unwrap_or_default(),
            _ => &[],
        }
    }

    /// The name of a clean path; once sealed.
    pub(super) fn lookup(&self, path: &[u8]) -> Option<u32> {
        let mut name = TOP;
        if path.is_empty() {
            return Some(TOP);
        }
        for part in path.split(|&byte| byte == b'/') {
            let children = self.children(name);
            let at = children.binary_search_by(|&child| self.part(child).cmp(part));
            name = *children.get(at.ok()?)?;
        }
        Some(name)
    }
}
