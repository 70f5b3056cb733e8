//! The files of packages into the tree, as dpkg would put them there.
//!
//! Packages are decoded on all cores into one file without a name; what is in them goes into the tree afterwards, in
//! the order of the packages and of their archives, so that the result does not depend on which was decoded first, and
//! a package that is not what it should be has left nothing.
//!
//! Rules are dpkg's: a folder that is there stays as it is, also where a link leads to it; a file of two packages is an
//! error that names both, unless one says that it `Replaces` the other's, or both are the same package for two
//! architectures and the file is the same; what is diverted goes where the diversion leads. Stricter than dpkg: names
//! count as the same that links make the same (`bin/sh` and `usr/bin/sh` on a merged `/usr`), a folder never takes the
//! place of something else, and a hard link cannot name another package's file.

mod place;
mod spool;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::Base;
use crate::base::debian::{Control, ControlLimits, Data, Deb, IndexEntry, Lock, Member};
use crate::blob::{CHUNK, DecodeLimits, FileRange, Hasher, Meter, open_regular};
use crate::error::{At, Error, Fault, Result};
use crate::layer::{EntryKind, StreamInput, Walker, Whiteout, Xattr};
use crate::parallel::in_parallel;
use crate::spec::Digest;
use spool::{Desk, Spool};

/// Bytes of a part of a name, and of a whole name, that Linux takes at most.
const NAME_MAX: usize = 255;
const PATH_MAX: usize = 4095;

/// A package that is to be unpacked.
#[derive(Debug, Clone, Default)]
pub struct DebToUnpack {
    /// Its `.deb`.
    pub path: PathBuf,
    /// What the file must be; nothing for one that was given without a word on it.
    pub expected: Option<Expected>,
    /// The repository's word on it where that differs, see [`Unpacked::overrides`](crate::base::debian::Unpacked).
    pub overrides: Control,
    /// Whether somebody asked for it by name.
    pub asked_for: bool,
}

impl DebToUnpack {
    /// A package of a repository.
    ///
    /// # Errors
    /// As [`IndexEntry::file`].
    pub fn of_entry(entry: &IndexEntry<'_>, asked_for: bool) -> Result<Self> {
        let file = entry.file()?;
        Ok(DebToUnpack {
            path: file.path,
            expected: Some(Expected {
                name: entry.field("Package").to_owned(),
                version: entry.field("Version").to_owned(),
                architecture: entry.field("Architecture").to_owned(),
                size: Some(file.size),
                digest: file.digest,
            }),
            overrides: entry.overrides(),
            asked_for,
        })
    }

    /// The packages of a lock, below the folders that stand for its sources.
    ///
    /// # Errors
    /// As [`Lock::files`].
    pub fn of_lock(lock: &Lock, roots: &[PathBuf]) -> Result<Vec<Self>> {
        let files = lock.files(roots)?.into_iter();
        let all = files
            .zip(&lock.packages)
            .map(|(file, package)| DebToUnpack {
                path: file.path,
                expected: Some(Expected {
                    name: package.name.clone(),
                    version: package.version.clone(),
                    architecture: package.architecture.clone(),
                    size: Some(file.size),
                    digest: file.digest,
                }),
                overrides: package.overrides(),
                asked_for: package.asked_for,
            });
        Ok(all.collect())
    }
}

/// What a `.deb` must be. An empty text is not compared.
#[derive(Debug, Clone)]
pub struct Expected {
    /// `Package` of its control data.
    pub name: String,
    /// `Version`.
    pub version: String,
    /// `Architecture`.
    pub architecture: String,
    /// Bytes of the file.
    pub size: Option<u64>,
    /// Digest of the file, where somebody has said one.
    pub digest: Option<Digest>,
}

/// What goes elsewhere than its package says, `dpkg-divert(1)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diversion {
    /// The path in packages, clean.
    pub from: Vec<u8>,
    /// Where it goes.
    pub to: Vec<u8>,
    /// The package whose own file stays; none for a local diversion, which is for every package.
    pub by: Option<String>,
}

