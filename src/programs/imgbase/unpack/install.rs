//! What was decoded into the tree, one package after the other.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use md5::{Digest as _, Md5};

use super::decode::{Decoded, Item, ItemKind, text, wrong};
use super::package::{DebToUnpack, Diversion};
use crate::base::debian::{Member, Unpacked, Version, relation};
use crate::base::rootfs::{Contents, Kind, Node, Origin, Rootfs};
use crate::blob::FileRange;
use crate::error::{At, Error, Fault, Result};
use crate::layer::clean_path;
use crate::programs::imgbase::Base;

/// Puts packages into a base.
pub(super) struct Installer<'b> {
    base: &'b mut Base,
    diversions: HashMap<&'b [u8], &'b Diversion>,
    /// The packages of the base by the origin of their nodes.
    owners: HashMap<Origin, usize>,
    /// Directories that a package has an entry for; others are only implied by what is in them.
    stated: HashSet<Vec<u8>>,
}

/// What becomes of an entry whose place is taken.
enum Met {
    /// It is put there; the packages named lose the path.
    Replaces(Option<usize>),
    /// What is there stays, and is this package's too.
    Shared,
    /// What is there stays, and the path is not this package's.
    Replaced,
}

impl<'b> Installer<'b> {
    pub(super) fn new(base: &'b mut Base, diversions: &'b [Diversion]) -> Self {
        let packages = base.packages.iter().enumerate();
        let owners = packages.map(|(index, package)| (package.origin, index));
        Installer {
            owners: owners.collect(),
            diversions: diversions
                .iter()
                .map(|one| (one.from.as_slice(), one))
                .collect(),
            stated: HashSet::new(),
            base,
        }
    }

    /// Puts a package into the tree and into the list of packages.
    pub(super) fn package(
        &mut self,
        decoded: Decoded,
        deb: &DebToUnpack,
        contents: &FileRange,
    ) -> Result<()> {
        let name = decoded.control.get("Package").unwrap_or_default();
        let origin = self.base.origin(name);
        let package = Unpacked {
            control: decoded.control,
            overrides: deb.overrides.clone(),
            members: decoded.members,
            paths: Vec::with_capacity(decoded.items.len()),
            origin,
            asked_for: deb.asked_for,
            digest: decoded.digest,
        };
        let mut work = Work {
            files: HashMap::new(),
            elsewhere: HashSet::new(),
            replaced: HashMap::new(),
            gone: HashMap::new(),
            contents,
            sums: (!package.members.contains_key("md5sums")).then(Vec::new),
            package,
        };
        let conffiles = work.conffiles();
        for item in &decoded.items {
            let kept = self.item(&mut work, item)?;
            if !kept {
                continue;
            }
            work.package.paths.push(listed(&item.path));
            if let Some(sums) = &mut work.sums
                && let Some(contents) = work.files.get(item.path.as_slice())
                && !conffiles.contains(&item.path)
            {
                let sum = md5(contents)?;
                sums.extend_from_slice(sum.as_bytes());
                sums.extend_from_slice(b"  ");
                sums.extend_from_slice(&item.path);
                sums.push(b'\n');
            }
        }
        for (other, gone) in &work.gone {
            let other = &mut self.base.packages[*other];
            other.paths.retain(|path| !gone.contains(path));
        }
        let mut package = work.package;
        // dpkg keeps such a list for every package, and makes it where there is none.
        if let Some(bytes) = work.sums {
            let sums = Member { mode: 0o644, bytes };
            package.members.insert("md5sums".to_owned(), sums);
        }
        self.owners.insert(origin, self.base.packages.len());
        self.base.packages.push(package);
        Ok(())
    }

