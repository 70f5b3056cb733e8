//! The walk: from header to header through a tar.

use super::Limits;
use super::anomaly::{Anomalies, AnomalyKind};
use super::entry::Entry;
use super::extension::Extensions;
use super::header::{BLOCK, Block, Dialect, Header};
use super::input::{StreamInput, TarInput};
use super::metadata::{EntryKind, Mtime};
use super::path::CleanSpan;
use super::pax::Setting;
use super::sparse::{self, Form};
use super::whiteout::Whiteout;
use crate::blob::{Chunk, ReadAhead};
use crate::error::{Error, Fault, Result, TarFault};

/// Reads a tar entry by entry, in archive order, from anything that goes forward.
///
/// Entries are lent: one is valid until the next is asked for, and its buffers are used again, so a walk allocates
/// for the longest name and not for each. Contents that are not read are skipped, which costs nothing on a file.
///
/// ```
/// use imgkit::layer::{StreamInput, Walker};
/// let tar = [0; 1024]; // two zero blocks: a tar without entries
/// let mut walker = Walker::new(StreamInput::new(&tar[..]));
/// while let Some(entry) = walker.next_entry()? {
///     let _ = (entry.clean_path(), entry.kind, entry.size);
/// }
/// assert_eq!(walker.end().map(|end| end.zero_blocks), Some(2));
/// # Ok::<(), imgkit::Error>(())
/// ```
#[derive(Debug)]
pub struct Walker<I> {
    input: I,
    entry: Entry,
    block: Block,
    extensions: Extensions,
    /// Stored bytes of the current entry that are still to come, and the padding after them.
    left: u64,
    padding: u64,
    entries: u64,
    limits: Limits,
    anomalies: Anomalies,
    /// Whether the current entry's sizes differ.
    size_desync: bool,
    state: State,
    tail: Option<Tail>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Walking,
    Ended(WalkEnd),
    Failed,
}

/// How a tar ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WalkEnd {
    /// Zero blocks that were read as its end: 2 as it should be, 1, or 0 where the bytes just stop.
    pub zero_blocks: u8,
    /// Where the tail begins: the byte after the end marker, counted from the start of the tar.
    pub offset: u64,
    /// Entries before it.
    pub entries: u64,
    /// Whether the one block read after a lone zero block was not zero. It is part of the tail.
    dirty: bool,
}

/// What follows the end marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// Bytes after the end marker; zeros up to a record of 10,240 bytes are usual.
    pub length: u64,
    /// Where the first byte that is not zero stands, counted from the start of the tar.
    pub first_nonzero: Option<u64>,
    /// Whether the block of that byte is the header of an entry, for readers that go on.
    pub is_header: bool,
}

/// What an entry's headers state that no layer is compared by, but tables of contents repeat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeaderDetails {
    /// The mode with the file type bits that some writers add.
    pub(crate) mode: u64,
    /// When the file was read last.
    pub(crate) atime: Option<Mtime>,
    /// When its attributes were changed last.
    pub(crate) ctime: Option<Mtime>,
    /// Whether all readers of tars agree on times and extended attributes, and on where the name begins. That Python
    /// takes GNU's times for a part of the name does not count: GNU tar writes them.
    pub(crate) exact: bool,
}

impl Walker<StreamInput<ReadAhead>> {
    /// Takes stored contents of the current entry without copying them; none at their end.
    ///
    /// # Errors
    /// As [`Walker::read_data`].
    pub fn take_data(&mut self) -> Result<Chunk> {
        let chunk = self.input.take_chunk(self.left).map_err(read_error)?;
        self.left = self.left.saturating_sub(chunk.len() as u64);
        if chunk.is_empty() && self.left > 0 {
            self.state = State::Failed;
            let missing = std::mem::take(&mut self.left).saturating_add(self.padding);
            return Err(ends_early(self.entry.header_offset, missing));
        }
        Ok(chunk)
    }
}

