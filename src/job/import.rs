//! imgimport: a root filesystem as an image.
//!
//! A tar passes through byte for byte and is hashed, walked and kept in one pass; gzip and zstd stay as they are, what
//! layers do not come in (xz, bzip2) is unpacked. A cpio archive or a folder is written anew as a tar.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;

use super::commit::write_item;
use crate::archive::{Content, Kept};
use crate::blob::{
    CHUNK, Compression, ConcatenatedStreams, Decoder, FileRange, Hasher, HashingBuf, HashingReader,
    Input, Meter, NewFile, ReadAhead, TeeReader,
};
use crate::disk::{Directory, Item};
use crate::error::{At, Error, Fault, Result, TarFault};
use crate::layer::cpio::{Cpio, CpioEntry, CpioLinks, CpioName, is_cpio};
use crate::layer::{AnomalyKind, EntryKind, Limits, Scan, clean_path};
use crate::spec::instruction::Instruction;
use crate::spec::{Digest, History, ImageConfig, NewConfig, Platform, Timestamp};
use crate::tree::{Listing, NodeKind, Reading, Tree};
use crate::write::{Bundle, LayerWriter, ListedName, MediaTypes, NewImage, NewLayer, Recode};

/// How to import.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// The names of the image.
    pub names: Vec<ListedName>,
    /// What is said of its making.
    pub message: Option<String>,
    /// What machine it is for; as the config says, or the host's, without it.
    pub platform: Option<Platform>,
    /// The config that it starts from.
    pub config: Option<Vec<u8>>,
    /// Changes to the config.
    pub instructions: Vec<Instruction>,
    /// When it is made.
    pub created: Timestamp,
}

/// Packs new layers as was asked for.
#[derive(Debug)]
pub struct Packer<'a> {
    /// How; `media_types` and `prune_sparse` do not matter.
    pub recode: &'a Recode,
    /// Where files without a name are made.
    pub landing: &'a Path,
    /// Counts what is packed.
    pub meter: &'a Meter,
}

impl Packer<'_> {
    /// Starts a layer, packed as layers are to be wherever that can be done while it is made.
    ///
    /// # Errors
    /// `Io`.
    pub(crate) fn writer(&self) -> Result<LayerWriter> {
        let file = NewFile::in_directory(self.landing, 0o644)?;
        let only_packed = !self.recode.chunked && self.recode.reproducible.is_none();
        Ok(match self.recode.compression {
            Some(to @ (Compression::Gzip | Compression::Zstd)) if only_packed => {
                LayerWriter::packing(file, to, self.recode.level, self.meter)
            }
            _ => LayerWriter::new(file, self.meter),
        })
    }

    /// A layer of an image from one that was made here, packed if need be.
    ///
    /// # Errors
    /// `Unsupported` for a layer that is packed as layers are not; `Io`.
    pub fn layer(&self, kept: Kept, types: MediaTypes) -> Result<NewLayer> {
        self.pack(
            &Arc::clone(&kept.scan),
            Content::Kept(Arc::new(kept)),
            types,
        )
    }

    fn pack(&self, scan: &Scan, content: Content, types: MediaTypes) -> Result<NewLayer> {
        let to = match self.recode.compression {
            Some(to) => to,
            // Readers written in Go refuse zeros behind a gzip stream.
            None if scan.padding > 0 => Compression::None,
            None => match scan.compression {
                same @ (Compression::None | Compression::Gzip | Compression::Zstd) => same,
                Compression::Xz | Compression::Bzip2 => Compression::None,
            },
        };
        // Asked before it is packed: docker's media types have no word for zstd.
        types.layer(to)?;
        if to == scan.compression && scan.padding == 0 && !self.recode.chunked {
            return NewLayer::scanned(scan, content, types);
        }
        let (kept, annotations) =
            crate::write::pack_layer(scan, content, to, self.recode, self.landing, self.meter)?;
        let mut layer = NewLayer::kept(kept, types)?;
        let annotations = annotations.into_iter();
        let annotations = annotations.map(|(key, text)| (key.to_owned(), text));
        layer.descriptor.annotations = annotations.collect();
        Ok(layer)
    }
}

/// Makes an image of a folder.
///
/// # Errors
/// `Changed` and `Io` for files that cannot be read as they were seen; as [`NewConfig::like`] and
/// [`NewConfig::apply`].
pub fn import_folder(
    folder: &Directory,
    packer: &Packer<'_>,
    options: &ImportOptions,
) -> Result<(Bundle, Digest)> {
    let config = config(options)?;
    let mut out = packer.writer()?;
    let mut written: HashMap<u64, Vec<u8>> = HashMap::new();
    for (i, (item, _)) in folder.items().enumerate() {
        let first = item.inode.and_then(|inode| written.get(&inode)).cloned();
        if let (None, Some(inode)) = (&first, item.inode) {
            written.insert(inode, item.path.clone());
        }
        write_item(&item, first.as_deref(), || folder.contents(i), &mut out)?;
    }
    let layer = packer.layer(out.finish()?, MediaTypes::Oci)?;
    made(config, layer, options)
}