    /// Puts an entry into the tree. Returns whether the path is the package's.
    fn item<'i>(&mut self, work: &mut Work<'i>, item: &'i Item) -> Result<bool> {
        let diverted = self.diverted(&item.path, &work.package);
        let path = self.base.rootfs.resolve(&diverted)?;
        if let ItemKind::Directory = item.kind {
            return self.directory(work, item, path).map(|()| true);
        }
        if let ItemKind::File(offset, size) = item.kind {
            let range = work.contents.slice(offset, size);
            work.files.insert(&item.path, Contents::Range(range));
        }
        let mut target = Vec::new();
        if let ItemKind::HardLink(link) = &item.kind {
            let clean = clean_path(link);
            if clean.climbs {
                return Err(bad_link(link, "a name with '..'").at(text(&item.path)));
            }
            target = self.diverted(&clean.path, &work.package);
            if let Some(contents) = work.files.get(&*clean.path).cloned() {
                work.files.insert(&item.path, contents);
            }
        }
        match self.met(work, item, &path).at(|| text(&item.path))? {
            Met::Shared => {
                work.elsewhere.insert(path);
                return Ok(true);
            }
            Met::Replaced => {
                work.elsewhere.insert(path);
                return Ok(false);
            }
            Met::Replaces(None) => {}
            Met::Replaces(Some(other)) => {
                let gone = work.gone.entry(other).or_default();
                gone.insert(listed(&item.path));
            }
        }
        let kind = match &item.kind {
            ItemKind::Directory => Kind::Folder,
            ItemKind::File(offset, size) => {
                Kind::File(Contents::Range(work.contents.slice(*offset, *size)))
            }
            ItemKind::Symlink(target) => Kind::Symlink(target.clone()),
            ItemKind::CharDevice(major, minor) => Kind::CharDevice(*major, *minor),
            ItemKind::BlockDevice(major, minor) => Kind::BlockDevice(*major, *minor),
            ItemKind::Fifo => Kind::Fifo,
            ItemKind::HardLink(link) => {
                let from = self.base.rootfs.resolve(&target)?;
                let node = self.base.rootfs.get(&from);
                let ours = node.is_some_and(|node| node.origin == work.package.origin);
                if node.is_some() && !ours && !work.elsewhere.contains(&from) {
                    return Err(bad_link(link, "it is another's file").at(text(&item.path)));
                }
                self.base.rootfs.link(&path, &from)?;
                return Ok(true);
            }
        };
        self.base.rootfs.put(&path, work.node(item, kind))?;
        Ok(true)
    }

    fn directory(&mut self, work: &Work<'_>, item: &Item, path: Vec<u8>) -> Result<()> {
        let node = work.node(item, Kind::Folder);
        let put = self.base.rootfs.put(&path, node.clone())?;
        if let Some(was) = put.was
            && self.owners.contains_key(&was.origin)
            && !self.stated.contains(&put.path)
            && let Some(there) = self.base.rootfs.get_mut(&put.path)
        {
            // A package has something in it without an entry for it, so that nobody has said what it is like.
            *there = node;
        }
        self.stated.insert(put.path);
        Ok(())
    }

    /// Whose is what is at a path, and what that means.
    fn met(&self, work: &mut Work<'_>, item: &Item, path: &[u8]) -> Result<Met> {
        let tree = &self.base.rootfs;
        let Some(there) = tree.get(path) else {
            return Ok(Met::Replaces(None));
        };
        if there.kind == Kind::Folder {
            return Err(wrong("something else in the place of a directory"));
        }
        if let (Kind::Symlink(_), ItemKind::Symlink(target)) = (&there.kind, &item.kind)
            && same_directory(tree, path, target)
        {
            return Ok(Met::Shared);
        }
        if there.origin == work.package.origin {
            return Err(wrong("it is in the package twice"));
        }
        let Some(owner) = self.owners.get(&there.origin).copied() else {
            // What was laid out before any package, as `bin` on a merged `/usr`: others land where it leads.
            return match leads_to_directory(tree, path) {
                Some(_) => Err(wrong(
                    "something else in the place of a link to a directory",
                )),
                None => Ok(Met::Replaces(None)),
            };
        };
        let other = &self.base.packages[owner];
        let ours = &work.package;
        if other.name() == ours.name() && other.is_multi_arch_same() && ours.is_multi_arch_same() {
            return match work.is_same(item, there)? {
                true => Ok(Met::Shared),
                false => Err(conflict(
                    other,
                    ours,
                    "the file is not the same for both architectures",
                )),
            };
        }
        let (by_ours, by_other) = match work.replaced.get(&owner) {
            Some(known) => *known,
            None => {
                let known = (replaces(ours, other)?, replaces(other, ours)?);
                work.replaced.insert(owner, known);
                known
            }
        };
        if by_ours {
            return Ok(Met::Replaces(Some(owner)));
        }
        if by_other {
            return Ok(Met::Replaced);
        }
        let ours = &work.package;
        Err(conflict(
            other,
            ours,
            "both have the file, and neither replaces the other",
        ))
    }

    /// Where a package's file goes.
    fn diverted(&self, path: &[u8], package: &Unpacked) -> Vec<u8> {
        let diversion = self.diversions.get(path);
        let diversion = diversion.filter(|it| it.by.as_deref() != Some(package.name()));
        diversion.map_or(path, |it| &it.to).to_vec()
    }
}

/// A package that is being put into the tree.
struct Work<'i> {
    package: Unpacked,
    contents: &'i FileRange,
    /// The contents of its files and hard links so far.
    files: HashMap<&'i [u8], Contents>,
    /// Places where another package's file stays.
    elsewhere: HashSet<Vec<u8>>,
    /// Whether it replaces the files of a package, and whether that one replaces its.
    replaced: HashMap<usize, (bool, bool)>,
    /// The paths that packages lose to it.
    gone: HashMap<usize, HashSet<Vec<u8>>>,
    /// The list of its files' sums, if it brings none.
    sums: Option<Vec<u8>>,
}

