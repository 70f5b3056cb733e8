//! The walk from header to header through a tar.

use super::Limits;
use super::anomaly::{Anomalies, AnomalyKind};
use super::entry::Entry;
use super::extension::Extensions;
use super::fields::{Fields, number_fault};
use super::header::{BLOCK, Block, Dialect, Header};
use super::input::{StreamInput, TarInput};
use super::lint::report;
use super::metadata::Mtime;
use super::path::CleanSpan;
use crate::blob::{Chunk, ReadAhead};
use crate::error::{During, Error, Fault, Result, TarFault, within};

/// Reader of a tar, entry by entry in archive order, from any forward-only input.
///
/// Entries are lent: one is valid until the next call, and its buffers are reused, so a walk allocates for the longest
/// name and not for each. Contents that are not read are skipped, which costs nothing on a file.
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
    /// Stored bytes of the current entry that are not read yet, and the padding after them.
    left: u64,
    padding: u64,
    entries: u64,
    limits: Limits,
    anomalies: Anomalies,
    /// True if headers and records state different sizes for the current entry.
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

/// End of a tar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WalkEnd {
    /// Number of zero blocks in the end marker: 2 in a well-formed tar, 1, or 0 if the bytes just stop.
    pub zero_blocks: u8,
    /// Offset of the first byte after the end marker, from the start of the tar.
    pub offset: u64,
    /// Number of entries before it.
    pub entries: u64,
    /// True if the block read after a single zero block was not zero. It is part of the tail.
    dirty: bool,
}

/// Bytes after the end marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tail {
    /// Number of bytes; zeros up to a record of 10,240 bytes are usual.
    pub length: u64,
    /// Offset of the first byte that is not zero, from the start of the tar.
    pub first_nonzero: Option<u64>,
    /// True if the block of that byte is a valid header, which some readers would go on to.
    pub is_header: bool,
}

/// Fields of an entry's headers that layers are not compared by, but that tables of contents repeat.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeaderDetails {
    /// Mode with the file type bits that some writers add.
    pub(crate) mode: u64,
    /// Time of the last access.
    pub(crate) atime: Option<Mtime>,
    /// Time of the last change of attributes.
    pub(crate) ctime: Option<Mtime>,
    /// True if all readers of tars agree on times, extended attributes and the name's prefix. Python, which takes GNU's
    /// times for a part of the name, is not counted: GNU tar writes them.
    pub(crate) exact: bool,
}

