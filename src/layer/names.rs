//! Paths and inodes of one layer, in a compact form.
//!
//! Holds the facts that sizes depend on: the last entry of each path, the names that share an inode, and the paths that were removed with
//! a directory. Applying layers to one another is left to [`tree`](crate::tree).

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::path::common_components;

/// A path: its directory and its last component.
#[derive(Debug, Clone)]
struct Name {
    /// Node of the directory, which always has a lower number.
    parent: u32,
    /// Range of the last component in the text.
    text: Range<usize>,
    /// Inode of the path's last entry; `None` for directories and for implied paths.
    inode: Option<u32>,
    /// Number of the entry that last wrote the path, and of the one that last made it no directory, from 1.
    written: u32,
    cut: u32,
}

/// All paths of a layer. The first is the root.
#[derive(Debug)]
pub(crate) struct Names {
    names: Vec<Name>,
    /// Concatenated last components, so that paths need no allocation of their own.
    text: Vec<u8>,
    /// Size of each inode in bytes.
    inodes: Vec<u64>,
    /// Nodes by directory and last component. The keyed hash prevents collisions by chosen names.
    nodes: HashTable<u32>,
    hasher: RandomState,
    clock: u32,
    /// The last path, and the ends and nodes of its components: the next path mostly shares a prefix.
    last_path: Vec<u8>,
    last_nodes: Vec<(usize, u32)>,
}

const ROOT: u32 = 0;

impl Default for Names {
    fn default() -> Self {
        Names {
            names: vec![Name {
                parent: ROOT,
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
    /// Adds a file of `size` bytes at a clean path. Returns whether the path existed.
    pub(crate) fn add(&mut self, path: &[u8], size: u64) -> bool {
        let inode = u32::try_from(self.inodes.len()).ok();
        self.inodes.push(size);
        self.write(path, inode, false)
    }

    /// Adds a hard link to the current inode of `target`. A missing target has no size in this layer. Returns whether the
    /// path existed.
    pub(crate) fn add_link(&mut self, path: &[u8], target: &[u8]) -> bool {
        let target = self.node(target);
        let inode = self.alive(target);
        self.write(path, inode, false)
    }

    /// Adds a directory; an existing one keeps its contents. Returns whether the path existed.
    pub(crate) fn add_directory(&mut self, path: &[u8]) -> bool {
        self.write(path, None, true)
    }

    /// Number of bytes of all components.
    pub(crate) fn text(&self) -> u64 {
        self.text.len() as u64
    }

    /// Number of distinct paths, implied directories included.
    pub(crate) fn len(&self) -> u64 {
        self.names.len() as u64
    }

    /// Sum of the sizes of all inodes that still have a name, in bytes.
    pub(crate) fn size(&self) -> u64 {
        let mut counted = vec![false; self.inodes.len()];
        // Entry that last removed a parent of each path; parents precede their children.
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

    /// Inode of a path; `None` if a directory above it was replaced after the path was written.
    fn alive(&self, node: u32) -> Option<u32> {
        let name = self.names.get(node as usize)?;
        let (mut above, written) = (name.parent, name.written);
        while above != ROOT {
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

    /// Returns the node of a path; creates it and its parents if necessary.
    fn node(&mut self, path: &[u8]) -> u32 {
        let same = common_components(&self.last_path, path);
        while self.last_nodes.pop_if(|(end, _)| *end > same).is_some() {}
        let (mut start, mut node) = match self.last_nodes.last() {
            Some(&(end, node)) => (end + 1, node),
            None => (0, ROOT),
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
            return ROOT;
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
