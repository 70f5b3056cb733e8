//! Layers as zstd:chunked: zstd that can be read in parts, the format of containers/storage.
//!
//! In comes a plain tar, out go frames of zstd that unpack to it as any zstd does: each chunk of a file's contents by
//! itself, and what is between contents. Behind them, in frames that are skipped, are a table of contents and what
//! the tar is made of besides contents, so that a reader can fetch the chunks it lacks and still make the very tar.
//!
//! What the tar says goes out in any case. If its entries are what a table of contents cannot say (sparse files, names
//! that are no text, the same name twice, a damaged tar) there is none, and the result is ordinary zstd.

mod cut;
pub(crate) mod toc;

use std::io::{BufRead, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use self::cut::{Cutter, PIECE};
use self::toc::{Row, Split, Toc, codec, trailer};
use crate::blob::{DecodeLimits, Hasher, sha256};
use crate::error::{Error, Fault, Result};
use crate::layer::{Anomalies, AnomalyKind, Recorder, StreamInput, TarInput, Walker};
use crate::spec::Digest;

/// The checksum of the tar-split.
pub(crate) static CRC: crc::Crc<u64, crc::Table<16>> =
    crc::Crc::<u64, crc::Table<16>>::new(&crc::CRC_64_GO_ISO);

/// Plain bytes that are packed at a time, for each core.
const BATCH: usize = 512 << 10;
/// Items in a batch at most, for each core: an entry without contents has no bytes.
const ITEMS: usize = 256;

/// What descriptors say of a layer, by key.
pub(crate) type Annotations = Vec<(&'static str, String)>;

/// A chunk of a file, as the table of contents has it.
struct Chunk {
    offset: u64,
    size: u64,
    digest: Digest,
    zeros: bool,
}

/// What goes from the walk to the packing.
enum Item {
    /// Bytes between contents.
    Raw(Vec<u8>),
    /// A piece of contents.
    Piece(Part),
    /// An entry, whose pieces are all out. The digest is left out where the only chunk's says it.
    Entry(Box<Row>, Option<Digest>),
    /// There will be no table of contents.
    Ordinary,
}

struct Part {
    bytes: Vec<u8>,
    opens: bool,
    closes: Option<End>,
}

/// How a chunk ends.
struct End {
    size: u64,
    zeros: bool,
    /// Left out where the piece is the whole chunk, to be hashed when it is packed.
    digest: Option<Digest>,
}

/// Packs a plain tar. `level` is zstd's, 3 without it.
///
/// Gives the annotations of the layer's descriptor; none where the result is ordinary zstd. The same bytes and level
/// give the same result, whatever the number of threads. Memory: four batches, and the packed documents, which grow
/// with entries and chunks.
///
/// # Errors
/// `Usage` for a level that zstd does not have, and what reading gives.
pub(crate) fn write(
    plain: impl BufRead + Send,
    out: &mut dyn Write,
    level: Option<i32>,
    entries: u64,
) -> Result<Annotations> {
    let level = level.unwrap_or(3);
    if !(1..=22).contains(&level) {
        let why = format!("zstd has levels 1 to 22, not {level}");
        return Err(Fault::Usage(why).into());
    }
    let threads = rayon::current_num_threads().max(1);
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(1);
        let walking = scope.spawn(move || -> Result<Option<toc::Packed>> {
            let mut walk = Walk {
                sender,
                batch: Vec::new(),
                bytes: 0,
                threads,
                raw: Vec::new(),
                split: Some(Split::new(level)?),
            };
            walk.run(plain, entries)?;
            walk.split.map(Split::finish).transpose()
        });
        let mut pack = Pack {
            out,
            level,
            at: 0,
            toc: Some(Toc::new(level)?),
            chunk_start: 0,
            start: None,
            chunks: Vec::new(),
        };
        // If packing fails, the receiver is gone then, and that ends the walk.
        let packed = pack.run(receiver);
        let split = match walking.join() {
            Ok(split) => packed.and(split)?,
            Err(_) => return Err(Fault::Gone.into()),
        };
        pack.finish(split)
    })
}

/// The walk through the tar, on a thread of its own.
struct Walk {
    sender: SyncSender<Vec<Item>>,
    batch: Vec<Item>,
    /// Bytes in the batch.
    bytes: usize,
    threads: usize,
    /// Bytes between contents that are not in the batch yet.
    raw: Vec<u8>,
    /// `None` once it is known that there will be no table of contents.
    split: Option<Split>,
}

impl Walk {
    fn run(&mut self, plain: impl BufRead, entries: u64) -> Result<()> {
        let recorder = Recorder::new(StreamInput::new(plain));
        let mut walker = Walker::new(recorder).max_entries(entries);
        let mut any = false;
        let mut buf = vec![0; 64 << 10];
        loop {
            match walker.next_entry() {
                Ok(Some(_)) => any = true,
                Ok(None) => break,
                Err(error) => {
                    self.stopped(error)?;
                    break;
                }
            }
            if let Err(error) = self.entry(&mut walker, &mut buf) {
                self.stopped(error)?;
                break;
            }
        }
        if !any {
            self.ordinary()?;
        }
        let (mut recorder, _) = walker.into_parts();
        loop {
            let kept = std::mem::take(recorder.kept());
            self.raw(&kept)?;
            let read = recorder
                .read_full(&mut buf)
                .map_err(|error| Error::io("read", error))?;
            if read == 0 {
                break;
            }
        }
        self.raw_out()?;
        self.send()
    }

