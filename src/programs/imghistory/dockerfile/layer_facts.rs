//! Facts about layers, by which a Dockerfile is completed and checked.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::archive::{Image, Layer};
use crate::blob::{CHUNK, Compression, Decoder, Hasher, HashingReader, Meter};
use crate::error::{At, During, Error, Result};
use crate::layer::{
    Entry, EntryKind, FileInput, Limits, StreamInput, TarInput, Walker, Whiteout, clean_path,
};
use crate::parallel::in_parallel;
use crate::tree::Proof;

/// Limit on the paths that are kept of one layer.
const PATHS: usize = 200_000;
/// Limit on the symbolic links that are kept of one layer.
const LINKS: usize = 100_000;
/// Limit on the whiteouts that are kept of one layer.
const WHITEOUTS: usize = 10_000;
/// Limit on the paths of a layer that is written as files instead of a tar.
const AS_FILES: usize = 20_000;
/// Limit on the bytes of names that are kept of all layers together.
const NAMES: usize = 256 << 20;
/// Limit on the bytes of a file whose content becomes part of the Dockerfile.
const BODY: u64 = 32 << 10;
/// Limit on the links that are followed in one path.
const HOPS: usize = 40;

/// Facts that are needed about a layer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Request {
    /// Its paths.
    pub paths: bool,
    /// The content of its only file.
    pub body: bool,
}

/// Facts about one layer.
#[derive(Debug, Clone, Default)]
pub struct LayerFacts {
    /// Number of entries except whiteouts.
    pub entries: u64,
    /// Number of entries except directories and whiteouts.
    pub files: u64,
    /// Bytes of the files.
    pub size: u64,
    /// Paths of all entries except whiteouts, sorted; empty unless requested.
    pub paths: Vec<Vec<u8>>,
    /// Attributes of each of the paths.
    pub attributes: Vec<Attributes>,
    /// True if there are more paths than the limit.
    pub incomplete: bool,
    /// Symbolic links and their targets.
    pub links: Vec<(Vec<u8>, Vec<u8>)>,
    /// Paths that are removed from lower layers.
    pub removed: Vec<Vec<u8>>,
    /// Directories whose content in lower layers is hidden.
    pub opaque: Vec<Vec<u8>>,
    /// True if `COPY` of the files gives the same layer: all owned by root, without special modes, attributes or kinds.
    pub as_files: bool,
    /// Content of the only file, if it is text; `None` unless requested.
    pub body: Option<String>,
    /// Positions of the searched paths that the layer has.
    pub seen: HashSet<usize>,
}

/// Attributes of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attributes {
    /// Owner and group.
    pub owner: (u64, u64),
    /// Permission bits.
    pub mode: u16,
    /// True for a directory.
    pub is_directory: bool,
    /// True for a regular file.
    pub is_file: bool,
}

impl LayerFacts {
    /// Returns the attributes of the entries at and below a clean path; those of a directory itself are left out.
    pub fn attributes_at(&self, path: &[u8]) -> Vec<Attributes> {
        let at = self.paths.partition_point(|known| known.as_slice() < path);
        if self.paths.get(at).is_some_and(|found| found == path)
            && let Some(attributes) = self.attributes.get(at)
            && !attributes.is_directory
        {
            return vec![*attributes];
        }
        let below = match path {
            b"" => Vec::new(),
            path => [path, b"/"].concat(),
        };
        let from = self.paths.partition_point(|known| *known < below);
        let paths = self.paths.iter().zip(&self.attributes).skip(from);
        paths
            .take_while(|(found, _)| found.starts_with(&below))
            .map(|(_, attributes)| *attributes)
            .collect()
    }

    /// Tests if the layer has more than directories.
    pub fn has_changes(&self) -> bool {
        let only_directories = self.attributes.iter().all(|entry| entry.is_directory)
            && self.attributes.len() as u64 == self.entries;
        !only_directories || !self.removed.is_empty() || !self.opaque.is_empty()
    }

    /// Tests for an entry at or below a clean path.
    pub fn has(&self, path: &[u8]) -> bool {
        if path.is_empty() {
            return self.entries > 0;
        }
        let at = self.paths.partition_point(|known| known.as_slice() < path);
        let below = [path, b"/"].concat();
        let next = self.paths.partition_point(|known| *known < below);
        self.paths.get(at).is_some_and(|found| found == path)
            || self
                .paths
                .get(next)
                .is_some_and(|found| found.starts_with(&below))
    }
}

