//! The entries of one layer, read once and stored compactly.
//!
//! A name is stored as its difference from the preceding one; owners, attributes and link targets are stored once,
//! however often they repeat. An entry takes about 48 bytes and the new part of its name, whatever the size of its
//! contents.

mod data;
mod frozen;

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io::Read;

use sha2::{Digest as _, Sha256};

use super::positions::EntryIdx;
use crate::blob::{FileRange, each_chunk};
use crate::error::{Error, Result};
use crate::layer::varint::{put, take_number, take_text};
use crate::layer::{
    Anomalies, Entry, EntryKind, Expanded, Limits, Mtime, OtherTimes, Segment, TarInput, Walker,
    Xattr, common_prefix, salvaged_entries,
};
use crate::limits::HOLES;
use data::FileData;
pub(crate) use data::Visit;

/// Size in bytes of a block of a tar.
const BLOCK: u64 = 512;

/// Owner of an entry. Only the numbers count; the names are hints and often empty.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Owner {
    /// User ID.
    pub uid: u64,
    /// Group ID.
    pub gid: u64,
    /// Name of the user.
    pub user_name: Box<[u8]>,
    /// Name of the group.
    pub group_name: Box<[u8]>,
}

/// All of an entry but its name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    /// Offset in bytes of the stored contents in the uncompressed tar.
    pub data: u64,
    /// Size of the contents in bytes, with their holes.
    pub size: u64,
    pub seconds: i64,
    pub nanos: u32,
    /// Start of the name's own part in the text.
    text: u32,
    pub owner: u32,
    /// Position in the extras; 0 without any.
    extra: u32,
    pub mode: u16,
    /// Number of bytes in common with the beginning of the preceding name.
    shared: u16,
    pub kind: EntryKind,
    /// True if a component of the name is `..`.
    pub climbs: bool,
}

/// The entries of one layer, in archive order.
#[derive(Debug, Default)]
pub struct Listing {
    records: Vec<Record>,
    text: Vec<u8>,
    /// Link targets, devices, attributes and sparse maps as written by [`Extra::write`], each with its length.
    extras: Vec<u8>,
    owners: Vec<Owner>,
    /// SHA-256 of each file's contents with their holes, if requested; zeros for other entries and beyond [`HOLES`].
    digests: Vec<[u8; 32]>,
    anomalies: Anomalies,
    limits: Limits,
}

/// Properties that few entries have.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extra {
    pub link: Vec<u8>,
    pub device: (u64, u64),
    pub xattrs: Vec<Xattr>,
    pub segments: Option<Vec<Segment>>,
    /// Distance in bytes of the stored contents from their header, of a sparse file: its map may be in between.
    pub header: u64,
    pub times: OtherTimes,
}

impl Listing {
    /// Walks a tar to its end marker and lists it. With `with_digests` contents are read and hashed, else skipped.
    ///
    /// # Errors
    /// As [`Walker::next_entry`]; `Limit` for more names or attributes than [`Limits::path_text`] bytes.
    pub fn of<I: TarInput>(walker: &mut Walker<I>, with_digests: bool) -> Result<Self> {
        Listing::visiting(walker, with_digests, None)
    }

    /// Lists a tar, and passes the contents of its files to `visit` on the way.
    ///
    /// # Errors
    /// As [`Listing::of`], and those of `visit`.
    pub(crate) fn visiting<I: TarInput>(
        walker: &mut Walker<I>,
        with_digests: bool,
        mut visit: Option<&mut Visit<'_>>,
    ) -> Result<Self> {
        let mut making = Making::default();
        making.listing.limits = *walker.limits();
        let mut holes = HOLES;
        let mut buf = vec![0; if with_digests { crate::blob::CHUNK } else { 0 }];
        while let Some(entry) = walker.next_entry()? {
            making.add(entry)?;
            let mut digest = [0; 32];
            let is_read = with_digests || visit.is_some();
            if entry.kind == EntryKind::File && is_read {
                let number = making.listing.records.len() as u64;
                let mut file = FileData::new(walker, with_digests, &mut holes);
                if let Some(visit) = &mut visit {
                    file.visit(number, visit)?;
                }
                digest = file.finish(&mut buf)?;
            }
            if with_digests {
                making.listing.digests.push(digest);
            }
        }
        let mut listing = making.listing;
        listing.anomalies = walker.anomalies().clone();
        Ok(listing)
    }

