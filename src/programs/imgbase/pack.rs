//! Trees of ready root filesystems: a directory, a tar or a cpio archive.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use super::Base;
use crate::base::rootfs::{Contents, Kind, Node};
use crate::blob::{FileRange, Input, Meter, NewFile};
use crate::disk::{Directory, Patterns};
use crate::error::{At, Error, Fault, Result, within};
use crate::layer::{Entry, EntryKind, FileInput, Limits, Metadata, Walker, Whiteout};
use crate::layer::{clean_path, parent};
use crate::write::{check_types, root_listing};

/// Largest sparse file, in bytes, because its holes are written, too.
const SPARSE: u64 = 16 << 30;

/// Options of reading a ready tree.
#[derive(Debug, Clone, Default)]
pub struct PackOptions {
    /// Excluded paths.
    pub excludes: Patterns,
    /// Owner of all files; by default as stated in the input.
    pub owner: Option<(u32, u32)>,
    /// Applies whiteouts (`.wh.` names), which remove earlier entries of the archive, instead of refusing them.
    pub whiteouts: bool,
    /// Limits on archives.
    pub limits: Limits,
}

/// Fills a tree from a directory. File contents are read when the layers are written.
///
/// # Errors
/// `Entry` and `BadLink` for entries that cannot be put into the tree; `Limit`.
pub fn directory(
    base: &mut Base,
    path: &Path,
    directory: &Directory,
    options: &PackOptions,
) -> Result<()> {
    let mut names: HashMap<u64, Vec<u8>> = HashMap::new();
    // The directory itself is not listed, but an archive of it has an entry for it.
    let metadata = std::fs::metadata(path).map_err(|error| Error::io("read", error))?;
    if let Some(top) = base.rootfs.get_mut(b"") {
        let owner = options.owner;
        (top.uid, top.gid) = owner.unwrap_or((metadata.uid(), metadata.gid()));
        top.mode = (metadata.mode() & 0o7777) as u16;
        top.mtime = metadata.mtime();
    }
    for (item, _) in directory.items() {
        let context = || String::from_utf8_lossy(&item.path).into_owned();
        if let Some(first) = item.inode.and_then(|inode| names.get(&inode)) {
            base.rootfs.link(&item.path, first)?;
            continue;
        }
        if let Some(inode) = item.inode {
            names.insert(inode, item.path.clone());
        }
        let kind = match item.kind {
            EntryKind::File => {
                let name = std::os::unix::ffi::OsStrExt::from_bytes(item.path.as_slice());
                let file = path.join::<&std::ffi::OsStr>(name);
                Kind::File(Contents::of_path(&file).at(context)?)
            }
            _ => match Kind::of_entry(item.kind, &item.link_target, item.device) {
                Some(kind) => kind,
                None => continue,
            },
        };
        let node = node_of(&item.metadata, kind, options).at(context)?;
        put(base, &item.path, node)?;
    }
    Ok(())
}

fn node_of(metadata: &Metadata, kind: Kind, options: &PackOptions) -> Result<Node> {
    let owner = match options.owner {
        Some(owner) => owner,
        None => (id(metadata.uid)?, id(metadata.gid)?),
    };
    Ok(Node::of_entry(kind, metadata, owner))
}

fn id(id: u64) -> Result<u32> {
    within("owner", u64::from(u32::MAX) - 1, id)?;
    Ok(u32::try_from(id).unwrap_or(u32::MAX))
}

/// Puts a node; an existing directory takes its attributes, as when an archive is unpacked.
fn put(base: &mut Base, path: &[u8], node: Node) -> Result<()> {
    let is_directory = node.kind == Kind::Directory;
    let put = base.rootfs.put(path, node.clone())?;
    if is_directory
        && put.previous.is_some()
        && let Some(directory) = base.rootfs.get_mut(&put.path)
    {
        *directory = node;
    }
    Ok(())
}

