//! Decoding of one package.

use std::collections::BTreeMap;
use std::io::BufReader;

use super::content_file::{ContentFile, ContentWriter};
use super::package::{DebToUnpack, UnpackOptions};
use crate::base::debian::{Control, ControlLimits, Data, Deb, Member};
use crate::blob::{CHUNK, FileRange, Hasher, open_regular};
use crate::error::{At, Error, Fault, Result};
use crate::layer::{EntryKind, StreamInput, Walker, Whiteout, Xattr};
use crate::spec::Digest;

/// Maximum lengths of a file name and of a path on Linux, in bytes.
const NAME_MAX: usize = 255;
const PATH_MAX: usize = 4095;

/// A decoded package.
pub(super) struct Decoded {
    pub(super) digest: Option<Digest>,
    pub(super) control: Control,
    pub(super) members: BTreeMap<String, Member>,
    pub(super) items: Vec<Item>,
}

/// An entry of a data archive, with a clean path.
pub(super) struct Item {
    pub(super) path: Vec<u8>,
    pub(super) kind: ItemKind,
    pub(super) mode: u16,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: i64,
    pub(super) xattrs: Vec<Xattr>,
}

pub(super) enum ItemKind {
    Directory,
    /// Offset in the temporary file, and size in bytes.
    File(u64, u64),
    Symlink(Vec<u8>),
    HardLink(Vec<u8>),
    CharDevice(u64, u64),
    BlockDevice(u64, u64),
    Fifo,
}

/// Decodes a package: verifies its digest, writes its files to the temporary file, and reads its control data.
pub(super) fn decode(
    deb: &DebToUnpack,
    options: &UnpackOptions<'_>,
    contents: &ContentFile,
) -> Result<Decoded> {
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
    let mut data = opened.data(hasher, options.limits, options.meter)?;
    let source = BufReader::with_capacity(CHUNK, &mut data);
    let mut writer = contents.writer();
    let items = read_items(Walker::new(StreamInput::new(source)), &mut writer);
    writer.flush()?;
    let digest = match (items.is_ok(), wanted) {
        (true, _) => Some(data.finish()?),
        // A digest mismatch explains any other error.
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

type DataWalker<'d> = Walker<StreamInput<BufReader<&'d mut Data>>>;

fn read_items(mut walker: DataWalker<'_>, writer: &mut ContentWriter<'_>) -> Result<Vec<Item>> {
    let mut items = Vec::new();
    while walker.next_entry()?.is_some() {
        let entry = walker.entry();
        let path = entry.clean_path().to_vec();
        let item = |kind| {
            let entry = walker.entry();
            let id = |id| {
                u32::try_from(id).map_err(|_| invalid("invalid owner: expected a 32-bit number"))
            };
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
            EntryKind::File if entry.sparse.is_some() => Err(invalid("unsupported sparse file")),
            EntryKind::File => item(ItemKind::File(0, entry.size)),
            EntryKind::Directory => item(ItemKind::Directory),
            EntryKind::Symlink => item(ItemKind::Symlink(entry.link_target.clone())),
            EntryKind::HardLink => item(ItemKind::HardLink(entry.link_target.clone())),
            EntryKind::CharDevice => item(ItemKind::CharDevice(entry.device.0, entry.device.1)),
            EntryKind::BlockDevice => item(ItemKind::BlockDevice(entry.device.0, entry.device.1)),
            EntryKind::Fifo => item(ItemKind::Fifo),
            EntryKind::Other(_) => Err(invalid("unsupported type of entry")),
        });
        let mut item = item.at(|| text(&path))?;
        if let ItemKind::File(offset, size) = &mut item.kind {
            *offset = writer
                .copy(*size, |buf| walker.read_data(buf))
                .at(|| text(&path))?;
        }
        items.push(item);
    }
    Ok(items)
}

/// Refuses names that escape the root, are too long, or are whiteouts in a layer.
pub(super) fn check_name(path: &[u8], climbs: bool) -> Result<()> {
    let parts = path.split(|byte| *byte == b'/');
    match Whiteout::of(path) {
        _ if climbs => Err(invalid("path with '..'")),
        _ if path.len() > PATH_MAX => Err(invalid("name too long for Linux")),
        _ if parts.clone().any(|part| part.len() > NAME_MAX) => {
            Err(invalid("name too long for Linux"))
        }
        Whiteout::None => Ok(()),
        _ => Err(invalid("name is a whiteout in a layer")),
    }
}

/// Returns the error of an invalid entry.
pub(super) fn invalid(why: &'static str) -> Error {
    Fault::Entry { why }.into()
}

/// Returns a path as context of an error.
pub(super) fn text(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