impl Work<'_> {
    fn node(&self, item: &Item, kind: Kind) -> Node {
        let is_link = matches!(kind, Kind::Symlink(_));
        Node {
            kind,
            mode: if is_link { 0o777 } else { item.mode },
            uid: item.uid,
            gid: item.gid,
            mtime: item.mtime,
            xattrs: item.xattrs.clone(),
            origin: self.package.origin,
        }
    }

    /// The paths of its configuration files, clean.
    fn conffiles(&self) -> HashSet<Vec<u8>> {
        let member = self.package.members.get("conffiles");
        let lines = member.map_or(&[][..], |member| &member.bytes);
        let lines = lines.split(|byte| *byte == b'\n');
        let lines = lines.map(|line| line.trim_ascii_end());
        lines
            .filter(|line| line.starts_with(b"/"))
            .map(|line| clean_path(line).path.into_owned())
            .collect()
    }

    /// Whether an entry is what is there already.
    fn is_same(&self, item: &Item, there: &Node) -> Result<bool> {
        let file = self.files.get(item.path.as_slice());
        Ok(match (&item.kind, &there.kind) {
            (ItemKind::File(..) | ItemKind::HardLink(_), Kind::File(other)) => match file {
                Some(ours) => same_bytes(ours, other)?,
                None => false,
            },
            (ItemKind::Symlink(ours), Kind::Symlink(other)) => ours == other,
            (ItemKind::CharDevice(a, b), Kind::CharDevice(c, d))
            | (ItemKind::BlockDevice(a, b), Kind::BlockDevice(c, d)) => (a, b) == (c, d),
            (ItemKind::Fifo, Kind::Fifo) => true,
            _ => false,
        })
    }
}

/// A path as dpkg lists it.
fn listed(path: &[u8]) -> Vec<u8> {
    match path {
        b"" => b"/.".to_vec(),
        _ => [b"/", path].concat(),
    }
}

/// The directory that a path leads to.
fn leads_to_directory(tree: &Rootfs, path: &[u8]) -> Option<Vec<u8>> {
    let there = tree.follow(path).ok()?;
    let is_directory = matches!(tree.get(&there), Some(node) if node.kind == Kind::Folder);
    is_directory.then_some(there)
}

/// Whether a link that is there and another in its place lead to the same directory.
fn same_directory(tree: &Rootfs, path: &[u8], target: &[u8]) -> bool {
    let parent = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    let other = match target.first() {
        Some(b'/') => target.to_vec(),
        _ => [&path[..parent], b"/", target].concat(),
    };
    let there = leads_to_directory(tree, path);
    there.is_some() && there == leads_to_directory(tree, &other)
}

/// Whether a package says that it may take the place of another's files.
fn replaces(package: &Unpacked, other: &Unpacked) -> Result<bool> {
    let Some(field) = package.control.get("Replaces") else {
        return Ok(false);
    };
    let read = || -> Result<bool> {
        let version = Version::parse(other.version())?;
        let relations = relation::parse_plain(field)?;
        Ok(relations
            .iter()
            .any(|relation| relation.name == other.name() && relation.allows(&version)))
    };
    read().at(|| format!("Replaces of {}", package.name()))
}

fn conflict(first: &Unpacked, second: &Unpacked, why: &'static str) -> Error {
    let shown = |package: &Unpacked| match first.name() == second.name() {
        true => format!("{}:{}", package.name(), package.architecture()),
        false => format!("{} {}", package.name(), package.version()),
    };
    Error::new(Fault::FileConflict {
        packages: [shown(first), shown(second)],
        why,
    })
}

fn bad_link(target: &[u8], why: &'static str) -> Error {
    let target = text(target);
    Fault::BadLink { target, why }.into()
}

fn same_bytes(one: &Contents, other: &Contents) -> Result<bool> {
    if one.len() != other.len() {
        return Ok(false);
    }
    let failed = |error| Error::io("read", error);
    let (mut one, mut other) = (one.reader()?, other.reader()?);
    let (mut a, mut b) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let n = one.read(&mut a).map_err(failed)?;
        if n == 0 {
            return Ok(true);
        }
        other.read_exact(&mut b[..n]).map_err(failed)?;
        if a[..n] != b[..n] {
            return Ok(false);
        }
    }
}

fn md5(contents: &Contents) -> Result<String> {
    let mut reader = contents.reader()?;
    let mut hash = Md5::new();
    let mut bytes = vec![0; 64 << 10];
    loop {
        match reader.read(&mut bytes) {
            Ok(0) => return Ok(hex::encode(hash.finalize())),
            Ok(n) => hash.update(&bytes[..n]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", error)),
        }
    }
}
