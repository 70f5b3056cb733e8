//! Root filesystems in tar and cpio archives.

use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use super::packer::{Packer, write_item};
use super::{LayerWriter, Recode};
use crate::archive::{Content, Kept};
use crate::blob::{
    CHUNK, Compression, ConcatenatedStreams, Decoder, FileRange, Hasher, HashingBuf, HashingReader,
    Input, Meter, NewFile, ReadAhead, TeeReader,
};
use crate::disk::Item;
use crate::error::{During, Error, Fault, Result, TarFault};
use crate::layer::cpio::{Cpio, CpioEntry, CpioLinks, CpioName, is_cpio};
use crate::layer::{AnomalyKind, EntryKind, Limits, Scan, clean_path};
use crate::tree::{Listing, Reading};

/// An archive after one pass: its scan, its entries and its bytes.
pub(crate) struct Passed {
    pub(crate) scan: Arc<Scan>,
    pub(crate) listing: Listing,
    pub(crate) content: Content,
    pub(crate) skipped: Vec<Vec<u8>>,
}

/// Returns true if the first bytes decode to the beginning of a cpio archive.
fn holds_cpio(head: &[u8], compression: Compression, limits: &Limits) -> bool {
    let mut magic = [0; 6];
    let decoder = Decoder::new(head, compression, limits.decode);
    let read = decoder.is_ok_and(|mut decoder| decoder.read_exact(&mut magic).is_ok());
    read && is_cpio(&magic)
}

/// Reads an archive once: hashes it, lists its entries and keeps its bytes.
///
/// # Errors
/// `Unsupported` for input that is neither a tar nor a cpio archive; `Tar`, `Cpio`, `Codec`, `Entry`, `BadLink`,
/// `Limit`, `Io`.
pub(crate) fn pass(
    mut stream: ReadAhead,
    range: Option<FileRange>,
    packer: &Packer<'_>,
) -> Result<Passed> {
    let limits = packer.recode.limits;
    let head = stream.fill_buf().during("read")?;
    if head.is_empty() {
        return Err(Error::unsupported("an empty file"));
    }
    let compression = Compression::sniff(head);
    let is_cpio = holds_cpio(head, compression, &limits);
    if compression == Compression::None && !is_cpio && head.len() < 512 {
        return Err(neither());
    }
    let stays = matches!(
        compression,
        Compression::None | Compression::Gzip | Compression::Zstd
    );
    if is_cpio {
        let plain = match compression {
            Compression::None => stream,
            _ => {
                let segments =
                    ConcatenatedStreams::new(&[], stream, limits.decode).during("read")?;
                ReadAhead::new(segments)
            }
        };
        return cpio(plain, packer);
    }
    if !stays {
        let decoder = ReadAhead::new(Decoder::new(stream, compression, limits.decode)?);
        return tar(decoder, Compression::None, None, packer);
    }
    tar(stream, compression, range, packer)
}

/// Refuses entries that layers cannot hold: types that no engine unpacks, and names that begin with `.wh.`, which
/// engines take for whiteouts. Paths for which `skip` returns true are ignored.
///
/// # Errors
/// `Unsupported` and `Entry`, placed at the path.
pub fn check_root(listing: &Listing, skip: impl Fn(&[u8]) -> bool) -> Result<()> {
    check_types(listing)?;
    let mut refused = None;
    listing.paths(|path| {
        if refused.is_none()
            && path.windows(4).any(|part| part == b".wh.")
            && path
                .split(|byte| *byte == b'/')
                .any(|part| part.starts_with(b".wh."))
            && !skip(path)
        {
            refused = Some(crate::escape::bytes(path).into_owned());
        }
    });
    match refused {
        None => Ok(()),
        Some(path) => Err(Error::unsupported("file name with the whiteout prefix '.wh.'").at(path)),
    }
}

