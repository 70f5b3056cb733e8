//! Table of a volume: the checksum file beside it, whose comments state its position in the set and the digests of its
//! chunks.
//!
//! `sha256sum -c` checks the last line and skips the others. Threats: positions that overlap, numbers without end, more
//! chunk digests than the volume has chunks. Sums are checked, and the length of the file is limited.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Fault, Result, VolumeFault};

/// First words of a table.
pub const MAGIC: &str = "# imgkit-volume/1 ";

/// Largest and usual length in bytes of the chunks that have a digest each; the last one of a volume may be shorter.
pub const CHUNK_LENGTH: u64 = 1 << 20;

/// Smallest length in bytes of chunks.
const MIN_CHUNK: u64 = 64;

/// Returns the length of chunks for columns of a length, which one damaged chunk must not exceed.
pub fn chunk_length(column: u64) -> u64 {
    let fitting = 1 << column.max(1).ilog2();
    CHUNK_LENGTH.min(fitting).max(MIN_CHUNK)
}

/// Maximum length in bytes of a table that is read: enough for a volume of 2 TiB.
pub const MAX_TABLE: u64 = 64 << 20;

/// Chunk digests on a line, which keep it below 64 KiB.
const DIGESTS: usize = 3000;

/// First 128 bits of the BLAKE3 hash of a chunk.
pub type ChunkDigest = [u8; 16];

/// Computes the digest of a chunk.
#[derive(Default)]
pub struct ChunkHasher(blake3::Hasher);

impl ChunkHasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Digest of all bytes added.
    pub fn finish(&self) -> ChunkDigest {
        let mut digest = [0; 16];
        let hash = self.0.finalize();
        digest.copy_from_slice(hash.as_bytes().split_at(16).0);
        digest
    }
}

/// Returns the digest of a chunk.
pub fn chunk_digest(chunk: &[u8]) -> ChunkDigest {
    let mut hasher = ChunkHasher::default();
    hasher.update(chunk);
    hasher.finish()
}

/// Table of one volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeTable {
    /// Identifier of the set: 16 hexadecimal digits.
    pub set: String,
    /// Position in the set, or among the parity volumes, from 1.
    pub number: u64,
    /// Offset in bytes in the archive, or of a parity volume in all parity.
    pub offset: u64,
    /// Length in bytes.
    pub size: u64,
    /// Offset in bytes of the first member that begins in the volume; `None` if there is none.
    pub first_member: Option<u64>,
    /// Number of volumes and length of the archive in bytes, which the last volume and parity volumes state.
    pub whole: Option<(u64, u64)>,
    /// Columns of a parity volume.
    pub parity: Option<ParityColumns>,
    /// SHA-256 of the volume before, in hexadecimal digits; `None` for the first one.
    pub prev: Option<String>,
    /// Length of a chunk in bytes: a power of two, [`CHUNK_LENGTH`] at most.
    pub chunk: u64,
    /// Digests of the chunks.
    pub chunks: Vec<ChunkDigest>,
    /// SHA-256 of the volume, in hexadecimal digits.
    pub sha256: String,
    /// File name of the volume.
    pub name: String,
    /// SHA-256 of all volumes of the archive by number, which parity volumes repeat.
    pub sums: Vec<String>,
}

/// Position of a parity volume in the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ParityColumns {
    /// First column of the volume, from 0.
    pub first: u64,
    /// Number of columns of the archive.
    pub data: u64,
    /// Number of columns of parity.
    pub parity: u64,
    /// Length of a column in bytes.
    pub length: u64,
}

impl VolumeTable {
    /// Returns the text of the table.
    pub fn text(&self) -> String {
        let mut text = MAGIC.to_owned();
        let start = match self.first_member {
            Some(0) => "member",
            _ => "middle",
        };
        let last = u8::from(self.whole.is_some() && self.parity.is_none());
        let VolumeTable {
            set,
            number,
            offset,
            size,
            ..
        } = self;
        let _ = write!(
            text,
            "set={set} number={number} offset={offset} size={size}"
        );
        match self.parity {
            None => {
                let _ = write!(text, " start={start} last={last}");
            }
            Some(parity) => {
                let _ = write!(
                    text,
                    " parity={} columns={},{} column={}",
                    parity.first, parity.data, parity.parity, parity.length
                );
            }
        }
        if let Some((volumes, total)) = self.whole {
            let _ = write!(text, " volumes={volumes} total={total}");
        }
        text.push('\n');
        for digests in self.chunks.chunks(DIGESTS) {
            let line = STANDARD.encode(digests.concat());
            let _ = writeln!(text, "# chunk={} blake3-128={line}", self.chunk);
        }
        if self.parity.is_none() {
            let prev = self.prev.as_deref().unwrap_or("-");
            let _ = writeln!(text, "# prev={prev}");
            if let Some(first) = self.first_member.filter(|first| *first > 0) {
                let _ = writeln!(text, "# first-member={first}");
            }
        }
        for (sum, number) in self.sums.iter().zip(1_u64..) {
            let _ = writeln!(text, "# volume={number} sha256={sum}");
        }
        let _ = writeln!(text, "{}  {}", self.sha256, self.name);
        text
    }

