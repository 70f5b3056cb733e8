//! What the layers hold, as far as a Dockerfile is judged and completed by it.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, BufReader, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::archive::{Image, Layer};
use crate::blob::{CHUNK, Compression, Decoder, Hasher, HashingReader, Meter};
use crate::error::{At, Error, Fault, Result};
use crate::layer::{
    Entry, EntryKind, FileInput, Limits, StreamInput, TarInput, Walker, Whiteout, clean_path,
};
use crate::parallel::in_parallel;
use crate::tree::Proof;

/// The most paths that are kept of one layer.
const PATHS: usize = 200_000;
/// The most symbolic links that are kept of one layer.
const LINKS: usize = 100_000;
/// The most whiteouts that are kept of one layer.
const WHITEOUTS: usize = 10_000;
/// The most paths of a layer that is written as files instead of a tar.
const AS_FILES: usize = 20_000;
/// The most bytes of names that are kept of all layers together.
const NAMES: usize = 256 << 20;
/// The most bytes of a file whose content becomes part of the Dockerfile.
const BODY: u64 = 32 << 10;
/// How many links are followed in one path.
const HOPS: usize = 40;

/// What is asked of a layer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Its paths.
    pub paths: bool,
    /// The content of its file, if it has one only.
    pub body: bool,
}

/// What a layer holds.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Entries that are no whiteouts.
    pub entries: u64,
    /// Entries that are neither directories nor whiteouts.
    pub files: u64,
    /// Bytes of the files.
    pub size: u64,
    /// Paths of all entries but whiteouts, sorted, if they were asked for.
    pub paths: Vec<Vec<u8>>,
    /// Owner, group, mode and kind of each of the paths.
    pub marks: Vec<Marks>,
    /// Whether there were too many paths to keep them.
    pub cut: bool,
    /// Symbolic links and their targets.
    pub links: Vec<(Vec<u8>, Vec<u8>)>,
    /// What is removed from lower layers.
    pub removed: Vec<Vec<u8>>,
    /// Folders whose lower content is hidden.
    pub opaque: Vec<Vec<u8>>,
    /// Whether plain files and `COPY` give the same: all of root's, without special modes, attributes or kinds.
    pub as_files: bool,
    /// The content of the only file, if it was asked for and is text.
    pub body: Option<String>,
    /// Which of the paths that were looked for are here, by position.
    pub seen: HashSet<usize>,
}

/// What an entry has beside its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// The owner and the group.
    pub owner: (u64, u64),
    /// The mode, without the kind.
    pub mode: u16,
    /// Whether it is a directory.
    pub is_directory: bool,
    /// Whether it is a file with content of its own.
    pub is_file: bool,
}

impl Facts {
    /// Owners and modes of what is at a clean path or below it; of a directory only what is below it.
    pub fn marks_at(&self, path: &[u8]) -> Vec<Marks> {
        let at = self.paths.partition_point(|known| known.as_slice() < path);
        if self.paths.get(at).is_some_and(|found| found == path)
            && let Some(marks) = self.marks.get(at)
            && !marks.is_directory
        {
            return vec![*marks];
        }
        let below = match path {
            b"" => Vec::new(),
            path => [path, b"/"].concat(),
        };
        let from = self.paths.partition_point(|known| *known < below);
        let paths = self.paths.iter().zip(&self.marks).skip(from);
        paths
            .take_while(|(found, _)| found.starts_with(&below))
            .map(|(_, marks)| *marks)
            .collect()
    }

    /// Whether anything is in the layer but directories.
    pub fn has_news(&self) -> bool {
        let only_directories = self.marks.iter().all(|marks| marks.is_directory)
            && self.marks.len() as u64 == self.entries;
        !only_directories || !self.removed.is_empty() || !self.opaque.is_empty()
    }