/// Fills a tree from a tar or a cpio archive, compressed or not. An uncompressed tar is read in place; any other archive
/// is converted to one in an anonymous temporary file in `temp_dir`.
///
/// # Errors
/// `Tar`, `Cpio`, `Codec`, `Entry`, `BadLink`, `Limit` for a damaged archive; `Unsupported` for another format, and for
/// whiteouts unless requested.
pub fn archive(
    base: &mut Base,
    input: Input,
    temp_dir: &Path,
    meter: &Meter,
    options: &PackOptions,
) -> Result<()> {
    let (listing, tar) = root_listing(input, temp_dir, &options.limits, meter)?;
    check_types(&listing)?;
    drop(listing);
    let mut expanded = ExpandedFiles::default();
    let (file, start) = tar.parts();
    let mut walker =
        Walker::new(FileInput::new(Arc::clone(file), start, tar.len())).within(&options.limits);
    let mut left_out: HashSet<Vec<u8>> = HashSet::new();
    while walker.next_entry()?.is_some() {
        let entry = walker.entry();
        let path = entry.clean_path().to_vec();
        let context = || String::from_utf8_lossy(&path).into_owned();
        if entry.climbs() {
            let why = "path escapes the root directory with '..'";
            return Err(Error::new(Fault::Entry { why }).at(context()));
        }
        if path.len() as u64 > options.limits.path_length {
            let (what, limit, found) = (
                "path in bytes",
                options.limits.path_length,
                path.len() as u64,
            );
            return Err(Fault::Limit { what, limit, found }.into());
        }
        if !path.is_empty() && options.excludes.matches(&path) {
            left_out.insert(path);
            continue;
        }
        match Whiteout::of(&path) {
            Whiteout::None => {}
            marker if options.whiteouts => {
                whiteout(base, &path, marker);
                continue;
            }
            _ => {
                let what = "whiteout in a root filesystem".to_owned();
                return Err(Error::new(Fault::Unsupported { what }).at(context()));
            }
        }
        if entry.kind == EntryKind::HardLink {
            let target = clean_path(&entry.link_target).path.into_owned();
            // The first name of a file may be excluded while another is not.
            if left_out.contains(&target) {
                let what = "hard link to an excluded file".to_owned();
                return Err(Error::new(Fault::Unsupported { what }).at(context()));
            }
            base.rootfs.link(&path, &target)?;
            continue;
        }
        let kind = match entry.kind {
            EntryKind::File => Kind::File(match &entry.sparse {
                None => Contents::Range(tar.slice(entry.data_offset, entry.size)),
                Some(_) => expanded.add(entry.clone(), &tar, temp_dir)?,
            }),
            kind => match Kind::of_entry(kind, &entry.link_target, entry.device) {
                Some(kind) => kind,
                None => continue,
            },
        };
        let node = node_of(&entry.metadata, kind, options).at(context)?;
        put(base, &path, node)?;
    }
    Ok(())
}

fn whiteout(base: &mut Base, path: &[u8], marker: Whiteout<'_>) {
    let directory = parent(path);
    match marker {
        Whiteout::Removes(name) => {
            let removed = match directory {
                b"" => name.to_vec(),
                _ => [directory, b"/", name].concat(),
            };
            base.rootfs.remove(&removed);
        }
        Whiteout::Opaque => {
            let below: Vec<Vec<u8>> = base
                .rootfs
                .children(directory)
                .map(|named| named.path.to_vec())
                .collect();
            for path in below {
                base.rootfs.remove(&path);
            }
        }
        _ => {}
    }
}

/// Anonymous temporary file with the expanded contents of sparse files.
#[derive(Default)]
struct ExpandedFiles {
    file: Option<Arc<NewFile>>,
    end: u64,
}

impl ExpandedFiles {
    /// Expands a sparse file of the archive.
    fn add(&mut self, entry: Entry, tar: &FileRange, temp_dir: &Path) -> Result<Contents> {
        let file = match &self.file {
            Some(file) => Arc::clone(file),
            None => {
                let file = Arc::new(NewFile::in_directory(temp_dir, 0o600)?);
                self.file = Some(Arc::clone(&file));
                file
            }
        };
        within("size of a sparse file in bytes", SPARSE, entry.size)?;
        let failed = |error| Error::io("write", error);
        let start = self.end;
        let mut at = entry.data_offset;
        for segment in entry.sparse.iter().flatten() {
            let mut to = file.file();
            to.seek(SeekFrom::Start(start + segment.offset))
                .map_err(failed)?;
            let mut from = tar.slice(at, segment.length).reader().take(segment.length);
            std::io::copy(&mut from, &mut to).map_err(failed)?;
            at += segment.length;
        }
        self.end = start + entry.size;
        file.file().set_len(self.end).map_err(failed)?;
        file.file().flush().map_err(failed)?;
        let copy = file.file().try_clone().map_err(failed)?;
        Ok(Contents::Range(
            FileRange::whole(copy)?.slice(start, entry.size),
        ))
    }
}
