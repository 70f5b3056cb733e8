//! A root filesystem in the making: path -> node, before it is a layer.
//!
//! In come files of packages, of the host, of archives, and what is computed from them; out goes a tree in a fixed
//! order that [`write`](mod@crate::write) makes layers of. Nothing here touches the file system: owners, modes and
//! devices are data, so that whoever runs the program gets the same image, and a link cannot lead out of the tree.
//!
//! Paths are clean bytes from the top without a leading `/` (see [`clean_path`]); the top itself is the empty path.
//! What is put below a symbolic link to a folder lands in that folder, as on a system where `/bin` is a link to
//! `usr/bin`: every way in resolves the folders on the way within the tree ([`Rootfs::resolve`]).
//!
//! What a hostile package could try: to put a folder or a file in the place of a link that others rely on, to climb
//! with `..`, or to make links that go round. The first is refused, the second is refused in names and stopped at the
//! top in links, the third is an error after [`MAX_LINKS`] links.

mod contents;
mod node;
mod paths;

use std::collections::BTreeMap;

use crate::error::{At, Error, Fault, Result};
use crate::layer::clean_path;

pub use contents::{Contents, Reader};
pub use node::{Kind, Node, Origin};

/// How many symbolic links one path may lead through, as in Linux.
pub const MAX_LINKS: usize = 40;

/// A tree of nodes. There is always a folder at the top.
#[derive(Debug, Clone)]
pub struct Rootfs {
    /// By the bytes of whole paths: a folder comes before what is in it, but `a-b` comes between `a` and `a/b`.
    names: BTreeMap<Vec<u8>, Inode>,
    /// Those that lost their last name stay as they were.
    nodes: Vec<Node>,
}

/// What the names of one file have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Inode(u32);

/// One name of the tree.
#[derive(Debug, Clone, Copy)]
pub struct Named<'t> {
    /// From the top, clean.
    pub path: &'t [u8],
    /// What is there.
    pub node: &'t Node,
    /// The same for all names of a file.
    pub inode: Inode,
}

/// What was met where something was put.
#[derive(Debug, Clone)]
pub struct Put {
    /// Where it went: the path with the links on the way resolved.
    pub path: Vec<u8>,
    /// What was there before and is no more, or, for a folder put onto a folder, the folder that stays as it was.
    pub was: Option<Node>,
}

impl Default for Rootfs {
    fn default() -> Self {
        Rootfs {
            names: BTreeMap::from([(Vec::new(), Inode(0))]),
            nodes: vec![Node::folder(0o755)],
        }
    }
}

impl Rootfs {
    /// How many names there are, the top included.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is nothing but the top.
    pub fn is_empty(&self) -> bool {
        self.names.len() == 1
    }

    /// What is at a clean path, no link followed.
    pub fn get(&self, path: &[u8]) -> Option<&Node> {
        self.nodes.get(self.names.get(path)?.0 as usize)
    }

    /// The same, to change its mode, owner, time or contents. All names of a file change together.
    pub fn get_mut(&mut self, path: &[u8]) -> Option<&mut Node> {
        self.nodes.get_mut(self.names.get(path)?.0 as usize)
    }

