//! Entries of a damaged tar: behind damage the walk goes on at the next header.

use std::sync::Arc;

use super::entry::Entry;
use super::header::{BLOCK, Header};
use super::input::FileInput;
use super::limits::Limits;
use super::metadata::EntryKind;
use super::walk::Walker;
use crate::blob::{CHUNK, FileRange, read_full};
use crate::error::{Fault, Result, within};

/// Offset of the magic number in a header.
const MAGIC_AT: usize = 257;
/// The magic number of ustar and of GNU tar.
const MAGIC: &[u8] = b"ustar";

/// Returns the entries of a tar that are whole, with their offsets in it. Where a header is damaged, the next bytes with
/// the magic number and a checksum that holds are taken for a header; they may be those of a tar in a file.
///
/// # Errors
/// `Limit`; `Io`.
pub fn salvaged_entries(tar: &FileRange, limits: &Limits) -> Result<Vec<Entry>> {
    let (file, start) = tar.parts();
    let mut entries: Vec<Entry> = Vec::new();
    let mut at = 0;
    while at < tar.len() {
        let input = FileInput::new(Arc::clone(file), start + at, tar.len() - at);
        let mut walker = Walker::new(input).within(limits);
        let mut from = at + 1;
        let error = loop {
            match walker.next_entry() {
                Ok(Some(entry)) => {
                    let mut entry = entry.clone();
                    entry.header_offset += at;
                    entry.data_offset += at;
                    from = entry.header_offset + BLOCK as u64;
                    entries.push(entry);
                    within("entries", limits.entries, entries.len() as u64)?;
                }
                Ok(None) => {
                    keep_whole(&mut entries, tar.len());
                    return Ok(entries);
                }
                Err(error) => break error,
            }
        };
        if matches!(error.fault(), Fault::Limit { .. } | Fault::Io { .. }) {
            return Err(error);
        }
        match next_header(tar, from)? {
            Some(found) => at = found,
            None => break,
        }
    }
    keep_whole(&mut entries, tar.len());
    Ok(entries)
}

/// Drops entries whose contents are cut off, or have another header in them: damage is there.
fn keep_whole(entries: &mut Vec<Entry>, length: u64) {
    let mut next = length;
    let is_whole = entries.iter().rev().map(|entry| {
        let stored = match (&entry.sparse, entry.kind) {
            (Some(segments), _) => segments.iter().map(|segment| segment.length).sum(),
            (None, EntryKind::File | EntryKind::Other(_)) => entry.size,
            (None, _) => 0,
        };
        let end = entry.data_offset.checked_add(stored);
        let is_whole = end.is_some_and(|end| end <= next);
        next = entry.header_offset;
        is_whole
    });
    let mut is_whole: Vec<bool> = is_whole.collect();
    entries.retain(|_| is_whole.pop() == Some(true));
}

/// Offset of the next header.
fn next_header(tar: &FileRange, from: u64) -> Result<Option<u64>> {
    let mut buf = vec![0; CHUNK];
    let mut at = from;
    while at < tar.len() {
        let n = read_full(&mut tar.slice(at, CHUNK as u64).reader(), &mut buf)?;
        let read = buf.get(..n).unwrap_or_default();
        let mut seen = 0;
        while let Some(block) = read
            .get(seen..)
            .and_then(|rest| rest.first_chunk::<BLOCK>())
        {
            if block
                .get(MAGIC_AT..)
                .is_some_and(|rest| rest.starts_with(MAGIC))
                && Header::parse(block).is_some()
            {
                return Ok(Some(at + seen as u64));
            }
            seen += 1;
        }
        at += (seen as u64).max(1);
        if n < CHUNK {
            break;
        }
    }
    Ok(None)
}