    /// Whether something is at a clean path or below it.
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

/// Walks the layers of an image on all cores. `None` for one that is not in the archive.
///
/// Of a plain layer only headers are read; a packed one is decoded, and verified on the way. `looked_for` are clean
/// paths to be told about wherever they are.
///
/// # Errors
/// What is wrong with the first layer that is damaged.
pub fn facts(
    image: &Image,
    wanted: &[Wanted],
    looked_for: &HashMap<Vec<u8>, usize>,
    limits: &Limits,
    meter: &Meter,
) -> Result<Vec<Option<Facts>>> {
    let budget = AtomicUsize::new(NAMES);
    let numbers: Vec<usize> = (0..image.layers.len()).collect();
    in_parallel(&numbers, |&i| {
        let layer = &image.layers[i];
        let wanted = wanted.get(i).copied().unwrap_or_default();
        if !layer.is_filesystem() {
            return Ok(None);
        }
        let place = format!("layer {} of {}", i + 1, image.layers.len());
        let found = read(layer, Extent::Headers, limits, meter, |walker| {
            gather(walker, wanted, looked_for, &budget)
        })
        .at(|| layer.member.clone())
        .at(|| place.clone())?;
        // Contents that become part of the Dockerfile are the only ones of their layer, and few.
        if found.as_ref().is_some_and(|facts| facts.body.is_some()) {
            Proof::of_layers([(layer, place)])?.check(meter)?;
        }
        Ok(found)
    })
    .into_iter()
    .collect()
}

/// Something that walks the entries of a tar.
pub type Walk<'a> = Walker<&'a mut (dyn TarInput + 'a)>;

/// How far a layer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Of an uncompressed layer only the headers, and nothing of it is hashed.
    Headers,
    /// To its end, and verified.
    Whole,
}

/// Lets `job` walk a layer, and verifies what is read of it; `None` if the layer is not in the archive.
///
/// # Errors
/// `DigestMismatch`, `DiffIdMismatch` where the whole layer had to be read; what decoding, walking and `job` refuse.
pub fn read<T>(
    layer: &Layer,
    extent: Extent,
    limits: &Limits,
    meter: &Meter,
    job: impl FnOnce(&mut Walk<'_>) -> Result<T>,
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
            return job(&mut walker).map(Some);
        }
    }
    let stored = layer
        .descriptor
        .as_ref()
        .map(|descriptor| &descriptor.digest);
    let hasher = stored.map_or_else(|| Ok(Hasher::default()), Hasher::like)?;
    let read_error = |error| Error::io("read", error);
    let counted = meter.counting(content.reader()?);
    let mut packed = BufReader::with_capacity(CHUNK, HashingReader::new(counted, hasher));
    let compression = Compression::sniff(packed.fill_buf().map_err(read_error)?);
    let result;
    let diff_id;
    {
        let mut decoder = Decoder::new(&mut packed, compression, limits.decode)?;
        let like = layer.diff_id.as_ref();
        let hasher = like.map_or_else(|| Ok(Hasher::default()), Hasher::like)?;
        let mut plain = BufReader::with_capacity(CHUNK, HashingReader::new(&mut decoder, hasher));
        {
            let mut input = StreamInput::new(&mut plain);
            let mut walker: Walk<'_> = Walker::new(&mut input as &mut dyn TarInput).within(limits);
            result = job(&mut walker)?;
        }
        io::copy(&mut plain, &mut io::sink()).map_err(read_error)?;
        diff_id = plain.into_inner().finish().0;
    }
    io::copy(&mut packed, &mut io::sink()).map_err(read_error)?;
    let (found, _) = packed.into_inner().finish();
    if let Some(expected) = stored
        && *expected != found
    {
        let (expected, found) = (expected.to_string(), found.to_string());
        return Err(Fault::DigestMismatch { expected, found }.into());
    }
    layer.check_diff_id(&diff_id)?;
    Ok(Some(result))
}

/// The plain bytes of a layer, decoded where that is needed, given to `job`; `None` if it is not in the archive.
///
/// # Errors
/// What decoding and `job` refuse, `DiffIdMismatch`.
pub fn plain<T>(
    layer: &Layer,
    limits: &Limits,
    meter: &Meter,
    job: impl FnOnce(&mut dyn Read) -> Result<T>,
) -> Result<Option<T>> {
    layer.check_identity()?;
    let Some(content) = layer.content() else {
        return Ok(None);
    };
    let read_error = |error| Error::io("read", error);
    let mut packed = BufReader::with_capacity(CHUNK, meter.counting(content.reader()?));
    let compression = Compression::sniff(packed.fill_buf().map_err(read_error)?);
    let mut decoder = Decoder::new(&mut packed, compression, limits.decode)?;
    let like = layer.diff_id.as_ref();
    let hasher = like.map_or_else(|| Ok(Hasher::default()), Hasher::like)?;
    let mut plain = HashingReader::new(&mut decoder, hasher);
    let result = job(&mut plain)?;
    io::copy(&mut plain, &mut io::sink()).map_err(read_error)?;
    layer.check_diff_id(&plain.finish().0)?;
    Ok(Some(result))
}

