//! Division of a tree into layers.
//!
//! Every division has the same root filesystem; they differ in the layers that an update of one package leaves unchanged.
//! A layer of packages holds the files of these packages only: databases, caches and accounts, which depend on all
//! packages, are in the last layer, named `config`.
//!
//! A layer contains the parent directories of its files, because some engines create missing ones with their own
//! attributes. The time of a directory with files of several layers depends on all of them, so in a layer of packages it
//! is [`SHARED`], and the last layer has the right one.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::Base;
use crate::archive::Kept;
use crate::base::debian::Unpacked;
use crate::base::rootfs::{Inode, Kind, Named, Origin};
use crate::blob::sha256;
use crate::error::{At, Result};
use crate::layer::{EntryKind, Mtime, parent};
use crate::write::Packer;
use crate::write::entry::EntryOut;

/// Time of a directory with files of several layers, in a layer of packages.
pub const SHARED: i64 = 0;

/// Maximum number of layers of packages; engines accept about 125 layers in total.
const MOST: usize = 100;

/// Division into layers. With more than a hundred packages, those whose source package names have the same hash share the
/// layer of a package, whatever their versions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Division {
    /// A single layer.
    #[default]
    One,
    /// Essential and required packages, other packages, generated files.
    #[value(name = "base,packages,config")]
    Three,
    /// One layer for each package, and one for generated files.
    #[value(name = "per-package")]
    Each,
}

/// The part of a tree that becomes one layer.
#[derive(Debug)]
pub struct Slice<'t> {
    /// Description: `base-files 12.4`, `42 packages`, `config`; empty for a single layer.
    pub description: String,
    /// Entries in the order of their paths, each with its time in seconds since 1970.
    entries: Vec<(Named<'t>, i64)>,
}

impl Slice<'_> {
    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Divides a tree into layers, from the base upward. Empty layers are left out, except a single one.
pub fn divide(base: &Base, division: Division) -> Vec<Slice<'_>> {
    let time = |named: &Named<'_>| named.node.mtime.min(base.epoch);
    if division == Division::One {
        let entries = base.rootfs.walk().map(|named| (named, time(&named)));
        return vec![Slice {
            description: String::new(),
            entries: entries.collect(),
        }];
    }
    let (groups, names) = groups(base, division);
    let last = names.len();
    let group_of = |named: &Named<'_>| groups.get(&named.node.origin).copied().unwrap_or(last);
    let owners = owners(base, last, group_of);
    let names = names.into_iter().chain(["config".to_owned()]);
    let mut slices: Vec<Slice<'_>> = names
        .map(|description| Slice {
            description,
            entries: Vec::new(),
        })
        .collect();
    let mut passed: HashSet<(usize, &[u8])> = HashSet::new();
    for named in base.rootfs.walk() {
        let group = match named.node.kind {
            Kind::Directory => owners.get(named.path).copied().unwrap_or(last),
            _ => group_of(&named),
        };
        slices[group].entries.push((named, time(&named)));
        if group == last {
            // All parent directories are in the last layer, too.
            continue;
        }
        for directory in above(named.path) {
            if owners.get(directory) != Some(&group)
                && passed.insert((group, directory))
                && let Some(directory) = base.rootfs.named(directory)
            {
                slices[group].entries.push((directory, SHARED));
            }
        }
    }
    for slice in &mut slices {
        slice.entries.sort_by(|(a, _), (b, _)| a.path.cmp(b.path));
    }
    slices.retain(|slice| !slice.is_empty());
    slices
}

/// Returns the index of the layer for the files of each package, and the descriptions of the layers.
fn groups(base: &Base, division: Division) -> (HashMap<Origin, usize>, Vec<String>) {
    if division == Division::Three {
        let is_base = |package: &Unpacked| {
            let field = |name| {
                let overrides = package.overrides.get(name);
                overrides.or(package.control.get(name))
            };
            field("Essential") == Some("yes") || field("Priority") == Some("required")
        };
        let group = |package: &Unpacked| usize::from(!is_base(package));
        let groups: HashMap<Origin, usize> = base
            .packages
            .iter()
            .map(|package| (package.origin, group(package)))
            .collect();
        let count = |wanted| groups.values().filter(|group| **group == wanted).count();
        let names = [("essential", count(0)), ("other", count(1))];
        let names = names.map(|(what, count)| match count {
            1 => format!("1 {what} package"),
            _ => format!("{count} {what} packages"),
        });
        return (groups, names.into());
    }
    let mut sorted: Vec<&Unpacked> = base.packages.iter().collect();
    sorted.sort_by_key(|package| (package.name(), package.architecture()));
    let bucket = |package: &Unpacked| {
        let source = package.control.get("Source").unwrap_or(package.name());
        // A version in parentheses may follow.
        let source = source.split_whitespace().next().unwrap_or_default();
        let hash = sha256(source.as_bytes());
        let digits = hash.encoded().get(..8).unwrap_or_default();
        u64::from_str_radix(digits, 16).unwrap_or_default() % MOST as u64
    };
    let mut groups = HashMap::new();
    let mut names = Vec::new();
    if sorted.len() <= MOST {
        for (i, package) in sorted.iter().enumerate() {
            groups.insert(package.origin, i);
            names.push(format!("{} {}", package.name(), package.version()));
        }
        return (groups, names);
    }
    let mut buckets: BTreeMap<u64, Vec<&Unpacked>> = BTreeMap::new();
    for package in sorted {
        buckets.entry(bucket(package)).or_default().push(package);
    }
    for (i, packages) in buckets.into_values().enumerate() {
        let each = packages
            .iter()
            .map(|one| format!("{} {}", one.name(), one.version()));
        names.push(each.collect::<Vec<_>>().join(", "));
        groups.extend(packages.iter().map(|package| (package.origin, i)));
    }
    (groups, names)
}