/// Makes an image of a tar or a cpio archive, packed or not. `in_place` says that a plain tar in a file can be read
/// from there when it is needed, so that no copy is kept.
///
/// # Errors
/// What is wrong with the archive: `Tar`, `Cpio`, `Codec`, `Entry`, `BadLink`, `Limit`, `Unsupported` for what is
/// neither; as [`NewConfig::like`] and [`NewConfig::apply`].
pub fn import(
    input: Input,
    in_place: bool,
    packer: &Packer<'_>,
    options: &ImportOptions,
) -> Result<(Bundle, Digest, Imported)> {
    // What was typed is found wrong before gigabytes have gone by.
    let config = config(options)?;
    let range = match &input {
        Input::Range(range) if in_place => Some(range.clone()),
        _ => None,
    };
    let passed = pass(input.read(), range, packer)?;
    check_root(&passed.listing, |_| false)?;
    let tree = Tree::apply(vec![Arc::new(passed.listing)])?.sound()?;
    if is_image_archive(&tree) {
        let why = "an archive of images, and not of a root filesystem: imgload loads the images";
        return Err(Fault::Usage(why.into()).into());
    }
    let looks_like_image = ["manifest.json", "oci-layout"]
        .iter()
        .any(|name| tree.get(name.as_bytes()).is_some());
    drop(tree);
    let layer = packer.pack(&passed.scan, passed.content, MediaTypes::Oci)?;
    let (bundle, id) = made(config, layer, options)?;
    let imported = Imported {
        looks_like_image,
        skipped: passed.skipped,
    };
    Ok((bundle, id, imported))
}

/// What is worth saying of an archive.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// Whether it may be an archive of images and not of files.
    pub looks_like_image: bool,
    /// Sockets, which were left out.
    pub skipped: Vec<Vec<u8>>,
}

fn config(options: &ImportOptions) -> Result<NewConfig> {
    let mut config = match &options.config {
        Some(bytes) => NewConfig::like(bytes)?,
        None => NewConfig::for_platform(&Platform::host()),
    };
    if let Some(platform) = &options.platform {
        config.set_platform(platform);
    }
    let author = match &options.config {
        Some(bytes) => ImageConfig::parse(bytes)?.author,
        None => None,
    };
    config.apply(&options.instructions).at(|| "-c".to_owned())?;
    let message = options.message.as_deref().filter(|text| !text.is_empty());
    let message = message.unwrap_or(IMPORTED);
    config.made(options.created, author.as_deref(), Some(message));
    // What made the files is known, but their layers are one now.
    config.empty_history(0)?;
    config.add_history(&History {
        created: Some(options.created.rfc3339_nano()),
        comment: message.to_owned(),
        ..History::default()
    })?;
    Ok(config)
}

/// What docker says of files it was given, whatever they are called.
const IMPORTED: &str = "Imported from -";

fn made(
    mut config: NewConfig,
    layer: NewLayer,
    options: &ImportOptions,
) -> Result<(Bundle, Digest)> {
    config.set_layers([&layer.diff_id]);
    let mut bundle = Bundle::default();
    let image = NewImage {
        config: config.bytes(),
        layers: vec![layer],
        types: MediaTypes::Oci,
    };
    let id = bundle.add_new(image, options.names.clone());
    Ok((bundle, id))
}

/// What one pass over an archive found out, and where its bytes are.
struct Passed {
    scan: Arc<Scan>,
    listing: Listing,
    content: Content,
    skipped: Vec<Vec<u8>>,
}

fn read_error(error: std::io::Error) -> Error {
    Error::io("read", error)
}

/// Whether packed bytes hold a cpio archive, as far as their beginning tells.
fn holds_cpio(head: &[u8], compression: Compression, limits: &Limits) -> bool {
    let mut magic = [0; 6];
    let decoder = Decoder::new(head, compression, limits.decode);
    let read = decoder.is_ok_and(|mut decoder| decoder.read_exact(&mut magic).is_ok());
    read && is_cpio(&magic)
}

