//! Facts about the versions of an image.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::accounts::{Accounts, accounts};
use crate::archive::{Image, Layer};
use crate::error::{Error, Result};
use crate::escape;
use crate::find::{Facts, Kind, Stamp};
use crate::layer::{EntryKind, Limits, Mtime};
use crate::spec::Digest;
use crate::tree::{EntryVersion, Meta, Node, NodeKind, Tree, VersionKind, VersionState};

/// By digest of contents: a path, and whether there is another one.
type ByDigest = HashMap<[u8; 32], (Vec<u8>, bool)>;
/// By directory: the layers from which and until which something was in it.
type Occupied = HashMap<Vec<u8>, Vec<(usize, usize)>>;

/// An image whose versions are searched, with what they have in common.
pub(super) struct Searched<'a> {
    pub(super) image: &'a Image,
    pub(super) tree: &'a Tree,
    limits: Limits,
    /// Commands of the history, by layer.
    steps: Vec<&'a str>,
    /// Users and groups as of a layer.
    accounts: RefCell<HashMap<usize, Rc<Accounts>>>,
    contents: OnceCell<ByDigest>,
    occupied: OnceCell<Occupied>,
}

/// A version of a path, or a directory without an entry of its own.
#[derive(Clone, Copy)]
pub(super) enum Item<'a> {
    Version(EntryVersion<'a>),
    Implied(Node<'a>),
}

/// A version with its image.
pub(super) struct Found<'a> {
    pub(super) searched: &'a Searched<'a>,
    pub(super) path: Vec<u8>,
    pub(super) item: Item<'a>,
    meta: OnceCell<Meta>,
}

impl<'a> Searched<'a> {
    pub(super) fn new(image: &'a Image, tree: &'a Tree, limits: Limits) -> Self {
        let mut steps = vec![""; image.layers.len()];
        for step in image.steps() {
            let own = step.layer.and_then(|layer| steps.get_mut(layer));
            if let (Some(own), Some(history)) = (own, step.history) {
                *own = &history.created_by;
            }
        }
        Searched {
            image,
            tree,
            limits,
            steps,
            accounts: RefCell::default(),
            contents: OnceCell::new(),
            occupied: OnceCell::new(),
        }
    }

    /// Command that made a layer, from 0; empty if unknown.
    pub(super) fn step(&self, layer: usize) -> &'a str {
        self.steps.get(layer).copied().unwrap_or_default()
    }

    fn accounts(&self, layer: usize) -> Result<Rc<Accounts>> {
        if let Some(known) = self.accounts.borrow().get(&layer) {
            return Ok(Rc::clone(known));
        }
        let read = Rc::new(accounts(self.image, self.tree, layer, &self.limits)?);
        let mut all = self.accounts.borrow_mut();
        Ok(Rc::clone(all.entry(layer).or_insert(read)))
    }

    fn contents(&self) -> &ByDigest {
        self.contents.get_or_init(|| {
            let mut contents = ByDigest::new();
            for version in self.tree.versions() {
                let Some(digest) = version.digest() else {
                    continue;
                };
                let path = version.path();
                let (first, has_others) = contents.entry(digest).or_insert((path.clone(), false));
                *has_others |= *first != path;
            }
            contents
        })
    }

    fn occupied(&self) -> &Occupied {
        self.occupied.get_or_init(|| {
            let mut occupied = Occupied::new();
            for version in self.tree.versions() {
                let is_file = matches!(version.kind(), VersionKind::Entry(_));
                if !is_file || version.state() == VersionState::Unapplied {
                    continue;
                }
                let mut path = version.path();
                let end = path.iter().rposition(|byte| *byte == b'/');
                path.truncate(end.unwrap_or(0));
                let until = version.ended_by().unwrap_or(usize::MAX);
                occupied
                    .entry(path)
                    .or_default()
                    .push((version.layer(), until));
            }
            occupied
        })
    }

    /// Node of a path in the final tree.
    fn node(&self, path: &[u8]) -> Result<Node<'a>> {
        self.tree.get(path).ok_or_else(|| {
            let path = escape::bytes(path).into_owned();
            Error::usage(format!("no file '{path}' in the image"))
        })
    }
}

