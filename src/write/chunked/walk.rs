//! The walk through the tar: contents cut into pieces, and the entries' rows.

use std::io::BufRead;
use std::sync::mpsc::SyncSender;

use super::cut::{self, Cutter, PIECE};
use super::toc::{CRC, CompressedDocument, Row, Split};
use crate::blob::{DecodeLimits, Hasher};
use crate::error::{During, Error, Fault, Result};
use crate::layer::{Anomalies, AnomalyKind, Recorder, StreamInput, TarInput, Walker};
use crate::spec::Digest;

/// Uncompressed size in bytes of a batch, for each core.
const BATCH: usize = 512 << 10;
/// Maximum number of items of a batch, for each core: entries without contents have no bytes.
const ITEMS: usize = 256;

/// An item that the walk passes on to be compressed.
pub(super) enum Item {
    /// Bytes between contents.
    Raw(Vec<u8>),
    /// A piece of contents.
    Piece(Part),
    /// An entry, after all of its pieces. The digest of its contents is missing if they are one chunk.
    Entry(Box<Row>, Option<Digest>),
    /// From here on there is no table of contents.
    NoToc,
}

pub(super) struct Part {
    pub(super) bytes: Vec<u8>,
    pub(super) opens: bool,
    pub(super) closes: Option<ChunkEnd>,
}

/// The end of a chunk.
pub(super) struct ChunkEnd {
    pub(super) size: u64,
    pub(super) zeros: bool,
    /// Missing if the piece is the whole chunk: then it is hashed when it is compressed.
    pub(super) digest: Option<Digest>,
}

/// The walk through the tar, on a thread of its own.
pub(super) struct Walk {
    sender: SyncSender<Vec<Item>>,
    batch: Vec<Item>,
    /// Number of bytes in the batch.
    bytes: usize,
    threads: usize,
    /// Bytes between contents that are not in the batch yet.
    raw: Vec<u8>,
    /// `None` without a table of contents.
    split: Option<Split>,
}

impl Walk {
    pub(super) fn new(sender: SyncSender<Vec<Item>>, threads: usize, level: i32) -> Result<Self> {
        Ok(Walk {
            sender,
            batch: Vec::new(),
            bytes: 0,
            threads,
            raw: Vec::new(),
            split: Some(Split::new(level)?),
        })
    }

    /// Walks a tar of at most `entries` entries. Returns the tar-split; `None` if there is no table of contents.
    pub(super) fn run(
        mut self,
        tar: impl BufRead,
        entries: u64,
    ) -> Result<Option<CompressedDocument>> {
        let recorder = Recorder::new(StreamInput::new(tar));
        let mut walker = Walker::new(recorder).max_entries(entries);
        let mut any = false;
        let mut buf = vec![0; 64 << 10];
        loop {
            match walker.next_entry() {
                Ok(Some(_)) => any = true,
                Ok(None) => break,
                Err(error) => {
                    self.tolerate(error)?;
                    break;
                }
            }
            if let Err(error) = self.entry(&mut walker, &mut buf) {
                self.tolerate(error)?;
                break;
            }
        }
        if !any {
            self.drop_toc()?;
        }
        let (mut recorder, _) = walker.into_parts();
        loop {
            let kept = std::mem::take(recorder.kept());
            self.raw(&kept)?;
            let read = recorder.read_full(&mut buf).during("read")?;
            if read == 0 {
                break;
            }
        }
        self.raw_out()?;
        self.send()?;
        self.split.map(Split::finish).transpose()
    }

    /// Goes on without a table of contents after an error that concerns only the tar.
    fn tolerate(&mut self, error: Error) -> Result<()> {
        match error.fault() {
            Fault::Tar { .. } => self.drop_toc(),
            Fault::Limit { what, .. } if !DecodeLimits::NAMES.contains(what) => self.drop_toc(),
            _ => Err(error),
        }
    }

    fn drop_toc(&mut self) -> Result<()> {
        match self.split.take() {
            Some(_) => self.add(Item::NoToc, 0),
            None => Ok(()),
        }
    }