    /// The name at a clean path.
    pub fn named(&self, path: &[u8]) -> Option<Named<'_>> {
        let (path, inode) = self.names.get_key_value(path)?;
        self.to_named(path, *inode)
    }

    /// Every name, the top first, folders before what is in them, by the bytes of whole paths.
    pub fn walk(&self) -> impl Iterator<Item = Named<'_>> {
        let names = self.names.iter();
        names.filter_map(|(path, inode)| self.to_named(path, *inode))
    }

    /// The names below a folder at any depth, without the folder itself, in the same order.
    pub fn below<'t>(&'t self, folder: &[u8]) -> impl Iterator<Item = Named<'t>> + use<'t> {
        let names = self.names.range(paths::below(folder));
        names.filter_map(|(path, inode)| self.to_named(path, *inode))
    }

    /// The names right in a folder.
    pub fn children<'t>(&'t self, folder: &[u8]) -> impl Iterator<Item = Named<'t>> + use<'t> {
        let start = if folder.is_empty() {
            0
        } else {
            folder.len() + 1
        };
        self.below(folder)
            .filter(move |named| !named.path[start..].contains(&b'/'))
    }

    fn to_named<'t>(&'t self, path: &'t [u8], inode: Inode) -> Option<Named<'t>> {
        let node = self.nodes.get(inode.0 as usize)?;
        Some(Named { path, node, inode })
    }

    /// Where a path leads when the links on its way are followed, the last part not: where the kernel would make it.
    ///
    /// Parts that do not exist stay as they are.
    ///
    /// # Errors
    /// `Entry` for a path with `..` or a NUL, below something that is no folder, or through more than [`MAX_LINKS`]
    /// links. The place is the path.
    pub fn resolve(&self, path: &[u8]) -> Result<Vec<u8>> {
        let clean = clean_path(path);
        match clean.climbs {
            true => Err(entry("a name with '..'")),
            // A tar would end the name there.
            false if path.contains(&0) => Err(entry("a name with a NUL")),
            false => self.way(&clean.path, false),
        }
        .at(|| text(path))
    }

    /// The same with the last part followed too, and `..` in links and path as the kernel takes it: what opening the
    /// path would open. What is there may be nothing, see [`Rootfs::get`].
    ///
    /// # Errors
    /// `Entry` for a way through something that is no folder or more than [`MAX_LINKS`] links. The place is the path.
    pub fn follow(&self, path: &[u8]) -> Result<Vec<u8>> {
        self.way(path, true).at(|| text(path))
    }

    fn way(&self, path: &[u8], last: bool) -> Result<Vec<u8>> {
        let mut done: Vec<u8> = Vec::with_capacity(path.len());
        // The parts still to go, the next one last.
        let mut ahead: Vec<Vec<u8>> = paths::parts(path).rev().map(<[u8]>::to_vec).collect();
        let mut links = 0;
        while let Some(part) = ahead.pop() {
            if part == b".." {
                done.truncate(paths::parent(&done).len());
                continue;
            }
            let parent = done.len();
            if !done.is_empty() {
                done.push(b'/');
            }
            done.extend(part);
            let is_last = ahead.is_empty();
            match self.get(&done).map(|node| &node.kind) {
                Some(Kind::Symlink(target)) if last || !is_last => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(entry("it leads through too many symbolic links"));
                    }
                    match target.first() {
                        Some(b'/') => done.clear(),
                        _ => done.truncate(parent),
                    }
                    ahead.extend(paths::parts(target).rev().map(<[u8]>::to_vec));
                }
                Some(Kind::Folder) | None => {}
                Some(_) if is_last => {}
                Some(_) => return Err(entry("below something that is not a folder")),
            }
        }
        Ok(done)
    }

    /// Puts a node at a path. Folders on the way that are not there are made, as plain ones of the same origin.
    ///
    /// A folder onto a folder, or onto a link to a folder, changes nothing. A file, link or device takes the place of
    /// another; the names that shared a file with it keep it.
    ///
    /// # Errors
    /// As [`Rootfs::resolve`]; `Entry` for a folder onto something else, for something else onto a folder, even an empty
    /// one, and for a link whose target has a NUL. The place is the path. Then nothing has changed.
    pub fn put(&mut self, path: &[u8], node: Node) -> Result<Put> {
        let resolved = self.resolve(path)?;
        let met = |why| entry(why).at(text(path));
        if matches!(&node.kind, Kind::Symlink(target) if target.contains(&0)) {
            return Err(met("a link with a NUL in its target"));
        }
        if node.kind == Kind::Folder {
            let there = self.follow(&resolved)?;
            match self.get(&there) {
                Some(folder) if folder.kind == Kind::Folder => {
                    let was = Some(folder.clone());
                    return Ok(Put { path: there, was });
                }
                Some(_) => return Err(met("a folder in the place of something else")),
                None if there != resolved => {
                    return Err(met("a folder in the place of a link that leads nowhere"));
                }
                None => {}
            }
        } else if matches!(
            self.get(&resolved).map(|node| &node.kind),
            Some(Kind::Folder)
        ) {
            return Err(met("something else in the place of a folder"));
        }
        self.make_way(&resolved, &node);
        let was = self.get(&resolved).cloned();
        let inode = self.add(node);
        self.names.insert(resolved.clone(), inode);
        Ok(Put {
            path: resolved,
            was,
        })
    }

    /// Gives a file that is there another name. Both paths are resolved; neither is followed at its end.
    ///
    /// # Errors
    /// As [`Rootfs::put`]; `BadLink` if the target is not there or is a folder. The place is the path.
    pub fn link(&mut self, path: &[u8], target: &[u8]) -> Result<Put> {
        let bad = |why| {
            let target = text(target);
            Error::new(Fault::BadLink { target, why }).at(text(path))
        };
        let from = self.resolve(target).at(|| text(path))?;
        let inode = match self.named(&from) {
            None => return Err(bad("it is not there")),
            Some(named) if named.node.kind == Kind::Folder => return Err(bad("it is a folder")),
            Some(named) => named.inode,
        };
        let resolved = self.resolve(path)?;
        if let Some(Kind::Folder) = self.get(&resolved).map(|met| &met.kind) {
            return Err(entry("something else in the place of a folder").at(text(path)));
        }
        let like = self.nodes[inode.0 as usize].clone();
        self.make_way(&resolved, &like);
        let was = self.get(&resolved).cloned();
        self.names.insert(resolved.clone(), inode);
        Ok(Put {
            path: resolved,
            was,
        })
    }

    /// Removes a name, and everything below it if it is a folder. Returns whether it was there.
    ///
    /// The top cannot be removed; what is below it is.
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

    /// The contents of a regular file that a path leads to, links followed; `None` if there is no such file.
    ///
    /// # Errors
    /// As [`Rootfs::follow`]; `Limit` for more than `limit` bytes; what reading them gives. The place is the path.
    pub fn read(&self, path: &[u8], limit: u64) -> Result<Option<Vec<u8>>> {
        let there = self.follow(path)?;
        match self.get(&there).map(|node| &node.kind) {
            Some(Kind::File(contents)) => contents.bytes(limit).map(Some).at(|| text(path)),
            _ => Ok(None),
        }
    }

    /// Makes the folders on the way to a resolved path.
    fn make_way(&mut self, path: &[u8], like: &Node) {
        let mut missing = Vec::new();
        let mut parent = paths::parent(path);
        while !self.names.contains_key(parent) {
            missing.push(parent.to_vec());
            parent = paths::parent(parent);
        }
        for path in missing {
            let inode = self.add(Node {
                mtime: like.mtime,
                origin: like.origin,
                ..Node::folder(0o755)
            });
            self.names.insert(path, inode);
        }
    }

    fn add(&mut self, node: Node) -> Inode {
        // Each node takes hundreds of bytes: memory ends long before the numbers do.
        let inode = Inode(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(node);
        inode
    }
}