fn pass(mut stream: ReadAhead, range: Option<FileRange>, packer: &Packer<'_>) -> Result<Passed> {
    let limits = packer.recode.limits;
    let head = stream.fill_buf().map_err(read_error)?;
    if head.is_empty() {
        let what = "an empty file".to_owned();
        return Err(Fault::Unsupported { what }.into());
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
                    ConcatenatedStreams::new(&[], stream, limits.decode).map_err(read_error)?;
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

/// Whether a tar is an archive of images, and not the files of one: it has what such archives have beside their list.
fn is_image_archive(tree: &Tree) -> bool {
    let is_file = |name: &[u8]| {
        tree.get(name)
            .is_some_and(|node| node.kind() == NodeKind::File)
    };
    let is_named_by_digest = |part: &[u8]| {
        let part = part.strip_prefix(b"sha256:").unwrap_or(part);
        part.get(..64)
            .is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit))
            && part.get(64).is_none_or(|byte| *byte == b'.')
    };
    let blobs = tree.get(b"blobs/sha256").is_some();
    is_file(b"oci-layout") && (blobs || is_file(b"index.json"))
        || is_file(b"manifest.json")
            && (blobs
                || is_file(b"repositories")
                || tree
                    .top()
                    .children()
                    .any(|node| is_named_by_digest(node.part())))
}

/// Refuses what a root filesystem cannot mean and a layer cannot say: entries of types that no engine unpacks, and
/// names that begin `.wh.`, which engines would take for markers. `skip` tells paths that are not looked at.
///
/// # Errors
/// `Unsupported`, placed at the path.
pub(super) fn check_root(listing: &Listing, skip: impl Fn(&[u8]) -> bool) -> Result<()> {
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
        Some(path) => {
            let what = "a name that begins '.wh.', which layers remove files by".to_owned();
            Err(Error::new(Fault::Unsupported { what }).at(path))
        }
    }
}

/// Refuses entries of types that no engine unpacks.
pub(super) fn check_types(listing: &Listing) -> Result<()> {
    let kind = AnomalyKind::UnknownType;
    let Some(odd) = listing.anomalies().iter().find(|odd| odd.kind == kind) else {
        return Ok(());
    };
    let path = odd.path.as_deref().unwrap_or_default();
    let why = "an entry of a type that no engine unpacks, such as a dump directory of tar -g or a volume label";
    Err(Error::new(Fault::Entry { why }).at(crate::escape::bytes(path).into_owned()))
}

fn neither() -> Error {
    let what = "input that is neither a tar nor a cpio archive, packed or not".to_owned();
    Fault::Unsupported { what }.into()
}

/// A tar as it is: hashed, walked and kept, all while it goes by.
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
            let file = Arc::new(NewFile::in_directory(packer.landing, 0o644)?);
            let mut keeping = TeeReader::new(stream, Arc::clone(&file));
            let (scan, listing) = walk(
                &mut keeping,
                compression,
                &packer.recode.limits,
                packer.meter,
            )?;
            keeping
                .finish()
                .map_err(|error| Error::io("write", error))?;
            let scan = Arc::new(scan);
            let copy = file.file().try_clone().map_err(read_error)?;
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

/// Reads a tar to the very end, packed or not.
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
    // Zeros may follow what a decoder takes.
    std::io::copy(&mut stored, &mut std::io::sink()).map_err(read_error)?;
    let (digest, size) = stored.finish();
    let (diff_id, plain_size) = plain.unwrap_or_else(|| (digest.clone(), size));
    let mut scan = Scan::made(digest, size, compression, diff_id, plain_size);
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

/// A root filesystem in a tar or cpio archive: its entries, and its plain bytes in a file.
///
/// # Errors
/// As [`import`].
pub(super) fn root_listing(
    input: Input,
    landing: &Path,
    limits: &Limits,
    meter: &Meter,
) -> Result<(Listing, FileRange)> {
    let recode = Recode {
        limits: *limits,
        ..Recode::default()
    };
    let packer = Packer {
        recode: &recode,
        landing,
        meter,
    };
    if let Input::Range(range) = &input {
        let mut head = [0; 512];
        let n = range.head(&mut head)?;
        let head = head.get(..n).unwrap_or_default();
        if Compression::sniff(head) == Compression::None && !is_cpio(head) && n == 512 {
            // Only the headers are read; contents later, and those alone that have to be compared.
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
    let head = stream.fill_buf().map_err(read_error)?;
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
        _ => Err(Fault::Gone.into()),
    }
}

/// A cpio archive as a new tar.
fn cpio(stream: ReadAhead, packer: &Packer<'_>) -> Result<Passed> {
    let file = NewFile::in_directory(packer.landing, 0o644)?;
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
            let error = Error::new(Fault::Entry {
                why: "its name leads out of the archive with '..'",
            });
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
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        mtime: entry.mtime,
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
