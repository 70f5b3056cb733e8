//! A tar whose members are known beforehand, written into a file on all cores or to a stream in order.
//!
//! Every header field but name and size is fixed (owner 0, time 0, modes 0644 and 0755), so the same members give the
//! same bytes on every host (image specification, "Image Layout"; FORMATS of docker load and containerd's import).

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use super::copy;
use super::output::BlobOut;
use crate::blob::{Meter, SerialWriter};
use crate::error::{Error, Fault, Result};
use crate::parallel::in_parallel;

const BLOCK: u64 = 512;

/// A member of the tar.
pub(super) struct Member<'a> {
    pub name: String,
    pub body: Body<'a>,
}

/// What a member is.
pub(super) enum Body<'a> {
    Folder,
    Document(Vec<u8>),
    Blob(&'a BlobOut),
    /// A symbolic link to another member, as docker before 25 writes layers that repeat.
    Link(String),
}

impl Member<'_> {
    fn size(&self) -> u64 {
        match &self.body {
            Body::Folder | Body::Link(_) => 0,
            Body::Document(bytes) => bytes.len() as u64,
            Body::Blob(blob) => blob.size,
        }
    }

    /// The header, with a PAX header before it where the name or size does not fit.
    fn header(&self) -> Result<Vec<u8>> {
        let name = match self.body {
            Body::Folder => format!("{}/", self.name),
            _ => self.name.clone(),
        };
        let mut records = Vec::new();
        let mut header = tar::Header::new_ustar();
        if header.set_path(&name).is_err() {
            records.push(("path", name.clone()));
            header
                .set_path(&name[name.len().saturating_sub(100)..])
                .map_err(|error| Error::io("write", error))?;
        }
        match &self.body {
            Body::Folder => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(0o755);
            }
            Body::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_mode(0o777);
                header
                    .set_link_name(target)
                    .map_err(|error| Error::io("write", error))?;
            }
            _ => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_mode(0o644);
            }
        }
        let size = self.size();
        // The octal field holds eleven digits.
        if size >= 1 << 33 {
            records.push(("size", size.to_string()));
            header.set_size(0);
        } else {
            header.set_size(size);
        }
        fixed(&mut header)?;
        let mut bytes = Vec::new();
        if !records.is_empty() {
            let body: String = records
                .iter()
                .map(|(key, value)| record(key, value))
                .collect();
            let mut extension = tar::Header::new_ustar();
            extension
                .set_path("pax")
                .map_err(|error| Error::io("write", error))?;
            extension.set_entry_type(tar::EntryType::XHeader);
            extension.set_mode(0o644);
            extension.set_size(body.len() as u64);
            fixed(&mut extension)?;
            bytes.extend_from_slice(extension.as_bytes());
            bytes.extend_from_slice(body.as_bytes());
            bytes.resize(bytes.len().next_multiple_of(BLOCK as usize), 0);
        }
        bytes.extend_from_slice(header.as_bytes());
        Ok(bytes)
    }
}

fn fixed(header: &mut tar::Header) -> Result<()> {
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
        .set_device_major(0)
        .and_then(|()| header.set_device_minor(0))
        .map_err(|error| Error::io("write", error))?;
    header.set_cksum();
    Ok(())
}

/// A PAX record, whose length counts its own digits.
fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

fn too_large() -> Error {
    Fault::Limit {
        what: "size of the archive in bytes",
        limit: i64::MAX.cast_unsigned(),
        found: u64::MAX,
    }
    .into()
}

/// Writes the tar into an empty file: room is made for all members, then blobs are copied on all cores.
pub(super) fn to_file(members: &[Member<'_>], file: &File, meter: &Meter) -> Result<()> {
    let mut offset = 0u64;
    let mut blobs = Vec::new();
    for member in members {
        let mut bytes = member.header()?;
        if let Body::Document(document) = &member.body {
            bytes.extend_from_slice(document);
        }
        file.write_all_at(&bytes, offset)
            .map_err(|error| Error::io("write", error))?;
        let start = offset + bytes.len() as u64;
        let mut end = start;
        if let Body::Blob(blob) = &member.body {
            blobs.push((*blob, start));
            end = end.checked_add(blob.size).ok_or_else(too_large)?;
        }
        offset = end.checked_next_multiple_of(BLOCK).ok_or_else(too_large)?;
    }
    let end = offset
        .checked_add(2 * BLOCK)
        .filter(|&end| i64::try_from(end).is_ok())
        .ok_or_else(too_large)?;
    file.set_len(end)
        .map_err(|error| Error::io("write", error))?;
    blobs.sort_by_key(|(blob, start)| (std::cmp::Reverse(blob.size), *start));
    let turns = SerialWriter::new(file);
    in_parallel(&blobs, |(blob, start)| {
        copy::to_file(blob, &turns, *start, meter)
    })
    .into_iter()
    .collect()
}

/// Writes the tar to a stream, member after member.
pub(super) fn to_stream(members: &[Member<'_>], out: &mut dyn Write, meter: &Meter) -> Result<()> {
    let failed = |error| Error::io("write", error);
    let zeros = [0; BLOCK as usize];
    for member in members {
        out.write_all(&member.header()?).map_err(failed)?;
        match &member.body {
            Body::Folder | Body::Link(_) => {}
            Body::Document(bytes) => out.write_all(bytes).map_err(failed)?,
            Body::Blob(blob) => copy::to_stream(blob, out, meter)?,
        }
        let padding = member.size().next_multiple_of(BLOCK) - member.size();
        out.write_all(&zeros[..padding as usize]).map_err(failed)?;
    }
    out.write_all(&[zeros, zeros].concat())
        .and_then(|()| out.flush())
        .map_err(failed)
}