impl<'a> Item<'a> {
    pub(super) fn path(&self) -> Vec<u8> {
        match self {
            Item::Version(version) => version.path(),
            Item::Implied(node) => node.path(),
        }
    }

    pub(super) fn state(&self) -> VersionState {
        match self {
            Item::Version(version) => version.state(),
            Item::Implied(_) => VersionState::Final,
        }
    }

    /// Number of the layer, from 0.
    pub(super) fn layer(&self) -> usize {
        match self {
            Item::Version(version) => version.layer(),
            Item::Implied(node) => node.layer(),
        }
    }

    /// Number of the layer that ended it, from 0.
    pub(super) fn ended_by(&self) -> Option<usize> {
        match self {
            Item::Version(version) => version.ended_by(),
            Item::Implied(_) => None,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        let version = match self {
            Item::Version(version) => version,
            Item::Implied(_) => return Kind::Directory,
        };
        match (version.kind(), version.file_kind()) {
            (VersionKind::Whiteout, _) => Kind::Whiteout,
            (VersionKind::Opaque, _) => Kind::Opaque,
            (_, Some(NodeKind::File)) => Kind::File,
            (_, Some(NodeKind::Directory)) => Kind::Directory,
            (_, Some(NodeKind::Symlink)) => Kind::Symlink,
            (_, Some(NodeKind::BlockDevice)) => Kind::BlockDevice,
            (_, Some(NodeKind::CharDevice)) => Kind::CharDevice,
            (_, Some(NodeKind::Fifo)) => Kind::Fifo,
            (VersionKind::Entry(_), None) => Kind::Other,
        }
    }

    /// The node that the final tree has of it.
    fn node(&self) -> Option<Node<'a>> {
        match self {
            Item::Version(version) => version.node(),
            Item::Implied(node) => Some(*node),
        }
    }
}

impl<'a> Found<'a> {
    pub(super) fn new(searched: &'a Searched<'a>, item: Item<'a>) -> Self {
        Found {
            searched,
            path: item.path(),
            item,
            meta: OnceCell::new(),
        }
    }

    pub(super) fn meta(&self) -> &Meta {
        self.meta.get_or_init(|| match &self.item {
            Item::Version(version) => version.meta(),
            Item::Implied(node) => node.meta(),
        })
    }

    fn version(&self) -> Option<&EntryVersion<'a>> {
        match &self.item {
            Item::Version(version) => Some(version),
            Item::Implied(_) => None,
        }
    }
}

/// Tests if a digest begins with these digits.
fn begins_with(digest: Option<&Digest>, digits: &str) -> bool {
    digest.is_some_and(|digest| digest.encoded().starts_with(digits))
}

