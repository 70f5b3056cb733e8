//! A tar of known members, written into a file on all cores, or to a stream in order.
//!
//! All header fields but name and size are fixed (owner 0, time 0, modes 0644 and 0755), so the same members give the
//! same bytes on every host (image specification, "Image Layout"; FORMATS of docker load and containerd's import).

use std::fs::File;
use std::os::unix::fs::FileExt;

use super::copy::{self, Sink};
use super::entry::{BLOCK, END, EntryOut, padding};
use super::output::BlobOut;
use super::ustar::HeaderStyle;
use crate::blob::{Meter, SerialWriter};
use crate::error::{During, Error, Result};
use crate::layer::EntryKind;
use crate::parallel::in_parallel;

/// A member of the tar.
pub(super) struct Member<'a> {
    pub name: String,
    pub body: Body<'a>,
}

/// Kind and contents of a member.
pub(super) enum Body<'a> {
    Directory,
    Document(Vec<u8>),
    Blob(&'a BlobOut),
    /// Symbolic link to another member, which docker before 25 writes for repeated layers.
    Link(String),
}

impl Member<'_> {
    fn size(&self) -> u64 {
        match &self.body {
            Body::Directory | Body::Link(_) => 0,
            Body::Document(bytes) => bytes.len() as u64,
            Body::Blob(blob) => blob.size,
        }
    }

    fn header(&self) -> Vec<u8> {
        let (kind, mode, target) = match &self.body {
            Body::Directory => (EntryKind::Directory, 0o755, ""),
            Body::Link(target) => (EntryKind::Symlink, 0o777, target.as_str()),
            Body::Document(_) | Body::Blob(_) => (EntryKind::File, 0o644, ""),
        };
        let entry = EntryOut {
            path: self.name.as_bytes(),
            kind,
            mode,
            size: self.size(),
            link_target: target.as_bytes(),
            ..EntryOut::default()
        };
        let mut header = Vec::new();
        entry.header_with(HeaderStyle::ImageArchive, &mut header);
        header
    }
}

/// Returns the error for an archive that is larger than a file can be.
pub(crate) fn too_large() -> Error {
    Error::limit(
        "size of the archive in bytes",
        i64::MAX.cast_unsigned(),
        u64::MAX,
    )
}

/// Returns the offset in bytes of each member, and the length of the tar.
///
/// # Errors
/// `Limit` if it is larger than a file can be.
pub(super) fn places(members: &[Member<'_>]) -> Result<(Vec<u64>, u64)> {
    let mut offset = 0u64;
    let mut places = Vec::with_capacity(members.len());
    for member in members {
        places.push(offset);
        let end = offset + member.header().len() as u64;
        let end = end.checked_add(member.size()).ok_or_else(too_large)?;
        offset = end.checked_next_multiple_of(BLOCK).ok_or_else(too_large)?;
    }
    let end = offset
        .checked_add(2 * BLOCK)
        .filter(|&end| i64::try_from(end).is_ok())
        .ok_or_else(too_large)?;
    Ok((places, end))
}

/// Writes the tar into an empty file: space is reserved for all members, then blobs are copied on all cores.
pub(super) fn to_file(members: &[Member<'_>], file: &File, meter: &Meter) -> Result<()> {
    let (places, end) = places(members)?;
    let mut blobs = Vec::new();
    for (member, place) in members.iter().zip(places) {
        let mut bytes = member.header();
        if let Body::Document(document) = &member.body {
            bytes.extend_from_slice(document);
        }
        file.write_all_at(&bytes, place).during("write")?;
        if let Body::Blob(blob) = &member.body {
            blobs.push((*blob, place + bytes.len() as u64));
        }
    }
    file.set_len(end).during("write")?;
    blobs.sort_by_key(|(blob, start)| (std::cmp::Reverse(blob.size), *start));
    let turns = SerialWriter::new(file);
    in_parallel(&blobs, |(blob, start)| {
        copy::to_file(blob, &turns, *start, meter)
    })
    .into_iter()
    .collect()
}

/// Writes the tar to a stream, member after member.
pub(super) fn to_sink(members: &[Member<'_>], out: &mut dyn Sink, meter: &Meter) -> Result<()> {
    for member in members {
        let mut bytes = member.header();
        match &member.body {
            Body::Directory | Body::Link(_) => {}
            Body::Document(document) => bytes.extend_from_slice(document),
            Body::Blob(blob) => {
                out.put(std::mem::take(&mut bytes).into()).during("write")?;
                copy::to_sink(blob, out, meter)?;
            }
        }
        bytes.extend_from_slice(&END[..padding(member.size())]);
        out.put(bytes.into()).during("write")?;
    }
    out.put(END.to_vec().into()).during("write")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header that the `tar` crate makes, which wrote image archives before.
    fn reference(name: &str, kind: tar::EntryType, mode: u32, size: u64, target: &str) -> Vec<u8> {
        let new = |kind, mode, size| {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_size(size);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_device_major(0).expect("a ustar header");
            header.set_device_minor(0).expect("a ustar header");
            header
        };
        let mut records = String::new();
        let mut header = new(kind, mode, if size < 1 << 33 { size } else { 0 });
        if header.set_path(name).is_err() {
            let end = &name[name.len() - 100..];
            header.set_path(end).expect("a short name");
            records += &format!("{} path={name}\n", name.len() + 10);
        }
        if size >= 1 << 33 {
            records += &format!("19 size={size}\n");
        }
        if !target.is_empty() {
            header.set_link_name(target).expect("a short target");
        }
        header.set_cksum();
        let mut bytes = Vec::new();
        if !records.is_empty() {
            let mut extension = new(tar::EntryType::XHeader, 0o644, records.len() as u64);
            extension.set_path("pax").expect("a short name");
            extension.set_cksum();
            bytes.extend(extension.as_bytes());
            bytes.extend(records.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
        bytes.extend(header.as_bytes());
        bytes
    }

    #[test]
    fn headers_are_those_of_the_tar_crate() {
        use tar::EntryType::{Directory, Regular, Symlink};

        let long = format!("blobs/sha512/{}", "0123456789abcdef".repeat(8));
        let split = format!("{}/{}/layer.tar", "a".repeat(64), "b".repeat(64));
        for (body, kind, mode, target) in [
            (Body::Directory, Directory, 0o755, ""),
            (Body::Document(vec![7; 100]), Regular, 0o644, ""),
            (
                Body::Link("../x/layer.tar".into()),
                Symlink,
                0o777,
                "../x/layer.tar",
            ),
        ] {
            let is_directory = kind == Directory;
            let mut member = Member {
                name: String::new(),
                body,
            };
            for name in ["index.json", "blobs/sha256", &long, &split] {
                member.name = name.to_owned();
                let name = match is_directory {
                    true => format!("{name}/"),
                    false => name.to_owned(),
                };
                let expected = reference(&name, kind, mode, member.size(), target);
                assert!(member.header() == expected, "{name}");
            }
        }
        for size in [0, 1, (1 << 33) - 1, 1 << 33, 9_999_999_999] {
            let blob = BlobOut {
                size,
                ..BlobOut::document(Vec::new().into())
            };
            let member = Member {
                name: long.clone(),
                body: Body::Blob(&blob),
            };
            let expected = reference(&long, Regular, 0o644, size, "");
            assert!(member.header() == expected, "{size}");
        }
    }
}