/// Refuses entries of types that no engine unpacks.
pub fn check_types(listing: &Listing) -> Result<()> {
    let kind = AnomalyKind::UnknownType;
    let Some(odd) = listing.anomalies().iter().find(|odd| odd.kind == kind) else {
        return Ok(());
    };
    let path = odd.path.as_deref().unwrap_or_default();
    Err(Error::entry("an entry of a type that no engine unpacks, such as a dump directory of tar -g or a volume label").at(crate::escape::bytes(path).into_owned()))
}

fn neither() -> Error {
    let what = "input that is neither a tar nor a cpio archive, compressed or not".to_owned();
    Error::unsupported(what)
}

/// Hashes, lists and keeps a tar in one pass.
fn tar(
    mut stream: ReadAhead,
    compression: Compression,
    range: Option<FileRange>,
    packer: &Packer<'_>,
) -> Result<Passed> {
    let (scan, listing, content) = match range {
        Some(range) => {
            let (scan, listing) = walk(
                &mut stream,
                compression,
                &packer.recode.limits,
                packer.meter,
            )?;
            (Arc::new(scan), listing, Content::Range(range))
        }
        None => {
            let file = Arc::new(NewFile::in_directory(packer.temp_dir, 0o644)?);
            let mut tee = TeeReader::new(stream, Arc::clone(&file));
            let (scan, listing) = walk(&mut tee, compression, &packer.recode.limits, packer.meter)?;
            tee.finish().during("write")?;
            let scan = Arc::new(scan);
            let copy = file.file().try_clone().during("read")?;
            let range = FileRange::whole(copy)?;
            let kept = Kept {
                file,
                range,
                scan: Arc::clone(&scan),
            };
            (scan, listing, Content::Kept(Arc::new(kept)))
        }
    };
    Ok(Passed {
        scan,
        listing,
        content,
        skipped: Vec::new(),
    })
}

fn reading(limits: &Limits) -> Reading {
    Reading {
        limits: *limits,
        ..Reading::default()
    }
}

/// Reads a tar to its end, compressed or not.
fn walk(
    reader: &mut impl BufRead,
    compression: Compression,
    limits: &Limits,
    meter: &Meter,
) -> Result<(Scan, Listing)> {
    let reading = reading(limits);
    let mut stored = HashingBuf::new(reader, Hasher::default(), meter);
    let (listing, plain, padding) = match compression {
        Compression::None => (list(&reading, &mut stored)?, None, 0),
        _ => {
            let mut decoder = Decoder::new(&mut stored, compression, limits.decode)?;
            let hashing = HashingReader::new(&mut decoder, Hasher::default());
            let mut plain = BufReader::with_capacity(CHUNK, hashing);
            let listing = list(&reading, &mut plain)?;
            let found = plain.into_inner().finish();
            (listing, Some(found), decoder.padding())
        }
    };
    // Zeros may follow the compressed stream.
    std::io::copy(&mut stored, &mut std::io::sink()).during("read")?;
    let (digest, size) = stored.finish();
    let (diff_id, uncompressed_size) = plain.unwrap_or_else(|| (digest.clone(), size));
    let mut scan = Scan::written(digest, size, compression, diff_id, uncompressed_size);
    scan.padding = padding;
    Ok((scan, listing))
}

fn list(reading: &Reading, plain: impl BufRead) -> Result<Listing> {
    reading
        .list_stream(plain)
        .map_err(|error| match error.fault() {
            Fault::Tar {
                why: TarFault::NotATar,
                ..
            } => neither(),
            _ => error,
        })
}