/// Reads the layers of an image, on all cores. Returns `None` for a layer that is not in the archive.
///
/// Only the headers of an uncompressed layer are read; a compressed one is decoded and verified. `searched` are clean
/// paths, with their positions in [`LayerFacts::seen`].
///
/// # Errors
/// The fault of the first damaged layer.
pub fn read_all(
    image: &Image,
    requests: &[Request],
    searched: &HashMap<Vec<u8>, usize>,
    limits: &Limits,
    meter: &Meter,
) -> Result<Vec<Option<LayerFacts>>> {
    let budget = AtomicUsize::new(NAMES);
    let numbers: Vec<usize> = (0..image.layers.len()).collect();
    in_parallel(&numbers, |&i| {
        let layer = &image.layers[i];
        let request = requests.get(i).copied().unwrap_or_default();
        if !layer.is_filesystem() {
            return Ok(None);
        }
        let context = format!("layer {} of {}", i + 1, image.layers.len());
        let found = walk(layer, Extent::Headers, limits, meter, |walker| {
            Gatherer::new(request, searched, &budget).gather(walker)
        })
        .at(|| layer.place())
        .at(|| context.clone())?;
        // Content that becomes part of the Dockerfile is verified: it is the only file of its layer, and small.
        if found.as_ref().is_some_and(|facts| facts.body.is_some()) {
            Proof::of_layers([(layer, context)])?.check(meter)?;
        }
        Ok(found)
    })
    .into_iter()
    .collect()
}

/// Walker over the entries of a tar.
pub type Walk<'a> = Walker<&'a mut (dyn TarInput + 'a)>;

/// Extent of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Only the headers of an uncompressed layer, without verification.
    Headers,
    /// All bytes, verified.
    All,
}