    /// Goes on without a table of contents after what is wrong with the tar only.
    fn stopped(&mut self, error: Error) -> Result<()> {
        match error.fault() {
            Fault::Tar { .. } => self.ordinary(),
            Fault::Limit { what, .. } if !DecodeLimits::NAMES.contains(what) => self.ordinary(),
            _ => Err(error),
        }
    }

    fn ordinary(&mut self) -> Result<()> {
        match self.split.take() {
            Some(_) => self.add(Item::Ordinary, 0),
            None => Ok(()),
        }
    }

    /// The entry that the walker stands at: its headers, its contents, its row.
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
        if says_too_much(walker.anomalies()) {
            row = None;
        }
        let headers = std::mem::take(walker.input_mut().kept());
        let Some(row) = row.filter(|_| self.split.is_some()) else {
            self.ordinary()?;
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
                // What came is part of the layer all the same; what came last was kept.
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

    /// Takes bytes between contents, in frames of one piece at most.
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
            .map_err(|_| Error::from(Fault::Gone))
    }
}

/// Whether the headers mean more than a table of contents has, or not the same to all readers: who goes by the table
/// and who goes by the tar would get different files, and neither would be told.
///
/// What no reader shows (padding, hidden bytes, odd ends) does not count: a tar-split has it. Bytes in the place of a
/// prefix are looked at with the times that GNU headers have there, see `HeaderDetails`.
fn says_too_much(anomalies: &Anomalies) -> bool {
    let kinds = [
        // With it what it overrides, too.
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

/// The digests of one file's contents and chunks, as far as they are not left to the packing.
struct Contents {
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
            End {
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

/// Packing frames side by side, and writing them in their order.
struct Pack<'a> {
    out: &'a mut dyn Write,
    level: i32,
    /// Bytes written.
    at: u64,
    toc: Option<Toc>,
    /// Where the current chunk starts, and the current file's contents.
    chunk_start: u64,
    start: Option<u64>,
    chunks: Vec<Chunk>,
}

impl Pack<'_> {
    fn run(&mut self, batches: Receiver<Vec<Item>>) -> Result<()> {
        let level = self.level;
        for batch in batches {
            let packed: Vec<Result<(Item, Vec<u8>)>> = batch
                .into_par_iter()
                .map_init(|| None, |codec, item| frame(codec, level, item))
                .collect();
            for item in packed {
                let (item, frame) = item?;
                self.item(item, &frame)?;
            }
        }
        Ok(())
    }

    fn item(&mut self, item: Item, frame: &[u8]) -> Result<()> {
        let offset = self.at;
        self.out
            .write_all(frame)
            .map_err(|error| Error::io("write", error))?;
        self.at += frame.len() as u64;
        match item {
            Item::Raw(_) => {}
            Item::Ordinary => self.toc = None,
            Item::Piece(part) => {
                self.start.get_or_insert(offset);
                if part.opens {
                    self.chunk_start = offset;
                }
                if let (Some(toc), Some(end)) = (&mut self.toc, part.closes) {
                    toc.chunk();
                    self.chunks.push(Chunk {
                        offset: self.chunk_start,
                        size: end.size,
                        digest: end
                            .digest
                            .ok_or_else(|| codec("a chunk without a digest"))?,
                        zeros: end.zeros,
                    });
                }
            }
            Item::Entry(row, digest) => {
                let chunks = std::mem::take(&mut self.chunks);
                let start = self.start.take();
                let only = chunks.first().map(|chunk| chunk.digest.clone());
                let content = start
                    .zip(digest.or(only))
                    .map(|(start, digest)| (digest, [start, self.at]));
                if let Some(toc) = &mut self.toc {
                    toc.entry(*row, content, &chunks)?;
                }
            }
        }
        if self.toc.as_ref().is_some_and(Toc::is_too_long) {
            self.toc = None;
            self.chunks = Vec::new();
        }
        Ok(())
    }

    /// Writes what goes behind the frames.
    fn finish(self, split: Option<toc::Packed>) -> Result<Annotations> {
        let write = |out: &mut dyn Write, bytes: &[u8]| {
            out.write_all(bytes)
                .map_err(|error| Error::io("write", error))
        };
        if self.at == 0 {
            // Nothing at all still has to be known as zstd.
            let (_, empty) = frame(&mut None, self.level, Item::Raw(Vec::new()))?;
            write(self.out, &empty)?;
        }
        let (Some(toc), Some(split)) = (self.toc, split) else {
            return Ok(Vec::new());
        };
        let toc = toc.finish(&split)?;
        let Some((bytes, annotations)) = trailer(self.at, &toc, &split) else {
            return Ok(Vec::new());
        };
        write(self.out, &bytes)?;
        Ok(annotations)
    }
}

type Compressor = zstd::bulk::Compressor<'static>;

/// Packs an item's bytes, and hashes the piece that is a whole chunk.
fn frame(
    compressor: &mut Option<Compressor>,
    level: i32,
    mut item: Item,
) -> Result<(Item, Vec<u8>)> {
    let bytes = match &mut item {
        Item::Raw(bytes) => std::mem::take(bytes),
        Item::Piece(part) => {
            if let Some(end) = &mut part.closes {
                end.digest.get_or_insert_with(|| sha256(&part.bytes));
            }
            std::mem::take(&mut part.bytes)
        }
        Item::Entry(..) | Item::Ordinary => return Ok((item, Vec::new())),
    };
    let compressor = match compressor {
        Some(compressor) => compressor,
        None => {
            let mut new = Compressor::new(level).map_err(codec)?;
            new.include_checksum(true).map_err(codec)?;
            compressor.insert(new)
        }
    };
    let packed = compressor.compress(&bytes).map_err(codec)?;
    Ok((item, packed))
}

#[cfg(test)]
mod tests;