impl<I: TarInput> Walker<I> {
    /// Walks the tar that starts where `input` stands, which should be its position 0. Reads nothing yet.
    pub fn new(input: I) -> Self {
        Walker {
            input,
            entry: Entry::default(),
            block: [0; BLOCK],
            extensions: Extensions::default(),
            left: 0,
            padding: 0,
            entries: 0,
            limits: Limits::default(),
            anomalies: Anomalies::default(),
            size_desync: false,
            state: State::Walking,
            tail: None,
        }
    }

    /// Stops with `Limit` after another number of entries than [`super::limits::ENTRIES`].
    #[must_use]
    pub fn max_entries(mut self, entries: u64) -> Self {
        self.limits.entries = entries;
        self
    }

    /// Accepts as much as these say, of everything.
    #[must_use]
    pub fn within(mut self, limits: &Limits) -> Self {
        self.limits = *limits;
        self.extensions.within(&limits.entry);
        self
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The next entry, or `None` once the end is reached. Skips what was not read of the one before.
    ///
    /// # Errors
    /// `Tar` for what is no tar or damaged, `Limit`, and whatever reading gives. After an error the place of the next
    /// header is not known, so every further call fails with `StreamConsumed`.
    pub fn next_entry(&mut self) -> Result<Option<&Entry>> {
        match self.state {
            State::Ended(_) => return Ok(None),
            State::Failed => return Err(Error::new(Fault::StreamConsumed)),
            State::Walking => {}
        }
        match self.advance() {
            Ok(true) => Ok(Some(&self.entry)),
            Ok(false) => Ok(None),
            Err(error) => {
                self.state = State::Failed;
                self.left = 0;
                Err(error)
            }
        }
    }

    /// The entry that was lent last; before the first one, an empty one.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// The rest of what the current entry's headers state; `None` where it cannot be read.
    pub(crate) fn header_details(&self) -> Option<HeaderDetails> {
        let header = Header::parse(&self.block)?;
        let local = &self.extensions.local;
        let plain = |seconds| Mtime { seconds, nanos: 0 };
        let [atime, ctime] = header.other_times().ok()?;
        Some(HeaderDetails {
            mode: header.stated_mode().ok()?,
            atime: local.atime.or(atime.map(plain)),
            ctime: local.ctime.or(ctime.map(plain)),
            exact: !local.inexact
                && (header.dialect == Dialect::Gnu || !header.has_prefix_in_doubt()),
        })
    }

    /// The input, which must not be read from here.
    pub(crate) fn input_mut(&mut self) -> &mut I {
        &mut self.input
    }

    /// Reads stored contents of the current entry, as much as `buf` takes; 0 at their end.
    ///
    /// For a sparse file these are the segments one after the other, without the holes.
    ///
    /// # Errors
    /// `UnexpectedEnd` where the archive ends first, and whatever reading gives.
    pub fn read_data(&mut self, buf: &mut [u8]) -> Result<usize> {
        let wanted = buf
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let Some(buf) = buf.get_mut(..wanted).filter(|buf| !buf.is_empty()) else {
            return Ok(0);
        };
        let read = self.input.read_full(buf).map_err(read_error)?;
        self.left = self.left.saturating_sub(read as u64);
        if read < wanted {
            self.state = State::Failed;
            let missing = std::mem::take(&mut self.left).saturating_add(self.padding);
            return Err(ends_early(self.entry.header_offset, missing));
        }
        Ok(read)
    }

    /// How the tar ended, once [`next_entry`](Self::next_entry) gave `None`.
    pub fn end(&self) -> Option<WalkEnd> {
        match self.state {
            State::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// Reads everything after the end marker, once. Costs as much as there is to read, so ask only when it matters.
    ///
    /// # Errors
    /// Whatever reading gives, and `StreamConsumed` where the walk did not reach its end.
    pub fn check_tail(&mut self) -> Result<Tail> {
        let Some(end) = self.end() else {
            return Err(Error::new(Fault::StreamConsumed));
        };
        if let Some(tail) = self.tail {
            return Ok(tail);
        }
        let mut first_nonzero = None;
        let mut is_header = false;
        if end.dirty {
            let at = self.block.iter().position(|&byte| byte != 0);
            first_nonzero = at.map(|at| end.offset.saturating_add(at as u64));
            is_header = Header::parse(&self.block).is_some();
        }
        let mut buf = vec![0; 64 << 10];
        loop {
            let start = self.input.position();
            let read = self.input.read_full(&mut buf).map_err(read_error)?;
            if first_nonzero.is_none() {
                let at = buf.iter().take(read).position(|&byte| byte != 0);
                first_nonzero = at.map(|at| start.saturating_add(at as u64));
                let block = at.and_then(|at| buf.get(at - at % BLOCK..)?.first_chunk());
                is_header = block.is_some_and(|block| Header::parse(block).is_some());
            }
            if read < buf.len() {
                break;
            }
        }
        let tail = Tail {
            length: self.input.position().saturating_sub(end.offset),
            first_nonzero,
            is_header,
        };
        self.tail = Some(tail);
        Ok(tail)
    }

    /// What was odd so far.
    pub fn anomalies(&self) -> &Anomalies {
        &self.anomalies
    }

    /// The oddities, and the input to read the tail from: it stands after the end marker, or one block further
    /// where a lone zero block ended the walk.
    pub fn into_parts(self) -> (I, Anomalies) {
        (self.input, self.anomalies)
    }

    fn advance(&mut self) -> Result<bool> {
        self.finish_entry()?;
        self.extensions.clear();
        loop {
            let offset = self.input.position();
            let read = self.input.read_full(&mut self.block).map_err(read_error)?;
            if read == 0 {
                return self.ended(0, offset, false);
            }
            if read < BLOCK {
                return Err(match offset {
                    0 => tar_fault(0, TarFault::NotATar),
                    _ => ends_early(offset, (BLOCK - read) as u64),
                });
            }
            if self.block == [0; BLOCK] {
                return self.end_marker();
            }
            // A copy on the stack, so that the header can be read while the rest of the walker changes.
            let block = self.block;
            let Some(header) = Header::parse(&block) else {
                return Err(tar_fault(
                    offset,
                    match offset {
                        0 => TarFault::NotATar,
                        _ => TarFault::Checksum,
                    },
                ));
            };
            let size = header.size().map_err(|field| number_fault(offset, field))?;
            let kind = header.type_flag();
            if self.extensions.read(kind, offset, size, &mut self.input)? {
                let mut odd = |kind| self.anomalies.add(kind, offset, None);
                if kind == b'g' {
                    odd(AnomalyKind::GlobalPax);
                    if self.extensions.global.deletes() {
                        odd(AnomalyKind::EmptyRecord);
                    }
                    if self.extensions.global.overrides() {
                        odd(AnomalyKind::GlobalOverride);
                    }
                    if std::mem::take(&mut self.extensions.padding_data) {
                        odd(AnomalyKind::PaddingData);
                    }
                }
                if !header.has_plain_numbers() {
                    odd(AnomalyKind::OddNumber);
                }
                if header.has_hidden_bytes() {
                    odd(AnomalyKind::HiddenBytes);
                }
                continue;
            }
            self.count()?;
            self.fill(&header, offset, size)?;
            self.report(&header);
            return Ok(true);
        }
    }

    /// Goes to where the next header must be.
    fn finish_entry(&mut self) -> Result<()> {
        let (left, padding) = (
            std::mem::take(&mut self.left),
            std::mem::take(&mut self.padding),
        );
        let rest = left.saturating_add(padding);
        if rest == 0 {
            return Ok(());
        }
        let skipped = self.input.skip(left).map_err(read_error)?;
        if skipped < left {
            return Err(ends_early(self.entry.header_offset, rest - skipped));
        }
        // Padding is read, not skipped: the next header comes with the same page.
        let mut block = [0; BLOCK];
        let wanted = usize::try_from(padding).unwrap_or(BLOCK).min(BLOCK);
        let filler = block.get_mut(..wanted).unwrap_or_default();
        let read = self.input.read_full(filler).map_err(read_error)?;
        let mut odd = |kind| {
            let at = self.entry.header_offset;
            self.anomalies.add(kind, at, Some(&self.entry.path));
        };
        if read < wanted {
            // umoci insert writes such layers: all contents are there, the archive just stops. The end follows.
            odd(AnomalyKind::MissingPadding);
        }
        if block != [0; BLOCK] {
            odd(AnomalyKind::PaddingData);
        }
        Ok(())
    }

    fn end_marker(&mut self) -> Result<bool> {
        let after_one = self.input.position();
        let read = self.input.read_full(&mut self.block).map_err(read_error)?;
        let rest = self.block.get(read..).map_or(0, <[u8]>::len);
        // What a short read left over from the first zero block is zero, so only real bytes can be dirty.
        let dirty = self.block != [0; BLOCK];
        if rest == 0 && !dirty {
            self.ended(2, self.input.position(), false)
        } else {
            self.ended(1, after_one, dirty)
        }
    }

    fn ended(&mut self, zero_blocks: u8, offset: u64, dirty: bool) -> Result<bool> {
        if let Some(extension) = self.extensions.pending() {
            return Err(tar_fault(extension, TarFault::DanglingExtension));
        }
        match zero_blocks {
            0 => self
                .anomalies
                .add(AnomalyKind::MissingEndMarker, offset, None),
            1 => self.anomalies.add(AnomalyKind::OneEndBlock, offset, None),
            _ => {}
        }
        self.state = State::Ended(WalkEnd {
            zero_blocks,
            offset,
            entries: self.entries,
            dirty,
        });
        Ok(false)
    }

    fn count(&mut self) -> Result<()> {
        self.entries = self.entries.saturating_add(1);
        if self.entries > self.limits.entries {
            return Err(Error::new(Fault::Limit {
                what: "entries",
                limit: self.limits.entries,
                found: self.entries,
            }));
        }
        Ok(())
    }

    /// Makes the entry of a header and its extensions.
    fn fill(&mut self, header: &Header<'_>, offset: u64, stated: u64) -> Result<()> {
        let bad = |field| number_fault(offset, field);
        let extensions = &mut self.extensions;
        let entry = &mut self.entry;
        entry.header_offset = offset;

        entry.path.clear();
        match extensions.path() {
            Some(path) => entry.path.extend_from_slice(path),
            None => {
                let prefix = header.prefix();
                if !prefix.is_empty() {
                    entry.path.extend_from_slice(prefix);
                    entry.path.push(b'/');
                }
                entry.path.extend_from_slice(header.name());
            }
        }
        let form = sparse::form(&extensions.local.sparse, offset)?;
        if form.is_some() && !extensions.local.sparse.name.is_empty() {
            entry.path.clear();
            entry.path.extend_from_slice(&extensions.local.sparse.name);
        }
        within_name_limit("name", &entry.path, self.limits.entry.name)?;

        let type_flag = header.type_flag();
        entry.kind = kind(type_flag, &entry.path);
        entry.link_target.clear();
        if matches!(entry.kind, EntryKind::HardLink | EntryKind::Symlink) {
            let target = extensions.link_path().unwrap_or(header.link_name());
            within_name_limit("link target", target, self.limits.entry.name)?;
            entry.link_target.extend_from_slice(target);
        }
        entry.device = match entry.kind {
            EntryKind::CharDevice | EntryKind::BlockDevice => header.device().map_err(bad)?,
            _ => (0, 0),
        };

        let (local, global) = (&mut extensions.local, &extensions.global);
        entry.metadata.mode = header.mode().map_err(bad)?;
        // A header's own number may be garbage where a record replaces it: that is what the record is for.
        entry.metadata.uid = match local.uid.or(global.uid) {
            Some(uid) => uid,
            None => header.uid().map_err(bad)?,
        };
        entry.metadata.gid = match local.gid.or(global.gid) {
            Some(gid) => gid,
            None => header.gid().map_err(bad)?,
        };
        entry.metadata.mtime = match local.mtime.or(global.mtime) {
            Some(mtime) => mtime,
            None => Mtime {
                seconds: header.mtime().map_err(bad)?,
                nanos: 0,
            },
        };
        entry.user_name.clear();
        let user_name = local.user_name.get().or(global.user_name.get());
        entry
            .user_name
            .extend_from_slice(user_name.unwrap_or(header.user_name()));
        entry.group_name.clear();
        let group_name = local.group_name.get().or(global.group_name.get());
        entry
            .group_name
            .extend_from_slice(group_name.unwrap_or(header.group_name()));
        entry.metadata.xattrs.clear();
        entry.metadata.xattrs.append(&mut local.xattrs);

        let own = stated;
        let stated = local.size.or(global.size).unwrap_or(own);
        // A size of 8 GiB and more is written as 0 or all ones where a record has it.
        let is_beyond = stated > MOST_OCTAL && (own == 0 || own == MOST_OCTAL);
        self.size_desync = own != stated && !is_beyond;
        let mut stored = if entry.has_contents() { stated } else { 0 };
        if stated > 0 && !entry.has_contents() {
            let path = Some(entry.path.as_slice());
            self.anomalies.add(AnomalyKind::SizeOnLink, offset, path);
        }
        // Checked before any of it is read, so that the place of the next header is a number.
        let end = stored
            .checked_next_multiple_of(BLOCK as u64)
            .and_then(|padded| self.input.position().checked_add(padded))
            .filter(|&end| i64::try_from(end).is_ok());
        if end.is_none() {
            return Err(number_fault(offset, "size"));
        }
        self.padding = stored.next_multiple_of(BLOCK as u64) - stored;
        entry.size = stored;
        entry.sparse = None;

        let mut map = None;
        let segments = self.limits.entry.segments;
        if form.is_some() && entry.kind != EntryKind::File {
            return Err(sparse::fault(offset, "only a file can be sparse"));
        }
        if type_flag == b'S' {
            entry.size = header.gnu_real_size().map_err(bad)?;
            map = Some(sparse::gnu_map(header, offset, &mut self.input, segments)?);
        } else if let Some(form) = form {
            entry.size = local.sparse.real_size.unwrap_or(stored);
            map = Some(match form {
                Form::Records => sparse::record_map(&local.sparse, offset)?,
                Form::Data => {
                    let (map, taken) = sparse::data_map(&mut self.input, offset, stored, segments)?;
                    stored = stored.saturating_sub(taken);
                    map
                }
            });
        }
        if let Some(map) = map {
            sparse::check(offset, &map, entry.size, stored)?;
            entry.sparse = Some(map);
        }
        self.size_desync |= local.real_size.is_some_and(|size| size != entry.size);
        // libarchive takes this field for the size of any entry with GNU's magic.
        let is_other = |size: Result<u64, _>| size.is_ok_and(|size| size != entry.size);
        self.size_desync |= header.has_gnu_real_size() && is_other(header.gnu_real_size());
        entry.stored_size = stored;
        entry.data_offset = self.input.position();
        entry.clean = CleanSpan::of(&entry.path);
        self.left = stored;
        Ok(())
    }

    /// Notes what is odd about the entry just made.
    fn report(&mut self, header: &Header<'_>) {
        let Walker {
            entry,
            extensions,
            anomalies,
            size_desync,
            ..
        } = self;
        let is_link = matches!(entry.kind, EntryKind::HardLink | EntryKind::Symlink);
        let ends_with_slash = entry.path.ends_with(b"/");
        let own_slash = header.name().ends_with(b"/");
        let clean = entry.clean_path();
        let odd = [
            (
                AnomalyKind::UnknownType,
                matches!(entry.kind, EntryKind::Other(_)),
            ),
            (AnomalyKind::DuplicateExtension, extensions.duplicate),
            (AnomalyKind::ConflictingNames, extensions.conflicting),
            (AnomalyKind::NulInName, extensions.nul_in_name),
            (AnomalyKind::AbsolutePath, entry.is_absolute()),
            (AnomalyKind::ClimbingPath, entry.climbs()),
            (AnomalyKind::EmptyName, entry.path.is_empty()),
            (
                AnomalyKind::RootNotDirectory,
                clean.is_empty() && entry.kind != EntryKind::Directory,
            ),
            (
                AnomalyKind::InvalidWhiteout,
                Whiteout::of(clean) == Whiteout::Invalid,
            ),
            (AnomalyKind::SizeDesync, *size_desync),
            (AnomalyKind::OddNumber, !header.has_plain_numbers()),
            (AnomalyKind::PrefixInDoubt, header.has_prefix_in_doubt()),
            (
                AnomalyKind::SlashOnFile,
                // Python goes by the header's own name where there is no type, others by the one that counts.
                header.type_flag() == 0 && ends_with_slash != own_slash
                    || matches!(entry.kind, EntryKind::File | EntryKind::HardLink)
                        && ends_with_slash,
            ),
            (
                AnomalyKind::EmptyLink,
                // libarchive gives a long target only to a header that has one of its own.
                is_link && (entry.link_target.is_empty() || header.link_name().is_empty()),
            ),
            (AnomalyKind::HiddenBytes, header.has_hidden_bytes()),
            (AnomalyKind::PaddingData, extensions.padding_data),
            (AnomalyKind::EmptyRecord, extensions.local.deletes()),
            (
                AnomalyKind::OddSparse,
                // Where a record states a size as well, Python takes that for the file's.
                extensions.local.sparse.late
                    || extensions.local.sparse.seen
                        && matches!(extensions.local.size, Setting::Value(_)),
            ),
        ];
        for (kind, _) in odd.into_iter().filter(|&(_, is)| is) {
            anomalies.add(kind, entry.header_offset, Some(&entry.path));
        }
    }
}

/// The largest size that a header's twelve bytes hold in octal digits.
const MOST_OCTAL: u64 = 0o77_777_777_777;

fn kind(type_flag: u8, path: &[u8]) -> EntryKind {
    match type_flag {
        // Before there were types, a closing slash made the directory.
        0 if path.ends_with(b"/") => EntryKind::Directory,
        0 | b'0' | b'7' | b'S' => EntryKind::File,
        b'1' => EntryKind::HardLink,
        b'2' => EntryKind::Symlink,
        b'3' => EntryKind::CharDevice,
        b'4' => EntryKind::BlockDevice,
        b'5' => EntryKind::Directory,
        b'6' => EntryKind::Fifo,
        other => EntryKind::Other(other),
    }
}

fn within_name_limit(what: &'static str, name: &[u8], limit: u64) -> Result<()> {
    if name.len() as u64 > limit {
        return Err(Error::new(Fault::Limit {
            what,
            limit,
            found: name.len() as u64,
        }));
    }
    Ok(())
}

fn tar_fault(offset: u64, why: TarFault) -> Error {
    Error::new(Fault::Tar { offset, why })
}

fn number_fault(offset: u64, field: &'static str) -> Error {
    tar_fault(offset, TarFault::Number { field })
}

fn ends_early(offset: u64, missing: u64) -> Error {
    tar_fault(offset, TarFault::UnexpectedEnd { missing })
}

fn read_error(error: std::io::Error) -> Error {
    Error::io("read", error)
}