/// Walks a layer with `read`, and verifies it if all of it is read. Returns `None` for a layer that is not in the archive.
///
/// # Errors
/// `DigestMismatch`, `DiffIdMismatch` for a layer that was read to its end; errors of decoding, walking and `read`.
pub fn walk<T>(
    layer: &Layer,
    extent: Extent,
    limits: &Limits,
    meter: &Meter,
    read: impl FnOnce(&mut Walk<'_>) -> Result<T>,
) -> Result<Option<T>> {
    layer.check_identity()?;
    let Some(content) = layer.content() else {
        return Ok(None);
    };
    if let Some(range) = content.range()?.filter(|_| extent == Extent::Headers) {
        let mut head = [0; 6];
        let n = range.head(&mut head)?;
        if Compression::sniff(&head[..n]) == Compression::None {
            let (file, start) = range.parts();
            let mut input = FileInput::new(Arc::clone(file), start, range.len());
            let mut walker: Walk<'_> = Walker::new(&mut input as &mut dyn TarInput).within(limits);
            return read(&mut walker).map(Some);
        }
    }
    let stored = layer.digest();
    let hasher = stored.map_or_else(|| Ok(Hasher::default()), Hasher::like)?;
    let counted = meter.counting(content.reader()?);
    let mut compressed = BufReader::with_capacity(CHUNK, HashingReader::new(counted, hasher));
    let compression = Compression::sniff(compressed.fill_buf().during("read")?);
    let result;
    let diff_id;
    {
        let mut decoder = Decoder::new(&mut compressed, compression, limits.decode)?;
        let like = layer.diff_id.as_ref();
        let hasher = like.map_or_else(|| Ok(Hasher::default()), Hasher::like)?;
        let mut uncompressed =
            BufReader::with_capacity(CHUNK, HashingReader::new(&mut decoder, hasher));
        {
            let mut input = StreamInput::new(&mut uncompressed);
            let mut walker: Walk<'_> = Walker::new(&mut input as &mut dyn TarInput).within(limits);
            result = read(&mut walker)?;
        }
        io::copy(&mut uncompressed, &mut io::sink()).during("read")?;
        diff_id = uncompressed.into_inner().finish().0;
    }
    io::copy(&mut compressed, &mut io::sink()).during("read")?;
    let (found, _) = compressed.into_inner().finish();
    if let Some(expected) = stored
        && *expected != found
    {
        let (expected, found) = (expected.to_string(), found.to_string());
        return Err(Error::digest_mismatch(expected, found));
    }
    layer.check_diff_id(&diff_id)?;
    Ok(Some(result))
}

/// Gives the uncompressed bytes of a layer to `read`. Returns `None` for a layer that is not in the archive.
///
/// # Errors
/// Errors of decoding and `read`; `DiffIdMismatch`.
pub fn read_uncompressed<T>(
    layer: &Layer,
    limits: &Limits,
    meter: &Meter,
    read: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<Option<T>> {
    layer.check_identity()?;
    let Some(content) = layer.content() else {
        return Ok(None);
    };
    let mut compressed = BufReader::with_capacity(CHUNK, meter.counting(content.reader()?));
    let compression = Compression::sniff(compressed.fill_buf().during("read")?);
    let mut decoder = Decoder::new(&mut compressed, compression, limits.decode)?;
    let like = layer.diff_id.as_ref();
    let hasher = like.map_or_else(|| Ok(Hasher::default()), Hasher::like)?;
    let mut uncompressed = HashingReader::new(&mut decoder, hasher);
    let result = read(&mut uncompressed)?;
    io::copy(&mut uncompressed, &mut io::sink()).during("read")?;
    layer.check_diff_id(&uncompressed.finish().0)?;
    Ok(Some(result))
}

/// Collects the facts about one layer.
struct Gatherer<'a> {
    request: Request,
    searched: &'a HashMap<Vec<u8>, usize>,
    /// Bytes of names that all layers together may still keep.
    budget: &'a AtomicUsize,
    facts: LayerFacts,
    kept: Vec<(Vec<u8>, Attributes)>,
    /// Paths so far, to find duplicates.
    names: HashSet<Vec<u8>>,
    directories: HashSet<Vec<u8>>,
    body: Vec<u8>,
}

impl<'a> Gatherer<'a> {
    fn new(
        request: Request,
        searched: &'a HashMap<Vec<u8>, usize>,
        budget: &'a AtomicUsize,
    ) -> Self {
        Gatherer {
            request,
            searched,
            budget,
            facts: LayerFacts {
                as_files: true,
                ..LayerFacts::default()
            },
            kept: Vec::new(),
            names: HashSet::new(),
            directories: HashSet::new(),
            body: Vec::new(),
        }
    }

    fn gather(mut self, walker: &mut Walk<'_>) -> Result<LayerFacts> {
        while let Some(entry) = walker.next_entry()? {
            if Whiteout::of(entry.clean_path()) != Whiteout::None {
                self.add_whiteout(entry.clean_path());
                continue;
            }
            self.add_entry(entry);
            let is_body = self.request.body
                && entry.kind == EntryKind::File
                && self.facts.files == 1
                && entry.size <= BODY;
            if is_body {
                let mut buf = [0; 4096];
                loop {
                    match walker.read_data(&mut buf)? {
                        0 => break,
                        n => self.body.extend_from_slice(&buf[..n]),
                    }
                }
            }
        }
        let mut facts = self.facts;
        facts.as_files &= self.request.paths;
        self.kept.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        (facts.paths, facts.attributes) = self.kept.into_iter().unzip();
        if self.request.body && facts.files == 1 && !self.body.is_empty() {
            facts.body = String::from_utf8(self.body).ok();
        }
        Ok(facts)
    }

    /// Takes a name's bytes off the budget, whichever layer comes first; returns false if it is used up.
    fn fits(&self, length: usize) -> bool {
        let room = |left: usize| left.checked_sub(length + 64);
        self.budget
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .is_ok()
    }

    fn add_whiteout(&mut self, path: &[u8]) {
        self.facts.as_files = false;
        let directory = path
            .rsplitn(2, |&byte| byte == b'/')
            .nth(1)
            .unwrap_or_default();
        match Whiteout::of(path) {
            Whiteout::Removes(name) => {
                let path = match directory {
                    b"" => name.to_vec(),
                    directory => [directory, b"/", name].concat(),
                };
                if self.facts.removed.len() < WHITEOUTS && self.fits(path.len()) {
                    self.facts.removed.push(path);
                }
            }
            Whiteout::Opaque
                if self.facts.opaque.len() < WHITEOUTS && self.fits(directory.len()) =>
            {
                self.facts.opaque.push(directory.to_vec());
            }
            _ => {}
        }
    }

    fn add_entry(&mut self, entry: &Entry) {
        let path = entry.clean_path();
        let is_directory = entry.kind == EntryKind::Directory;
        self.facts.entries += 1;
        self.facts.files += u64::from(!is_directory);
        self.facts.size = self.facts.size.saturating_add(entry.size);
        if let Some(&at) = self.searched.get(path) {
            self.facts.seen.insert(at);
        }
        if entry.kind == EntryKind::Symlink
            && self.facts.links.len() < LINKS
            && self.fits(path.len() + entry.link_target.len())
        {
            let link = (path.to_vec(), entry.link_target.clone());
            self.facts.links.push(link);
        }
        if !self.request.paths {
            return;
        }
        if self.kept.len() < PATHS && self.fits(path.len()) {
            let attributes = Attributes {
                owner: (entry.metadata.uid, entry.metadata.gid),
                mode: entry.metadata.mode,
                is_directory,
                is_file: entry.kind == EntryKind::File,
            };
            self.kept.push((path.to_vec(), attributes));
        } else {
            self.facts.incomplete = true;
        }
        if self.facts.as_files {
            self.facts.as_files = self.names.len() < AS_FILES
                && is_ordinary(entry)
                && follows_directory(path, &self.directories)
                && self.names.insert(path.to_vec());
            if is_directory {
                self.directories.insert(path.to_vec());
            }
        }
    }
}

/// Tests if an entry stays the same when it is written to a directory without root and copied by `COPY`.
fn is_ordinary(entry: &Entry) -> bool {
    let (kind, mode) = (entry.kind, entry.metadata.mode);
    let mode_fits = match kind {
        EntryKind::Directory => mode & 0o7700 == 0o700,
        EntryKind::File => mode & 0o7400 == 0o400,
        EntryKind::Symlink => true,
        _ => false,
    };
    let path = entry.clean_path();
    let name_fits = std::str::from_utf8(path).is_ok_and(|path| !path.chars().any(char::is_control));
    let parts_fit = path
        .split(|&byte| byte == b'/')
        .all(|part| part != b".." && part.len() <= 255);
    let target_fits = kind != EntryKind::Symlink
        || !entry.link_target.is_empty() && entry.link_target.len() < 4096;
    // The root directory exists already.
    let top_fits = !path.is_empty() || kind == EntryKind::Directory && mode == 0o755;
    mode_fits
        && name_fits
        && parts_fit
        && target_fits
        && top_fits
        && path.len() < 2048
        && !entry.climbs()
        && (entry.metadata.uid, entry.metadata.gid) == (0, 0)
        && entry.metadata.xattrs.is_empty()
        && entry.sparse.is_none()
}

/// Tests if the directory of a path came before it.
fn follows_directory(path: &[u8], directories: &HashSet<Vec<u8>>) -> bool {
    match path.iter().rposition(|&byte| byte == b'/') {
        None => true,
        Some(at) => directories.contains(path.get(..at).unwrap_or_default()),
    }
}

/// Symbolic links of a stack of layers.
#[derive(Debug, Default)]
pub struct Links(HashMap<Vec<u8>, Vec<u8>>);

impl Links {
    /// Adds a layer on top.
    pub fn add(&mut self, facts: &LayerFacts) {
        for path in facts.removed.iter().chain(&facts.paths) {
            self.0.remove(path);
        }
        self.0.extend(facts.links.iter().cloned());
    }

    /// Tests if a clean path is a link.
    pub fn has(&self, path: &[u8]) -> bool {
        self.0.contains_key(path)
    }

    /// Follows the links in an absolute path; returns a clean path.
    pub fn resolve(&self, path: &str) -> Vec<u8> {
        let mut todo: Vec<Vec<u8>> = parts(path.as_bytes());
        let mut done: Vec<Vec<u8>> = Vec::new();
        let mut hops = 0;
        while let Some(part) = todo.pop() {
            if part == b".." {
                done.pop();
                continue;
            }
            done.push(part);
            let here = done.join(&b'/');
            if let Some(target) = self.0.get(&here).filter(|_| hops < HOPS) {
                hops += 1;
                done.pop();
                if target.starts_with(b"/") {
                    done.clear();
                }
                todo.extend(parts(target));
            }
        }
        done.join(&b'/')
    }
}

/// Returns the parts of a path, last one first.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    let clean = clean_path(path).path;
    let parts = clean.split(|&byte| byte == b'/').rev();
    parts
        .filter(|part| !part.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}
