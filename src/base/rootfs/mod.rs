//! Root filesystem under construction: a map from path to node, before layers are written.
//!
//! Input: files of packages, of the host and of archives, and generated files. Output: a tree in a fixed order that
//! [`write`](mod@crate::write) turns into layers. Nothing here writes to disk: owners, modes and devices are data, so that
//! every user gets the same image, and links cannot point outside the tree.
//!
//! Paths are clean bytes without a leading `/` (see [`clean_path`]); the root is the empty path. A path below a symbolic
//! link to a directory refers to that directory, as on a system with `/bin` linked to `usr/bin`: all insertions resolve
//! parent directories within the tree ([`Rootfs::resolve`]).
//!
//! Threats: packages that replace a link other packages rely on (refused), `..` (refused in paths, confined to the root in
//! links), link loops (an error after [`MAX_LINKS`] links).

mod contents;
mod node;
mod paths;

use std::collections::BTreeMap;

use crate::error::{At, Error, Fault, Result};
use crate::layer::{clean_path, components, parent};

pub use crate::layer::{MAX_LINKS, resolve_links};
pub use contents::{Contents, Reader};
pub use node::{Kind, Node, Origin};

/// Tree of nodes. The root is always a directory.
#[derive(Debug, Clone)]
pub struct Rootfs {
    /// Inodes by bytes of full paths: a directory comes before its contents, but `a-b` comes between `a` and `a/b`.
    names: BTreeMap<Vec<u8>, Inode>,
    /// Nodes by inode; unlinked nodes are kept.
    nodes: Vec<Node>,
}

/// Number of a node; hard links share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Inode(u32);

/// Path of the tree with its node.
#[derive(Debug, Clone, Copy)]
pub struct Named<'t> {
    /// Clean path.
    pub path: &'t [u8],
    /// Node at the path.
    pub node: &'t Node,
    /// Inode, shared by hard links.
    pub inode: Inode,
}

impl<'t> Named<'t> {
    /// Returns the last component of the path.
    pub fn name(&self) -> &'t [u8] {
        let start = parent(self.path).len();
        self.path[start..].strip_prefix(b"/").unwrap_or(self.path)
    }
}

/// Result of an insertion.
#[derive(Debug, Clone)]
pub struct Put {
    /// Resolved path.
    pub path: Vec<u8>,
    /// Replaced node, or the existing directory that an inserted directory leaves unchanged.
    pub previous: Option<Node>,
}

impl Default for Rootfs {
    fn default() -> Self {
        Rootfs {
            names: BTreeMap::from([(Vec::new(), Inode(0))]),
            nodes: vec![Node::directory(0o755)],
        }
    }
}

impl Rootfs {
    /// Returns the number of paths, including the root.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Returns whether there is only the root.
    pub fn is_empty(&self) -> bool {
        self.names.len() == 1
    }

    /// Returns the node at a clean path; links are not followed.
    pub fn get(&self, path: &[u8]) -> Option<&Node> {
        self.nodes.get(self.names.get(path)?.0 as usize)
    }

    /// Returns the kind of the node at a clean path; links are not followed.
    pub fn kind(&self, path: &[u8]) -> Option<&Kind> {
        self.get(path).map(|node| &node.kind)
    }

    /// Returns the node at a clean path for modification; a change applies to all hard links.
    pub fn get_mut(&mut self, path: &[u8]) -> Option<&mut Node> {
        self.nodes.get_mut(self.names.get(path)?.0 as usize)
    }