/// How packages are unpacked.
#[derive(Debug, Clone, Copy)]
pub struct Unpacking<'a> {
    /// The folder where the files are kept until layers are made of them, without a name: beside the output.
    pub landing: &'a Path,
    /// Diversions, as the packages' scripts would make them.
    pub diversions: &'a [Diversion],
    /// What a package may unpack to.
    pub limits: DecodeLimits,
    /// Counts the bytes of the `.deb` files.
    pub meter: &'a Meter,
}

impl<'a> Unpacking<'a> {
    /// Without diversions, with the usual limits.
    pub fn new(landing: &'a Path, meter: &'a Meter) -> Self {
        Unpacking {
            landing,
            diversions: &[],
            limits: DecodeLimits::default(),
            meter,
        }
    }
}

/// Unpacks packages in that order, and pushes each to [`Base::packages`] with an origin of its own.
///
/// Memory: what names and attributes take, and a decoder for each core; the files are in the landing folder.
///
/// # Errors
/// `Deb`, `Deb822`, `Tar`, `Codec`, `Limit` for a package that is damaged or none; `DigestMismatch`, `SizeMismatch`,
/// `Changed` for another than was expected; `Entry`, `BadLink`, `FileConflict` for what cannot be put into the tree.
/// The places are the package's file and the path in it. After an error the base is not to be used.
pub fn unpack(base: &mut Base, debs: &[DebToUnpack], how: &Unpacking<'_>) -> Result<()> {
    let spool = Spool::new(how.landing)?;
    // The largest first, so that no core is left alone with one at the end.
    let mut order: Vec<(usize, u64)> = Vec::with_capacity(debs.len());
    for (index, deb) in debs.iter().enumerate() {
        order.push((index, std::fs::metadata(&deb.path).map_or(0, |it| it.len())));
    }
    order.sort_by_key(|(index, size)| (std::cmp::Reverse(*size), *index));
    let decoded = in_parallel(&order, |(index, _)| {
        let deb = &debs[*index];
        (*index, decode(deb, how, &spool).at(|| place(deb)))
    });
    let mut slots: Vec<Option<Result<Decoded>>> = debs.iter().map(|_| None).collect();
    for (index, result) in decoded {
        slots[index] = Some(result);
    }
    // The first in the order of the packages is the one that is reported.
    let mut all = Vec::with_capacity(debs.len());
    for result in slots.into_iter().flatten() {
        all.push(result?);
    }
    let contents = spool.finish()?;
    let mut placer = place::Placer::new(base, how.diversions);
    for (decoded, deb) in all.into_iter().zip(debs) {
        placer.package(decoded, deb, &contents).at(|| place(deb))?;
    }
    Ok(())
}

/// A `.deb` as the place of an error.
fn place(deb: &DebToUnpack) -> String {
    deb.path.to_string_lossy().into_owned()
}

/// A package that is decoded.
struct Decoded {
    digest: Option<Digest>,
    control: Control,
    members: BTreeMap<String, Member>,
    items: Vec<Item>,
}

/// An entry of a data archive. Paths are clean.
struct Item {
    path: Vec<u8>,
    kind: ItemKind,
    mode: u16,
    uid: u32,
    gid: u32,
    mtime: i64,
    xattrs: Vec<Xattr>,
}

enum ItemKind {
    Folder,
    /// Where in the spool, and how many bytes.
    File(u64, u64),
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
    CharDevice(u64, u64),
    BlockDevice(u64, u64),
    Fifo,
}

