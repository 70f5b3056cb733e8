//! `.deb` files, `deb(5)`: an ar archive of a format version, a control archive and a data archive.
//!
//! Threats: sizes that exceed the file (checked), a second data archive for readers that use the last one (refused),
//! control files that exhaust memory ([`ControlLimits`]), files that change between two reads (the digest is computed in
//! the pass that decodes the data).

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::ops::Range;
use std::sync::Arc;

use super::{Control, Member};
use crate::blob::{CHUNK, Compression, Counting, DecodeLimits, Decoder, FileRange};
use crate::blob::{Hasher, HashingReader, Meter, RangeReader};
use crate::error::{At, During, Error, Fault, Result};
use crate::layer::ar::{self, HEADER, MAGIC};
use crate::layer::{EntryKind, StreamInput, Walker};
use crate::spec::Digest;

/// Limits of a control archive.
#[derive(Debug, Clone, Copy)]
pub struct ControlLimits {
    /// Compressed bytes of all members before the data archive.
    pub compressed: u64,
    /// Uncompressed bytes of all control files.
    pub uncompressed: u64,
    /// Number of control files.
    pub members: u64,
}

impl Default for ControlLimits {
    fn default() -> Self {
        ControlLimits {
            compressed: 16 << 20,
            uncompressed: 64 << 20,
            members: 4096,
        }
    }
}

/// Compression of a member, as its file name states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebCompression {
    /// Compression also used for layers.
    Common(Compression),
    /// Legacy `.lzma`.
    Lzma,
}

impl DebCompression {
    /// Returns the compression of a suffix: empty, `.gz`, `.bz2`, `.xz`, `.zst`, `.lzma`.
    pub fn of_suffix(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "" => DebCompression::Common(Compression::None),
            ".gz" => DebCompression::Common(Compression::Gzip),
            ".bz2" => DebCompression::Common(Compression::Bzip2),
            ".xz" => DebCompression::Common(Compression::Xz),
            ".zst" => DebCompression::Common(Compression::Zstd),
            ".lzma" => DebCompression::Lzma,
            _ => return None,
        })
    }

    /// Creates a decoder.
    ///
    /// # Errors
    /// As [`Decoder::new`].
    pub fn decoder<R: BufRead>(self, source: R, limits: DecodeLimits) -> Result<Decoder<R>> {
        match self {
            DebCompression::Common(common) => Decoder::new(source, common, limits),
            DebCompression::Lzma => Decoder::lzma(source, limits),
        }
    }
}

/// Opened `.deb`. Everything before the data archive is in memory and not read again.
#[derive(Debug, Clone)]
pub struct Deb {
    range: FileRange,
    /// Bytes before the data archive.
    head: Arc<[u8]>,
    control: (Range<usize>, DebCompression),
    data: (Range<u64>, DebCompression),
}

impl Deb {
    /// Reads the headers of a `.deb` and its compressed control archive.
    ///
    /// # Errors
    /// `Deb` for an invalid package, `Limit`, `Io`.
    pub fn open(range: FileRange) -> Result<Self> {
        let limits = ControlLimits::default();
        let mut source = range.reader();
        let mut head = Vec::new();
        let mut control = None;
        take(&mut source, &mut head, MAGIC.len() as u64)?;
        if head != MAGIC {
            return Err(wrong("not an ar archive"));
        }
        for number in 0_usize.. {
            let at = head.len();
            let left = range.len().saturating_sub(at as u64);
            if left == 0 {
                return Err(match control {
                    Some(_) => wrong("missing data archive"),
                    None => wrong("missing control archive"),
                });
            }
            take(&mut source, &mut head, HEADER as u64)?;
            let (name, size) = header(&head[at..])?;
            let (name, size) = (name.to_owned(), size);
            let start = head.len();
            let end = (start as u64).checked_add(size);
            let end = end.filter(|end| *end <= range.len());
            let end = end.ok_or_else(|| wrong("member exceeds the file"))?;
            if let Some(suffix) = name.strip_prefix("data.tar") {
                let compression = DebCompression::of_suffix(suffix);
                let compression = compression
                    .ok_or_else(|| wrong("unsupported compression of the data archive"))?;
                let control =
                    control.ok_or_else(|| wrong("data archive before the control archive"))?;
                let deb = Deb {
                    head: head.into(),
                    control,
                    data: (start as u64..end, compression),
                    range,
                };
                deb.check_rest()?;
                return Ok(deb);
            }
            let padded = size.checked_next_multiple_of(2).unwrap_or(size);
            if head.len() as u64 + padded > limits.compressed {
                return Err(Error::new(Fault::Limit {
                    what: "size of a control archive in bytes",
                    limit: limits.compressed,
                    found: size,
                }));
            }
            // The padding byte of the last member may be missing.
            take(&mut source, &mut head, padded.min(left - HEADER as u64))?;
            let end = start + usize::try_from(size).unwrap_or_default();
            match (number, name.strip_prefix("control.tar")) {
                (0, _) if name == "debian-binary" => {
                    if !head[start..end].starts_with(b"2.") {
                        return Err(wrong("unsupported format version: expected 2.x"));
                    }
                }
                (0, _) => return Err(wrong("first member is not debian-binary")),
                (_, Some(suffix)) if control.is_none() => {
                    let compression = DebCompression::of_suffix(suffix);
                    let compression = compression
                        .ok_or_else(|| wrong("unsupported compression of the control archive"))?;
                    control = Some((start..end, compression));
                }
                (_, Some(_)) => return Err(wrong("duplicate control archive")),
                // deb(5) allows additional members that begin with '_'.
                (_, None) if name.starts_with('_') => {}
                (_, None) => return Err(wrong("unknown member")),
            }
        }
        Err(wrong("missing data archive"))
    }