    /// Lists entries of other sources than a tar. Their data offsets have a meaning only for the caller.
    ///
    /// # Errors
    /// Those of the entries; `Limit` for more names or attributes than [`Limits::path_text`] bytes.
    pub fn of_entries(entries: impl IntoIterator<Item = Result<Entry>>) -> Result<Self> {
        let mut making = Making::default();
        for entry in entries {
            making.add(&entry?)?;
        }
        Ok(making.listing)
    }

    /// Lists what can be had of a damaged tar in a file, with digests of the contents.
    ///
    /// # Errors
    /// As [`salvaged_entries`], and [`Listing::of_entries`].
    pub fn salvaged(tar: &FileRange, limits: &Limits) -> Result<Self> {
        let entries = salvaged_entries(tar, limits)?;
        let mut digests = Vec::new();
        let mut holes = HOLES;
        for entry in &entries {
            digests.push(match entry.kind {
                EntryKind::File => digest_of(entry, tar, &mut holes)?,
                _ => [0; 32],
            });
        }
        let mut listing = Listing::of_entries(entries.into_iter().map(Ok))?;
        listing.digests = digests;
        Ok(listing.accepting(limits))
    }

    /// Passes each entry's clean path to `take`, in archive order.
    pub fn paths(&self, mut take: impl FnMut(&[u8])) {
        // Only `take` could fail.
        let _ = self.each(|_, _, path| {
            take(path);
            Ok(())
        });
    }

    /// Digests of the contents, in the order of the entries; empty without any.
    pub(crate) fn digests(&self) -> &[[u8; 32]] {
        &self.digests
    }

    /// Takes the digests out of the listing; empty without any.
    pub(crate) fn take_digests(&mut self) -> Vec<[u8; 32]> {
        std::mem::take(&mut self.digests)
    }

    /// The listing with the limits for applying it.
    #[must_use]
    pub(crate) fn accepting(mut self, limits: &Limits) -> Self {
        self.limits = *limits;
        self
    }

    /// Limits of the walk that made the listing.
    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Number of entries, those of types that create nothing included.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Sum of the sizes of all files in bytes, with their holes; hard links count nothing.
    pub fn file_bytes(&self) -> u64 {
        let files = self
            .records
            .iter()
            .filter(|record| record.kind == EntryKind::File);
        files.fold(0, |sum, record| sum.saturating_add(record.size))
    }

    /// Returns true without entries.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Anomalies of the tar.
    pub fn anomalies(&self) -> &Anomalies {
        &self.anomalies
    }

    /// Returns true if an entry is a symbolic link.
    pub(super) fn has_links(&self) -> bool {
        let mut kinds = self.records.iter().map(|record| record.kind);
        kinds.any(|kind| kind == EntryKind::Symlink)
    }

    pub(super) fn record(&self, at: EntryIdx) -> Option<&Record> {
        self.records.get(usize::from(at))
    }

    pub(super) fn owner(&self, record: &Record) -> Option<&Owner> {
        self.owners.get(record.owner as usize)
    }

    pub(super) fn digest(&self, at: EntryIdx) -> Option<[u8; 32]> {
        let digest = self.digests.get(usize::from(at)).copied();
        digest.filter(|digest| *digest != [0; 32])
    }

    pub(super) fn extra(&self, record: &Record) -> Extra {
        match record.extra {
            0 => Extra::default(),
            at => Extra::read(self.extras.get(at as usize..).unwrap_or_default()),
        }
    }

    /// The target of a link, which is the first of its extras.
    pub(super) fn link(&self, record: &Record) -> &[u8] {
        if record.extra == 0 {
            return &[];
        }
        let mut bytes = self.extras.get(record.extra as usize..).unwrap_or_default();
        let _whole = take_number(&mut bytes);
        take_text(&mut bytes)
    }

    /// Number of an entry's stored bytes: of a sparse file without its holes.
    fn stored(&self, record: &Record) -> u64 {
        match record.kind {
            EntryKind::File => match self.extra(record).segments {
                Some(segments) => segments.iter().map(|segment| segment.length).sum(),
                None => record.size,
            },
            EntryKind::Other(_) => record.size,
            _ => 0,
        }
    }

    /// Offsets of an entry's first extension header, or of its own without any, and of its own header.
    pub(super) fn headers(&self, at: EntryIdx) -> Option<(u64, u64)> {
        let record = self.record(at)?;
        let distance = self.extra(record).header.max(BLOCK);
        let header = record.data.saturating_sub(distance);
        let before = usize::from(at).checked_sub(1);
        // Extension headers are all that can be between the entries.
        let first = match before.and_then(|before| self.records.get(before)) {
            None => 0,
            Some(before) => before
                .data
                .saturating_add(self.stored(before))
                .next_multiple_of(BLOCK),
        };
        Some((first.min(header), header))
    }