    /// Parses a table; `None` if the text is another checksum file.
    ///
    /// # Errors
    /// `Volumes` for an invalid line, a position past the end of all files, another number of chunk digests than the
    /// volume has chunks.
    pub fn parse(text: &str) -> Result<Option<Self>> {
        if !text.starts_with(MAGIC) {
            return Ok(None);
        }
        let mut table = Lines::default();
        for (line, number) in text.lines().zip(1..) {
            table.add(line).map_err(|why| invalid(number, why))?;
        }
        table.finish().map(Some)
    }
}

fn invalid(line: u64, why: &str) -> Error {
    let why = format!("line {line}: {why}");
    Fault::Volumes(VolumeFault::Table { why }).into()
}

/// Lines of a table that were read.
#[derive(Default)]
struct Lines {
    head: Option<Head>,
    chunk: Option<u64>,
    chunks: Vec<ChunkDigest>,
    prev: Option<String>,
    first_member: Option<u64>,
    sums: Vec<String>,
    sum: Option<(String, String)>,
}

/// The first line.
#[derive(Default)]
struct Head {
    set: String,
    number: Option<u64>,
    offset: Option<u64>,
    size: Option<u64>,
    starts_with_member: bool,
    volumes: Option<u64>,
    total: Option<u64>,
    first: Option<u64>,
    columns: Option<(u64, u64)>,
    length: Option<u64>,
}

impl Lines {
    fn add(&mut self, line: &str) -> Result<(), &'static str> {
        let Some(comment) = line.strip_prefix('#') else {
            return self.add_sum(line);
        };
        if let Some(fields) = line.strip_prefix(MAGIC) {
            if self.head.is_some() {
                return Err("a second volume");
            }
            self.head = Some(Head::parse(fields)?);
            return Ok(());
        }
        let mut fields = comment.split_whitespace();
        let first = fields.next().and_then(|field| field.split_once('='));
        let second = fields.next().and_then(|field| field.split_once('='));
        match (first, second) {
            (Some(("chunk", length)), Some(("blake3-128", digests))) => {
                let length = decimal(length)?;
                let is_valid =
                    length.is_power_of_two() && (MIN_CHUNK..=CHUNK_LENGTH).contains(&length);
                if !is_valid || *self.chunk.get_or_insert(length) != length {
                    return Err("expected chunks of one length, a power of two up to 1048576");
                }
                let bytes = STANDARD.decode(digests);
                let bytes = bytes.map_err(|_| "expected chunk digests in base64")?;
                let (digests, rest) = bytes.as_chunks::<16>();
                if !rest.is_empty() {
                    return Err("expected chunk digests of 16 bytes");
                }
                self.chunks.extend(digests);
            }
            (Some(("prev", "-")), None) => {}
            (Some(("prev", sum)), None) => self.prev = Some(hex(sum, 64)?),
            (Some(("first-member", offset)), None) => self.first_member = Some(decimal(offset)?),
            (Some(("volume", number)), Some(("sha256", sum))) => {
                if decimal(number)? != self.sums.len() as u64 + 1 {
                    return Err("expected the volumes in their order");
                }
                self.sums.push(hex(sum, 64)?);
            }
            // Comments of users and of later versions.
            _ => {}
        }
        Ok(())
    }

    fn add_sum(&mut self, line: &str) -> Result<(), &'static str> {
        if line.trim().is_empty() {
            return Ok(());
        }
        let expected = "expected a SHA-256 and the name of the volume";
        let (sum, name) = line.split_once(' ').ok_or(expected)?;
        let name = name.strip_prefix([' ', '*']).ok_or(expected)?;
        if self.sum.is_some() {
            return Err("a second file");
        }
        let is_path = name.contains(['/', '\0']) || matches!(name, "" | "." | "..");
        if is_path || name.contains(char::is_control) {
            return Err("expected the name of a file in the same directory");
        }
        self.sum = Some((hex(sum, 64)?, name.to_owned()));
        Ok(())
    }

    fn finish(self) -> Result<VolumeTable> {
        let missing = |what: &'static str| move || invalid(1, what);
        let head = self.head.ok_or_else(missing("no volume"))?;
        let size = head.size.ok_or_else(missing("missing size"))?;
        let offset = head.offset.ok_or_else(missing("missing offset"))?;
        let (sha256, name) = self.sum.ok_or_else(missing("missing SHA-256"))?;
        let number = head.number.filter(|number| *number > 0);
        let is_whole = |end: &u64| i64::try_from(*end).is_ok();
        let end = offset.checked_add(size).filter(is_whole);
        let end = end.ok_or_else(missing("the volume ends past the largest file"))?;
        let chunk = self.chunk.unwrap_or(CHUNK_LENGTH);
        if self.chunks.len() as u64 != size.div_ceil(chunk) {
            let why = "expected a digest for each chunk of the volume";
            return Err(invalid(2, why));
        }
        let whole = head.volumes.zip(head.total).filter(|whole| whole.0 > 0);
        let parity = match head.first {
            None => None,
            Some(first) => Some(head.columns(first, whole)?),
        };
        let is_inside = |(volumes, total): (u64, u64)| match number {
            Some(number) => parity.is_some() || number == volumes && end == total,
            None => false,
        };
        if !whole.is_none_or(is_inside) {
            return Err(invalid(1, "the last volume ends before the archive"));
        }
        let first_member = match head.starts_with_member {
            true => Some(0),
            false => self.first_member.filter(|first| *first < size),
        };
        Ok(VolumeTable {
            number: number.ok_or_else(missing("missing number"))?,
            set: head.set,
            offset,
            size,
            first_member,
            whole,
            parity,
            prev: self.prev,
            chunk,
            chunks: self.chunks,
            sha256,
            name,
            sums: self.sums,
        })
    }
}