impl Facts for Found<'_> {
    fn path(&self) -> &[u8] {
        &self.path
    }

    fn kind(&self) -> Kind {
        self.item.kind()
    }

    fn is_hard_link(&self) -> bool {
        let kind = self.version().map(EntryVersion::kind);
        kind == Some(VersionKind::Entry(EntryKind::HardLink))
    }

    fn size(&self) -> u64 {
        match (self.kind(), self.version()) {
            (Kind::File | Kind::Other, Some(version)) => version.size(),
            (Kind::Symlink, Some(version)) => version.symlink_target().len() as u64,
            _ => 0,
        }
    }

    fn mode(&self) -> u16 {
        self.meta().mode
    }

    fn uid(&self) -> u64 {
        self.meta().owner.uid
    }

    fn gid(&self) -> u64 {
        self.meta().owner.gid
    }

    fn time(&self, stamp: Stamp) -> Option<Mtime> {
        let others = || self.version().map(EntryVersion::other_times);
        match stamp {
            Stamp::Modified => Some(self.meta().mtime),
            Stamp::Accessed => others()?.access,
            Stamp::Changed => others()?.change,
        }
    }

    fn target(&self) -> &[u8] {
        self.version().map_or(&[], EntryVersion::symlink_target)
    }

    fn entry(&self) -> u64 {
        self.version().map_or(0, EntryVersion::entry)
    }

    fn layer(&self) -> usize {
        self.item.layer() + 1
    }

    fn is_in_layer(&self, digits: &str) -> bool {
        let layer = self.searched.image.layers.get(self.item.layer());
        layer.is_some_and(|layer| {
            begins_with(layer.diff_id.as_ref(), digits) || begins_with(Layer::digest(layer), digits)
        })
    }

    fn state(&self) -> &'static str {
        self.item.state().name()
    }

    fn step(&self) -> &str {
        self.searched.step(self.item.layer())
    }

    fn gone_by(&self) -> Option<&str> {
        let by = self.item.ended_by()?;
        Some(self.searched.step(by))
    }

    fn xattr(&self, name: &[u8]) -> Option<&[u8]> {
        let mut xattrs = self.meta().xattrs.iter();
        let found = xattrs.find(|xattr| xattr.name == name);
        found.map(|xattr| xattr.value.as_slice())
    }

    fn user_id(&self, name: &[u8]) -> Result<Option<u64>> {
        Ok(self.searched.accounts(self.item.layer())?.users.id(name))
    }

    fn group_id(&self, name: &[u8]) -> Result<Option<u64>> {
        Ok(self.searched.accounts(self.item.layer())?.groups.id(name))
    }

    fn user_name(&self) -> Result<Option<Cow<'_, [u8]>>> {
        let accounts = self.searched.accounts(self.item.layer())?;
        Ok(accounts
            .users
            .name(self.uid())
            .map(|name| name.to_vec().into()))
    }

    fn group_name(&self) -> Result<Option<Cow<'_, [u8]>>> {
        let accounts = self.searched.accounts(self.item.layer())?;
        Ok(accounts
            .groups
            .name(self.gid())
            .map(|name| name.to_vec().into()))
    }

    fn links(&self) -> Result<u64> {
        let Some(node) = self.item.node() else {
            return Ok(1);
        };
        if node.kind() != NodeKind::Directory {
            return Ok(node.link_count() as u64);
        }
        let below = node
            .children()
            .filter(|child| child.kind() == NodeKind::Directory);
        Ok(2 + below.count() as u64)
    }

    fn is_empty_directory(&self) -> Result<bool> {
        if let Some(node) = self.item.node() {
            return Ok(node.children().next().is_none());
        }
        let own = (
            self.item.layer(),
            self.item.ended_by().unwrap_or(usize::MAX),
        );
        let inside = self.searched.occupied().get(&self.path);
        let meets = |(from, until): &(usize, usize)| *from <= own.1 && own.0 <= *until;
        Ok(!inside.is_some_and(|inside| inside.iter().any(meets)))
    }

    fn time_of(&self, path: &[u8]) -> Result<Option<Mtime>> {
        Ok(Some(self.searched.node(path)?.meta().mtime))
    }

    fn is_same_file(&self, path: &[u8]) -> Result<bool> {
        let wanted = self.searched.node(path)?;
        Ok(self.item.node().is_some_and(|node| {
            node.index() == wanted.index()
                || node.inode().is_some() && node.inode() == wanted.inode()
        }))
    }

    fn is_duplicate(&self) -> Result<bool> {
        let digest = self.version().and_then(EntryVersion::digest);
        let found = digest.and_then(|digest| self.searched.contents().get(&digest));
        Ok(found.is_some_and(|(_, has_others)| *has_others))
    }

    fn digest(&self) -> Result<Option<String>> {
        let digest = self.version().and_then(EntryVersion::digest);
        Ok(digest.map(hex::encode))
    }
}
