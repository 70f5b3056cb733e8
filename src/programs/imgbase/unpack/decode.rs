//! Decoding of one package.

use std::collections::BTreeMap;
use std::io::BufReader;

use super::content_file::{ContentFile, ContentWriter};
use super::package::{DebToUnpack, UnpackOptions};
use crate::base::debian::{Control, ControlLimits, Data, Deb, Member};
use crate::base::rootfs::Kind;
use crate::blob::{CHUNK, FileRange, Hasher, open_regular};
use crate::error::{At, Error, Fault, Result, same_digest, same_size};
use crate::layer::{Entry, EntryKind, Metadata, StreamInput, Walker, Whiteout};
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
    pub(super) metadata: Metadata,
    pub(super) owner: (u32, u32),
}

pub(super) enum ItemKind {
    /// Offset in the temporary file, and size in bytes.
    File(u64, u64),
    HardLink(Vec<u8>),
    /// A link, directory, device or FIFO.
    Other(Kind),
}

/// Decodes a package: verifies its digest, writes its files to the temporary file, and reads its control data.
pub(super) fn decode(
    deb: &DebToUnpack,
    options: &UnpackOptions<'_>,
    contents: &ContentFile,
) -> Result<Decoded> {
    let range = FileRange::whole(open_regular(&deb.path, true)?)?;
    let expected = deb.expected.as_ref();
    if let Some(size) = expected.and_then(|expected| expected.size) {
        same_size(size, range.len())?;
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
    if let (Some(found), Some(expected)) = (&digest, wanted) {
        same_digest(expected, found)?;
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
        let mut item = item(walker.entry()).at(|| text(walker.entry().clean_path()))?;
        if let ItemKind::File(offset, size) = &mut item.kind {
            *offset = writer
                .copy(*size, |buf| walker.read_data(buf))
                .at(|| text(&item.path))?;
        }
        items.push(item);
    }
    Ok(items)
}

fn item(entry: &Entry) -> Result<Item> {
    let path = entry.clean_path().to_vec();
    check_name(&path, entry.climbs())?;
    let kind = match entry.kind {
        EntryKind::File if entry.sparse.is_some() => {
            return Err(invalid("unsupported sparse file"));
        }
        EntryKind::File => ItemKind::File(0, entry.size),
        EntryKind::HardLink => ItemKind::HardLink(entry.link_target.clone()),
        kind => match Kind::of_entry(kind, &entry.link_target, entry.device) {
            Some(kind) => ItemKind::Other(kind),
            None => return Err(invalid("unsupported type of entry")),
        },
    };
    let id = |id| u32::try_from(id).map_err(|_| invalid("invalid owner: expected a 32-bit number"));
    let owner = (id(entry.metadata.uid)?, id(entry.metadata.gid)?);
    let metadata = entry.metadata.clone();
    Ok(Item {
        path,
        kind,
        metadata,
        owner,
    })
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