    /// Returns path and node at a clean path.
    pub fn named(&self, path: &[u8]) -> Option<Named<'_>> {
        let (path, inode) = self.names.get_key_value(path)?;
        self.to_named(path, *inode)
    }

    /// Returns all paths sorted by bytes: the root first, directories before their contents.
    pub fn walk(&self) -> impl Iterator<Item = Named<'_>> {
        let names = self.names.iter();
        names.filter_map(|(path, inode)| self.to_named(path, *inode))
    }

    /// Returns the paths below a directory at any depth, without the directory, sorted by bytes.
    pub fn below<'t>(&'t self, directory: &[u8]) -> impl Iterator<Item = Named<'t>> + use<'t> {
        let names = self.names.range(paths::below(directory));
        names.filter_map(|(path, inode)| self.to_named(path, *inode))
    }

    /// The names right in a directory.
    pub fn children<'t>(&'t self, directory: &[u8]) -> impl Iterator<Item = Named<'t>> + use<'t> {
        let start = if directory.is_empty() {
            0
        } else {
            directory.len() + 1
        };
        self.below(directory)
            .filter(move |named| !named.path[start..].contains(&b'/'))
    }

    fn to_named<'t>(&'t self, path: &'t [u8], inode: Inode) -> Option<Named<'t>> {
        let node = self.nodes.get(inode.0 as usize)?;
        Some(Named { path, node, inode })
    }

    /// Resolves the symbolic links in all but the last component of a path, as the kernel does for a new file.
    ///
    /// Components that do not exist are kept.
    ///
    /// # Errors
    /// `Entry` for a path with `..` or NUL, below a node that is not a directory, or with more than [`MAX_LINKS`] links.
    /// The context is the path.
    pub fn resolve(&self, path: &[u8]) -> Result<Vec<u8>> {
        let clean = clean_path(path);
        match clean.climbs {
            true => Err(entry("path contains '..'")),
            // NUL terminates a name in a tar header.
            false if path.contains(&0) => Err(entry("path contains a NUL byte")),
            false => self.walk_links(&clean.path, false),
        }
        .at(|| text(path))
    }

    /// Resolves all symbolic links and `..` of a path, as the kernel does to open a file. The result may not exist, see
    /// [`Rootfs::get`].
    ///
    /// # Errors
    /// `Entry` for a path through a node that is not a directory, or with more than [`MAX_LINKS`] links. The context is
    /// the path.
    pub fn follow(&self, path: &[u8]) -> Result<Vec<u8>> {
        self.walk_links(path, true).at(|| text(path))
    }

    fn walk_links(&self, path: &[u8], follow_last: bool) -> Result<Vec<u8>> {
        resolve_links(path, |done, is_last| match self.kind(done) {
            Some(Kind::Symlink(target)) if follow_last || !is_last => Ok(Some(target.clone())),
            Some(Kind::Directory) | None => Ok(None),
            Some(_) if is_last => Ok(None),
            Some(_) => Err(entry("parent is not a directory")),
        })
    }

    /// Inserts a node at a path. Missing parent directories are created with mode 755 and the same origin.
    ///
    /// A directory inserted over a directory, or over a link to one, changes nothing. A file, link or device replaces
    /// another; hard links of the replaced file keep it.
    ///
    /// # Errors
    /// As [`Rootfs::resolve`]; `Entry` for a directory over another file type, for another file type over a directory,
    /// even an empty one, and for a link target with NUL. The context is the path. The tree is unchanged on error.
    pub fn put(&mut self, path: &[u8], node: Node) -> Result<Put> {
        let resolved = self.resolve(path)?;
        let fail = |why| entry(why).at(text(path));
        if matches!(&node.kind, Kind::Symlink(target) if target.contains(&0)) {
            return Err(fail("link target contains a NUL byte"));
        }
        if node.kind == Kind::Directory {
            let target = self.follow(&resolved)?;
            match self.get(&target) {
                Some(directory) if directory.kind == Kind::Directory => {
                    let previous = Some(directory.clone());
                    let path = target;
                    return Ok(Put { path, previous });
                }
                Some(_) => return Err(fail("cannot replace another file type with a directory")),
                None if target != resolved => {
                    return Err(fail("cannot replace a broken link with a directory"));
                }
                None => {}
            }
        } else if self.kind(&resolved) == Some(&Kind::Directory) {
            return Err(fail("cannot replace a directory"));
        }
        self.make_parents(&resolved, &node);
        let inode = self.add(node);
        Ok(self.insert(resolved, inode))
    }

    /// Creates a hard link to an existing file. Both paths are resolved as in [`Rootfs::resolve`].
    ///
    /// # Errors
    /// As [`Rootfs::put`]; `BadLink` if the target is missing or a directory. The context is the path.
    pub fn link(&mut self, path: &[u8], target: &[u8]) -> Result<Put> {
        let bad = |why| {
            let target = text(target);
            Error::new(Fault::BadLink { target, why }).at(text(path))
        };
        let from = self.resolve(target).at(|| text(path))?;
        let inode = match self.named(&from) {
            None => return Err(bad("missing target")),
            Some(named) if named.node.kind == Kind::Directory => {
                return Err(bad("target is a directory"));
            }
            Some(named) => named.inode,
        };
        let resolved = self.resolve(path)?;
        if let Some(Kind::Directory) = self.kind(&resolved) {
            return Err(entry("cannot replace a directory").at(text(path)));
        }
        let like = self.nodes[inode.0 as usize].clone();
        self.make_parents(&resolved, &like);
        Ok(self.insert(resolved, inode))
    }

    /// Removes a path and everything below it. Returns whether the path existed.
    ///
    /// The root itself is kept.
    pub fn remove(&mut self, path: &[u8]) -> bool {
        let below: Vec<Vec<u8>> = self
            .names
            .range(paths::below(path))
            .map(|(path, _)| path.clone())
            .collect();
        for path in below {
            self.names.remove(&path);
        }
        !path.is_empty() && self.names.remove(path).is_some()
    }

    /// Reads a regular file, following links; `None` if there is no such file.
    ///
    /// # Errors
    /// As [`Rootfs::follow`] and [`Contents::bytes`]. The context is the path.
    pub fn read(&self, path: &[u8], limit: u64) -> Result<Option<Vec<u8>>> {
        let target = self.follow(path)?;
        match self.kind(&target) {
            Some(Kind::File(contents)) => contents.bytes(limit).map(Some).at(|| text(path)),
            _ => Ok(None),
        }
    }

    /// Creates the missing parent directories of a resolved path.
    fn make_parents(&mut self, path: &[u8], like: &Node) {
        let mut missing = Vec::new();
        let mut directory = parent(path);
        while !self.names.contains_key(directory) {
            missing.push(directory.to_vec());
            directory = parent(directory);
        }
        for path in missing {
            let inode = self.add(Node {
                mtime: like.mtime,
                origin: like.origin,
                ..Node::directory(0o755)
            });
            self.names.insert(path, inode);
        }
    }

    fn insert(&mut self, path: Vec<u8>, inode: Inode) -> Put {
        let previous = self.get(&path).cloned();
        self.names.insert(path.clone(), inode);
        Put { path, previous }
    }

    fn add(&mut self, node: Node) -> Inode {
        // Memory is exhausted long before the numbers.
        let inode = Inode(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(node);
        inode
    }
}