    /// Checks that no second control or data archive follows the data archive; other members are ignored.
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
                return Err(wrong("unexpected archive after the data archive"));
            }
            let end = at.checked_add(HEADER as u64 + size);
            let end = end.filter(|end| *end <= self.range.len());
            at = end
                .ok_or_else(|| wrong("member exceeds the file"))?
                .next_multiple_of(2);
        }
        Err(wrong("too many members after the data archive"))
    }

    /// Returns the size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.range.len()
    }

    /// Returns the control data, and the other files of the control archive by name.
    ///
    /// # Errors
    /// `Deb` for an archive without control data or with entries other than files; `Deb822`, `Tar`, `Codec`, `Limit`.
    pub fn control(&self, limits: ControlLimits) -> Result<(Control, BTreeMap<String, Member>)> {
        let (range, compression) = &self.control;
        let decode = DecodeLimits {
            size: limits.uncompressed,
            ..DecodeLimits::default()
        };
        let decoder = compression.decoder(&self.head[range.clone()], decode)?;
        let mut members = control_files(decoder, limits).at(|| "control archive".to_owned())?;
        let control = members.remove("control");
        let control = control.ok_or_else(|| wrong("missing control data"))?;
        let text = String::from_utf8_lossy(&control.bytes);
        let control = Control::parse(&text).at(|| "control".to_owned())?;
        for field in ["Package", "Version", "Architecture"] {
            if control.get(field).is_none_or(str::is_empty) {
                return Err(wrong(match field {
                    "Package" => "control data: missing package name",
                    "Version" => "control data: missing version",
                    _ => "control data: missing architecture",
                }));
            }
        }
        Ok((control, members))
    }

    /// Returns a reader of the uncompressed data archive, a tar. After the end, [`Data::finish`] returns the digest.
    ///
    /// # Errors
    /// As [`Decoder::new`].
    pub fn data(&self, mut hasher: Hasher, limits: DecodeLimits, meter: &Meter) -> Result<Data> {
        hasher.update(&self.head);
        meter.add(self.head.len() as u64);
        let (range, compression) = &self.data;
        let source = HashingReader::new(self.data_range().reader(), hasher);
        let source = BufReader::with_capacity(CHUNK, meter.counting(source));
        Ok(Data {
            decoder: compression.decoder(source, limits)?,
            rest: self.range.slice(range.end, u64::MAX),
        })
    }

    fn data_range(&self) -> FileRange {
        let range = &self.data.0;
        self.range.slice(range.start, range.end - range.start)
    }
}

/// Reader of a data archive.
pub struct Data {
    decoder: Decoder<BufReader<Counting<HashingReader<RangeReader>>>>,
    rest: FileRange,
}

