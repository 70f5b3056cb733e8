//! Files of installed packages, copied from the system.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::options::Modified;
use crate::base::debian::{Paragraph, Unpacked, database};
use crate::base::rootfs::{Contents, Kind, Node, Rootfs};
use crate::error::{At, During, Error, Fault, Result};
use crate::layer::Xattr;
use crate::parallel::in_parallel;
use crate::programs::imgbase::report::Changed;
use crate::programs::imgbase::root::Root;

/// Mount points of a container, whose mode and owner on the system are not copied.
const MOUNTED: [&[u8]; 5] = [b"dev", b"proc", b"sys", b"run", b"tmp"];

/// A path of the system.
pub(super) struct Located {
    /// Path from the root, with links resolved except the last part.
    pub inside: Vec<u8>,
    /// Links that were followed: path and target of each.
    pub links: Vec<(Vec<u8>, Vec<u8>)>,
    /// Path on the host.
    pub outside: PathBuf,
    pub metadata: Metadata,
}

/// Locates a path without following its last part; `None` if it is missing.
pub(super) fn locate(root: &Root, path: &[u8]) -> Result<Option<Located>> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let cut = path.iter().rposition(|byte| *byte == b'/');
    let (parent, name) = match cut {
        Some(cut) => (&path[..cut], &path[cut + 1..]),
        None => (&b""[..], path),
    };
    if matches!(name, b"" | b"." | b"..") {
        return Ok(None);
    }
    let Some(resolved) = root.resolve(parent)? else {
        return Ok(None);
    };
    let inside = match &resolved.path[..] {
        [] => name.to_vec(),
        parent => [parent, b"/", name].concat(),
    };
    let outside = root.outside(&inside);
    match std::fs::symlink_metadata(&outside) {
        Ok(metadata) => Ok(Some(Located {
            inside,
            links: resolved.links,
            outside,
            metadata,
        })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", error)),
    }
    .at(|| String::from_utf8_lossy(path).into_owned())
}

/// Returns the twelve permission bits.
pub(super) fn mode(metadata: &Metadata) -> u16 {
    (metadata.mode() & 0o7777) as u16
}

/// A copied file with a known MD5 sum.
struct Known {
    package: String,
    /// Path, as dpkg lists it.
    path: Vec<u8>,
    /// Path in the tree.
    new_path: Vec<u8>,
    sum: Vec<u8>,
}

/// Copies files into a tree.
pub(super) struct FileCopier<'r> {
    root: &'r Root,
    modified: Modified,
    /// Diversions by the path in packages: new path, and the package that is not diverted.
    diversions: HashMap<Vec<u8>, (Vec<u8>, Vec<u8>)>,
    /// Path of the first name of files with several names, by device and inode.
    names: HashMap<(u64, u64), Vec<u8>>,
    known: Vec<Known>,
    missing: Vec<Changed>,
    /// Owners by path, except root.
    owned: BTreeMap<Vec<u8>, (u32, u32)>,
}

impl<'r> FileCopier<'r> {
    pub(super) fn new(root: &'r Root, modified: Modified) -> Result<Self> {
        let text = root.text(b"var/lib/dpkg/diversions")?.unwrap_or_default();
        let diversions = database::diversions(&text)
            .map(|[from, to, by]| (from.to_vec(), (to.to_vec(), by.to_vec())));
        Ok(FileCopier {
            root,
            modified,
            diversions: diversions.collect(),
            names: HashMap::new(),
            known: Vec::new(),
            missing: Vec::new(),
            owned: BTreeMap::new(),
        })
    }

    /// Copies the files of a package.
    pub(super) fn package(
        &mut self,
        rootfs: &mut Rootfs,
        package: &Unpacked,
        paragraph: Paragraph<'_>,
    ) -> Result<()> {
        let mut sums: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
        if let Some(member) = package.members.get("md5sums") {
            for (path, sum) in database::sums(&member.bytes) {
                sums.insert([b"/", path].concat(), sum.to_vec());
            }
        }
        for (path, sum) in database::conffiles(paragraph) {
            sums.insert(path.as_bytes().to_vec(), sum.as_bytes().to_vec());
        }
        for listed in &package.paths {
            if listed == b"/." {
                continue;
            }
            let path = match self.diversions.get(listed) {
                Some((to, by)) if by != package.name().as_bytes() => to.clone(),
                _ => listed.clone(),
            };
            let context = || String::from_utf8_lossy(&path).into_owned();
            let Some(found) = locate(self.root, &path)? else {
                let missing = Changed::new(package.name(), listed, false);
                self.missing.push(missing);
                continue;
            };
            let put = self.copy(rootfs, package, found).at(context)?;
            if let Some(sum) = sums.remove(listed)
                && let Some(put) = put
            {
                self.known.push(Known {
                    package: package.name().to_owned(),
                    path: listed.clone(),
                    new_path: put,
                    sum,
                });
            }
        }
        Ok(())
    }