/// Returns the layer of each directory: that of all its files, or the last one if they are in several layers.
fn owners(
    base: &Base,
    last: usize,
    group_of: impl Fn(&Named<'_>) -> usize,
) -> HashMap<&[u8], usize> {
    let mut owners: HashMap<&[u8], usize> = HashMap::new();
    for named in base.rootfs.walk() {
        let group = group_of(&named);
        if named.node.kind == Kind::Directory {
            owners.insert(named.path, group);
        }
        for directory in above(named.path) {
            match owners.get_mut(directory) {
                // The parent directories are in several layers, too.
                Some(owner) if *owner == last && group == last => break,
                Some(owner) if *owner != group => *owner = last,
                _ => {}
            }
        }
    }
    owners
}

/// Returns the parent directories of a path, from the nearest to the root.
fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut path = path;
    std::iter::from_fn(move || {
        if path.is_empty() {
            return None;
        }
        path = parent(path);
        Some(path)
    })
}

/// Writes a layer: directories before their entries, further names of a file as hard links to the first one.
///
/// # Errors
/// As [`Contents::reader`](crate::base::rootfs::Contents::reader), with the path as context; `Io`.
pub fn write(slice: &Slice<'_>, packer: &Packer<'_>) -> Result<Kept> {
    let mut out = packer.writer()?;
    let mut first: HashMap<Inode, &[u8]> = HashMap::new();
    for (named, time) in &slice.entries {
        let (path, node) = (named.path, named.node);
        let mut entry = EntryOut {
            path,
            mode: node.mode,
            uid: node.uid.into(),
            gid: node.gid.into(),
            mtime: Mtime::from_seconds(*time),
            xattrs: &node.xattrs,
            ..EntryOut::default()
        };
        if node.kind != Kind::Directory {
            if let Some(first) = first.get(&named.inode) {
                entry.kind = EntryKind::HardLink;
                entry.link_target = first;
                out.entry(&entry)?;
                continue;
            }
            first.insert(named.inode, path);
        }
        match &node.kind {
            Kind::Directory => entry.kind = EntryKind::Directory,
            Kind::File(contents) => {
                entry.size = contents.len();
                let written = contents
                    .reader()
                    .and_then(|contents| out.file(&entry, contents));
                written.at(|| String::from_utf8_lossy(path).into_owned())?;
                continue;
            }
            Kind::Symlink(target) => {
                entry.kind = EntryKind::Symlink;
                entry.link_target = target;
            }
            Kind::CharDevice(major, minor) => {
                entry.kind = EntryKind::CharDevice;
                entry.device = (*major, *minor);
            }
            Kind::BlockDevice(major, minor) => {
                entry.kind = EntryKind::BlockDevice;
                entry.device = (*major, *minor);
            }
            Kind::Fifo => entry.kind = EntryKind::Fifo,
        }
        out.entry(&entry)?;
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::debian::Control;
    use crate::base::rootfs::Node;

    fn base(version: &str) -> Base {
        let mut base = Base::new(1000);
        for (name, priority) in [("a", "required"), ("b", "optional")] {
            let origin = base.origin(name);
            let mut control = Control::default();
            control.push("Package", name);
            control.push("Version", version);
            control.push("Priority", priority);
            base.packages.push(Unpacked {
                control,
                origin,
                ..Unpacked::default()
            });
            let directory = format!("usr/share/doc/{name}");
            let time = if name == "a" { 10 } else { 20 };
            for (path, node) in [
                ("usr/share".to_owned(), Node::directory(0o755).at(time)),
                (directory.clone(), Node::directory(0o755).at(time)),
                (
                    format!("{directory}/copyright"),
                    Node::file(0o644, name).at(time),
                ),
            ] {
                base.rootfs
                    .put(path.as_bytes(), node.from(origin))
                    .expect("a node");
            }
        }
        base.rootfs
            .put(b"etc/passwd", Node::file(0o644, *b"").at(2000))
            .expect("a node");
        base
    }

    fn display(slice: &Slice<'_>) -> String {
        let entries = slice.entries.iter();
        let entries =
            entries.map(|(named, time)| format!("{}@{time}", String::from_utf8_lossy(named.path)));
        format!(
            "{}: {}",
            slice.description,
            entries.collect::<Vec<_>>().join(" ")
        )
    }

    #[test]
    fn layers_of_packages_do_not_depend_on_other_packages() {
        let base = base("1");
        let slices = divide(&base, Division::Each);
        let slices: Vec<String> = slices.iter().map(display).collect();
        assert_eq!(
            slices,
            [
                "a 1: @0 usr@0 usr/share@0 usr/share/doc@0 usr/share/doc/a@10 usr/share/doc/a/copyright@10",
                "b 1: @0 usr@0 usr/share@0 usr/share/doc@0 usr/share/doc/b@20 usr/share/doc/b/copyright@20",
                "config: @0 etc@1000 etc/passwd@1000 usr@10 usr/share@10 usr/share/doc@10",
            ]
        );
    }

    #[test]
    fn three_layers_have_descriptions() {
        let base = base("1");
        let slices = divide(&base, Division::Three);
        let names: Vec<&str> = slices
            .iter()
            .map(|slice| slice.description.as_str())
            .collect();
        assert_eq!(names, ["1 essential package", "1 other package", "config"]);
        assert_eq!(divide(&base, Division::One)[0].len(), base.rootfs.len());
    }
}