impl Head {
    fn parse(fields: &str) -> Result<Self, &'static str> {
        let mut head = Head::default();
        for field in fields.split_whitespace() {
            let (key, value) = field.split_once('=').ok_or("expected KEY=VALUE")?;
            match key {
                "set" => head.set = hex(value, 16)?,
                "number" => head.number = Some(decimal(value)?),
                "offset" => head.offset = Some(decimal(value)?),
                "size" => head.size = Some(decimal(value)?),
                "start" => head.starts_with_member = value == "member",
                "volumes" => head.volumes = Some(decimal(value)?),
                "total" => head.total = Some(decimal(value)?),
                "parity" => head.first = Some(decimal(value)?),
                "columns" => {
                    let (data, parity) = value.split_once(',').ok_or("expected two numbers")?;
                    head.columns = Some((decimal(data)?, decimal(parity)?));
                }
                "column" => head.length = Some(decimal(value)?),
                _ => {}
            }
        }
        match head.set.is_empty() {
            true => Err("missing set"),
            false => Ok(head),
        }
    }

    /// Returns the columns of a parity volume, which must cover the archive.
    fn columns(&self, first: u64, whole: Option<(u64, u64)>) -> Result<ParityColumns> {
        let columns = self.columns.zip(self.length);
        let columns = columns.filter(|((data, parity), length)| {
            let fits = |(volumes, total): (u64, u64)| {
                let volume = (data / volumes).checked_mul(*length);
                let is_cut_so = |volume: u64| {
                    let before = volume.checked_mul(volumes - 1);
                    let all = volume.checked_mul(volumes);
                    before.is_some_and(|before| before < total)
                        && all.is_some_and(|all| all >= total)
                };
                data.is_multiple_of(volumes) && volume.is_some_and(is_cut_so)
            };
            *parity > first
                && *length > 0
                && length.is_multiple_of(64)
                && data.checked_add(*parity).is_some_and(|all| all <= 65536)
                && parity.checked_mul(*length).is_some()
                && whole.is_some_and(fits)
        });
        match columns {
            Some(((data, parity), length)) => Ok(ParityColumns {
                first,
                data,
                parity,
                length,
            }),
            None => Err(invalid(1, "columns that do not cover the archive")),
        }
    }
}

fn decimal(text: &str) -> Result<u64, &'static str> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|_| digits);
    number.ok_or("expected a number")
}

fn hex(text: &str, digits: usize) -> Result<String, &'static str> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    match text.len() == digits && text.bytes().all(is_digit) {
        true => Ok(text.to_owned()),
        false => Err("expected lower-case hexadecimal digits"),
    }
}
