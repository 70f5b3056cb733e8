//! Likeness of two images, and differences that are not in their files.

use std::collections::{BTreeSet, HashSet};

use super::documents::created_differs;
use super::fields::Field;
use super::files::Compared;
use super::side::{Side, SideLayer};
use crate::blob::Compression;
use crate::error::Result;

/// Degree of likeness, the closest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// Equal digests: every byte.
    SameDigest,
    /// Equal uncompressed layers and equal configs; compressed differently.
    SameLayers,
    /// Equal except for times.
    SameButTimes,
    /// Files of the same contents at the same paths; other attributes, config, history, order or layers.
    SameFiles,
    /// Other files.
    Different,
}

impl Likeness {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Likeness::SameDigest => "same digest",
            Likeness::SameLayers => "same layers, other compression",
            Likeness::SameButTimes => "same but times",
            Likeness::SameFiles => "same files, different metadata",
            Likeness::Different => "different",
        }
    }
}

/// Something that makes bytes differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Cause {
    /// Files are not the same.
    Files,
    /// Modes, owners, links or extended attributes are not.
    Attributes,
    /// Modification times, or times of the image and its steps.
    Times,
    /// Names of owners and groups.
    #[strum(serialize = "owner names")]
    OwnerNames,
    /// Equal entries in another order.
    Order,
    /// Equal entries in another dialect of tar.
    #[strum(serialize = "tar dialect")]
    Dialect,
    /// Equal files in other layers.
    Layers,
    /// Another codec.
    Compression,
    /// The header of a gzip file: its time, name or system.
    #[strum(serialize = "gzip header")]
    GzipHeader,
    /// The same codec at another level, or another encoder.
    #[strum(serialize = "compression level")]
    Level,
    /// Command and environment.
    Config,
    /// The steps.
    History,
    /// Media types or annotations of the manifest alone.
    Manifest,
}

impl Cause {
    /// In words.
    pub fn text(self) -> &'static str {
        self.into()
    }
}

/// Two layers that stand for one another and are not stored as the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repacked {
    /// The number of the layer in the first, 1 being the base.
    pub old: usize,
    /// Its number in the second.
    pub new: usize,
    /// Differences.
    pub causes: BTreeSet<Cause>,
}

/// Result of comparing how layers are stored.
#[derive(Debug, Default)]
pub struct Packing {
    /// Layers that are stored in another way.
    pub layers: Vec<Repacked>,
    /// All causes.
    pub causes: BTreeSet<Cause>,
}

impl Packing {
    /// All causes, in words.
    pub fn cause_texts(&self) -> Vec<&'static str> {
        self.causes.iter().map(|cause| cause.text()).collect()
    }
}

/// Compares how layers are written and compressed. `skipped` if the uncompressed layers are known to be equal.
///
/// # Errors
/// Reading the first bytes of layers.
pub fn packing(a: &Side, b: &Side) -> Result<Packing> {
    let mut packing = Packing::default();
    if a.layers.len() != b.layers.len() {
        packing.causes.insert(Cause::Layers);
        return Ok(packing);
    }
    for (i, (old, new)) in a.layers.iter().zip(&b.layers).enumerate() {
        let mut causes = BTreeSet::new();
        let ids = (&old.layer.diff_id, &new.layer.diff_id);
        let same_tar = matches!(ids, (Some(a), Some(b)) if a == b);
        if !same_tar && !same_bytes(old, new)? {
            causes.extend(writing(old, new));
        }
        if same_tar || causes.is_empty() {
            causes.extend(stored(old, new)?);
        }
        packing.causes.extend(&causes);
        if !causes.is_empty() {
            packing.layers.push(Repacked {
                old: a.number(i),
                new: b.number(i),
                causes,
            });
        }
    }
    Ok(packing)
}

/// Tests if two layers without diff IDs are stored as the same bytes.
fn same_bytes(old: &SideLayer, new: &SideLayer) -> Result<bool> {
    let known = old.layer.diff_id.is_some() && new.layer.diff_id.is_some();
    match (old.layer.content(), new.layer.content()) {
        (Some(a), Some(b)) if !known => a.same_as(b),
        _ => Ok(false),
    }
}

/// Why two tars are not the same bytes, as far as the order tells; the files say the rest.
fn writing(old: &SideLayer, new: &SideLayer) -> Option<Cause> {
    let paths = |layer: &SideLayer| {
        let mut paths: Vec<Vec<u8>> = Vec::with_capacity(layer.listing.len());
        layer.listing.paths(|path| paths.push(path.to_vec()));
        paths
    };
    if old.listing.len() != new.listing.len() {
        return None;
    }
    let (a, b) = (paths(old), paths(new));
    if a == b {
        // The caller takes it back if the entries differ.
        return Some(Cause::Dialect);
    }
    let all: HashSet<&Vec<u8>> = a.iter().collect();
    b.iter()
        .all(|path| all.contains(path))
        .then_some(Cause::Order)
}

