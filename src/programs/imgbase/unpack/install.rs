//! Installation of decoded packages into the tree, one after another.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use super::decode::{Decoded, Item, ItemKind, invalid, text};
use super::package::{DebToUnpack, Diversion};
use crate::base::debian::{Member, Unpacked, Version, relation};
use crate::base::rootfs::{Contents, Kind, Node, Origin, Rootfs};
use crate::blob::FileRange;
use crate::error::{At, Error, Fault, Result};
use crate::layer::{clean_path, parent};
use crate::programs::imgbase::Base;

/// Installs packages into a base.
pub(super) struct Installer<'b> {
    base: &'b mut Base,
    diversions: HashMap<&'b [u8], &'b Diversion>,
    /// Indices of the packages of the base by origin.
    owners: HashMap<Origin, usize>,
    /// Directories with an entry of their own; others are implied by paths.
    stated: HashSet<Vec<u8>>,
}

/// Resolution for an entry whose path exists.
enum Resolution {
    /// The entry is installed; the package with this index loses the path.
    Replaces(Option<usize>),
    /// The existing node is kept, and belongs to both packages.
    Shared,
    /// The existing node is kept, and does not belong to this package.
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

    /// Installs a package, and adds it to the list of packages.
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
            is_requested: deb.is_requested,
            digest: decoded.digest,
        };
        let mut work = Work {
            files: HashMap::new(),
            kept_paths: HashSet::new(),
            replaced: HashMap::new(),
            lost: HashMap::new(),
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
                let sum = contents.md5()?;
                sums.extend_from_slice(sum.as_bytes());
                sums.extend_from_slice(b"  ");
                sums.extend_from_slice(&item.path);
                sums.push(b'\n');
            }
        }
        for (other, lost) in &work.lost {
            let other = &mut self.base.packages[*other];
            other.paths.retain(|path| !lost.contains(path));
        }
        let mut package = work.package;
        // dpkg makes the list of sums if the package has none.
        if let Some(bytes) = work.sums {
            let sums = Member { mode: 0o644, bytes };
            package.members.insert("md5sums".to_owned(), sums);
        }
        self.owners.insert(origin, self.base.packages.len());
        self.base.packages.push(package);
        Ok(())
    }

    /// Installs an entry. Returns whether the path belongs to the package.
    fn item<'i>(&mut self, work: &mut Work<'i>, item: &'i Item) -> Result<bool> {
        let diverted = self.diverted(&item.path, &work.package);
        let path = self.base.rootfs.resolve(&diverted)?;
        if let ItemKind::Other(Kind::Directory) = item.kind {
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
                return Err(bad_link(link, "path with '..'").at(text(&item.path)));
            }
            target = self.diverted(&clean.path, &work.package);
            if let Some(contents) = work.files.get(&*clean.path).cloned() {
                work.files.insert(&item.path, contents);
            }
        }
        match self.resolve(work, item, &path).at(|| text(&item.path))? {
            Resolution::Shared => {
                work.kept_paths.insert(path);
                return Ok(true);
            }
            Resolution::Replaced => {
                work.kept_paths.insert(path);
                return Ok(false);
            }
            Resolution::Replaces(None) => {}
            Resolution::Replaces(Some(other)) => {
                let lost = work.lost.entry(other).or_default();
                lost.insert(listed(&item.path));
            }
        }
        let kind = match &item.kind {
            ItemKind::Other(kind) => kind.clone(),
            ItemKind::File(offset, size) => {
                Kind::File(Contents::Range(work.contents.slice(*offset, *size)))
            }
            ItemKind::HardLink(link) => {
                let from = self.base.rootfs.resolve(&target)?;
                let node = self.base.rootfs.get(&from);
                let ours = node.is_some_and(|node| node.origin == work.package.origin);
                if node.is_some() && !ours && !work.kept_paths.contains(&from) {
                    return Err(bad_link(link, "file of another package").at(text(&item.path)));
                }
                self.base.rootfs.link(&path, &from)?;
                return Ok(true);
            }
        };
        self.base.rootfs.put(&path, work.node(item, kind))?;
        Ok(true)
    }

    fn directory(&mut self, work: &Work<'_>, item: &Item, path: Vec<u8>) -> Result<()> {
        let node = work.node(item, Kind::Directory);
        let put = self.base.rootfs.put(&path, node.clone())?;
        if let Some(was) = put.previous
            && self.owners.contains_key(&was.origin)
            && !self.stated.contains(&put.path)
            && let Some(existing) = self.base.rootfs.get_mut(&put.path)
        {
            // An earlier package implied the directory, so its attributes were not stated.
            *existing = node;
        }
        self.stated.insert(put.path);
        Ok(())
    }

    /// Resolves a conflict with an existing node.
    fn resolve(&self, work: &mut Work<'_>, item: &Item, path: &[u8]) -> Result<Resolution> {
        let tree = &self.base.rootfs;
        let Some(existing) = tree.get(path) else {
            return Ok(Resolution::Replaces(None));
        };
        if existing.kind == Kind::Directory {
            return Err(invalid("cannot replace a directory"));
        }
        if let (Kind::Symlink(_), ItemKind::Other(Kind::Symlink(target))) =
            (&existing.kind, &item.kind)
            && same_directory(tree, path, target)
        {
            return Ok(Resolution::Shared);
        }
        if existing.origin == work.package.origin {
            return Err(invalid("duplicate path in the package"));
        }
        let Some(owner) = self.owners.get(&existing.origin).copied() else {
            // A link of the layout, such as `bin` with merged `/usr`.
            return match leads_to_directory(tree, path) {
                Some(_) => Err(invalid("cannot replace a link to a directory")),
                None => Ok(Resolution::Replaces(None)),
            };
        };
        let other = &self.base.packages[owner];
        let ours = &work.package;
        if other.name() == ours.name() && other.is_multi_arch_same() && ours.is_multi_arch_same() {
            return match work.is_same(item, existing)? {
                true => Ok(Resolution::Shared),
                false => Err(conflict(other, ours, "file differs between architectures")),
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
            return Ok(Resolution::Replaces(Some(owner)));
        }
        if by_other {
            return Ok(Resolution::Replaced);
        }
        let ours = &work.package;
        Err(conflict(
            other,
            ours,
            "file in both packages, and neither replaces the other",
        ))
    }

    /// Returns the path of a package's file after diversions.
    fn diverted(&self, path: &[u8], package: &Unpacked) -> Vec<u8> {
        let diversion = self.diversions.get(path);
        let diversion = diversion.filter(|it| it.by.as_deref() != Some(package.name()));
        diversion.map_or(path, |it| &it.to).to_vec()
    }
}

