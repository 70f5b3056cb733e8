//! A `.deb`: an ar archive of a version, a tar of control files and a tar of the package's files, `deb(5)`.
//!
//! What a hostile package could try, and what stops it: sizes that lead out of the file (each is compared with what is
//! there), a second data archive for readers that take the last one (refused), control files that fill the memory
//! ([`ControlLimits`]), other bytes for whoever looks a second time (the digest is computed over the very bytes that
//! are decoded, in the pass that decodes them).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::ops::Range;
use std::sync::Arc;

use super::{Control, Member};
use crate::blob::{CHUNK, Compression, Counting, DecodeLimits, Decoder, FileRange};
use crate::blob::{Hasher, HashingReader, Meter, RangeReader};
use crate::error::{At, Error, Fault, Result};
use crate::layer::{EntryKind, StreamInput, Walker};
use crate::spec::Digest;

const MAGIC: &[u8; 8] = b"!<arch>\n";
const HEADER: usize = 60;

/// What is accepted of a control archive.
#[derive(Debug, Clone, Copy)]
pub struct ControlLimits {
    /// Bytes of all members before the data archive, as stored.
    pub stored: u64,
    /// Bytes of all control files, unpacked.
    pub unpacked: u64,
    /// Control files.
    pub members: u64,
}

impl Default for ControlLimits {
    fn default() -> Self {
        ControlLimits {
            stored: 16 << 20,
            unpacked: 64 << 20,
            members: 4096,
        }
    }
}

/// How a member is packed, which its name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As every program of the suite knows it.
    Common(Compression),
    /// `.lzma`, of the years before xz.
    Lzma,
}

impl Packing {
    /// What the end of a name says: nothing, `.gz`, `.bz2`, `.xz`, `.zst`, `.lzma`.
    pub fn of_suffix(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "" => Packing::Common(Compression::None),
            ".gz" => Packing::Common(Compression::Gzip),
            ".bz2" => Packing::Common(Compression::Bzip2),
            ".xz" => Packing::Common(Compression::Xz),
            ".zst" => Packing::Common(Compression::Zstd),
            ".lzma" => Packing::Lzma,
            _ => return None,
        })
    }

    /// A decoder.
    ///
    /// # Errors
    /// As [`Decoder::new`].
    pub fn decoder<R: BufRead>(self, source: R, limits: DecodeLimits) -> Result<Decoder<R>> {
        match self {
            Packing::Common(compression) => Decoder::new(source, compression, limits),
            Packing::Lzma => Decoder::lzma(source, limits),
        }
    }
}

/// An opened `.deb`. What is before the data archive is in memory, and is read no second time.
#[derive(Debug, Clone)]
pub struct Deb {
    range: FileRange,
    /// The bytes up to the data archive.
    head: Arc<[u8]>,
    control: (Range<usize>, Packing),
    data: (Range<u64>, Packing),
}

impl Deb {
    /// Reads the headers of a `.deb`, and its control archive as it is stored.
    ///
    /// # Errors
    /// `Deb` for what is none, `Limit`, `Io`.
    pub fn open(range: FileRange) -> Result<Self> {
        let limits = ControlLimits::default();
        let mut source = range.reader();
        let mut head = Vec::new();
        let mut control = None;
        take(&mut source, &mut head, MAGIC.len() as u64)?;
        if head != MAGIC {
            return Err(wrong("it is no ar archive"));
        }
        for number in 0_usize.. {
            let at = head.len();
            let left = range.len().saturating_sub(at as u64);
            if left == 0 {
                return Err(match control {
                    Some(_) => wrong("it has no data archive"),
                    None => wrong("it has no control archive"),
                });
            }
            take(&mut source, &mut head, HEADER as u64)?;
            let (name, size) = header(&head[at..])?;
            let (name, size) = (name.to_owned(), size);
            let start = head.len();
            let end = (start as u64).checked_add(size);
            let end = end.filter(|end| *end <= range.len());
            let end = end.ok_or_else(|| wrong("a member is longer than the file"))?;
            if let Some(suffix) = name.strip_prefix("data.tar") {
                let packing = Packing::of_suffix(suffix);
                let packing = packing.ok_or_else(|| wrong("an unknown kind of data archive"))?;
                let control = control.ok_or_else(|| wrong("its data archive comes first"))?;
                let deb = Deb {
                    head: head.into(),
                    control,
                    data: (start as u64..end, packing),
                    range,
                };
                deb.check_rest()?;
                return Ok(deb);
            }
            let padded = size.checked_next_multiple_of(2).unwrap_or(size);
            if head.len() as u64 + padded > limits.stored {
                return Err(Error::new(Fault::Limit {
                    what: "size of a control archive in bytes",
                    limit: limits.stored,
                    found: size,
                }));
            }
            // The last member may lack the byte that makes its length even.
            take(&mut source, &mut head, padded.min(left - HEADER as u64))?;
            let end = start + usize::try_from(size).unwrap_or_default();
            match (number, name.strip_prefix("control.tar")) {
                (0, _) if name == "debian-binary" => {
                    if !head[start..end].starts_with(b"2.") {
                        return Err(wrong("its format is not 2.x"));
                    }
                }
                (0, _) => return Err(wrong("its first member is not debian-binary")),
                (_, Some(suffix)) if control.is_none() => {
                    let packing = Packing::of_suffix(suffix);
                    let packing =
                        packing.ok_or_else(|| wrong("an unknown kind of control archive"))?;
                    control = Some((start..end, packing));
                }
                (_, Some(_)) => return Err(wrong("it has two control archives")),
                // Such members are for others, and are allowed before the data archive.
                (_, None) if name.starts_with('_') => {}
                (_, None) => return Err(wrong("a member that is not known")),
            }
        }
        Err(wrong("it has no data archive"))
    }

