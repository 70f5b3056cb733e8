//! A tree under one emulation.

use std::collections::BTreeSet;

use super::options::EmulationOptions;
use crate::base::debian::Unpacked;
use crate::base::rootfs::{Kind, Node, Origin};
use crate::error::Result;
use crate::programs::imgbase::Base;
use crate::programs::imgbase::dpkg_files::ReadFile;

/// Largest file of the tree that is read, in bytes; the largest in practice is the certificate bundle.
pub(super) const MAX_READ: u64 = 16 << 20;

/// Changes a tree on behalf of one emulation, and records which paths it changed.
pub(super) struct TreeEditor<'a> {
    pub(super) base: &'a mut Base,
    pub(super) options: &'a EmulationOptions,
    pub(super) origin: Origin,
    /// Paths made or changed so far, from the root directory.
    pub(super) made: BTreeSet<Vec<u8>>,
    pub(super) notes: Vec<String>,
}

impl<'a> TreeEditor<'a> {
    /// Creates an editor that has changed nothing yet. New nodes get `origin`.
    pub(super) fn new(base: &'a mut Base, options: &'a EmulationOptions, origin: Origin) -> Self {
        TreeEditor {
            base,
            options,
            origin,
            made: BTreeSet::new(),
            notes: Vec::new(),
        }
    }

    /// Puts a node at a path, replacing an existing one. A node without a time gets that of the image.
    pub(super) fn put(&mut self, path: &str, node: Node) -> Result<()> {
        let node = Node {
            mtime: if node.mtime == 0 {
                self.base.epoch
            } else {
                node.mtime
            },
            origin: self.origin,
            ..node
        };
        let put = self.base.rootfs.put(path.as_bytes(), node)?;
        self.made.insert(put.path);
        Ok(())
    }

    /// Puts a node at a path unless the path exists.
    pub(super) fn add(&mut self, path: &str, node: Node) -> Result<()> {
        match self.exists(path) {
            true => Ok(()),
            false => self.put(path, node),
        }
    }

    /// Writes a file of mode 0644 that root owns.
    pub(super) fn write(&mut self, path: &str, bytes: impl Into<Vec<u8>>) -> Result<()> {
        self.put(path, Node::file(0o644, bytes))
    }

    /// Returns the kind of the node at a path, whose last part is not followed; `None` if it is missing.
    pub(super) fn kind(&self, path: &str) -> Result<Option<&Kind>> {
        let path = self.base.rootfs.resolve(path.as_bytes())?;
        Ok(self.base.rootfs.get(&path).map(|node| &node.kind))
    }

    /// Returns whether a path exists; a dangling link does.
    pub(super) fn exists(&self, path: &str) -> bool {
        self.kind(path).is_ok_and(|kind| kind.is_some())
    }

    /// Returns whether a path leads to a directory, links followed.
    pub(super) fn is_directory(&self, path: &str) -> bool {
        let found = self.base.rootfs.follow(path.as_bytes());
        let node = found.ok().and_then(|path| self.base.rootfs.get(&path));
        node.is_some_and(|node| node.kind == Kind::Directory)
    }

    /// Returns the bytes of a file, links followed; `None` if it is missing.
    pub(super) fn read(&self, path: &str) -> Result<Option<Vec<u8>>> {
        self.base.rootfs.read(path.as_bytes(), MAX_READ)
    }

    /// Returns the text of a file, links followed; `None` if it is missing.
    pub(super) fn text(&self, path: &str) -> Result<Option<String>> {
        let bytes = self.read(path)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Changes the node that a path leads to, links followed. Returns whether it exists.
    pub(super) fn change(&mut self, path: &str, change: impl FnOnce(&mut Node)) -> Result<bool> {
        let path = self.base.rootfs.follow(path.as_bytes())?;
        let Some(node) = self.base.rootfs.get_mut(&path) else {
            return Ok(false);
        };
        let before = (node.mode, node.uid, node.gid);
        change(node);
        if before != (node.mode, node.uid, node.gid) {
            self.made.insert(path);
        }
        Ok(true)
    }

    /// Returns the package with this name.
    pub(super) fn package(&self, name: &str) -> Option<&Unpacked> {
        self.base
            .packages
            .iter()
            .find(|package| package.name() == name)
    }

    /// Returns the names of a directory's entries, sorted; none if it is missing.
    pub(super) fn children(&self, directory: &str) -> Vec<String> {
        // Reading the names of a tree in memory does not fail.
        self.base.rootfs.names(directory).unwrap_or_default()
    }

    /// Adds a note for the report.
    pub(super) fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }
}