fn decode(deb: &DebToUnpack, how: &Unpacking<'_>, spool: &Spool) -> Result<Decoded> {
    let range = FileRange::whole(open_regular(&deb.path, true)?)?;
    let expected = deb.expected.as_ref();
    if let Some(size) = expected.and_then(|expected| expected.size)
        && size != range.len()
    {
        return Err(Error::new(Fault::SizeMismatch {
            expected: size,
            found: range.len(),
        }));
    }
    let opened = Deb::open(range.clone())?;
    let wanted = expected.and_then(|expected| expected.digest.as_ref());
    let hasher = match wanted {
        Some(digest) => Hasher::like(digest)?,
        None => Hasher::default(),
    };
    let mut data = opened.data(hasher, how.limits, how.meter)?;
    let source = BufReader::with_capacity(CHUNK, &mut data);
    let mut desk = spool.desk();
    let items = read_items(Walker::new(StreamInput::new(source)), &mut desk);
    desk.flush()?;
    let digest = match (items.is_ok(), wanted) {
        (true, _) => Some(data.finish()?),
        // Bytes that are not the right ones are the better reason for whatever did not work.
        (false, Some(digest)) => Some(range.digest(digest)?),
        (false, None) => None,
    };
    if let (Some(found), Some(expected)) = (&digest, wanted)
        && found != expected
    {
        return Err(Error::new(Fault::DigestMismatch {
            expected: expected.to_string(),
            found: found.to_string(),
        }));
    }
    let items = items?;
    let (control, members) = opened.control(ControlLimits::default())?;
    if let Some(expected) = expected {
        expected.check(&control)?;
    }
    Ok(Decoded {
        digest,
        control,
        members,
        items,
    })
}

impl Expected {
    fn check(&self, control: &Control) -> Result<()> {
        for (field, expected) in [
            ("Package", &self.name),
            ("Version", &self.version),
            ("Architecture", &self.architecture),
        ] {
            let found = control.get(field).unwrap_or_default();
            if !expected.is_empty() && found != expected {
                return Err(Error::new(Fault::OtherPackage {
                    field,
                    expected: expected.clone(),
                    found: found.to_owned(),
                }));
            }
        }
        Ok(())
    }
}

type DataWalker<'d> = Walker<StreamInput<BufReader<&'d mut Data>>>;

fn read_items(mut walker: DataWalker<'_>, desk: &mut Desk<'_>) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    while walker.next_entry()?.is_some() {
        let entry = walker.entry();
        let path = entry.clean_path().to_vec();
        let item = |kind| {
            let entry = walker.entry();
            let id = |id| u32::try_from(id).map_err(|_| wrong("an owner that is no number of one"));
            Ok(Item {
                path: path.clone(),
                kind,
                mode: entry.metadata.mode,
                uid: id(entry.metadata.uid)?,
                gid: id(entry.metadata.gid)?,
                mtime: entry.metadata.mtime.seconds,
                xattrs: entry.metadata.xattrs.clone(),
            })
        };
        let item = check_name(&path, entry.climbs()).and_then(|()| match entry.kind {
            EntryKind::File if entry.sparse.is_some() => Err(wrong("a sparse file")),
            EntryKind::File => item(ItemKind::File(0, entry.size)),
            EntryKind::Directory => item(ItemKind::Folder),
            EntryKind::Symlink => item(ItemKind::Symlink(entry.link_target.clone())),
            EntryKind::HardLink => item(ItemKind::HardLink(entry.link_target.clone())),
            EntryKind::CharDevice => item(ItemKind::CharDevice(entry.device.0, entry.device.1)),
            EntryKind::BlockDevice => item(ItemKind::BlockDevice(entry.device.0, entry.device.1)),
            EntryKind::Fifo => item(ItemKind::Fifo),
            EntryKind::Other(_) => Err(wrong("an entry of no kind that Linux has")),
        });
        let mut item = item.at(|| text(&path))?;
        if let ItemKind::File(offset, size) = &mut item.kind {
            *offset = desk
                .copy(*size, |buf| walker.read_data(buf))
                .at(|| text(&path))?;
        }
        items.push(item);
    }
    Ok(items)
}

/// What no package can mean, and what would mean something else in a layer.
fn check_name(path: &[u8], climbs: bool) -> Result<()> {
    let parts = path.split(|byte| *byte == b'/');
    match Whiteout::of(path) {
        _ if climbs => Err(wrong("a name with '..'")),
        _ if path.len() > PATH_MAX => Err(wrong("a name that is longer than Linux takes")),
        _ if parts.clone().any(|part| part.len() > NAME_MAX) => {
            Err(wrong("a name that is longer than Linux takes"))
        }
        Whiteout::None => Ok(()),
        _ => Err(wrong("a name that would remove something in a layer")),
    }
}

fn wrong(why: &'static str) -> Error {
    Fault::Entry { why }.into()
}

/// A path as the place of an error.
fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