/// Lists a root filesystem in a tar or cpio archive. Returns its entries, and its uncompressed bytes in a file.
///
/// # Errors
/// As imgimport's.
pub fn root_listing(
    input: Input,
    temp_dir: &Path,
    limits: &Limits,
    meter: &Meter,
) -> Result<(Listing, FileRange)> {
    let recode = Recode {
        limits: *limits,
        ..Recode::default()
    };
    let packer = Packer {
        recode: &recode,
        temp_dir,
        meter,
    };
    if let Input::Range(range) = &input {
        let mut head = [0; 512];
        let n = range.head(&mut head)?;
        let head = head.get(..n).unwrap_or_default();
        if Compression::sniff(head) == Compression::None && !is_cpio(head) && n == 512 {
            // Only the headers are read; contents are read later, if they have to be compared.
            let listing = reading(limits).list_range(range);
            let listing = listing.map_err(|error| match error.fault() {
                Fault::Tar {
                    why: TarFault::NotATar,
                    ..
                } => neither(),
                _ => error,
            })?;
            return Ok((listing, range.clone()));
        }
    }
    let mut stream = input.read();
    let head = stream.fill_buf().during("read")?;
    let compression = Compression::sniff(head);
    let passed = match compression {
        Compression::None => pass(stream, None, &packer)?,
        _ if holds_cpio(head, compression, limits) => pass(stream, None, &packer)?,
        _ => {
            let decoder = Decoder::new(stream, compression, limits.decode)?;
            tar(ReadAhead::new(decoder), Compression::None, None, &packer)?
        }
    };
    match passed.content {
        Content::Kept(kept) => Ok((passed.listing, kept.range.clone())),
        _ => Err(Fault::StreamConsumed.into()),
    }
}

/// Converts a cpio archive to a tar.
fn cpio(stream: ReadAhead, packer: &Packer<'_>) -> Result<Passed> {
    let file = NewFile::in_directory(packer.temp_dir, 0o644)?;
    let mut out = LayerWriter::new(file, &Meter::default());
    let mut cpio = Cpio::new(stream).within(&packer.recode.limits);
    let mut links = CpioLinks::within(&packer.recode.limits);
    let mut skipped = Vec::new();
    while let Some(entry) = cpio.next_entry()? {
        let entry = entry.clone();
        let Some(kind) = entry.kind else {
            skipped.push(entry.path);
            continue;
        };
        let path = clean_path(&entry.path);
        if path.climbs {
            let error = Error::entry("its name leads out of the archive with '..'");
            return Err(error.at(String::from_utf8_lossy(&entry.path)));
        }
        let item = item_of(&entry, kind);
        match links.name(&entry, cpio.archive())? {
            CpioName::Waits => {}
            CpioName::Link(first) => {
                let first = clean_path(&first).path.into_owned();
                write_item(&item, Some(&first), || Ok(Cursor::new([])), &mut out)?;
            }
            CpioName::File(others) => {
                write_item(&item, None, || Ok(CpioData(&mut cpio)), &mut out)?;
                for other in others {
                    let link = item_of(&other, kind);
                    write_item(&link, Some(&item.path), || Ok(Cursor::new([])), &mut out)?;
                }
            }
        }
    }
    for names in links.rest() {
        let mut names = names.iter().map(|entry| item_of(entry, EntryKind::File));
        let Some(first) = names.next() else { continue };
        write_item(&first, None, || Ok(Cursor::new([])), &mut out)?;
        for name in names {
            write_item(&name, Some(&first.path), || Ok(Cursor::new([])), &mut out)?;
        }
    }
    let kept = out.finish()?;
    let listing = reading(&packer.recode.limits).list_range(&kept.range)?;
    Ok(Passed {
        scan: Arc::clone(&kept.scan),
        listing,
        content: Content::Kept(Arc::new(kept)),
        skipped,
    })
}

fn item_of(entry: &CpioEntry, kind: EntryKind) -> Item {
    Item {
        path: clean_path(&entry.path).path.into_owned(),
        kind,
        metadata: entry.metadata.clone(),
        size: entry.size,
        link_target: entry.link_target.clone(),
        device: entry.device,
        ..Item::default()
    }
}

/// The contents of a cpio archive's current entry.
struct CpioData<'a>(&'a mut Cpio);

impl Read for CpioData<'_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        self.0.read_data(buf).map_err(Error::into_io)
    }
}
