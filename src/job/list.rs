//! imgls: what images there are.

use std::collections::HashSet;

use super::Sizes;
use crate::archive::{Archive, Image, Name, NodeKind, Pick, Root};
use crate::error::{Candidates, Fault, Result};
use crate::glob::{Dialect, Glob};
use crate::spec::{Digest, Platform, Reference, Timestamp};

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
    /// The image's position in the archive, where the line stands for one.
    pub image: Option<usize>,
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
        image: Some(position),
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
        NodeKind::Absent => (RowKind::Absent, 0),
        NodeKind::Schema1 | NodeKind::Opaque => (RowKind::Unknown, 0),
    };
    let own = node.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
    ListRow {
        archive: archive.place.clone(),
        kind,
        depth: 0,
        name: None,
        image: None,
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

/// A condition of `--filter`, in docker's words.
#[derive(Debug, Clone)]
pub enum Filter {
    /// `reference=GLOB`: the name, with or without its tag.
    Reference(Glob),
    /// `dangling=true|false`: whether the image has no name.
    Dangling(bool),
    /// `label=KEY` or `label=KEY=VALUE`.
    Label(String, Option<String>),
    /// `before=IMAGE`: made before that one.
    Before(String),
    /// `since=IMAGE`: made after that one.
    Since(String),
    /// `until=TIME`: made before that time.
    Until(Timestamp),
}

impl Filter {
    /// Reads `KEY=VALUE`; ages are told against `now`.
    ///
    /// # Errors
    /// `Usage` for an unknown key or a value that the key does not take.
    pub fn parse(text: &str, now: Timestamp) -> Result<Self> {
        let usage = |why: String| Err(Fault::Usage(why).into());
        let Some((key, value)) = Filter::split(text) else {
            return usage(format!("filter '{text}': it is written KEY=VALUE"));
        };
        match key.as_str() {
            // Names are shown, and matched, without the default host.
            "reference" => match Glob::new(Reference::without_default(value), Dialect::Go) {
                Ok(glob) => Ok(Filter::Reference(glob)),
                Err(why) => usage(format!("filter '{text}': the pattern is malformed: {why}")),
            },
            "dangling" => match value.to_ascii_lowercase().as_str() {
                "true" | "1" | "t" => Ok(Filter::Dangling(true)),
                "false" | "0" | "f" => Ok(Filter::Dangling(false)),
                _ => usage(format!("filter '{text}': dangling is true or false")),
            },
            "label" => Ok(match value.split_once('=') {
                Some((key, value)) => Filter::Label(key.into(), Some(value.into())),
                None => Filter::Label(value.into(), None),
            }),
            "before" => Ok(Filter::Before(value.into())),
            "since" => Ok(Filter::Since(value.into())),
            "until" => match until(value, now) {
                Some(time) => Ok(Filter::Until(time)),
                None => usage(format!(
                    "filter '{text}': not a time; write RFC 3339, seconds, or an age like 24h"
                )),
            },
            _ => usage(format!(
                "filter '{text}': the keys are reference, dangling, label, before, since and until"
            )),
        }
    }

    /// The key, in lower case, and the value of `KEY=VALUE`, both without blanks around them, as docker reads them.
    pub fn split(text: &str) -> Option<(String, &str)> {
        let (key, value) = text.split_once('=')?;
        Some((key.trim().to_lowercase(), value.trim()))
    }

    /// Whether it looks at labels, and so at configs.
    pub fn label_matches(&self, image: &Image) -> bool {
        let Filter::Label(key, value) = self else {
            return true;
        };
        let labels = image.config.labels();
        labels
            .iter()
            .any(|(k, v)| k == key && value.as_ref().is_none_or(|value| value == v))
    }

    /// Whether a time of making, as written, satisfies `until=`; what does not say when it was made does not.
    pub fn time_matches(&self, created: Option<&str>) -> bool {
        let Filter::Until(until) = self else {
            return true;
        };
        created
            .and_then(Timestamp::parse)
            .is_some_and(|created| created.nanoseconds() < until.nanoseconds())
    }

    /// Whether a name satisfies `reference=`: alone, with its tag, or in full.
    pub fn reference_matches(&self, name: Option<&Name>) -> bool {
        let Filter::Reference(glob) = self else {
            return true;
        };
        let Some(name) = name else { return false };
        glob.is_match(name.to_string().as_bytes())
            || name
                .repository()
                .is_some_and(|repository| glob.is_match(repository.as_bytes()))
    }
}

/// A time, or an age in Go's way of writing one.
fn until(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Some(time) = Timestamp::parse(text) {
        return Some(time);
    }
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(Timestamp::from_unix(seconds, 0));
    }
    let (mut rest, mut age) = (text, 0i64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest.get(..digits)?.parse().ok()?;
        let unit = match rest.as_bytes().get(digits)? {
            b'h' => 3600,
            b'm' => 60,
            b's' => 1,
            _ => return None,
        };
        age = age.checked_add(number.checked_mul(unit)?)?;
        rest = rest.get(digits + 1..)?;
    }
    (!text.is_empty()).then(|| Timestamp::from_unix(now.seconds().saturating_sub(age), 0))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> Result<Filter> {
        Filter::parse(text, Timestamp::from_unix(0, 0))
    }

    #[test]
    fn ages_and_times() {
        let now = Timestamp::from_unix(1_000_000, 0);
        let at = |text| until(text, now).map(Timestamp::seconds);
        assert_eq!(at("24h"), Some(1_000_000 - 86_400));
        assert_eq!(at("1h30m5s"), Some(1_000_000 - 5405));
        assert_eq!(at("12345"), Some(12345));
        assert_eq!(at("1970-01-02T00:00:00Z"), Some(86_400));
        for bad in ["", "h", "1d", "1h2", "-", "99999999999999999999h"] {
            assert_eq!(at(bad), None, "{bad}");
        }
    }

    fn matches(pattern: &str, name: &str) -> bool {
        filter(&format!("reference={pattern}"))
            .expect("a filter")
            .reference_matches(Some(&Name::from_repo_tag(name)))
    }

    #[test]
    fn references_match_as_in_docker() {
        assert!(matches("alpine", "docker.io/library/alpine:3"));
        assert!(matches("alp*:3*", "alpine:3.10"));
        assert!(matches("corpus/*", "corpus/classic:1"));
        assert!(!matches("corpus*", "corpus/classic:1"));
        assert!(!matches("**", "corpus/classic:1"));
        assert!(matches("*/*:[0-9]", "corpus/classic:1"));
        assert!(!matches("{alpine,busybox}", "alpine:3"));
        assert!(matches("[^b]lpine", "alpine:3"));
        assert!(!matches("[^a]lpine", "alpine:3"));
        assert!(matches("my[\\-_]app", "my-app:1"));
        assert!(matches("my[a-z\\-]app", "my-app:1"));
        assert!(matches("[!-z]lpine", "alpine:3"));
        assert!(!matches("[!]lpine", "alpine:3"));
        assert!(matches("\\alpine", "alpine:3"));
        for malformed in ["[", "[a", "[]", "[]a]", "[^]", "[-a]", "[a-]", "a\\"] {
            assert!(
                filter(&format!("reference={malformed}")).is_err(),
                "{malformed}"
            );
        }
    }

    #[test]
    fn unknown_filters_are_refused() {
        assert!(filter("size=1").is_err());
        assert!(filter("dangling=maybe").is_err());
        assert!(filter("reference").is_err());
    }
}
