//! Versions that an image does not show, as files of an export.
//!
//! A layer that cannot be read counts as empty, and its error is kept: the others are recovered.

use std::collections::HashSet;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use super::item::{Item, ItemKind};
use super::options::ExportOptions;
use super::plan::{Export, Holes, opened};
use super::recovered::{Recovered, recovered_as};
use super::row::Row;
use super::select::display;
use crate::archive::{Image, Layer};
use crate::blob::{Compression, FileRange, NewFile, salvage};
use crate::cache::{self, Cache, ListedLayer};
use crate::error::{At, During, Error, Fault, Result};
use crate::layer::{Mtime, clean_path};
use crate::limits::HOLES;
use crate::tree::{
    EntryVersion, Listing, NodeKind, Owner, Reading, Tree, VersionKey, VersionKind, VersionState,
};

/// Name of the record among the recovered files.
const RECORD: &[u8] = b"recovered.ndjson";

/// Versions to recover, beside what [`ExportOptions`] select.
#[derive(Debug, Clone)]
pub struct RecoverOptions {
    /// Their states.
    pub states: Vec<VersionState>,
    /// Write contents and directories alone, for their owner alone: no links, devices, owners and attributes.
    pub is_plain: bool,
    /// Take what can be had of damaged layers.
    pub salvage: bool,
}

/// Versions that were found, before they are written.
#[derive(Debug)]
pub struct Recovery {
    export: Export,
    found: Vec<Found>,
    faults: Vec<(usize, Error)>,
    /// Layers of which only a part could be had, or that are not what they are said to be; by number from 0.
    unproven: HashSet<usize>,
}

#[derive(Debug)]
struct Found {
    key: VersionKey,
    /// True for a row of the export.
    is_written: bool,
    damage: Option<Box<Error>>,
}

/// A version that was found.
#[derive(Clone)]
pub struct Version<'r> {
    /// The version.
    pub version: EntryVersion<'r>,
    /// Path among the recovered files; `None` if it is only a line of the record.
    pub recovered_as: Option<Vec<u8>>,
    /// The reason why the contents cannot be had.
    pub damage: Option<&'r Error>,
    /// False for what was salvaged of a damaged layer.
    pub is_proven: bool,
}

impl Recovery {
    /// Reads all layers of an image and selects versions of those in the options. Each layer is read once: compressed
    /// ones are decoded and verified as in [`Export::plan`], uncompressed ones hashed.
    ///
    /// # Errors
    /// `Usage` for a path that no selected version is at or below; `Io` for a full disk; as [`Tree::apply`]. The errors
    /// of layers are in [`Recovery::faults`]; if no layer can be read, that of the lowest one is returned.
    pub fn read(
        image: &Image,
        options: &ExportOptions,
        recover: &RecoverOptions,
        reading: &Reading,
        cache: Option<&Cache>,
        temp_dir: &Path,
    ) -> Result<Self> {
        let count = image.layers.len();
        let all = reading.each(image, 0..count, |layer| {
            match read_layer(layer, reading, cache, temp_dir) {
                Err(error) if is_of_output(&error) => Err(error),
                read => Ok(read),
            }
        })?;
        let mut faults = Vec::new();
        let mut unproven = HashSet::new();
        let mut listed = Vec::new();
        for (number, layer) in all.into_iter().enumerate() {
            let layer = layer.at(|| format!("layer {} of {count}", number + 1));
            let had = match layer {
                Ok(layer) => Some(layer),
                Err(error) => {
                    faults.push((number, error));
                    let layer = image.layers.get(number).filter(|_| recover.salvage);
                    let had = layer.map(|layer| salvaged(layer, reading, temp_dir));
                    let had = had.transpose()?.flatten();
                    unproven.extend(had.is_some().then_some(number));
                    had
                }
            };
            listed.push(match had {
                Some(layer) => layer,
                None => ListedLayer {
                    listing: Arc::default(),
                    uncompressed: Some(kept(&NewFile::in_directory(temp_dir, 0o600)?)?),
                    index: None,
                },
            });
        }
        if faults.len() == count
            && unproven.is_empty()
            && let Some((_, error)) = faults.first()
        {
            return Err(error.clone());
        }
        let (plain, parts) = opened(&listed, temp_dir)?;
        let tree = Tree::apply(listed.into_iter().map(|layer| layer.listing).collect())?;
        let mut export = Export::of_tree(tree, plain, 0);
        export.recovered = Some(Recovered {
            digits: count.to_string().len(),
            is_plain: recover.is_plain,
            record: None,
            time: 0,
        });
        let mut recovery = Recovery {
            found: find(&export.tree, options, &recover.states)?,
            export,
            faults,
            unproven,
        };
        recovery.choose_rows(reading, recover.is_plain);
        match recovery.export.decode_parts(&parts, reading, cache)? {
            true => Ok(recovery),
            // The cache was wrong, as for any export.
            false => Recovery::read(image, options, recover, reading, None, temp_dir),
        }
    }

