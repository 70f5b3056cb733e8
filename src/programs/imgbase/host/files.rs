//! The files of installed packages, as they are on the system.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::Metadata;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use md5::{Digest as _, Md5};

use super::options::{Changed, Modified};
use crate::base::debian::{Paragraph, Unpacked, database};
use crate::base::rootfs::{Contents, Kind, Node, Rootfs};
use crate::blob::CHUNK;
use crate::error::{At, Error, Fault, Result};
use crate::layer::Xattr;
use crate::parallel::in_parallel;
use crate::programs::imgbase::root::Root;

/// What a container's runtime mounts, so that the system's own mode and owner say nothing.
const MOUNTED: [&[u8]; 5] = [b"dev", b"proc", b"sys", b"run", b"tmp"];

/// What is at a path of the system.
pub(super) struct There {
    /// The path from the root, links on the way resolved, the last part not.
    pub inside: Vec<u8>,
    /// The links on the way.
    pub links: Vec<(Vec<u8>, Vec<u8>)>,
    /// The same path for the system.
    pub outside: PathBuf,
    pub metadata: Metadata,
}

/// What is at a path, the last part not followed; `None` if nothing is.
pub(super) fn place(root: &Root, path: &[u8]) -> Result<Option<There>> {
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
        Ok(metadata) => Ok(Some(There {
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

/// Permission bits: 12.
pub(super) fn mode(metadata: &Metadata) -> u16 {
    // Twelve bits.
    (metadata.mode() & 0o7777) as u16
}

/// A file whose sum is known.
struct Known {
    package: String,
    /// As dpkg lists it.
    path: Vec<u8>,
    /// Where it is in the tree.
    place: Vec<u8>,
    sum: Vec<u8>,
}

/// Takes files into a tree.
pub(super) struct Taking<'r> {
    root: &'r Root,
    modified: Modified,
    /// By the path in packages: where the file is, and the package whose own stays.
    diversions: HashMap<Vec<u8>, (Vec<u8>, Vec<u8>)>,
    /// Files with several names that were met: the path of the first.
    names: HashMap<(u64, u64), Vec<u8>>,
    known: Vec<Known>,
    gone: Vec<Changed>,
    /// Paths that are not root's.
    owned: BTreeMap<Vec<u8>, (u32, u32)>,
}

impl<'r> Taking<'r> {
    pub(super) fn new(root: &'r Root, modified: Modified) -> Result<Self> {
        let text = root.text(b"var/lib/dpkg/diversions")?.unwrap_or_default();
        let diversions = database::diversions(&text)
            .map(|[from, to, by]| (from.to_vec(), (to.to_vec(), by.to_vec())));
        Ok(Taking {
            root,
            modified,
            diversions: diversions.collect(),
            names: HashMap::new(),
            known: Vec::new(),
            gone: Vec::new(),
            owned: BTreeMap::new(),
        })
    }

    /// Takes the files of a package.
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
            let shown = || String::from_utf8_lossy(&path).into_owned();
            let Some(there) = place(self.root, &path)? else {
                self.gone.push(Changed {
                    package: package.name().to_owned(),
                    path: listed.clone(),
                    is_there: false,
                    pristine: false,
                });
                continue;
            };
            let put = self.take(rootfs, package, there).at(shown)?;
            if let Some(sum) = sums.remove(listed)
                && let Some(put) = put
            {
                self.known.push(Known {
                    package: package.name().to_owned(),
                    path: listed.clone(),
                    place: put,
                    sum,
                });
            }
        }
        Ok(())
    }

    /// Takes one thing. Returns where a regular file went.
    fn take(
        &mut self,
        rootfs: &mut Rootfs,
        package: &Unpacked,
        there: There,
    ) -> Result<Option<Vec<u8>>> {
        let metadata = &there.metadata;
        // The links on the way are the system's layout: `/bin` as a link to `usr/bin`.
        for (place, target) in &there.links {
            if rootfs.get(place).is_none() {
                rootfs.put(place, Node::symlink(target).from(package.origin))?;
            }
        }
        let kind = metadata.file_type();
        let is_file = kind.is_file();
        if is_file && metadata.nlink() > 1 {
            let inode = (metadata.dev(), metadata.ino());
            match self.names.get(&inode) {
                Some(first) if rootfs.get(first).is_some() => {
                    if *first != there.inside {
                        rootfs.link(&there.inside, &first.clone())?;
                    }
                    return Ok(Some(there.inside));
                }
                _ => {
                    self.names.insert(inode, there.inside.clone());
                }
            }
        }
        let mut node = if kind.is_dir() {
            Node::folder(mode(metadata))
        } else if kind.is_symlink() {
            let target = std::fs::read_link(&there.outside);
            let target = target.map_err(|error| Error::io("read", error))?;
            Node::symlink(target.as_os_str().as_bytes())
        } else if is_file {
            let contents = Contents::of_path(&there.outside)?;
            Node {
                kind: Kind::File(contents),
                mode: mode(metadata),
                ..Node::folder(0)
            }
        } else {
            let why = "it is neither a file, a directory nor a link";
            return Err(Fault::Entry { why }.into());
        };
        if MOUNTED.contains(&&there.inside[..]) && kind.is_dir() {
            node.mode = match &there.inside[..] {
                b"tmp" => 0o1777,
                _ => 0o755,
            };
        } else {
            (node.uid, node.gid) = (metadata.uid(), metadata.gid());
        }
        node.mtime = metadata.mtime();
        if is_file {
            node.xattrs = capability(&there)?;
        }
        if (node.uid, node.gid) != (0, 0) {
            self.owned
                .insert(there.inside.clone(), (node.uid, node.gid));
        }
        rootfs.put(&there.inside, node.from(package.origin))?;
        Ok(is_file.then_some(there.inside))
    }

    /// Compares what was taken with the sums that are known. Returns what is changed or gone, by package and path.
    pub(super) fn finish(&self, rootfs: &Rootfs) -> Result<Vec<Changed>> {
        let mut changed = self.gone.clone();
        if self.modified == Modified::Keep {
            return Ok(Vec::new());
        }
        let compared = in_parallel(&self.known, |known| {
            let contents = rootfs.get(&known.place).and_then(Node::contents);
            let sum = contents.map(sum).transpose();
            let sum = sum.at(|| String::from_utf8_lossy(&known.path).into_owned())?;
            Ok(sum.is_some_and(|sum| sum.as_bytes() == known.sum))
        });
        for (known, is_same) in self.known.iter().zip(compared) {
            let is_same: Result<bool> = is_same;
            if !is_same.at(|| known.package.clone())? {
                changed.push(Changed {
                    package: known.package.clone(),
                    path: known.path.clone(),
                    is_there: true,
                    pristine: false,
                });
            }
        }
        changed.sort_by(|a, b| (&a.package, &a.path).cmp(&(&b.package, &b.path)));
        Ok(changed)
    }

    /// The time of the newest file; directories change with whatever is done in them.
    pub(super) fn newest(&self, rootfs: &Rootfs) -> i64 {
        let files = rootfs
            .walk()
            .filter(|named| named.node.contents().is_some());
        let times = files.map(|named| named.node.mtime);
        times.max().unwrap_or_default().max(0)
    }

    /// Gives directories a time of their own: on a system it is that of the last change of anything in them.
    pub(super) fn settle_times(&self, rootfs: &mut Rootfs, epoch: i64) {
        let directories: BTreeSet<Vec<u8>> = rootfs
            .walk()
            .filter(|named| named.node.kind == Kind::Folder)
            .map(|named| named.path.to_vec())
            .collect();
        for path in directories {
            if let Some(node) = rootfs.get_mut(&path) {
                node.mtime = epoch;
            }
        }
    }

    /// The paths that are not root's, with the numbers of their owners on the system.
    pub(super) fn owned(&self) -> &BTreeMap<Vec<u8>, (u32, u32)> {
        &self.owned
    }
}

/// The MD5 sum in hexadecimal digits.
fn sum(contents: &Contents) -> Result<String> {
    let mut reader = contents.reader()?;
    let mut hash = Md5::new();
    let mut buffer = vec![0; CHUNK];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(hex::encode(hash.finalize())),
            Ok(count) => hash.update(&buffer[..count]),
            Err(error) => return Err(Error::io("read", error)),
        }
    }
}

/// What a program may do without being root: the one attribute that packages' scripts give to files.
fn capability(there: &There) -> Result<Vec<Xattr>> {
    const NAME: &str = "security.capability";
    let mut value = vec![0; 64];
    match rustix::fs::lgetxattr(&there.outside, NAME, &mut value[..]) {
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