    /// Passes each record to `take`, with its number and clean path.
    pub(super) fn each(
        &self,
        mut take: impl FnMut(EntryIdx, &Record, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut path = Vec::new();
        for (at, record) in self.records.iter().enumerate() {
            let end = self
                .records
                .get(at + 1)
                .map_or(self.text.len(), |next| next.text as usize);
            path.truncate(usize::from(record.shared));
            path.extend_from_slice(self.text.get(record.text as usize..end).unwrap_or_default());
            take(EntryIdx::from(at), record, &path)?;
        }
        Ok(())
    }
}

/// A listing under construction.
#[derive(Default)]
struct Making {
    listing: Listing,
    last_path: Vec<u8>,
    owners: HashMap<Owner, u32>,
    /// Position of the extra with a hash. Two extras with one hash are stored twice.
    known: HashMap<u64, u32>,
    hasher: RandomState,
    scratch: Vec<u8>,
    owner_text: u64,
}

impl Making {
    fn add(&mut self, entry: &Entry) -> Result<()> {
        let path = entry.clean_path();
        let shared = common_prefix(path, &self.last_path).min(usize::from(u16::MAX));
        let listing = &mut self.listing;
        let text = within("bytes of names", listing.text.len(), &listing.limits)?;
        listing
            .text
            .extend_from_slice(path.get(shared..).unwrap_or_default());
        self.last_path.truncate(shared);
        self.last_path
            .extend_from_slice(path.get(shared..).unwrap_or_default());
        let owner = self.owner(entry)?;
        let extra = self.extra(entry)?;
        self.listing.records.push(Record {
            data: entry.data_offset,
            size: entry.size,
            seconds: entry.metadata.mtime.seconds,
            nanos: entry.metadata.mtime.nanos,
            text,
            owner,
            extra,
            mode: entry.metadata.mode,
            shared: u16::try_from(shared).unwrap_or(u16::MAX),
            kind: entry.kind,
            climbs: entry.climbs(),
        });
        Ok(())
    }

    fn owner(&mut self, entry: &Entry) -> Result<u32> {
        // No memory is read if there is nothing to compare: that would take longer than all other steps.
        let is_text = |a: &[u8], b: &[u8]| a.len() == b.len() && (a.is_empty() || a == b);
        let same = |owner: &Owner| {
            owner.uid == entry.metadata.uid
                && owner.gid == entry.metadata.gid
                && is_text(&owner.user_name, &entry.user_name)
                && is_text(&owner.group_name, &entry.group_name)
        };
        // Nearly always the owner of the preceding entry.
        if let Some(last) = self.listing.records.last()
            && self
                .listing
                .owners
                .get(last.owner as usize)
                .is_some_and(same)
        {
            return Ok(last.owner);
        }
        let owner = Owner {
            uid: entry.metadata.uid,
            gid: entry.metadata.gid,
            user_name: entry.user_name.as_slice().into(),
            group_name: entry.group_name.as_slice().into(),
        };
        if let Some(&known) = self.owners.get(&owner) {
            return Ok(known);
        }
        self.owner_text += 64 + (owner.user_name.len() + owner.group_name.len()) as u64;
        let at = u32::try_from(self.listing.owners.len()).unwrap_or(u32::MAX);
        within(
            "bytes of owners' names",
            usize::try_from(self.owner_text).unwrap_or(usize::MAX),
            &self.listing.limits,
        )?;
        self.listing.owners.push(owner.clone());
        self.owners.insert(owner, at);
        Ok(at)
    }

