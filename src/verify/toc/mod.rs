//! zstd:chunked layers: the table of contents compared with the tar.
//!
//! Readers that fetch a layer in parts make files from the table of contents and never see the tar; all others see the
//! tar only. A layer whose two halves differ is two layers. All is compared in one pass over the tar: each entry with
//! its row, contents with the digests of file and chunks, and every byte with the tar-split. The order has to be the
//! tar's, as all writers have it. Where frames lie is left to whoever fetches them: a wrong place gives a wrong digest.

use std::io::{self, BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, sync_channel};

use super::finding::{Found, Severity};
use crate::archive::Content;
use crate::blob::{CHUNK, Compression, DecodeLimits, Decoder, FileRange, Hasher, HashingReader};
use crate::error::{During, Error, Result};
use crate::layer::{Limits, StreamInput, Walker, clean_path};
use crate::spec::{Descriptor, Timestamp};
use crate::write::chunked::toc::{
    self, CRC, Extent, FOOTER, Footer, MAX_SIZE, Part, Positions, Row, next_part,
};

/// The table's name in the tar.
pub(super) const ESTARGZ_NAME: &[u8] = b"stargz.index.json";

/// Difference of a table of contents and the tar, or the reason why it cannot be read.
pub(super) enum Wrong {
    Differs(String),
    Damaged(String),
    Trouble(Error),
}

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Wrong::Trouble(error)
    }
}

/// Compares a layer that was found sound with its table of contents, if it has one that can be read again.
pub(super) fn check(
    content: &Content,
    descriptors: &[&Descriptor],
    limits: &Limits,
    found: &mut Found,
    at: &[String],
) {
    let range = match content.range() {
        Ok(Some(range)) => range,
        Ok(None) => return,
        Err(error) => return found.error_within(&error, at),
    };
    let invalid = |text| Wrong::Damaged(format!("'{text}' is no position"));
    let mut stated: Vec<Result<Positions, Wrong>> = descriptors
        .iter()
        .filter_map(|descriptor| Positions::from_annotations(descriptor))
        .map(|positions| positions.map_err(invalid))
        .collect();
    stated.dedup_by(|a, b| matches!((a, b), (Ok(a), Ok(b)) if a == b));
    if stated.is_empty() {
        let length = FOOTER as u64;
        let last = range.slice(range.len().saturating_sub(length), length);
        match last.bytes(length) {
            Ok(last) => stated.extend(Footer::parse(&last).map(|footer| Ok(footer.into()))),
            Err(error) => stated.push(Err(error.into())),
        }
    }
    for positions in stated {
        let compared = positions.and_then(|positions| compare(&range, &positions, limits));
        report(compared, found, at);
    }
}

/// Adds the result of a comparison.
pub(super) fn report(compared: Result<(), Wrong>, found: &mut Found, at: &[String]) {
    match compared {
        Ok(()) => {}
        Err(Wrong::Trouble(error)) => found.error_within(&error, at),
        Err(Wrong::Differs(message)) => found.within(Severity::Error, "toc-mismatch", at, message),
        Err(Wrong::Damaged(message)) => found.within(Severity::Error, "toc-damaged", at, message),
    }
}

/// Compressed document at a position, after its digest was compared.
fn document(
    range: &FileRange,
    what: &str,
    extent: Extent,
    checksum: Option<&str>,
    max_size: u64,
) -> Result<Decoder<impl BufRead + use<>>, Wrong> {
    let Extent {
        offset,
        compressed_size,
        size,
    } = extent;
    let inside = offset
        .checked_add(compressed_size)
        .is_some_and(|end| end <= range.len());
    if !inside || compressed_size > MAX_SIZE || size > max_size {
        let message =
            format!("no {what} can be at {offset}, of {compressed_size} bytes and unpacked {size}");
        return Err(Wrong::Damaged(message));
    }
    let part = range.slice(offset, compressed_size);
    if let Some(expected) = checksum {
        let mut hashing = HashingReader::new(part.reader(), Hasher::default());
        io::copy(&mut hashing, &mut io::sink()).during("read")?;
        let (found, _) = hashing.finish();
        if found.as_str() != expected {
            let message = format!("the {what}'s digest: expected {expected}, found {found}");
            return Err(Wrong::Damaged(message));
        }
    }
    let limits = DecodeLimits {
        size,
        ratio: u64::MAX,
        ..DecodeLimits::default()
    };
    let reader = BufReader::with_capacity(CHUNK, part.reader());
    Ok(Decoder::new(reader, Compression::Zstd, limits)?)
}