/// A package during installation.
struct Work<'i> {
    package: Unpacked,
    contents: &'i FileRange,
    /// Contents of the files and hard links so far, by path.
    files: HashMap<&'i [u8], Contents>,
    /// Paths where the file of another package is kept.
    kept_paths: HashSet<Vec<u8>>,
    /// For each package: whether this one replaces its files, and vice versa.
    replaced: HashMap<usize, (bool, bool)>,
    /// Paths that other packages lose to this one.
    lost: HashMap<usize, HashSet<Vec<u8>>>,
    /// Generated list of MD5 sums, if the package has none.
    sums: Option<Vec<u8>>,
}

impl Work<'_> {
    fn node(&self, item: &Item, kind: Kind) -> Node {
        let node = Node::of_entry(kind, &item.metadata, item.owner).from(self.package.origin);
        match node.kind {
            Kind::Symlink(_) => Node {
                mode: 0o777,
                ..node
            },
            _ => node,
        }
    }

    /// Returns the clean paths of the configuration files.
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

    /// Returns whether an entry equals an existing node.
    fn is_same(&self, item: &Item, existing: &Node) -> Result<bool> {
        let file = self.files.get(item.path.as_slice());
        Ok(match (&item.kind, &existing.kind) {
            (ItemKind::File(..) | ItemKind::HardLink(_), Kind::File(other)) => match file {
                Some(ours) => same_bytes(ours, other)?,
                None => false,
            },
            (ItemKind::Other(ours), other) => ours == other,
            _ => false,
        })
    }
}

/// Returns a path as dpkg lists it.
fn listed(path: &[u8]) -> Vec<u8> {
    match path {
        b"" => b"/.".to_vec(),
        _ => [b"/", path].concat(),
    }
}

/// Returns the directory that a path leads to.
fn leads_to_directory(tree: &Rootfs, path: &[u8]) -> Option<Vec<u8>> {
    let resolved = tree.follow(path).ok()?;
    let is_directory = matches!(tree.get(&resolved), Some(node) if node.kind == Kind::Directory);
    is_directory.then_some(resolved)
}

/// Returns whether an resolved link and one that would replace it lead to the same directory.
fn same_directory(tree: &Rootfs, path: &[u8], target: &[u8]) -> bool {
    let other = match target.first() {
        Some(b'/') => target.to_vec(),
        _ => [parent(path), b"/", target].concat(),
    };
    let resolved = leads_to_directory(tree, path);
    resolved.is_some() && resolved == leads_to_directory(tree, &other)
}

/// Returns whether a package states that it replaces files of another one.
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
    let display = |package: &Unpacked| match first.name() == second.name() {
        true => format!("{}:{}", package.name(), package.architecture()),
        false => format!("{} {}", package.name(), package.version()),
    };
    Error::new(Fault::FileConflict {
        packages: [display(first), display(second)],
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