    /// Copies one file. Returns the new path of a regular file.
    fn copy(
        &mut self,
        rootfs: &mut Rootfs,
        package: &Unpacked,
        found: Located,
    ) -> Result<Option<Vec<u8>>> {
        let metadata = &found.metadata;
        // Links to parent directories are the system's layout: `/bin` as a link to `usr/bin`.
        for (link, target) in &found.links {
            if rootfs.get(link).is_none() {
                rootfs.put(link, Node::symlink(target).from(package.origin))?;
            }
        }
        let kind = metadata.file_type();
        let is_file = kind.is_file();
        if is_file && metadata.nlink() > 1 {
            let inode = (metadata.dev(), metadata.ino());
            match self.names.get(&inode) {
                Some(first) if rootfs.get(first).is_some() => {
                    if *first != found.inside {
                        rootfs.link(&found.inside, &first.clone())?;
                    }
                    return Ok(Some(found.inside));
                }
                _ => {
                    self.names.insert(inode, found.inside.clone());
                }
            }
        }
        let mut node = if kind.is_dir() {
            Node::directory(mode(metadata))
        } else if kind.is_symlink() {
            let target = std::fs::read_link(&found.outside).during("read")?;
            Node::symlink(target.as_os_str().as_bytes())
        } else if is_file {
            let contents = Contents::of_path(&found.outside)?;
            Node::of(Kind::File(contents), mode(metadata))
        } else {
            let why = "unsupported file type: neither a file, a directory nor a link";
            return Err(Fault::Entry { why }.into());
        };
        if MOUNTED.contains(&&found.inside[..]) && kind.is_dir() {
            node.mode = match &found.inside[..] {
                b"tmp" => 0o1777,
                _ => 0o755,
            };
        } else {
            (node.uid, node.gid) = (metadata.uid(), metadata.gid());
        }
        node.mtime = metadata.mtime();
        if is_file {
            node.xattrs = capability(&found)?;
        }
        if (node.uid, node.gid) != (0, 0) {
            self.owned
                .insert(found.inside.clone(), (node.uid, node.gid));
        }
        rootfs.put(&found.inside, node.from(package.origin))?;
        Ok(is_file.then_some(found.inside))
    }

    /// Compares copied files with their MD5 sums. Returns the changed and missing files, by package and path.
    pub(super) fn finish(&self, rootfs: &Rootfs) -> Result<Vec<Changed>> {
        let mut changed = self.missing.clone();
        if self.modified == Modified::Keep {
            return Ok(Vec::new());
        }
        let compared = in_parallel(&self.known, |known| {
            let contents = rootfs.get(&known.new_path).and_then(Node::contents);
            let sum = contents.map(Contents::md5).transpose();
            let sum = sum.at(|| String::from_utf8_lossy(&known.path).into_owned())?;
            Ok(sum.is_some_and(|sum| sum.as_bytes() == known.sum))
        });
        for (known, is_same) in self.known.iter().zip(compared) {
            let is_same: Result<bool> = is_same;
            if !is_same.at(|| known.package.clone())? {
                changed.push(Changed::new(&known.package, &known.path, true));
            }
        }
        changed.sort_by(|a, b| (&a.package, &a.path).cmp(&(&b.package, &b.path)));
        Ok(changed)
    }

    /// Returns the time of the newest file, in seconds since 1970; directories change with their entries, and do not count.
    pub(super) fn newest(&self, rootfs: &Rootfs) -> i64 {
        let files = rootfs
            .walk()
            .filter(|named| named.node.contents().is_some());
        let times = files.map(|named| named.node.mtime);
        times.max().unwrap_or_default().max(0)
    }

    /// Sets the time of all directories, because on a system it depends on changes of their entries.
    pub(super) fn set_directory_times(&self, rootfs: &mut Rootfs, epoch: i64) {
        let directories: BTreeSet<Vec<u8>> = rootfs
            .walk()
            .filter(|named| named.node.kind == Kind::Directory)
            .map(|named| named.path.to_vec())
            .collect();
        for path in directories {
            if let Some(node) = rootfs.get_mut(&path) {
                node.mtime = epoch;
            }
        }
    }

    /// Returns the paths that root does not own, with the numbers of their owners on the system.
    pub(super) fn owned(&self) -> &BTreeMap<Vec<u8>, (u32, u32)> {
        &self.owned
    }
}

/// Returns the file capabilities, which are the only extended attribute that packages' scripts set.
fn capability(found: &Located) -> Result<Vec<Xattr>> {
    const NAME: &str = "security.capability";
    let mut value = vec![0; 64];
    match rustix::fs::lgetxattr(&found.outside, NAME, &mut value[..]) {
        Ok(count) => {
            value.truncate(count);
            Ok(vec![Xattr {
                name: NAME.into(),
                value,
            }])
        }
        Err(rustix::io::Errno::NODATA | rustix::io::Errno::NOTSUP) => Ok(Vec::new()),
        Err(error) => Err(Error::io("read the attributes", error.into())),
    }
}