    fn extra(&mut self, entry: &Entry) -> Result<u32> {
        if entry.link_target.is_empty()
            && entry.metadata.xattrs.is_empty()
            && entry.sparse.is_none()
            && entry.device == (0, 0)
            && entry.times.is_empty()
        {
            return Ok(0);
        }
        self.scratch.clear();
        Extra::write(entry, &mut self.scratch);
        let hash = self.hasher.hash_one(&self.scratch);
        let (extras, limits) = (&mut self.listing.extras, &self.listing.limits);
        if let Some(&at) = self.known.get(&hash) {
            let mut bytes = extras.get(at as usize..).unwrap_or_default();
            if take_text(&mut bytes) == self.scratch {
                return Ok(at);
            }
        }
        if extras.is_empty() {
            // Position 0 means none.
            extras.push(0);
        }
        let at = within("bytes of link targets and attributes", extras.len(), limits)?;
        put(self.scratch.len() as u64, extras);
        extras.extend_from_slice(&self.scratch);
        self.known.insert(hash, at);
        Ok(at)
    }
}

/// Hashes the contents of an entry; zeros beyond the limit of holes.
fn digest_of(entry: &Entry, tar: &FileRange, holes: &mut u64) -> Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let stored = tar.slice(entry.data_offset, tar.len());
    let whole: Box<dyn Read> = match &entry.sparse {
        None => Box::new(stored.reader().take(entry.size)),
        Some(segments) => {
            let own: u64 = segments.iter().map(|segment| segment.length).sum();
            match holes.checked_sub(entry.size.saturating_sub(own)) {
                Some(left) => *holes = left,
                None => return Ok([0; 32]),
            }
            Box::new(Expanded::new(stored.reader(), segments.clone(), entry.size))
        }
    };
    each_chunk(whole, |bytes| {
        hasher.update(bytes);
        Ok(())
    })?;
    Ok(hasher.finalize().into())
}

/// Checks a position in a text against the limit.
fn within(what: &'static str, length: usize, limits: &Limits) -> Result<u32> {
    match u32::try_from(length) {
        Ok(at) if u64::from(at) <= limits.path_text => Ok(at),
        _ => Err(Error::limit(what, limits.path_text, length as u64)),
    }
}

impl Extra {
    fn write(entry: &Entry, out: &mut Vec<u8>) {
        put(entry.link_target.len() as u64, out);
        out.extend_from_slice(&entry.link_target);
        put(entry.device.0, out);
        put(entry.device.1, out);
        put(entry.metadata.xattrs.len() as u64, out);
        for xattr in &entry.metadata.xattrs {
            for bytes in [&xattr.name, &xattr.value] {
                put(bytes.len() as u64, out);
                out.extend_from_slice(bytes);
            }
        }
        match &entry.sparse {
            None => put(0, out),
            Some(segments) => {
                put(segments.len() as u64 + 1, out);
                for segment in segments {
                    put(segment.offset, out);
                    put(segment.length, out);
                }
                put(entry.data_offset.saturating_sub(entry.header_offset), out);
            }
        }
        if entry.times.is_empty() {
            return;
        }
        for time in [entry.times.access, entry.times.change, entry.times.birth] {
            put(u64::from(time.is_some()), out);
            let time = time.unwrap_or_default();
            put(time.seconds.cast_unsigned(), out);
            put(u64::from(time.nanos), out);
        }
    }

    fn read(bytes: &[u8]) -> Self {
        let mut bytes = bytes;
        let mut bytes = take_text(&mut bytes);
        let link = take_text(&mut bytes).to_vec();
        let device = (take_number(&mut bytes), take_number(&mut bytes));
        let xattrs = (0..take_number(&mut bytes))
            .map(|_| Xattr {
                name: take_text(&mut bytes).to_vec(),
                value: take_text(&mut bytes).to_vec(),
            })
            .collect();
        let segments = take_number(&mut bytes).checked_sub(1).map(|count| {
            let segment = |_| Segment {
                offset: take_number(&mut bytes),
                length: take_number(&mut bytes),
            };
            (0..count).map(segment).collect()
        });
        let header = match segments {
            Some(_) => take_number(&mut bytes),
            None => 0,
        };
        let mut times = OtherTimes::default();
        if !bytes.is_empty() {
            let mut time = || {
                let is_stated = take_number(&mut bytes) > 0;
                let seconds = take_number(&mut bytes).cast_signed();
                let nanos = u32::try_from(take_number(&mut bytes)).unwrap_or_default();
                is_stated.then_some(Mtime { seconds, nanos })
            };
            (times.access, times.change, times.birth) = (time(), time(), time());
        }
        Extra {
            link,
            device,
            xattrs,
            segments,
            header,
            times,
        }
    }
}

impl Record {
    pub(super) fn mtime(&self) -> Mtime {
        Mtime {
            seconds: self.seconds,
            nanos: self.nanos,
        }
    }
}

/// Options for reading layers.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// Limits of reading.
    pub limits: Limits,
    /// Hash the contents of files. For that an uncompressed layer in a file is read in full.
    pub digests: bool,
    /// Counts the stored bytes of compressed layers.
    pub meter: crate::blob::Meter,
}