impl Data {
    /// Reads the rest of the package and returns the digest of the whole file.
    ///
    /// # Errors
    /// `Deb` for bytes after the compressed archive, `Codec`, `Io`.
    pub fn finish(mut self) -> Result<Digest> {
        let read = |error| Error::io("read", error);
        std::io::copy(&mut self.decoder, &mut std::io::sink()).map_err(read)?;
        let truncated = || wrong("truncated data archive");
        let mut source = self.decoder.into_inner().ok_or_else(truncated)?;
        if !source.fill_buf().map_err(read)?.is_empty() {
            return Err(wrong("unexpected bytes after the compressed data archive"));
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

/// Writer that hashes.
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

/// Reads the files of a control archive, which must all be regular files at the top level.
fn control_files(
    mut decoder: Decoder<&[u8]>,
    limits: ControlLimits,
) -> Result<BTreeMap<String, Member>> {
    let mut bytes = Vec::new();
    decoder.read_to_end(&mut bytes).during("read")?;
    if decoder.into_inner().is_none_or(|rest| !rest.is_empty()) {
        return Err(wrong("unexpected bytes after the compressed archive"));
    }
    let mut members = BTreeMap::new();
    let mut walker = Walker::new(StreamInput::new(Cursor::new(bytes))).max_entries(limits.members);
    while let Some(entry) = walker.next_entry()? {
        let name = String::from_utf8_lossy(entry.clean_path()).into_owned();
        match entry.kind {
            EntryKind::Directory if name.is_empty() => continue,
            EntryKind::File if entry.sparse.is_none() && !entry.climbs() => {}
            _ => return Err(wrong("not a regular file").at(name)),
        }
        if name.is_empty() || name.contains('/') {
            return Err(wrong("file below the top level").at(name));
        }
        let mode = entry.metadata.mode;
        let mut bytes = Vec::new();
        let mut buf = [0; 8192];
        loop {
            match walker.read_data(&mut buf)? {
                0 => break,
                n => bytes.extend_from_slice(&buf[..n]),
            }
        }
        if members.contains_key(&name) {
            return Err(wrong("duplicate file").at(name));
        }
        members.insert(name, Member { mode, bytes });
    }
    Ok(members)
}

/// Appends exactly `bytes` bytes of the source.
fn take(source: &mut RangeReader, head: &mut Vec<u8>, bytes: u64) -> Result<()> {
    let read = source.take(bytes).read_to_end(head);
    match read.during("read")? as u64 == bytes {
        true => Ok(()),
        false => Err(wrong("truncated file")),
    }
}

/// Parses name and size of an ar header. Only the common format is supported: names of 16 bytes, no name table.
fn header(bytes: &[u8]) -> Result<(&str, u64)> {
    if bytes.len() < HEADER {
        return Err(wrong("truncated file"));
    }
    let name = |name| {
        let name = str::from_utf8(name).ok()?;
        let name = name.strip_suffix('/').unwrap_or(name);
        Some(name).filter(|name| !name.is_empty())
    };
    let found = ar::header(bytes).and_then(|(found, size)| Some((name(found)?, size)));
    found.ok_or_else(|| wrong("damaged ar header"))
}

fn wrong(why: &'static str) -> Error {
    Fault::Deb { why }.into()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::base::debian::testing::{ar, control_tar, deb, range, tar};

    const CONTROL: &str = "Package: a\nVersion: 1\nArchitecture: all\nDescription: x\n y\n";

    type Opened = (Control, BTreeMap<String, Member>, Vec<u8>, Digest);

    fn open(bytes: &[u8]) -> Result<Opened> {
        let deb = Deb::open(range(bytes))?;
        let (control, members) = deb.control(ControlLimits::default())?;
        let meter = Meter::default();
        let mut data = deb.data(Hasher::default(), DecodeLimits::default(), &meter)?;
        let mut plain = Vec::new();
        let read = data.read_to_end(&mut plain);
        read.map_err(|error| Error::io("read", error))?;
        let digest = data.finish()?;
        assert_eq!(meter.done(), deb.data.0.end);
        Ok((control, members, plain, digest))
    }

    fn compressed(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        gzip.write_all(bytes).expect("memory");
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(6));
        bzip2.write_all(bytes).expect("memory");
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 6);
        xz.write_all(bytes).expect("memory");
        let options = liblzma::stream::LzmaOptions::new_preset(6).expect("a preset");
        let lzma = liblzma::stream::Stream::new_lzma_encoder(&options).expect("an encoder");
        let mut lzma = liblzma::write::XzEncoder::new_stream(Vec::new(), lzma);
        lzma.write_all(bytes).expect("memory");
        vec![
            ("", bytes.to_vec()),
            (".gz", gzip.finish().expect("memory")),
            (".bz2", bzip2.finish().expect("memory")),
            (".xz", xz.finish().expect("memory")),
            (".lzma", lzma.finish().expect("memory")),
            (".zst", zstd::encode_all(bytes, 3).expect("memory")),
        ]
    }

    #[test]
    fn all_compressions_are_supported() {
        let control = control_tar(CONTROL, "f md5sums=600 x | f postinst=755 #!/bin/sh");
        let data = tar("d  | f a text");
        for ((suffix, control), (_, compressed)) in
            compressed(&control).iter().zip(compressed(&data))
        {
            let bytes = ar(&[
                ("debian-binary", b"2.0\nmore\n"),
                ("_note/", b"odd"),
                (&format!("control.tar{suffix}"), control),
                ("_gpgorigin", b"x"),
                (&format!("data.tar{suffix}/"), &compressed),
                ("_after", b"y"),
            ]);
            let (control, members, plain, digest) = open(&bytes).expect(suffix);
            assert_eq!(control.get("Description"), Some("x\n y"));
            let modes = members.iter().map(|(name, it)| (name.as_str(), it.mode));
            let expected = [("md5sums", 0o600), ("postinst", 0o755)];
            assert_eq!(modes.collect::<Vec<_>>(), expected);
            assert!(plain == data, "{suffix}");
            assert_eq!(digest, crate::blob::sha256(&bytes));
        }
    }

    #[test]
    fn invalid_packages_are_refused() {
        let (control, data) = (control_tar(CONTROL, ""), tar("f a text"));
        let version = ("debian-binary", &b"2.0\n"[..]);
        let (c, d) = (("control.tar", &control[..]), ("data.tar", &data[..]));
        for (members, why) in [
            (vec![], "missing control archive"),
            (vec![version], "missing control archive"),
            (vec![version, c], "missing data archive"),
            (vec![c, version, d], "first member"),
            (vec![("debian-binary", b"3.0\n"), c, d], "expected 2.x"),
            (vec![version, d, c], "before the control archive"),
            (vec![version, c, c, d], "duplicate control archive"),
            (vec![version, c, d, d], "after the data archive"),
            (vec![version, c, ("other", b""), d], "unknown member"),
            (
                vec![version, c, ("data.tar.Z", b"")],
                "unsupported compression",
            ),
            (
                vec![version, ("control.tar.7z", b""), d],
                "unsupported compression",
            ),
        ] {
            let error = open(&ar(&members)).expect_err(why).to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
        for (members, why) in [
            ("d sub", "not a regular file"),
            ("l control control", "not a regular file"),
            ("f sub/file x", "below the top level"),
            ("f md5sums x | f md5sums y", "duplicate file"),
            ("f ../x y", "not a regular file"),
        ] {
            let error = open(&deb(CONTROL, members, "")).expect_err(why).to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
        for control in ["", "Package: a\nVersion: 1\n", "A: 1\n\nB: 2\n"] {
            assert!(open(&deb(control, "", "")).is_err(), "{control:?}");
        }
    }

    #[test]
    fn truncated_packages_are_refused() {
        let xz = compressed(&tar("f a text")).swap_remove(3).1;
        let control = control_tar(CONTROL, "");
        let bytes = ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar", &control),
            ("data.tar.xz", &xz),
        ]);
        // The last byte is padding and may be missing.
        for end in 0..bytes.len() - 1 {
            assert!(open(&bytes[..end]).is_err(), "cut at {end}");
        }
        let behind = [&xz[..], b"\0\0\0\0x"].concat();
        let members = [
            ("debian-binary", &b"2.0\n"[..]),
            ("control.tar", &control),
            ("data.tar.xz", &behind),
        ];
        assert!(open(&ar(&members)).is_err());
    }

    #[test]
    fn limits_of_control_archives_are_enforced() {
        let bytes = deb(CONTROL, "f a x | f b y", "");
        let deb = Deb::open(range(&bytes)).expect("a package");
        for limits in [
            ControlLimits {
                members: 3,
                ..ControlLimits::default()
            },
            ControlLimits {
                uncompressed: 1024,
                ..ControlLimits::default()
            },
        ] {
            let result = deb.control(limits);
            // Only compressed archives are limited by size.
            assert_eq!(result.is_err(), limits.members == 3);
        }
        let zeros = vec![0; 17 << 20];
        let members = [("debian-binary", &b"2.0\n"[..]), ("control.tar", &zeros)];
        let error = Deb::open(range(&ar(&members))).expect_err("too long");
        assert!(matches!(error.fault(), Fault::Limit { .. }), "{error}");
    }
}