    /// What follows the data archive is nothing of the package's, but it must not be another of its archives.
    fn check_rest(&self) -> Result<()> {
        let mut at = self.data.0.end.next_multiple_of(2);
        for _ in 0..16 {
            let rest = self.range.slice(at, HEADER as u64);
            if rest.is_empty() {
                return Ok(());
            }
            let bytes = rest.bytes(HEADER as u64)?;
            let (name, size) = header(&bytes)?;
            if name.starts_with("data.tar") || name.starts_with("control.tar") {
                return Err(wrong("an archive follows its data archive"));
            }
            let end = at.checked_add(HEADER as u64 + size);
            let end = end.filter(|end| *end <= self.range.len());
            at = end
                .ok_or_else(|| wrong("a member is longer than the file"))?
                .next_multiple_of(2);
        }
        Err(wrong("too many members follow its data archive"))
    }

    /// Bytes of the file.
    pub fn size(&self) -> u64 {
        self.range.len()
    }

    /// The control data, and the other files of the control archive by name.
    ///
    /// # Errors
    /// `Deb` for an archive without control data or with anything but files; `Deb822`, `Tar`, `Codec`, `Limit`.
    pub fn control(&self, limits: ControlLimits) -> Result<(Control, BTreeMap<String, Member>)> {
        let (range, packing) = &self.control;
        let decode = DecodeLimits {
            size: limits.unpacked,
            ..DecodeLimits::default()
        };
        let decoder = packing.decoder(&self.head[range.clone()], decode)?;
        let mut members = control_files(decoder, limits).at(|| "control archive".to_owned())?;
        let control = members.remove("control");
        let control = control.ok_or_else(|| wrong("its control archive has no control data"))?;
        let text = String::from_utf8_lossy(&control.bytes);
        let control = Control::parse(&text).at(|| "control".to_owned())?;
        for field in ["Package", "Version", "Architecture"] {
            if control.get(field).is_none_or(str::is_empty) {
                return Err(wrong(match field {
                    "Package" => "its control data names no package",
                    "Version" => "its control data has no version",
                    _ => "its control data has no architecture",
                }));
            }
        }
        Ok((control, members))
    }

    /// The data archive, unpacked: a tar. Read it to its end, then ask [`Data::finish`] whether it is what it should be.
    ///
    /// # Errors
    /// As [`Decoder::new`].
    pub fn data(&self, mut hasher: Hasher, limits: DecodeLimits, meter: &Meter) -> Result<Data> {
        hasher.update(&self.head);
        meter.add(self.head.len() as u64);
        let (range, packing) = &self.data;
        let source = HashingReader::new(self.data_range().reader(), hasher);
        let source = BufReader::with_capacity(CHUNK, meter.counting(source));
        Ok(Data {
            decoder: packing.decoder(source, limits)?,
            rest: self.range.slice(range.end, u64::MAX),
        })
    }