    /// Passes on the current entry: headers, contents, row.
    fn entry<R: BufRead>(
        &mut self,
        walker: &mut Walker<Recorder<StreamInput<R>>>,
        buf: &mut [u8],
    ) -> Result<()> {
        let entry = walker.entry();
        let size = entry.stored_size;
        let stated = walker.header_details().filter(|stated| stated.exact);
        let mut row = Row::of(entry, stated);
        if let Some(split) = &mut self.split {
            row = row.filter(|_| split.is_new(entry.clean_path()));
        }
        if is_ambiguous(walker.anomalies()) {
            row = None;
        }
        let headers = std::mem::take(walker.input_mut().kept());
        let Some(row) = row.filter(|_| self.split.is_some()) else {
            self.drop_toc()?;
            self.raw(&headers)?;
            return self.contents_as_raw(walker, buf);
        };
        self.raw(&headers)?;
        if size > 0 {
            self.raw_out()?;
        }
        let mut contents = Contents::new(size);
        let mut cutter = Cutter::new();
        let mut checksum = CRC.digest();
        loop {
            let read = walker.read_data(buf);
            let mut out = |piece| {
                let part = contents.part(piece);
                let length = part.bytes.len();
                self.add(Item::Piece(part), length)
            };
            if let Err(error) = read {
                // The bytes read so far belong to the layer all the same; the last ones were recorded.
                cutter.finish(&mut out)?;
                return Err(error);
            }
            let bytes = buf.get(..read?).unwrap_or_default();
            walker.input_mut().kept().clear();
            if bytes.is_empty() {
                cutter.finish(&mut out)?;
                break;
            }
            checksum.update(bytes);
            cutter.feed(bytes, &mut out)?;
        }
        if let Some(split) = &mut self.split {
            split.entry(&row.name, size, checksum.finalize())?;
        }
        self.add(Item::Entry(Box::new(row), contents.digest()), 0)
    }

    fn contents_as_raw<R: BufRead>(
        &mut self,
        walker: &mut Walker<Recorder<StreamInput<R>>>,
        buf: &mut [u8],
    ) -> Result<()> {
        loop {
            let read = walker.read_data(buf)?;
            walker.input_mut().kept().clear();
            if read == 0 {
                return Ok(());
            }
            self.raw(buf.get(..read).unwrap_or_default())?;
        }
    }

    /// Adds bytes between contents, in frames of at most one piece.
    fn raw(&mut self, mut bytes: &[u8]) -> Result<()> {
        if let Some(split) = &mut self.split {
            split.segment(bytes)?;
        }
        while !bytes.is_empty() {
            let room = bytes.len().min(PIECE - self.raw.len());
            let (part, rest) = bytes.split_at(room);
            self.raw.extend_from_slice(part);
            bytes = rest;
            if self.raw.len() == PIECE {
                self.raw_out()?;
            }
        }
        Ok(())
    }

    fn raw_out(&mut self) -> Result<()> {
        let raw = std::mem::take(&mut self.raw);
        let length = raw.len();
        match length {
            0 => Ok(()),
            _ => self.add(Item::Raw(raw), length),
        }
    }

    fn add(&mut self, item: Item, bytes: usize) -> Result<()> {
        self.batch.push(item);
        self.bytes += bytes;
        if self.bytes >= BATCH * self.threads || self.batch.len() >= ITEMS * self.threads {
            self.send()?;
        }
        Ok(())
    }

    fn send(&mut self) -> Result<()> {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        self.sender
            .send(batch)
            .map_err(|_| Error::from(Fault::StreamConsumed))
    }
}

/// Returns true if the headers say more than a table of contents can, or are read differently by different programs:
/// readers of the table and readers of the tar would get different files without notice.
///
/// Bytes that no reader shows (padding, hidden bytes, unusual ends) do not count: the tar-split has them. Bytes in the
/// field of the prefix are judged together with the times that GNU headers have there, see `HeaderDetails`.
fn is_ambiguous(anomalies: &Anomalies) -> bool {
    let kinds = [
        // This includes the records that it overrides.
        AnomalyKind::GlobalPax,
        AnomalyKind::SizeOnLink,
        AnomalyKind::SizeDesync,
        AnomalyKind::DuplicateExtension,
        AnomalyKind::ConflictingNames,
        AnomalyKind::NulInName,
        AnomalyKind::SlashOnFile,
        AnomalyKind::OddNumber,
        AnomalyKind::EmptyLink,
        AnomalyKind::EmptyRecord,
    ];
    kinds.into_iter().any(|kind| anomalies.count(kind) > 0)
}

/// Digests of a file's contents and chunks, except those that are computed during compression.
pub(super) struct Contents {
    size: u64,
    whole: Option<Hasher>,
    chunk: Hasher,
    chunk_size: u64,
}

impl Contents {
    fn new(size: u64) -> Self {
        Contents {
            size,
            whole: None,
            chunk: Hasher::default(),
            chunk_size: 0,
        }
    }

    fn part(&mut self, piece: cut::Piece) -> Part {
        let cut::Piece {
            bytes,
            opens,
            closes,
            zeros,
        } = piece;
        if bytes.len() as u64 != self.size {
            self.whole.get_or_insert_default().update(&bytes);
        }
        let alone = opens && closes;
        if !alone {
            self.chunk.update(&bytes);
        }
        self.chunk_size += bytes.len() as u64;
        let closes = closes.then(|| {
            let hasher = std::mem::take(&mut self.chunk);
            ChunkEnd {
                size: std::mem::take(&mut self.chunk_size),
                zeros,
                digest: (!alone).then(|| hasher.finish()),
            }
        });
        Part {
            bytes,
            opens,
            closes,
        }
    }

    fn digest(self) -> Option<Digest> {
        self.whole.map(Hasher::finish)
    }
}