/// Reasons why two layers with one diff ID are stored as different bytes.
fn stored(old: &SideLayer, new: &SideLayer) -> Result<Option<Cause>> {
    let digests = [old, new].map(|layer| layer.layer.digest());
    if let [Some(a), Some(b)] = digests
        && a == b
    {
        return Ok(None);
    }
    if old.compression != new.compression {
        return Ok(Some(Cause::Compression));
    }
    let (Some(a), Some(b)) = (old.layer.content(), new.layer.content()) else {
        return Ok(None);
    };
    if old.compression == Compression::None || a.same_as(b)? {
        return Ok(None);
    }
    if old.compression == Compression::Gzip {
        let head = |content: &crate::archive::Content| -> Result<(Vec<u8>, u8)> {
            let mut buf = [0; 512];
            let n = content.head(&mut buf)?;
            let head = &buf[..n];
            let flags = head.get(3).copied().unwrap_or_default();
            // Time and system, and the name where there is one; byte 8 tells the level.
            let mut own = [
                head.get(3..8).unwrap_or_default(),
                head.get(9..10).unwrap_or_default(),
            ]
            .concat();
            if flags & 0x1c != 0 {
                let text = head.get(10..).unwrap_or_default();
                let end = text
                    .iter()
                    .position(|byte| *byte == 0)
                    .unwrap_or(text.len());
                own.extend_from_slice(&text[..end]);
            }
            Ok((own, head.get(8).copied().unwrap_or_default()))
        };
        let ((head_a, level_a), (head_b, level_b)) = (head(a)?, head(b)?);
        if head_a != head_b && level_a == level_b && a.len().abs_diff(b.len()) < 512 {
            return Ok(Some(Cause::GzipHeader));
        }
    }
    Ok(Some(Cause::Level))
}

/// Facts about two sides.
#[derive(Debug, Clone, Copy)]
pub(super) struct Findings<'a> {
    pub compared: &'a Compared,
    pub config: bool,
    pub history: bool,
    pub same_layers: bool,
}

/// Sums up.
pub(super) fn likeness(a: &Side, b: &Side, packing: &mut Packing, found: Findings<'_>) -> Likeness {
    let counted = |field| {
        found
            .compared
            .counts
            .get(&field)
            .copied()
            .unwrap_or_default()
            > 0
    };
    let any = |fields: &[Field]| fields.iter().any(|field| counted(*field));
    let files = found.compared.alone > 0
        || any(&[
            Field::Type,
            Field::Size,
            Field::Content,
            Field::Target,
            Field::Device,
        ]);
    let attributes = any(&[
        Field::Mode,
        Field::Uid,
        Field::Gid,
        Field::Links,
        Field::Xattrs,
    ]);
    let created = match (&a.image, &b.image) {
        (Some(a), Some(b)) => created_differs(a, b),
        _ => false,
    };
    let times = counted(Field::Mtime) || created;
    let names = counted(Field::Names);
    let causes = &mut packing.causes;
    if files || attributes || counted(Field::Mtime) || names {
        // The entries say why the tars differ; their dialect may be the same.
        causes.remove(&Cause::Dialect);
        for layer in &mut packing.layers {
            if layer.causes.remove(&Cause::Dialect) {
                layer.causes.extend(
                    [
                        (files, Cause::Files),
                        (attributes, Cause::Attributes),
                        (counted(Field::Mtime), Cause::Times),
                        (names, Cause::OwnerNames),
                    ]
                    .into_iter()
                    .filter(|(is, _)| *is)
                    .map(|(_, cause)| cause),
                );
            }
        }
    }
    for (cause, is) in [
        (Cause::Files, files),
        (Cause::Attributes, attributes),
        (Cause::Times, times),
        (Cause::OwnerNames, names),
        (Cause::Config, found.config),
        (Cause::History, found.history),
    ] {
        if is {
            causes.insert(cause);
        }
    }
    let same_manifest = match (&a.image, &b.image) {
        (Some(a), Some(b)) => match (&a.manifest_digest, &b.manifest_digest) {
            (Some(a), Some(b)) => a == b,
            _ => a.id == b.id && causes.is_empty(),
        },
        (None, None) => found.same_layers && causes.is_empty(),
        _ => false,
    };
    let same_config = match (&a.image, &b.image) {
        (Some(a), Some(b)) => a.id == b.id,
        _ => true,
    };
    let packed = [Cause::Compression, Cause::GzipHeader, Cause::Level];
    let only = |allowed: &[Cause]| causes.iter().all(|cause| allowed.contains(cause));
    if same_manifest {
        Likeness::SameDigest
    } else if files {
        Likeness::Different
    } else if found.same_layers && same_config && only(&packed) {
        if causes.is_empty() {
            causes.insert(Cause::Manifest);
        }
        Likeness::SameLayers
    } else if times && only(&[&packed[..], &[Cause::Times]].concat()) {
        Likeness::SameButTimes
    } else {
        Likeness::SameFiles
    }
}