    fn data_range(&self) -> FileRange {
        let range = &self.data.0;
        self.range.slice(range.start, range.end - range.start)
    }
}

/// A data archive while it is read.
pub struct Data {
    decoder: Decoder<BufReader<Counting<HashingReader<RangeReader>>>>,
    rest: FileRange,
}

impl Data {
    /// Reads what is left of the package and gives the digest of all its bytes.
    ///
    /// # Errors
    /// `Deb` for bytes behind the compressed archive, `Codec`, `Io`.
    pub fn finish(mut self) -> Result<Digest> {
        let read = |error| Error::io("read", error);
        std::io::copy(&mut self.decoder, &mut std::io::sink()).map_err(read)?;
        let gone = || wrong("its data archive ends early");
        let mut source = self.decoder.into_inner().ok_or_else(gone)?;
        if !source.fill_buf().map_err(read)?.is_empty() {
            return Err(wrong("bytes follow the compressed data archive"));
        }
        let hashing = source.into_inner().into_inner();
        let mut rest = Rest(hashing.into_hasher());
        std::io::copy(&mut self.rest.reader(), &mut rest).map_err(read)?;
        Ok(rest.0.finish())
    }
}

impl Read for Data {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.decoder.read(buf)
    }
}

/// Hashes what is written to it.
struct Rest(Hasher);

impl std::io::Write for Rest {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The files of a control archive, all of them plain ones at its top.
fn control_files(
    mut decoder: Decoder<&[u8]>,
    limits: ControlLimits,
) -> Result<BTreeMap<String, Member>> {
    let mut bytes = Vec::new();
    let read = decoder.read_to_end(&mut bytes);
    read.map_err(|error| Error::io("read", error))?;
    if decoder.into_inner().is_none_or(|rest| !rest.is_empty()) {
        return Err(wrong("bytes follow a compressed archive"));
    }
    let mut members = BTreeMap::new();
    let mut walker = Walker::new(StreamInput::new(Cursor::new(bytes))).max_entries(limits.members);
    while let Some(entry) = walker.next_entry()? {
        let name = String::from_utf8_lossy(entry.clean_path()).into_owned();
        match entry.kind {
            EntryKind::Directory if name.is_empty() => continue,
            EntryKind::File if entry.sparse.is_none() && !entry.climbs() => {}
            _ => return Err(wrong("something that is no file").at(name)),
        }
        if name.is_empty() || name.contains('/') {
            return Err(wrong("a file that is not at the top").at(name));
        }
        let mode = entry.mode;
        let mut bytes = Vec::new();
        let mut buf = [0; 8192];
        loop {
            match walker.read_data(&mut buf)? {
                0 => break,
                n => bytes.extend_from_slice(&buf[..n]),
            }
        }
        if members.contains_key(&name) {
            return Err(wrong("a file that is there twice").at(name));
        }
        members.insert(name, Member { mode, bytes });
    }
    Ok(members)
}

/// Reads exactly so many bytes more.
fn take(source: &mut RangeReader, head: &mut Vec<u8>, bytes: u64) -> Result<()> {
    let read = source.take(bytes).read_to_end(head);
    match read.map_err(|error| Error::io("read", error))? as u64 == bytes {
        true => Ok(()),
        false => Err(wrong("it ends early")),
    }
}

/// The name and size that an ar header states. Only the common form is known: names of 16 bytes, no tables.
fn header(bytes: &[u8]) -> Result<(&str, u64)> {
    let header = bytes.get(..HEADER).ok_or_else(|| wrong("it ends early"))?;
    if &header[58..] != b"`\n" {
        return Err(wrong("an ar header is damaged"));
    }
    let text = |range: Range<usize>| std::str::from_utf8(&header[range]).ok();
    let name = text(0..16).map(|name| name.trim_end_matches(' '));
    let name = name.map(|name| name.strip_suffix('/').unwrap_or(name));
    let size = text(48..58).map(|size| size.trim_end_matches(' '));
    let size = size.filter(|size| size.bytes().all(|byte| byte.is_ascii_digit()));
    match (name, size.and_then(|size| size.parse().ok())) {
        (Some(name), Some(size)) if !name.is_empty() => Ok((name, size)),
        _ => Err(wrong("an ar header is damaged")),
    }
}

fn wrong(why: &'static str) -> Error {
    Fault::Deb { why }.into()
}