fn compare(range: &FileRange, positions: &Positions, limits: &Limits) -> Result<(), Wrong> {
    let open = || {
        let checksum = positions.checksum.as_deref();
        document(
            range,
            "table of contents",
            positions.toc,
            checksum,
            MAX_SIZE,
        )
    };
    let split_digest = parse(open()?, &mut |_| true)?;
    let split = match (positions.split, &split_digest) {
        (Some(place), Some(digest)) => {
            let out = document(range, "tar-split", place, Some(digest), u64::MAX)?;
            Some(Split::new(out))
        }
        (None, Some(_)) => {
            let message = "the table of contents speaks of a tar-split, the descriptor does not";
            return Err(Wrong::Damaged(message.to_owned()));
        }
        // Without a digest nobody believes it.
        (_, None) => None,
    };
    let stored = BufReader::with_capacity(CHUNK, range.reader());
    let plain = Decoder::new(stored, Compression::Zstd, limits.decode)?;
    compare_rows(plain, split, open()?, Style::Chunked, limits)
}

/// Whose table of contents it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Chunked,
    /// It is in the tar and not in itself, and rounds times to seconds.
    Stargz,
}

/// Compares a tar with a table of contents, and with a tar-split if there is one.
pub(super) fn compare_rows<R: BufRead>(
    plain: Decoder<R>,
    split: Option<Split>,
    toc: impl Read + Send,
    style: Style,
    limits: &Limits,
) -> Result<(), Wrong> {
    std::thread::scope(|scope| {
        let (sender, rows) = sync_channel(256);
        let reading = scope.spawn(move || {
            let mut send = |row| sender.send(row).is_ok();
            parse(toc, &mut send).map(|_| ())
        });
        let plain = Watched { plain, split };
        // The rows are dropped before the thread is waited for, which may stand at a full channel.
        let wrong = walk(plain, Rows { rows, next: None }, style, limits);
        let read = reading.join();
        match (wrong, read) {
            (Ok(()), Ok(read)) => read,
            (Err(Wrong::Differs(_)), Ok(Err(damaged))) => Err(damaged),
            (wrong, _) => wrong,
        }
    })
}

/// Rows as they come.
struct Rows {
    rows: Receiver<Row>,
    next: Option<Row>,
}

impl Rows {
    fn peek(&mut self) -> Option<&Row> {
        if self.next.is_none() {
            self.next = self.rows.recv().ok();
        }
        self.next.as_ref()
    }

    fn take(&mut self) -> Option<Row> {
        self.peek();
        self.next.take()
    }
}

fn differs(message: String) -> Wrong {
    Wrong::Differs(message)
}

