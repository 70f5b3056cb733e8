//! imgls: what images there are.

use std::collections::HashSet;

use crate::archive::{Archive, Filter, Image, Name, NodeKind, Pick, Root, Sizes};
use crate::error::{Candidates, Fault, Result};
use crate::spec::{Digest, Platform, Timestamp};

/// One line of a listing.
#[derive(Debug, Clone)]
pub struct ListRow {
    /// Where the archive is.
    pub archive: String,
    /// What the line stands for.
    pub kind: RowKind,
    /// How deep it stands in the tree; 0 for what the archive lists itself.
    pub depth: usize,
    /// The name; `None` for an untagged image.
    pub name: Option<Name>,
    /// The ID in full: of the image; of an index or artifact, the digest of its manifest.
    pub id: String,
    /// The digest of the manifest or index that the name points to; docker-archives without an OCI half have none.
    pub digest: Option<String>,
    /// What machine it is for.
    pub platform: Option<Platform>,
    /// When it was made, as written.
    pub created: Option<String>,
    /// Bytes of the unpacked layers; `None` if they were not measured or one is not in the archive.
    pub size: Option<u64>,
    /// Bytes that manifest, config and layers take in the archive.
    pub stored: u64,
    /// Whether it is an index whose contents stand further up in a tree.
    pub repeated: bool,
}

/// What a line of a listing stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// A container image.
    Image,
    /// An index with no image in it for this machine, or the head of a tree.
    Index,
    /// An attestation about another manifest.
    Attestation,
    /// A manifest that describes no container image.
    Artifact,
    /// Something named that is not in the archive.
    Absent,
    /// A blob that is no manifest, or one that cannot be understood.
    Unknown,
}

impl RowKind {
    /// Its name in JSON.
    pub fn name(self) -> &'static str {
        match self {
            RowKind::Image => "image",
            RowKind::Index => "index",
            RowKind::Attestation => "attestation",
            RowKind::Artifact => "artifact",
            RowKind::Absent => "absent",
            RowKind::Unknown => "unknown",
        }
    }
}

/// The images of an archive, as docker lists them: a line for each name, in the order of the archive.
///
/// Of an index the image for `platform`; without it the host's, or else the first that is here. What is no image
/// (artifacts, absent manifests) comes along only with `all`.
pub fn list(
    archive: &Archive,
    roots: &[&Root],
    platform: Option<&Platform>,
    all: bool,
    sizes: &Sizes,
) -> Vec<ListRow> {
    let mut rows = Vec::new();
    for root in roots {
        let images = archive.images_of(root);
        let chosen = archive.choose(&images, platform).or(match platform {
            None => images.first().copied(),
            Some(_) => None,
        });
        let row = match (chosen, root.node) {
            (Some(image), _) => image_row(archive, image, sizes),
            (None, Some(node)) if all && images.is_empty() => node_row(archive, node),
            _ => continue,
        };
        let digest = root
            .node
            .map(|node| archive.nodes[node].descriptor.digest.to_string());
        push_named(&mut rows, root, ListRow { digest, ..row });
    }
    rows
}

/// Everything an archive lists, with what stands below each: platforms, attestations, what is absent.
///
/// An index that was shown with its contents is not opened again further down: indexes that share others would make
/// a tree of more rows than there are atoms.
///
/// # Errors
/// `Limit` past 10,000 rows.
pub fn tree(archive: &Archive, roots: &[&Root], sizes: &Sizes) -> Result<Vec<ListRow>> {
    let mut rows = Vec::new();
    let mut opened = HashSet::new();
    for root in roots {
        let row = match (root.node, root.image) {
            (Some(node), _) => match &archive.nodes[node].kind {
                NodeKind::Image(image) => image_row(archive, *image, sizes),
                _ => node_row(archive, node),
            },
            (None, Some(image)) => image_row(archive, image, sizes),
            (None, None) => continue,
        };
        let mut work: Vec<(usize, usize)> = Vec::new();
        let mut open = |node: usize, depth: usize, work: &mut Vec<(usize, usize)>| {
            let NodeKind::Index(edges) = &archive.nodes[node].kind else {
                return false;
            };
            if !opened.insert(node) {
                return true;
            }
            work.extend(edges.iter().rev().map(|edge| (edge.node, depth + 1)));
            false
        };
        let repeated = root.node.is_some_and(|node| open(node, 0, &mut work));
        push_named(&mut rows, root, ListRow { repeated, ..row });
        // Depth first, without recursion.
        while let Some((node, depth)) = work.pop() {
            if rows.len() >= MAX_TREE {
                let (what, limit) = ("rows of a tree", MAX_TREE as u64);
                let found = limit + 1 + work.len() as u64;
                return Err(Fault::Limit { what, limit, found }.into());
            }
            let row = match &archive.nodes[node].kind {
                NodeKind::Image(image) => image_row(archive, *image, sizes),
                _ => node_row(archive, node),
            };
            let edge_platform = archive.nodes[node].descriptor.platform.clone();
            rows.push(ListRow {
                depth,
                platform: row.platform.clone().or(edge_platform),
                repeated: open(node, depth, &mut work),
                ..row
            });
        }
    }
    Ok(rows)
}

/// How many rows a tree may have.
const MAX_TREE: usize = 10_000;

fn push_named(rows: &mut Vec<ListRow>, root: &Root, row: ListRow) {
    if root.names.is_empty() {
        rows.push(row);
    } else {
        rows.extend(root.names.iter().map(|name| ListRow {
            name: Some(name.clone()),
            ..row.clone()
        }));
    }
}

