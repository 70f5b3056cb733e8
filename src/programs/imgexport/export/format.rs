//! Archive formats of an export: tar and cpio.

use super::item::{Item, ItemKind};
use super::select::display;
use crate::error::{At, Error, Result};
use crate::tree::NodeKind;
use crate::write::entry;

/// Format of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveFormat {
    /// Tar, with PAX headers where they are needed.
    Tar,
    /// Cpio in format `newc`, without extended attributes and files of 4 GiB and more.
    Cpio,
}

impl ArchiveFormat {
    /// Appends the header of an item; returns true if contents follow.
    pub(super) fn header(self, item: &Item<'_>, out: &mut Vec<u8>) -> Result<bool> {
        let name = item.name();
        match self {
            ArchiveFormat::Tar => {
                let entry = item.entry(&name);
                entry.header(out);
                Ok(entry.size > 0)
            }
            ArchiveFormat::Cpio => cpio(item, &name, out).at(|| display(&item.path)),
        }
    }

    /// Returns the padding after contents of that size, in bytes.
    pub(super) fn padding(self, size: u64) -> usize {
        match self {
            ArchiveFormat::Tar => entry::padding(size),
            ArchiveFormat::Cpio => ((4 - size % 4) % 4) as usize,
        }
    }

    /// Returns the end-of-archive marker.
    pub(super) fn end(self) -> Vec<u8> {
        match self {
            ArchiveFormat::Tar => entry::END.to_vec(),
            ArchiveFormat::Cpio => {
                let mut out = Vec::new();
                cpio_header(&[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], b"TRAILER!!!", &mut out);
                out
            }
        }
    }
}

/// Appends the header of an item, and the target of a symbolic link; returns true if contents follow.
fn cpio(item: &Item<'_>, name: &[u8], out: &mut Vec<u8>) -> Result<bool> {
    let number = |what: &'static str, value: u64| {
        u32::try_from(value).map_err(|_| Error::limit(what, u64::from(u32::MAX), value))
    };
    let type_bits = match item.kind {
        ItemKind::Node(NodeKind::Directory) => 0o040_000,
        ItemKind::Node(NodeKind::Symlink) => 0o120_000,
        ItemKind::Node(NodeKind::CharDevice) => 0o020_000,
        ItemKind::Node(NodeKind::BlockDevice) => 0o060_000,
        ItemKind::Node(NodeKind::Fifo) => 0o010_000,
        _ => 0o100_000,
    };
    // The last name of a file has the contents.
    let size = match item.is_file() && item.is_last_name() {
        true => item.size,
        false => item.link_target.len() as u64,
    };
    let links = match item.kind {
        ItemKind::Node(NodeKind::Directory) => 2,
        _ => item.link_count,
    };
    let seconds = u64::try_from(item.meta.mtime.seconds).unwrap_or_default();
    let fields = [
        number("entries of a cpio", item.number())?,
        type_bits | u32::from(item.meta.mode),
        number("owner of a cpio entry", item.meta.owner.uid)?,
        number("group of a cpio entry", item.meta.owner.gid)?,
        links,
        u32::try_from(seconds).unwrap_or(u32::MAX),
        number("size of a cpio entry in bytes", size)?,
        0,
        0,
        number("device number of a cpio entry", item.device.0)?,
        number("device number of a cpio entry", item.device.1)?,
    ];
    let name = if name.is_empty() { b"." } else { name };
    cpio_header(&fields, name, out);
    if !item.link_target.is_empty() {
        out.extend_from_slice(item.link_target);
        out.resize(out.len() + ArchiveFormat::Cpio.padding(size), 0);
        return Ok(false);
    }
    Ok(size > 0)
}

/// Appends the magic, the fields in hexadecimal, the name with a NUL, and padding to a multiple of 4.
fn cpio_header(fields: &[u32; 11], name: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(b"070701");
    // Two of the thirteen fields are the device that holds the file; they stay 0.
    let length = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
    for field in fields.iter().chain([&length, &0]) {
        out.extend_from_slice(format!("{field:08X}").as_bytes());
    }
    out.extend_from_slice(name);
    out.push(0);
    // A header is 110 bytes.
    out.resize(out.len() + (4 - (110 + name.len() + 1) % 4) % 4, 0);
}