fn walk<R: BufRead>(
    plain: Watched<R>,
    mut rows: Rows,
    style: Style,
    limits: &Limits,
) -> Result<(), Wrong> {
    let input = StreamInput::new(BufReader::with_capacity(CHUNK, plain));
    let mut walker = Walker::new(input).within(limits);
    let mut buf = vec![0; 64 << 10];
    while let Some(entry) = walker.next_entry()? {
        if style == Style::Stargz && entry.clean_path() == ESTARGZ_NAME {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path).into_owned();
        let size = entry.stored_size;
        let mut row = rows
            .take()
            .ok_or_else(|| differs(format!("'{name}' is not in the table of contents")))?;
        let entry = walker.entry();
        let Some(expected) = Row::of(entry, walker.header_details()) else {
            let message = format!("'{name}' is an entry that no table of contents can describe");
            return Err(differs(message));
        };
        let exact = walker.header_details().is_some_and(|stated| stated.exact);
        if let Some((what, ours, theirs)) = difference(&expected, &row, exact, style) {
            let message = format!(
                "'{name}': {what}: '{ours}' in the tar, '{theirs}' in the table of contents"
            );
            return Err(differs(message));
        }
        let digest = std::mem::take(&mut row.digest);
        let mut whole = Hasher::default();
        let mut left = size;
        loop {
            let length = match row.chunk_size {
                0 => left,
                length => length.min(left),
            };
            let mut chunk = Hasher::default();
            let mut todo = length;
            while todo > 0 {
                let part = buf.len().min(usize::try_from(todo).unwrap_or(usize::MAX));
                let part = buf.get_mut(..part).unwrap_or_default();
                let read = walker.read_data(part)?;
                if read == 0 {
                    break;
                }
                let bytes = part.get(..read).unwrap_or_default();
                chunk.update(bytes);
                whole.update(bytes);
                todo -= read as u64;
            }
            left -= length - todo;
            let chunk = chunk.finish();
            if length > 0 && !row.chunk_digest.is_empty() && row.chunk_digest != chunk.as_str() {
                let message = format!(
                    "'{name}': the chunk at {}: {chunk} in the tar, {} in the table of contents",
                    row.chunk_offset, row.chunk_digest
                );
                return Err(differs(message));
            }
            match rows.peek() {
                Some(next) if next.kind == "chunk" => row = rows.take().unwrap_or_default(),
                _ => break,
            }
        }
        let whole = whole.finish();
        if left > 0 || (size > 0 || !digest.is_empty()) && digest != whole.as_str() {
            let message = format!(
                "'{name}': contents {whole} in the tar, '{digest}' in the table of contents"
            );
            return Err(differs(message));
        }
    }
    if let Some(row) = rows.peek() {
        return Err(differs(format!(
            "'{}' is in the table of contents only",
            row.name
        )));
    }
    let (input, _) = walker.into_parts();
    let mut rest = input.into_inner();
    io::copy(&mut rest, &mut io::sink()).during("read")?;
    match rest.into_inner().split {
        Some(split) => split.finish(),
        None => Ok(()),
    }
}

/// The first thing that a row has otherwise than the tar. Writers differ in how they spell the same name and in
/// whether they keep file types in modes and fractions of seconds.
fn difference(
    ours: &Row,
    theirs: &Row,
    exact: bool,
    style: Style,
) -> Option<(&'static str, String, String)> {
    let path = |name: &str| String::from_utf8_lossy(&clean_path(name.as_bytes()).path).into_owned();
    let link = |row: &Row| match row.kind.as_str() {
        "hardlink" => path(&row.link_name),
        _ => row.link_name.clone(),
    };
    let time = |text: &Option<String>| {
        let at = text.as_deref().and_then(Timestamp::parse);
        at.map(|at| at.nanoseconds())
            .filter(|&at| at != 0 && at != -62_135_596_800_000_000_000)
    };
    let same_time = |a: &Option<String>, b: &Option<String>| {
        let (a, b) = (time(a), time(b));
        let second = 1_000_000_000;
        let rounded = |at: i128| (at + second / 2).div_euclid(second) * second;
        a == b
            || style == Style::Stargz && a.map(rounded) == b
            || b.is_some_and(|b| b % second == 0)
                && a.map(|a| a.div_euclid(second)) == b.map(|b| b / second)
    };
    let shown = |text: &Option<String>| text.clone().unwrap_or_default();
    let texts = [
        ("type", ours.kind.clone(), theirs.kind.clone()),
        ("name", path(&ours.name), path(&theirs.name)),
        ("link target", link(ours), link(theirs)),
    ];
    let octal = |row: &Row| format!("{:o}", row.mode & 0o7777);
    let device = |row: &Row| format!("{}:{}", row.dev_major, row.dev_minor);
    let owner = |row: &Row| format!("{}:{}", row.uid, row.gid);
    let numbers = [
        ("mode", octal(ours), octal(theirs)),
        ("size", ours.size.to_string(), theirs.size.to_string()),
        ("owner", owner(ours), owner(theirs)),
        ("device", device(ours), device(theirs)),
    ];
    if let Some(found) = texts.into_iter().chain(numbers).find(|(_, a, b)| a != b) {
        return Some(found);
    }
    if !exact {
        return None;
    }
    if !same_time(&ours.mod_time, &theirs.mod_time) {
        return Some(("time", shown(&ours.mod_time), shown(&theirs.mod_time)));
    }
    let names = |row: &Row| row.xattrs.keys().cloned().collect::<Vec<_>>().join(" ");
    (ours.xattrs != theirs.xattrs).then(|| ("extended attributes", names(ours), names(theirs)))
}

/// Plain bytes that are compared with a tar-split on their way.
struct Watched<R: BufRead> {
    plain: Decoder<R>,
    split: Option<Split>,
}