impl Walker<StreamInput<ReadAhead>> {
    /// Returns the next stored contents of the current entry without copying them; none at their end.
    ///
    /// # Errors
    /// `UnexpectedEnd` if the archive ends first, and errors of the input.
    pub fn take_data(&mut self) -> Result<Chunk> {
        let chunk = self.input.take_chunk(self.left).during("read")?;
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
    /// Creates a walker of the tar that starts at the current position of `input`, which should be 0. Reads nothing yet.
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

    /// Sets the maximum number of entries; the default is [`super::limits::ENTRIES`].
    #[must_use]
    pub fn max_entries(mut self, entries: u64) -> Self {
        self.limits.entries = entries;
        self
    }

    /// Sets all limits.
    #[must_use]
    pub fn within(mut self, limits: &Limits) -> Self {
        self.limits = *limits;
        self.extensions.within(&limits.entry);
        self
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Returns the next entry, or `None` at the end. Skips unread contents of the previous one.
    ///
    /// # Errors
    /// `Tar` if the input is damaged or no tar, `Limit`, and errors of the input. After an error the offset of the next
    /// header is unknown, so every further call fails with `StreamConsumed`.
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

    /// The current entry; an empty one before the first.
    pub fn entry(&self) -> &Entry {
        &self.entry
    }

    /// Further fields of the current entry's headers; `None` if they cannot be read.
    pub(crate) fn header_details(&self) -> Option<HeaderDetails> {
        let header = Header::parse(&self.block)?;
        let local = &self.extensions.local;
        let [atime, ctime] = header.other_times().ok()?;
        Some(HeaderDetails {
            mode: header.stated_mode().ok()?,
            atime: local.atime.or(atime.map(Mtime::from_seconds)),
            ctime: local.ctime.or(ctime.map(Mtime::from_seconds)),
            exact: !local.inexact
                && (header.dialect == Dialect::Gnu || !header.has_prefix_in_doubt()),
        })
    }

    /// The input, which the caller must not read.
    pub(crate) fn input_mut(&mut self) -> &mut I {
        &mut self.input
    }

    /// Fills `buf` with stored contents of the current entry and returns the number of bytes; 0 at their end.
    ///
    /// The contents of a sparse file are its segments one after the other, without the holes.
    ///
    /// # Errors
    /// `UnexpectedEnd` if the archive ends first, and errors of the input.
    pub fn read_data(&mut self, buf: &mut [u8]) -> Result<usize> {
        let wanted = buf
            .len()
            .min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let Some(buf) = buf.get_mut(..wanted).filter(|buf| !buf.is_empty()) else {
            return Ok(0);
        };
        let read = self.input.read_full(buf).during("read")?;
        self.left = self.left.saturating_sub(read as u64);
        if read < wanted {
            self.state = State::Failed;
            let missing = std::mem::take(&mut self.left).saturating_add(self.padding);
            return Err(ends_early(self.entry.header_offset, missing));
        }
        Ok(read)
    }

    /// End of the tar, once [`next_entry`](Self::next_entry) has returned `None`.
    pub fn end(&self) -> Option<WalkEnd> {
        match self.state {
            State::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// Reads all bytes after the end marker, on the first call.
    ///
    /// # Errors
    /// Errors of the input, and `StreamConsumed` if the walk did not reach the end.
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
            let read = self.input.read_full(&mut buf).during("read")?;
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

    /// Anomalies found so far.
    pub fn anomalies(&self) -> &Anomalies {
        &self.anomalies
    }

    /// Returns the input and the anomalies. The input is positioned after the end marker, or one block further if a single
    /// zero block ended the walk.
    pub fn into_parts(self) -> (I, Anomalies) {
        (self.input, self.anomalies)
    }

    fn advance(&mut self) -> Result<bool> {
        self.finish_entry()?;
        self.extensions.clear();
        loop {
            let offset = self.input.position();
            let read = self.input.read_full(&mut self.block).during("read")?;
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
                let mut add = |kind| self.anomalies.add(kind, offset, None);
                if kind == b'g' {
                    add(AnomalyKind::GlobalPax);
                    if self.extensions.global.deletes() {
                        add(AnomalyKind::EmptyRecord);
                    }
                    if self.extensions.global.overrides() {
                        add(AnomalyKind::GlobalOverride);
                    }
                    if std::mem::take(&mut self.extensions.padding_data) {
                        add(AnomalyKind::PaddingData);
                    }
                }
                if !header.has_standard_numbers() {
                    add(AnomalyKind::OddNumber);
                }
                if header.has_hidden_bytes() {
                    add(AnomalyKind::HiddenBytes);
                }
                continue;
            }
            self.count()?;
            self.fill(&header, offset, size)?;
            report(
                &self.entry,
                &header,
                &self.extensions,
                self.size_desync,
                &mut self.anomalies,
            );
            return Ok(true);
        }
    }

    /// Skips the rest of the current entry, up to the next header.
    fn finish_entry(&mut self) -> Result<()> {
        let (left, padding) = (
            std::mem::take(&mut self.left),
            std::mem::take(&mut self.padding),
        );
        let rest = left.saturating_add(padding);
        if rest == 0 {
            return Ok(());
        }
        let skipped = self.input.skip(left).during("read")?;
        if skipped < left {
            return Err(ends_early(self.entry.header_offset, rest - skipped));
        }
        // Padding is read, not skipped: the next header comes with the same page.
        let mut block = [0; BLOCK];
        let wanted = usize::try_from(padding).unwrap_or(BLOCK).min(BLOCK);
        let filler = block.get_mut(..wanted).unwrap_or_default();
        let read = self.input.read_full(filler).during("read")?;
        let mut add = |kind| {
            let at = self.entry.header_offset;
            self.anomalies.add(kind, at, Some(&self.entry.path));
        };
        if read < wanted {
            // umoci insert writes such layers: the contents are complete, and the archive just stops.
            add(AnomalyKind::MissingPadding);
        }
        if block != [0; BLOCK] {
            add(AnomalyKind::PaddingData);
        }
        Ok(())
    }

    fn end_marker(&mut self) -> Result<bool> {
        let after_one = self.input.position();
        let read = self.input.read_full(&mut self.block).during("read")?;
        let rest = self.block.get(read..).map_or(0, <[u8]>::len);
        // The rest of the buffer after a short read is still zero, so only bytes that were read can be dirty.
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
        within("entries", self.limits.entries, self.entries)?;
        Ok(())
    }

    /// Reads an entry from its header and extensions. `own_size` is the size that the header states.
    fn fill(&mut self, header: &Header<'_>, offset: u64, own_size: u64) -> Result<()> {
        let entry = &mut self.entry;
        entry.header_offset = offset;
        let mut fields = Fields {
            header,
            extensions: &mut self.extensions,
            offset,
        };
        let form = fields.names(entry, self.limits.entry.name)?;
        fields.metadata(entry)?;
        let position = self.input.position();
        let sizes = fields.sizes(entry, own_size, position, &mut self.anomalies)?;
        self.padding = sizes.padding;
        let segments = self.limits.entry.segments;
        let stored = fields.sparse(entry, form, sizes.stored, &mut self.input, segments)?;
        self.size_desync = sizes.desync || fields.has_other_size(entry);
        entry.stored_size = stored;
        entry.data_offset = self.input.position();
        entry.clean = CleanSpan::of(&entry.path);
        self.left = stored;
        Ok(())
    }
}

fn tar_fault(offset: u64, why: TarFault) -> Error {
    Error::new(Fault::Tar { offset, why })
}

fn ends_early(offset: u64, missing: u64) -> Error {
    tar_fault(offset, TarFault::UnexpectedEnd { missing })
}