/// Removes `.` and `..` lexically; `..` at the root is dropped.
pub fn normalize(path: &[u8]) -> Vec<u8> {
    let mut kept: Vec<&[u8]> = Vec::new();
    for component in components(path) {
        match component {
            b".." => drop(kept.pop()),
            _ => kept.push(component),
        }
    }
    kept.join(&b'/')
}

fn entry(why: &'static str) -> Error {
    Fault::Entry { why }.into()
}

/// Path as context of an error.
fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(lines: &[(&str, Node)]) -> Rootfs {
        let mut tree = Rootfs::default();
        for (path, node) in lines {
            tree.put(path.as_bytes(), node.clone()).expect("a node");
        }
        tree
    }

    fn paths_of(tree: &Rootfs) -> Vec<String> {
        tree.walk().skip(1).map(|named| text(named.path)).collect()
    }

    #[test]
    fn insertions_below_a_link_resolve_it() {
        let mut tree = tree(&[
            ("usr/bin", Node::directory(0o755)),
            ("bin", Node::symlink("usr/bin")),
            ("sbin", Node::symlink("/../../usr/sbin/../bin")),
        ]);
        for (path, name) in [("./bin/sh", "sh"), ("sbin/awk", "awk")] {
            let put = tree.put(path.as_bytes(), Node::file(0o755, *b"x"));
            assert_eq!(text(&put.expect("a file").path), format!("usr/bin/{name}"));
        }
        let kept = tree.put(b"bin", Node::directory(0o700)).expect("the link");
        assert_eq!(kept.path, b"usr/bin");
        assert_eq!(tree.get(b"bin"), Some(&Node::symlink("usr/bin")));
        assert_eq!(
            paths_of(&tree),
            ["bin", "sbin", "usr", "usr/bin", "usr/bin/awk", "usr/bin/sh"]
        );
        let children = tree.children(b"usr").map(|named| text(named.path));
        assert_eq!(children.collect::<Vec<_>>(), ["usr/bin"]);
    }

    #[test]
    fn invalid_insertions_leave_the_tree_unchanged() {
        let mut tree = tree(&[
            ("etc", Node::directory(0o755)),
            ("a", Node::symlink("b")),
            ("b", Node::symlink("a")),
            ("gone", Node::symlink("nowhere")),
            ("file", Node::file(0o644, *b"")),
        ]);
        let before = paths_of(&tree);
        for (path, node, why) in [
            ("../x", Node::file(0o644, *b""), "path contains '..'"),
            ("a/x", Node::file(0o644, *b""), "too many symbolic links"),
            ("etc", Node::symlink("x"), "cannot replace a directory"),
            (
                "file",
                Node::directory(0o755),
                "another file type with a directory",
            ),
            ("gone", Node::directory(0o755), "broken link"),
            ("file/x", Node::directory(0o755), "not a directory"),
        ] {
            let error = tree.put(path.as_bytes(), node).expect_err(path).to_string();
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(paths_of(&tree), before);
    }

    #[test]
    fn hard_links_share_a_file_until_one_is_replaced() {
        let mut tree = tree(&[("a", Node::file(0o644, *b"one"))]);
        tree.link(b"b", b"./a").expect("a link");
        tree.get_mut(b"a").expect("a file").mode = 0o600;
        assert_eq!(tree.get(b"b").expect("a file").mode, 0o600);
        tree.put(b"a", Node::file(0o644, *b"two")).expect("a file");
        assert_eq!(
            tree.read(b"b", 10).expect("contents"),
            Some(b"one".to_vec())
        );
        assert!(tree.link(b"c", b"nothing").is_err());
        assert!(tree.remove(b"a") && !tree.remove(b"a"));
    }
}