impl<R: BufRead> Read for Watched<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.plain.read(buf)?;
        if let Some(split) = &mut self.split {
            split.feed(buf.get(..read).unwrap_or_default());
        }
        Ok(read)
    }
}

/// A tar-split, compared line by line with the bytes that it describes.
pub(super) struct Split {
    lines: Box<dyn BufRead + Send>,
    now: Now,
    /// Bytes compared.
    at: u64,
    wrong: Option<Wrong>,
}

/// Rest of the current line.
enum Now {
    Bytes(Vec<u8>, usize),
    Contents(
        u64,
        crc::Digest<'static, u64, crc::Table<16>>,
        Option<Vec<u8>>,
    ),
    End,
}

impl Split {
    fn new(lines: impl Read + Send + 'static) -> Self {
        Split {
            lines: Box::new(BufReader::with_capacity(CHUNK, lines)),
            now: Now::Bytes(Vec::new(), 0),
            at: 0,
            wrong: None,
        }
    }

    fn feed(&mut self, bytes: &[u8]) {
        if self.wrong.is_none()
            && let Err(wrong) = self.compare(bytes)
        {
            self.wrong = Some(wrong);
        }
    }

    fn compare(&mut self, mut bytes: &[u8]) -> Result<(), Wrong> {
        while !bytes.is_empty() {
            let rest = match &mut self.now {
                Now::Bytes(expected, done) if *done < expected.len() => {
                    let expected = expected.get(*done..).unwrap_or_default();
                    let length = expected.len().min(bytes.len());
                    let (now, rest) = bytes.split_at(length);
                    if !expected.starts_with(now) {
                        let message = format!(
                            "the tar-split has other bytes than the tar, after byte {}",
                            self.at
                        );
                        return Err(differs(message));
                    }
                    *done += length;
                    rest
                }
                Now::Contents(left, sum, _) if *left > 0 => {
                    let length = bytes
                        .len()
                        .min(usize::try_from(*left).unwrap_or(usize::MAX));
                    let (now, rest) = bytes.split_at(length);
                    sum.update(now);
                    *left -= length as u64;
                    rest
                }
                Now::End => {
                    return Err(differs(format!(
                        "the tar-split ends at byte {} of the tar",
                        self.at
                    )));
                }
                Now::Bytes(..) | Now::Contents(..) => {
                    self.next()?;
                    continue;
                }
            };
            self.at += (bytes.len() - rest.len()) as u64;
            bytes = rest;
        }
        Ok(())
    }

    /// Goes to the next line once the current one has all it wants.
    fn next(&mut self) -> Result<(), Wrong> {
        if let Now::Contents(0, sum, expected) = std::mem::replace(&mut self.now, Now::End)
            && let Some(expected) = expected
            && sum.finalize().to_be_bytes() != *expected
        {
            let message = format!(
                "the tar-split's checksum of the contents before byte {} is wrong",
                self.at
            );
            return Err(differs(message));
        }
        let part = next_part(&mut self.lines)
            .map_err(|why| Wrong::Damaged(format!("the tar-split cannot be read: {why}")))?;
        match part {
            None => {}
            Some(Part::Bytes(bytes)) => self.now = Now::Bytes(bytes, 0),
            Some(Part::Contents { size, checksum }) => {
                self.now = Now::Contents(size, CRC.digest(), checksum);
            }
        }
        Ok(())
    }

    /// Once all of the tar went by: no line may want more.
    fn finish(mut self) -> Result<(), Wrong> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        loop {
            match &self.now {
                Now::Bytes(expected, done) if *done < expected.len() => break,
                Now::Contents(1.., ..) => break,
                Now::End => return Ok(()),
                _ => self.next()?,
            }
        }
        Err(differs(format!(
            "the tar ends at byte {}, the tar-split does not",
            self.at
        )))
    }
}

/// Reads a table of contents row by row, until `send` returns false. Returns the digest of the tar-split.
fn parse(
    toc: impl Read,
    send: &mut (dyn FnMut(Row) -> bool + '_),
) -> Result<Option<String>, Wrong> {
    toc::parse(toc, send)
        .map_err(|error| Wrong::Damaged(format!("the table of contents cannot be read: {error}")))
}

#[cfg(test)]
mod tests;