fn image_row(archive: &Archive, position: usize, sizes: &Sizes) -> ListRow {
    let image = &archive.images[position];
    ListRow {
        archive: archive.place.clone(),
        kind: RowKind::Image,
        depth: 0,
        name: None,
        id: image.id.to_string(),
        digest: image
            .node
            .map(|node| archive.nodes[node].descriptor.digest.to_string()),
        platform: Some(image.platform.clone()).filter(|platform| *platform != Platform::default()),
        created: image.config.created.clone(),
        size: sizes.total(image),
        stored: stored(archive, image),
        repeated: false,
    }
}

fn node_row(archive: &Archive, position: usize) -> ListRow {
    let node = &archive.nodes[position];
    let (kind, blobs) = match &node.kind {
        NodeKind::Index(_) => (RowKind::Index, 0),
        NodeKind::Image(_) => (RowKind::Image, 0),
        NodeKind::Attestation(manifest) | NodeKind::Artifact(manifest) => {
            let blobs: u64 = manifest
                .layers
                .iter()
                .chain(&manifest.config)
                .map(|blob| blob.size)
                .sum();
            (
                if matches!(node.kind, NodeKind::Artifact(_)) {
                    RowKind::Artifact
                } else {
                    RowKind::Attestation
                },
                blobs,
            )
        }
        NodeKind::Missing => (RowKind::Absent, 0),
        NodeKind::Schema1 | NodeKind::Opaque => (RowKind::Unknown, 0),
    };
    let own = node.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
    ListRow {
        archive: archive.place.clone(),
        kind,
        depth: 0,
        name: None,
        id: node.descriptor.digest.to_string(),
        digest: Some(node.descriptor.digest.to_string()),
        platform: node.descriptor.platform.clone(),
        created: None,
        size: None,
        stored: own.saturating_add(blobs),
        repeated: false,
    }
}

/// Bytes that an image takes in its archive.
fn stored(archive: &Archive, image: &Image) -> u64 {
    let manifest = image
        .node
        .and_then(|node| archive.nodes[node].bytes.as_ref())
        .map_or(0, |bytes| bytes.len() as u64);
    let config = image
        .config_bytes
        .as_ref()
        .map_or(0, |bytes| bytes.len() as u64);
    let layers = image.layers.iter().filter_map(|layer| layer.content());
    layers.fold(manifest + config, |sum, content| {
        sum.saturating_add(content.len())
    })
}

/// The images that `before=` and `since=` name: any of the archives that are looked at, whatever else filters them.
#[derive(Debug, Default)]
pub struct Ages {
    limits: Vec<Age>,
    /// The names of all images that were looked at.
    names: Candidates,
}

#[derive(Debug)]
struct Age {
    wanted: String,
    before: bool,
    /// When the image was made, once it was found; an image may not say it.
    limit: Option<Option<i128>>,
}

impl Ages {
    /// What the filters name.
    pub fn of(filters: &[Filter]) -> Self {
        let limits = filters.iter().filter_map(|filter| {
            let (wanted, before) = match filter {
                Filter::Before(wanted) => (wanted.clone(), true),
                Filter::Since(wanted) => (wanted.clone(), false),
                _ => return None,
            };
            let limit = None;
            Some(Age {
                wanted,
                before,
                limit,
            })
        });
        Ages {
            limits: limits.collect(),
            names: Candidates::default(),
        }
    }

    /// Looks in an archive for what was not found yet.
    pub fn look(&mut self, archive: &Archive) {
        if self.limits.is_empty() {
            return;
        }
        for age in &mut self.limits {
            if age.limit.is_none() {
                let image = named(archive, &age.wanted).map(|image| &archive.images[image]);
                age.limit = image.map(|image| time(image.config.created.as_deref()));
            }
        }
        for name in archive.roots.iter().flat_map(|root| &root.names) {
            if self.names.total < Candidates::LISTED {
                self.names.first.push(name.to_string());
            }
            self.names.total += 1;
        }
    }

    /// The rows that satisfy the filters; what stands below a row in a tree goes with it.
    ///
    /// # Errors
    /// `NoSuchImage` for what no archive has.
    pub fn keep(self, mut rows: Vec<ListRow>) -> Result<Vec<ListRow>> {
        for age in self.limits {
            let limit = age.limit.ok_or_else(|| Fault::NoSuchImage {
                wanted: age.wanted.clone(),
                candidates: self.names.clone(),
            })?;
            let mut keep = false;
            rows.retain(|row| {
                if row.depth == 0 {
                    keep = match age.before {
                        true => time_of(row) < limit,
                        false => time_of(row) > limit,
                    };
                }
                keep
            });
        }
        Ok(rows)
    }
}

/// The image that a filter names, by name, ID or digest; of an index the host's, or the first.
fn named(archive: &Archive, wanted: &str) -> Option<usize> {
    let by_name = || Pick::Name(wanted.to_owned());
    let pick = match wanted.split_once('@') {
        Some((_, digest)) => Digest::parse(digest).map_or_else(|_| by_name(), Pick::Digest),
        None => by_name(),
    };
    if let Ok(selection) = archive.find(&pick, None) {
        return Some(selection.index);
    }
    let root = archive.root(&pick).ok()?;
    archive.images_of(root).first().copied()
}

fn time_of(row: &ListRow) -> Option<i128> {
    time(row.created.as_deref())
}

/// Nanoseconds since 1970.
fn time(created: Option<&str>) -> Option<i128> {
    created
        .and_then(Timestamp::parse)
        .map(Timestamp::nanoseconds)
}
