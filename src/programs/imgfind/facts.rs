//! Facts about the versions of an image.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::accounts::{Accounts, accounts};
use super::results::Tested;
use crate::archive::{Image, Layer};
use crate::error::{Error, Result};
use crate::escape;
use crate::facts::{ContentDigest, Digests};
use crate::find::{ContentTest, Facts, Kind, Stamp};
use crate::glob::Glob;
use crate::hashset::DigestSet;
use crate::layer::{EntryKind, Limits, Mtime};
use crate::owners::LayerOwners;
use crate::spec::Digest;
use crate::tree::{EntryVersion, Meta, Node, NodeKind, Tree, VersionKind, VersionState};

/// By digest of contents: a path, and whether there is another one.
type ByDigest = HashMap<[u8; 32], (Vec<u8>, bool)>;
/// Results for contents, by layer from 0 and position of the entry from 1.
pub(super) type ByPlace = HashMap<(usize, u64), Arc<Tested>>;
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
    /// Results for contents; unset until they were read.
    tested: OnceCell<ByPlace>,
    /// Of an expression that asks for packages.
    owners: Option<LayerOwners<'a>>,
    hash_sets: &'a [DigestSet],
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
    /// A result of a test on its contents was needed before it was known.
    asks_contents: Cell<bool>,
}

impl<'a> Searched<'a> {
    pub(super) fn new(
        image: &'a Image,
        tree: &'a Tree,
        limits: Limits,
        hash_sets: &'a [DigestSet],
    ) -> Self {
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
            tested: OnceCell::new(),
            owners: None,
            hash_sets,
        }
    }

    /// Sets the packages that list paths.
    pub(super) fn know_owners(&mut self, owners: LayerOwners<'a>) {
        self.owners = Some(owners);
    }

    /// Sets the results for contents, once.
    pub(super) fn know_contents(&self, tested: ByPlace) {
        self.tested.get_or_init(|| tested);
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

    /// The entry with the contents: its layer, from 0, and its position there, from 1.
    pub(super) fn contents(&self) -> Option<(usize, u64)> {
        match self {
            Item::Version(version) => version.contents(),
            Item::Implied(_) => None,
        }
    }

    /// Size of the contents in bytes; 0 without contents.
    pub(super) fn size(&self) -> u64 {
        match self {
            Item::Version(version) => version.size(),
            Item::Implied(_) => 0,
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
    pub(super) fn new(searched: &'a Searched<'a>, path: Vec<u8>, item: Item<'a>) -> Self {
        Found {
            searched,
            path,
            item,
            meta: OnceCell::new(),
            asks_contents: Cell::new(false),
        }
    }

    pub(super) fn meta(&self) -> &Meta {
        self.meta.get_or_init(|| match &self.item {
            Item::Version(version) => version.meta(),
            Item::Implied(node) => node.meta(),
        })
    }

    /// Returns true if the expression needed a test on its contents whose result is not known.
    pub(super) fn asks_contents(&self) -> bool {
        self.asks_contents.get()
    }

    /// Results for its contents; `None` if they could not be read, or are not known yet.
    fn tested(&self) -> Option<&Tested> {
        let Some(known) = self.searched.tested.get() else {
            self.asks_contents.set(true);
            return None;
        };
        let place = self.item.contents()?;
        known.get(&place).map(|tested| &**tested)
    }

    /// Digests of its contents: those that need them to be read only if these are asked for.
    fn digests(&self, has_others: bool) -> Option<Digests> {
        let sha256 = self.version().and_then(EntryVersion::digest);
        let mut digests = Digests {
            sha256,
            ..Digests::default()
        };
        if has_others {
            let tested = self.tested()?;
            (digests.md5, digests.sha1) = (tested.md5, tested.sha1);
        }
        Some(digests)
    }

    /// The packages that list its path, and the digests that they list.
    fn owners(&self) -> Vec<(&str, Option<ContentDigest>)> {
        let owners = self.searched.owners.as_ref();
        owners.map_or_else(Vec::new, |owners| owners.of(&self.path, self.item.layer()))
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

    fn has_package(&self, name: &Glob) -> Result<bool> {
        let owners = self.owners();
        Ok(owners.iter().any(|(own, _)| name.is_match(own.as_bytes())))
    }

    fn is_owned(&self) -> Result<bool> {
        Ok(!self.owners().is_empty())
    }

    fn is_altered(&self) -> Result<bool> {
        let owners = self.owners().into_iter();
        let listed: Vec<ContentDigest> = owners.filter_map(|(_, digest)| digest).collect();
        if listed.is_empty() {
            return Ok(false);
        }
        let is_sha256 = |digest: &ContentDigest| matches!(digest, ContentDigest::Sha256(_));
        let own = self.digests(!listed.iter().all(is_sha256));
        Ok(own.is_some_and(|own| !listed.iter().any(|digest| own.has(digest))))
    }

    fn is_in_hash_set(&self, number: usize) -> Result<bool> {
        let set = self.searched.hash_sets.get(number);
        let Some(set) = set.filter(|_| self.size() > 0) else {
            return Ok(false);
        };
        let (md5, sha1) = set.kinds();
        let own = self.digests(md5 || sha1);
        Ok(own.is_some_and(|own| set.contains(&own)))
    }

    fn has_contents(&self, _: &ContentTest, number: usize) -> Result<bool> {
        let tested = self.tested();
        Ok(tested.is_some_and(|tested| tested.is_match(number)))
    }

    fn digest(&self) -> Result<Option<String>> {
        let digest = self.version().and_then(EntryVersion::digest);
        Ok(digest.map(hex::encode))
    }
}