    /// Chooses what is written: layer by layer, as it is stored.
    fn choose_rows(&mut self, reading: &Reading, is_plain: bool) {
        let tree = &self.export.tree;
        let mut order: Vec<&mut Found> = self.found.iter_mut().collect();
        order.sort_by_key(|found| tree.version_at(found.key).layer());
        let mut rows = vec![Row::Record];
        let mut holes = Holes::new(&reading.limits);
        let mut written = HashSet::new();
        for found in order {
            let version = tree.version_at(found.key);
            if let Err(error) = check_contents(&version, &mut holes) {
                found.damage = Some(Box::new(error));
                continue;
            }
            let has_form = match version.file_kind() {
                None => false,
                Some(NodeKind::File | NodeKind::Directory) => true,
                Some(_) => !is_plain,
            };
            // Without links the first name alone has the contents.
            let mut is_first = || version.inode().is_none_or(|inode| written.insert(inode));
            if has_form && (!is_plain || is_first()) {
                found.is_written = true;
                rows.push(Row::Version(found.key));
            }
        }
        self.export.rows = rows;
        self.export.group();
    }

    /// The versions that were found, by the bytes of their paths, then by layer and entry.
    pub fn versions(&self) -> impl Iterator<Item = Version<'_>> {
        self.found.iter().map(|found| {
            let version = self.export.tree.version_at(found.key);
            let name = || self.export.recovered_as(&version);
            Version {
                recovered_as: found.is_written.then(name),
                damage: found.damage.as_deref(),
                is_proven: version
                    .contents()
                    .is_none_or(|(layer, _)| !self.unproven.contains(&layer))
                    && !self.unproven.contains(&version.layer()),
                version,
            }
        })
    }

    /// The layers that could not be read, by number from 0, with their errors.
    pub fn faults(&self) -> &[(usize, Error)] {
        &self.faults
    }

    /// Returns the files to write. The first one is the record, which is in a file without a name; `time` is its time in
    /// seconds since 1970.
    ///
    /// # Errors
    /// `Io`.
    pub fn into_export(mut self, record: &NewFile, time: i64) -> Result<Export> {
        let record = kept(record)?;
        self.export.add_size(record.len());
        if let Some(recovered) = &mut self.export.recovered {
            (recovered.record, recovered.time) = (Some(record), time);
        }
        Ok(self.export)
    }
}

impl Export {
    fn recovered_as(&self, version: &EntryVersion<'_>) -> Vec<u8> {
        let digits = self.recovered.as_ref().map_or(1, |form| form.digits);
        recovered_as(version, digits)
    }

    /// Tests if only contents and directories are written, without their metadata.
    pub(super) fn is_plain(&self) -> bool {
        self.recovered.as_ref().is_some_and(|form| form.is_plain)
    }

    /// Returns the bytes of the record as the parts of a file.
    pub(super) fn record(&self) -> Option<(u64, FileRange)> {
        let record = self.recovered.as_ref()?.record.clone()?;
        Some((0, record))
    }

    pub(super) fn of_record(&self, row: usize) -> Item<'_> {
        let mut item = self.bare(row, RECORD.to_vec(), ItemKind::Node(NodeKind::File));
        if let Some(form) = &self.recovered {
            item.size = form.record.as_ref().map_or(0, FileRange::len);
            item.meta.mtime.seconds = form.time;
        }
        // It has the names of all that was deleted.
        item.meta.mode = 0o600;
        item
    }

    pub(super) fn of_version<'e>(
        &'e self,
        row: usize,
        version: EntryVersion<'e>,
    ) -> Option<Item<'e>> {
        let kind = version.file_kind()?;
        let is_plain = self.is_plain();
        let mut meta = version.meta();
        if is_plain {
            meta.mode = if kind == NodeKind::Directory {
                0o700
            } else {
                0o600
            };
            meta.owner = Owner::default();
            meta.xattrs.clear();
            // System calls know no others.
            meta.mtime = Mtime {
                nanos: meta.mtime.nanos.min(999_999_999),
                ..meta.mtime
            };
        }
        let first = self.first_of(row).and_then(|first| self.rows.get(first));
        let first = first.and_then(|first| match *first {
            Row::Version(key) => Some(self.recovered_as(&self.tree.version_at(key))),
            _ => None,
        });
        let is_file = kind == NodeKind::File;
        Some(Item {
            meta,
            size: if is_file { version.size() } else { 0 },
            link_target: version.symlink_target(),
            device: version.device(),
            layer: version.layer(),
            link_count: self.link_count(row),
            first_name: first,
            ..self.bare(row, self.recovered_as(&version), ItemKind::Node(kind))
        })
    }
}