/// A path with its `.` and `..` taken out by the text alone, and what climbs over the top with them.
pub fn flat(path: &[u8]) -> Vec<u8> {
    let mut flat: Vec<&[u8]> = Vec::new();
    for part in paths::parts(path) {
        match part {
            b".." => drop(flat.pop()),
            _ => flat.push(part),
        }
    }
    flat.join(&b'/')
}

fn entry(why: &'static str) -> Error {
    Fault::Entry { why }.into()
}

/// A path as the place of an error.
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

    fn shown(tree: &Rootfs) -> Vec<String> {
        tree.walk().skip(1).map(|named| text(named.path)).collect()
    }

    #[test]
    fn what_is_put_below_a_link_lands_where_the_link_leads() {
        let mut tree = tree(&[
            ("usr/bin", Node::folder(0o755)),
            ("bin", Node::symlink("usr/bin")),
            ("sbin", Node::symlink("/../../usr/sbin/../bin")),
        ]);
        for (path, name) in [("./bin/sh", "sh"), ("sbin/awk", "awk")] {
            let put = tree.put(path.as_bytes(), Node::file(0o755, *b"x"));
            assert_eq!(text(&put.expect("a file").path), format!("usr/bin/{name}"));
        }
        let kept = tree.put(b"bin", Node::folder(0o700)).expect("the link");
        assert_eq!(kept.path, b"usr/bin");
        assert_eq!(tree.get(b"bin"), Some(&Node::symlink("usr/bin")));
        assert_eq!(
            shown(&tree),
            ["bin", "sbin", "usr", "usr/bin", "usr/bin/awk", "usr/bin/sh"]
        );
        let children = tree.children(b"usr").map(|named| text(named.path));
        assert_eq!(children.collect::<Vec<_>>(), ["usr/bin"]);
    }

    #[test]
    fn nothing_climbs_goes_round_or_takes_a_folders_place() {
        let mut tree = tree(&[
            ("etc", Node::folder(0o755)),
            ("a", Node::symlink("b")),
            ("b", Node::symlink("a")),
            ("gone", Node::symlink("nowhere")),
            ("file", Node::file(0o644, *b"")),
        ]);
        let before = shown(&tree);
        for (path, node, why) in [
            ("../x", Node::file(0o644, *b""), "a name with '..'"),
            ("a/x", Node::file(0o644, *b""), "too many symbolic links"),
            ("etc", Node::symlink("x"), "in the place of a folder"),
            ("file", Node::folder(0o755), "in the place of something"),
            ("gone", Node::folder(0o755), "leads nowhere"),
            ("file/x", Node::folder(0o755), "not a folder"),
        ] {
            let error = tree.put(path.as_bytes(), node).expect_err(path).to_string();
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(shown(&tree), before);
    }

    #[test]
    fn names_of_one_file_share_it_until_one_is_replaced() {
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