fn gather(
    walker: &mut Walk<'_>,
    wanted: Wanted,
    looked_for: &HashMap<Vec<u8>, usize>,
    budget: &AtomicUsize,
) -> Result<Facts> {
    // Names are kept as long as there is room for them, whichever layer comes first.
    let fits = |length: usize| {
        let room = |left: usize| left.checked_sub(length + 64);
        budget
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .is_ok()
    };
    let mut facts = Facts {
        as_files: true,
        ..Facts::default()
    };
    let mut folders: HashSet<Vec<u8>> = HashSet::new();
    let mut names: HashSet<Vec<u8>> = HashSet::new();
    let mut body = Vec::new();
    let mut kept: Vec<(Vec<u8>, Marks)> = Vec::new();
    while let Some(entry) = walker.next_entry()? {
        let path = entry.clean_path();
        match Whiteout::of(path) {
            Whiteout::None => {}
            marker => {
                facts.as_files = false;
                let folder = path
                    .rsplitn(2, |&byte| byte == b'/')
                    .nth(1)
                    .unwrap_or_default();
                let list = match marker {
                    Whiteout::Removes(name) => {
                        let path = match folder {
                            b"" => name.to_vec(),
                            folder => [folder, b"/", name].concat(),
                        };
                        (&mut facts.removed, path)
                    }
                    Whiteout::Opaque => (&mut facts.opaque, folder.to_vec()),
                    _ => continue,
                };
                if list.0.len() < WHITEOUTS && fits(list.1.len()) {
                    list.0.push(list.1);
                }
                continue;
            }
        }
        facts.entries += 1;
        let is_file = entry.kind != EntryKind::Directory;
        facts.files += u64::from(is_file);
        facts.size = facts.size.saturating_add(entry.size);
        if let Some(&at) = looked_for.get(path) {
            facts.seen.insert(at);
        }
        if entry.kind == EntryKind::Symlink
            && facts.links.len() < LINKS
            && fits(path.len() + entry.link_target.len())
        {
            facts.links.push((path.to_vec(), entry.link_target.clone()));
        }
        if wanted.paths {
            if kept.len() < PATHS && fits(path.len()) {
                let marks = Marks {
                    owner: (entry.metadata.uid, entry.metadata.gid),
                    mode: entry.metadata.mode,
                    is_directory: !is_file,
                    is_file: entry.kind == EntryKind::File,
                };
                kept.push((path.to_vec(), marks));
            } else {
                facts.cut = true;
            }
            if facts.as_files {
                facts.as_files = names.len() < AS_FILES
                    && is_ordinary(entry)
                    && is_below(path, &folders)
                    && names.insert(path.to_vec());
                if !is_file {
                    folders.insert(path.to_vec());
                }
            }
        }
        if wanted.body && entry.kind == EntryKind::File && facts.files == 1 && entry.size <= BODY {
            let mut buf = [0; 4096];
            loop {
                match walker.read_data(&mut buf)? {
                    0 => break,
                    n => body.extend_from_slice(&buf[..n]),
                }
            }
        }
    }
    facts.as_files &= wanted.paths;
    kept.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    (facts.paths, facts.marks) = kept.into_iter().unzip();
    if wanted.body && facts.files == 1 && !body.is_empty() {
        facts.body = String::from_utf8(body).ok();
    }
    Ok(facts)
}

/// Whether an entry comes through a folder and `COPY` as it is, without root.
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
    // The top folder is there already.
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

/// Whether the folder that a path is in came before it.
fn is_below(path: &[u8], folders: &HashSet<Vec<u8>>) -> bool {
    match path.iter().rposition(|&byte| byte == b'/') {
        None => true,
        Some(at) => folders.contains(path.get(..at).unwrap_or_default()),
    }
}

/// The symbolic links of a stack of layers, the last word on each path.
#[derive(Debug, Default)]
pub struct Links(HashMap<Vec<u8>, Vec<u8>>);

impl Links {
    /// Puts a layer on top.
    pub fn add(&mut self, facts: &Facts) {
        for path in facts.removed.iter().chain(&facts.paths) {
            self.0.remove(path);
        }
        self.0.extend(facts.links.iter().cloned());
    }

    /// Whether a path is a link.
    pub fn has(&self, path: &[u8]) -> bool {
        self.0.contains_key(path)
    }

    /// Where an absolute path leads, as a clean path, links on the way followed.
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

/// The parts of a path, last one first.
fn parts(path: &[u8]) -> Vec<Vec<u8>> {
    let clean = clean_path(path).path;
    let parts = clean.split(|&byte| byte == b'/').rev();
    parts
        .filter(|part| !part.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}