/// Lists a layer, with digests, and opens its uncompressed bytes.
fn read_layer(
    layer: &Layer,
    reading: &Reading,
    cache: Option<&Cache>,
    temp_dir: &Path,
) -> Result<ListedLayer> {
    match reading.uncompressed_range(layer).at(|| layer.place())? {
        // With digests everything is read and compared with the diff ID.
        Some(bytes) => Ok(ListedLayer {
            listing: Arc::new(reading.list(layer)?),
            uncompressed: Some(bytes),
            index: None,
        }),
        None => cache::uncompressed(cache, reading, layer, temp_dir),
    }
}

/// Lists what can be had of a damaged layer; `None` if nothing can.
///
/// # Errors
/// `Io` for a full disk.
fn salvaged(layer: &Layer, reading: &Reading, temp_dir: &Path) -> Result<Option<ListedLayer>> {
    let Some(content) = layer.content() else {
        return Ok(None);
    };
    let (Ok(Some(stored)), Ok(compression)) = (content.range(), content.compression()) else {
        return Ok(None);
    };
    let bytes = match compression {
        Compression::None => stored,
        compression => {
            let file = NewFile::in_directory(temp_dir, 0o600)?;
            let mut out = BufWriter::new(file.file());
            let decoded = salvage(&stored, compression, reading.limits.decode, &mut out);
            match decoded.and_then(|()| out.flush().during("write")) {
                Err(error) if is_of_output(&error) => return Err(error),
                Err(_) => return Ok(None),
                Ok(()) => {}
            }
            drop(out);
            kept(&file)?
        }
    };
    let listing = Listing::salvaged(&bytes, &reading.limits).ok();
    Ok(listing.map(|listing| ListedLayer {
        listing: Arc::new(listing),
        uncompressed: Some(bytes),
        index: None,
    }))
}

/// Tests if an error is about the temporary files, and not about a layer.
fn is_of_output(error: &Error) -> bool {
    matches!(error.fault(), Fault::Io { action, .. } if matches!(*action, "write" | "create a file"))
}

/// Returns the bytes of an unfinished file, which keep it.
fn kept(file: &NewFile) -> Result<FileRange> {
    FileRange::whole(file.file().try_clone().during("open")?)
}

/// Finds the versions of these states that are selected.
fn find(tree: &Tree, options: &ExportOptions, states: &[VersionState]) -> Result<Vec<Found>> {
    let paths: Vec<Vec<u8>> = (options.paths.iter())
        .map(|path| clean_path(path).path.into_owned())
        .collect();
    let mut has_versions = vec![false; paths.len()];
    let layers = options.layers.clone().unwrap_or(0..tree.layers());
    let mut found = Vec::new();
    for version in tree.versions() {
        let is_entry = matches!(version.kind(), VersionKind::Entry(_));
        if !is_entry || !states.contains(&version.state()) || !layers.contains(&version.layer()) {
            continue;
        }
        let path = version.path();
        let mut is_selected = paths.is_empty();
        for (named, has_versions) in paths.iter().zip(&mut has_versions) {
            if is_at_or_below(&path, named) {
                (is_selected, *has_versions) = (true, true);
            }
        }
        let is_included = options.include.is_empty() || options.include.matches(&path);
        if is_selected && is_included && !options.exclude.matches(&path) {
            found.push(Found {
                key: version.key(),
                is_written: false,
                damage: None,
            });
        }
    }
    match paths.iter().zip(has_versions).find(|(_, has)| !has) {
        Some((path, _)) => {
            let why = "no such deleted file or directory in the selected layers";
            Err(Error::usage(why).at(display(path)))
        }
        None => Ok(found),
    }
}

fn is_at_or_below(path: &[u8], directory: &[u8]) -> bool {
    match path.strip_prefix(directory) {
        Some(rest) => rest.is_empty() || directory.is_empty() || rest.starts_with(b"/"),
        None => false,
    }
}

/// Checks that contents can be written and were hashed.
fn check_contents(version: &EntryVersion<'_>, holes: &mut Holes<'_>) -> Result<()> {
    if version.file_kind() != Some(NodeKind::File) {
        return Ok(());
    }
    let size = version.size();
    if let Some(place) = version.location() {
        holes.add(&place, size)?;
    }
    match version.digest() {
        Some(_) => Ok(()),
        None => Err(Error::limit("holes of sparse files in bytes", HOLES, size)),
    }
}
