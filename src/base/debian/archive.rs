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

    fn packed(bytes: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
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
    fn every_packing_of_a_package_is_read() {
        let control = control_tar(CONTROL, "f md5sums=600 x | f postinst=755 #!/bin/sh");
        let data = tar("d  | f a text");
        for ((suffix, control), (_, packed)) in packed(&control).iter().zip(packed(&data)) {
            let bytes = ar(&[
                ("debian-binary", b"2.0\nmore\n"),
                ("_note/", b"odd"),
                (&format!("control.tar{suffix}"), control),
                ("_gpgorigin", b"x"),
                (&format!("data.tar{suffix}/"), &packed),
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
    fn what_is_no_package_is_refused() {
        let (control, data) = (control_tar(CONTROL, ""), tar("f a text"));
        let version = ("debian-binary", &b"2.0\n"[..]);
        let (c, d) = (("control.tar", &control[..]), ("data.tar", &data[..]));
        for (members, why) in [
            (vec![], "no control archive"),
            (vec![version], "no control archive"),
            (vec![version, c], "no data archive"),
            (vec![c, version, d], "first member"),
            (vec![("debian-binary", b"3.0\n"), c, d], "not 2.x"),
            (vec![version, d, c], "data archive comes first"),
            (vec![version, c, c, d], "two control archives"),
            (vec![version, c, d, d], "follows its data"),
            (vec![version, c, ("other", b""), d], "not known"),
            (vec![version, c, ("data.tar.Z", b"")], "unknown kind"),
            (vec![version, ("control.tar.7z", b""), d], "unknown kind"),
        ] {
            let error = open(&ar(&members)).expect_err(why).to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
        for (members, why) in [
            ("d sub", "something that is no file"),
            ("l control control", "something that is no file"),
            ("f sub/file x", "not at the top"),
            ("f md5sums x | f md5sums y", "a file that is there twice"),
            ("f ../x y", "something that is no file"),
        ] {
            let error = open(&deb(CONTROL, members, "")).expect_err(why).to_string();
            assert!(error.contains(why), "{why}: {error}");
        }
        for control in ["", "Package: a\nVersion: 1\n", "A: 1\n\nB: 2\n"] {
            assert!(open(&deb(control, "", "")).is_err(), "{control:?}");
        }
    }

    #[test]
    fn every_cut_is_an_error() {
        let xz = packed(&tar("f a text")).swap_remove(3).1;
        let control = control_tar(CONTROL, "");
        let bytes = ar(&[
            ("debian-binary", b"2.0\n"),
            ("control.tar", &control),
            ("data.tar.xz", &xz),
        ]);
        // The last byte may be what makes the length even.
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
    fn a_control_archive_is_limited() {
        let bytes = deb(CONTROL, "f a x | f b y", "");
        let deb = Deb::open(range(&bytes)).expect("a package");
        for limits in [
            ControlLimits {
                members: 3,
                ..ControlLimits::default()
            },
            ControlLimits {
                unpacked: 1024,
                ..ControlLimits::default()
            },
        ] {
            let result = deb.control(limits);
            // Of what is not packed only the files are counted.
            assert_eq!(result.is_err(), limits.members == 3);
        }
        let zeros = vec![0; 17 << 20];
        let members = [("debian-binary", &b"2.0\n"[..]), ("control.tar", &zeros)];
        let error = Deb::open(range(&ar(&members))).expect_err("too long");
        assert!(matches!(error.fault(), Fault::Limit { .. }), "{error}");
    }
}
