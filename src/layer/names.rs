//! The paths of one layer with the inodes behind them, as small as can be.
//!
//! Only what sizes need: which entry of a path is the last one, which names share an inode, and what went away
//! together with a directory. Applying layers to one another is another room's work.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::path::common_components;

/// A path: its directory and its last part.
#[derive(Debug, Clone)]
struct Name {
    /// The node of the directory, always one made earlier.
    parent: u32,
    /// Where the last part stands in the text.
    text: Range<usize>,
    /// The inode that the last entry of this path made; none for a directory or for a path only implied.
    inode: Option<u32>,
    /// When the path was last written, and when it last stopped being a directory: counted in entries, from 1.
    written: u32,
    cut: u32,
}

/// All paths of a layer. The first is the top.
#[derive(Debug)]
pub(crate) struct Names {
    names: Vec<Name>,
    /// The last parts, one after the other, so that a path costs no allocation of its own.
    text: Vec<u8>,
    /// Sizes by inode.
    inodes: Vec<u64>,
    /// The nodes by directory and last part. The keyed hash keeps chosen names from meeting.
    nodes: HashTable<u32>,
    hasher: RandomState,
    clock: u32,
    /// The last path and the nodes of its parts with the ends of these parts: the next path mostly begins the same.
    last_path: Vec<u8>,
    last_nodes: Vec<(usize, u32)>,
}

const TOP: u32 = 0;

impl Default for Names {
    fn default() -> Self {
        Names {
            names: vec![Name {
                parent: TOP,
                text: 0..0,
                inode: None,
                written: 0,
                cut: 0,
            }],
            text: Vec::new(),
            inodes: Vec::new(),
            nodes: HashTable::new(),
            hasher: RandomState::new(),
            clock: 0,
            last_path: Vec::new(),
            last_nodes: Vec::new(),
        }
    }
}

impl Names {
    /// Adds something with contents of its own at a clean path; whether the path was there before.
    pub(crate) fn add(&mut self, path: &[u8], size: u64) -> bool {
        let inode = u32::try_from(self.inodes.len()).ok();
        self.inodes.push(size);
        self.write(path, inode, false)
    }

    /// Adds a further name of what `target` is now. A target that is not there has no size in this layer.
    pub(crate) fn add_link(&mut self, path: &[u8], target: &[u8]) -> bool {
        let target = self.node(target);
        let inode = self.alive(target);
        self.write(path, inode, false)
    }

    /// Adds a directory, which keeps what is in it if it is one already.
    pub(crate) fn add_directory(&mut self, path: &[u8]) -> bool {
        self.write(path, None, true)
    }

    /// Bytes of the parts that are kept.
    pub(crate) fn text(&self) -> u64 {
        self.text.len() as u64
    }

    /// How many distinct paths there are, implied directories included.
    pub(crate) fn len(&self) -> u64 {
        self.names.len() as u64
    }

    /// The sum over the inodes that still have a name.
    pub(crate) fn size(&self) -> u64 {
        let mut counted = vec![false; self.inodes.len()];
        // When each path last lost its parents; a parent stands before its children.
        let mut cuts = Vec::with_capacity(self.names.len());
        let mut sum = 0_u64;
        for name in &self.names {
            let above: u32 = cuts.get(name.parent as usize).copied().unwrap_or_default();
            cuts.push(above.max(name.cut));
            let Some(inode) = name.inode.filter(|_| name.written > above) else {
                continue;
            };
            if let Some(counted @ false) = counted.get_mut(inode as usize) {
                *counted = true;
                let size = self.inodes.get(inode as usize).copied();
                sum = sum.saturating_add(size.unwrap_or_default());
            }
        }
        sum
    }

    /// The inode of a path that is still there: none if a directory above it gave way after it was written.
    fn alive(&self, node: u32) -> Option<u32> {
        let name = self.names.get(node as usize)?;
        let (mut above, written) = (name.parent, name.written);
        while above != TOP {
            let parent = self.names.get(above as usize)?;
            if parent.cut >= written {
                return None;
            }
            above = parent.parent;
        }
        name.inode
    }

    fn write(&mut self, path: &[u8], inode: Option<u32>, is_directory: bool) -> bool {
        self.clock = self.clock.saturating_add(1);
        let clock = self.clock;
        let node = self.node(path);
        let Some(name) = self.names.get_mut(node as usize) else {
            return false;
        };
        let repeated = name.written > 0;
        if !is_directory {
            name.cut = clock;
        }
        name.inode = inode;
        name.written = clock;
        repeated
    }

    /// The node of a path, made with its parents where there is none yet.
    fn node(&mut self, path: &[u8]) -> u32 {
        let same = common_components(&self.last_path, path);
        while self.last_nodes.pop_if(|(end, _)| *end > same).is_some() {}
        let (mut start, mut node) = match self.last_nodes.last() {
            Some(&(end, node)) => (end + 1, node),
            None => (0, TOP),
        };
        while let Some(rest) = path.get(start..).filter(|rest| !rest.is_empty()) {
            let length = rest.iter().position(|&byte| byte == b'/');
            let end = start + length.unwrap_or(rest.len());
            node = self.child(node, path.get(start..end).unwrap_or_default());
            self.last_nodes.push((end, node));
            start = end + 1;
        }
        self.last_path.clear();
        self.last_path.extend_from_slice(path);
        node
    }

    fn child(&mut self, parent: u32, part: &[u8]) -> u32 {
        let (names, text) = (&self.names, &self.text);
        let key = |node: &u32| {
            let name = names.get(*node as usize)?;
            Some((name.parent, text.get(name.text.clone())?))
        };
        let hash = |key: Option<(u32, &[u8])>| self.hasher.hash_one(key);
        let wanted = Some((parent, part));
        let is_wanted = |node: &u32| key(node) == wanted;
        let free = match self
            .nodes
            .entry(hash(wanted), is_wanted, |node| hash(key(node)))
        {
            Entry::Occupied(found) => return *found.get(),
            Entry::Vacant(free) => free,
        };
        let Ok(node) = u32::try_from(self.names.len()) else {
            return TOP;
        };
        free.insert(node);
        let start = self.text.len();
        self.text.extend_from_slice(part);
        self.names.push(Name {
            parent,
            text: start..self.text.len(),
            inode: None,
            written: 0,
            cut: 0,
        });
        node
    }
}
