//! Both halves of an archive put together into one list of images.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use super::BlobNames;
use super::container::{Container, Holder};
use super::docker::{self, DockerItem, RepositoryRecord};
use super::graph::{Edge, GraphReader, Node, NodeKind, check_digest, no_rootfs};
use super::halves::{docker_layers, name_layers};
use super::image::{Image, ImageId, Layer, Presence};
use super::lookup::Lookup;
use super::name::{Name, NameSet};
use crate::blob::{self, Meter, ReadAhead, StreamDigester, sha256};
use crate::error::{At, Error, Fault, NotAnImage, Result, TarFault};
use crate::escape;
use crate::layer::{Anomaly, AnomalyKind, Limits};
use crate::spec::{
    Descriptor, Digest, Document, ImageConfig, Index, MediaType, annotations, fields, json,
};

/// One opened archive, whatever its shape.
///
/// ```no_run
/// use imgkit::archive::Open;
///
/// let archive = Open::default().path("app.tar".as_ref())?;
/// for image in &archive.images {
///     println!("{} {} {} layers", image.id, image.platform, image.layers.len());
/// }
/// # Ok::<(), imgkit::Error>(())
/// ```
#[derive(Debug)]
pub struct Archive {
    /// What it was called when it was opened; the first place of every error.
    pub place: String,
    /// Its shape, told by its content.
    pub shape: Shape,
    /// What holds it.
    pub container: Arc<Container>,
    /// `manifest.json` and `repositories`, where they are.
    pub docker: Option<DockerHalf>,
    /// `index.json`, where it is; the lone manifest of a `dir:` or a document counts as one.
    pub oci: Option<OciHalf>,
    /// Everything that `index.json` leads to; each blob once.
    pub nodes: Vec<Node>,
    /// The container images, each once, in the order in which they were found.
    pub images: Vec<Image>,
    /// What the archive lists, with names: the items of `manifest.json` in their order, then what only `index.json`
    /// lists.
    pub roots: Vec<Root>,
    /// Damage that concerns no single image.
    pub faults: Vec<Error>,
    /// What is worth saying of how it is read, and no error.
    pub notes: Vec<String>,
    /// True for a part of the container's images, see [`Archive::part`].
    pub is_part: bool,
    /// Roots that lead to each image; found on first use.
    pub(super) roots_of: OnceLock<Vec<Vec<usize>>>,
    /// Names and digests, once somebody has asked.
    pub(super) lookup: OnceLock<Lookup>,
}

/// The shape of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `repositories` and folders only: docker before 1.10.
    DockerV1,
    /// `manifest.json` without an OCI half.
    Docker,
    /// `manifest.json` and `index.json`: docker 25 and newer, containerd, BuildKit.
    DockerAndOci,
    /// `index.json` and `blobs/` alone, in a folder or a tar.
    Oci,
    /// skopeo's `dir:`.
    Dir,
    /// A manifest or index on its own: nothing it points to is there.
    Document,
}

/// What docker's own files say.
#[derive(Debug, Clone)]
pub struct DockerHalf {
    /// `manifest.json` as it is; `None` before docker 1.10.
    pub manifest: Option<Arc<[u8]>>,
    /// Its items.
    pub items: Vec<DockerItem>,
    /// The records of `repositories`, if it is there.
    pub repositories: Option<Vec<RepositoryRecord>>,
}

/// What the OCI layout says.
#[derive(Debug, Clone)]
pub struct OciHalf {
    /// `index.json` as it is; the manifest of a `dir:`.
    pub index: Arc<[u8]>,
    /// What it lists, in its order.
    pub edges: Vec<Edge>,
    /// The version that `oci-layout` states; `None` if it is missing or states none.
    pub layout_version: Option<String>,
    /// How blobs are named.
    pub names: BlobNames,
    /// Entries of the index as they are written; read on first use.
    pub(super) stated: OnceLock<Vec<Arc<Map<String, Value>>>>,
}

/// One thing that an archive lists: an image, or an index with images.
#[derive(Debug, Clone)]
pub struct Root {
    /// Its names; none for an untagged image.
    pub names: Vec<Name>,
    /// The texts of `org.opencontainers.image.ref.name` in `index.json`, by which skopeo selects it.
    pub ref_names: Vec<String>,
    /// The node that `index.json` points to.
    pub node: Option<usize>,
    /// The image that `manifest.json` describes.
    pub image: Option<usize>,
    /// The positions in `index.json` that list it.
    pub positions: Vec<usize>,
    /// The position in `manifest.json` that lists it.
    pub item: Option<usize>,
}

/// How to open an archive.
#[derive(Debug, Clone, Default)]
pub struct Open {
    /// What is accepted at most.
    pub limits: Limits,
    /// Counts the bytes of a stream as they go by.
    pub meter: Meter,
    /// Keep what comes by on a stream in files without a name in this folder, so that it can be read again, or be given
    /// a name there.
    pub landing: Option<PathBuf>,
    /// Take this half only, as skopeo's `docker-archive:` and `oci:` do.
    pub only: Option<Half>,
    /// Open what can be examined though it should not be used: one half beside another that is broken, what is left
    /// of a tar that was cut short. What is wrong is in [`Archive::faults`] or with what it concerns.
    pub examine: bool,
    /// Sees all bytes of a stream; of a file that can be read again nothing.
    pub tap: Option<StreamDigester>,
}

/// One half of an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Half {
    /// `manifest.json` and `repositories`.
    Docker,
    /// `index.json`.
    Oci,
    /// `dir:`'s `manifest.json`.
    Dir,
}

impl Open {
    /// Opens a file or folder.
    ///
    /// # Errors
    /// `NotAnImage` with what it is instead; `Tar`, `Codec`, `Json`, `Schema` for what cannot be read. Damage that
    /// leaves something to show is kept with what it concerns, see [`Archive::faults_of`].
    pub fn path(&self, path: &Path) -> Result<Archive> {
        let place = shown(path);
        Container::open(path, self)
            .and_then(|container| self.assemble(&place, container))
            .at(|| place.clone())
    }

    /// Reads a FIFO as a stream. One that nobody writes to is empty; it is not waited for.
    ///
    /// # Errors
    /// As [`Open::stdin`].
    pub fn pipe(&self, path: &Path) -> Result<Archive> {
        let place = shown(path);
        blob::open_fifo(path)
            .and_then(|file| Container::from_stream(self.ahead(file), self))
            .and_then(|container| self.assemble(&place, container))
            .at(|| place.clone())
    }

    /// Reads a stream ahead, tapped if that was asked for.
    pub(super) fn ahead(&self, file: File) -> ReadAhead {
        match &self.tap {
            Some(tap) => ReadAhead::new(tap.wrap(file)),
            None => ReadAhead::new(file),
        }
    }

    /// Reads an archive from anything that gives bytes, in one pass, as a pipe is read.
    ///
    /// # Errors
    /// As [`Open::path`].
    pub fn stream(&self, source: impl Read + Send + 'static) -> Result<Archive> {
        Container::from_stream(ReadAhead::new(source), self)
            .and_then(|container| self.assemble("-", container))
    }

    /// Opens standard input.
    ///
    /// # Errors
    /// As [`Open::path`], and `Usage` if it is a terminal.
    pub fn stdin(&self) -> Result<Archive> {
        let container = Container::stdin(self);
        container
            .and_then(|container| self.assemble("-", container))
            .at(|| "standard input".into())
    }

    /// Puts the halves of a container together.
    fn assemble(&self, place: &str, container: Container) -> Result<Archive> {
        if let Holder::Document(bytes) = &container.holder {
            let bytes = Arc::clone(bytes);
            return document(place, container, bytes);
        }
        let mut found = Found::look(&container, self)?;
        let mut faults = std::mem::take(&mut found.faults);
        let mut assembly = Assembly {
            nodes: Vec::new(),
            images: Vec::new(),
            roots: Vec::new(),
            notes: Vec::new(),
            examine: self.examine,
        };
        let mut oci = None;
        if let Some(index) = found.index {
            match assembly.oci(&container, index, found.names) {
                Ok(half) => oci = Some(half),
                Err(error) if found.docker.is_none() => return Err(error),
                // Another reader may see another image in it.
                Err(error) if !self.examine && matches!(error.fault(), Fault::Ambiguous { .. }) => {
                    return Err(error);
                }
                Err(error) => faults.push(error),
            }
        }
        faults.extend(
            found
                .other
                .and_then(|bytes| assembly.other_manifest(&bytes)),
        );
        let mut docker = None;
        if let Some((manifest, items)) = found.docker {
            let repositories = match docker::member_json(&container, "repositories") {
                Ok(value) => value
                    .map(|value| docker::parse_repositories(&value))
                    .transpose(),
                Err(error) => Err(error),
            };
            let repositories = repositories
                .at(|| "repositories".into())
                .unwrap_or_else(|error| {
                    faults.push(error);
                    None
                });
            if manifest.is_some() {
                let mut twins: HashMap<ImageId, Vec<usize>> = HashMap::new();
                for (i, image) in assembly.images.iter().enumerate() {
                    twins.entry(image.id.clone()).or_default().push(i);
                }
                let mut configs = HashMap::new();
                for (i, item) in items.iter().enumerate() {
                    assembly.item(&container, i, item, &mut twins, &mut configs);
                }
            } else {
                let records = repositories.as_deref().unwrap_or_default();
                let broken = assembly.v1(&container, records);
                match broken.first() {
                    Some(error) if !self.examine || assembly.images.is_empty() => {
                        return Err(error.clone());
                    }
                    _ => faults.extend(broken),
                }
            }
            docker = Some(DockerHalf {
                manifest,
                items,
                repositories,
            });
        }
        if let Some(oci) = &oci {
            assembly.merge(&oci.edges);
        }
        if !self.examine {
            assembly.check_layers();
        }
        let shape = match (&docker, &oci) {
            (Some(half), _) if half.manifest.is_none() => Shape::DockerV1,
            (Some(_), Some(_)) => Shape::DockerAndOci,
            (Some(_), None) => Shape::Docker,
            (None, None) if !matches!(container.get("oci-layout"), Ok(Some(_))) => Shape::Docker,
            (None, _) if found.names == BlobNames::Hex => Shape::Dir,
            (None, _) => Shape::Oci,
        };
        let Assembly {
            nodes,
            images,
            roots,
            notes,
            ..
        } = assembly;
        Ok(Archive {
            place: place.to_owned(),
            shape,
            container: Arc::new(container),
            docker,
            oci,
            nodes,
            images,
            roots,
            faults,
            notes,
            is_part: false,
            roots_of: OnceLock::new(),
            lookup: OnceLock::new(),
        })
    }
}

/// A path as text: what is no UTF-8 is escaped.
fn shown(path: &Path) -> String {
    match path.to_str() {
        Some(text) => text.to_owned(),
        None => escape::bytes(path.as_os_str().as_encoded_bytes()).into_owned(),
    }
}

/// A manifest or index without the archive around it.
fn document(place: &str, container: Container, bytes: Arc<[u8]>) -> Result<Archive> {
    let limits = container.limits.json;
    let document = match Document::parse_within(&bytes, &limits) {
        Ok(document) => document,
        Err(error) if matches!(error.fault(), Fault::Ambiguous { .. }) => return Err(error),
        Err(_) => {
            json::parse_within(&bytes, &limits)?;
            return Err(Fault::NotAnImage(NotAnImage::Document).into());
        }
    };
    let media_type = match &document {
        Document::Schema1(_) => "application/vnd.docker.distribution.manifest.v1+prettyjws",
        Document::Index(_) if document.media_type().is_empty() => MediaType::OCI_INDEX,
        Document::Manifest(_) if document.media_type().is_empty() => MediaType::OCI_MANIFEST,
        _ => document.media_type(),
    };
    let descriptor = Descriptor {
        media_type: MediaType::new(media_type),
        digest: sha256(&bytes),
        size: bytes.len() as u64,
        urls: Vec::new(),
        annotations: Vec::new(),
        data: None,
        artifact_type: None,
        platform: None,
    };
    let mut reader = GraphReader::new(&container, BlobNames::Layout);
    let edge = reader.document(Arc::clone(&bytes), descriptor)?;
    let (nodes, images) = (reader.nodes, reader.images);
    let mut assembly = Assembly {
        nodes,
        images,
        roots: Vec::new(),
        notes: Vec::new(),
        examine: false,
    };
    let edges = vec![edge];
    assembly.merge(&edges);
    let names = BlobNames::Layout;
    let oci = Some(OciHalf {
        index: bytes,
        edges,
        layout_version: None,
        names,
        stated: OnceLock::new(),
    });
    let Assembly {
        nodes,
        images,
        roots,
        ..
    } = assembly;
    let (shape, faults) = (Shape::Document, Vec::new());
    Ok(Archive {
        place: place.to_owned(),
        shape,
        container: Arc::new(container),
        docker: None,
        oci,
        nodes,
        images,
        roots,
        faults,
        notes: Vec::new(),
        is_part: false,
        roots_of: OnceLock::new(),
        lookup: OnceLock::new(),
    })
}

type Items = Vec<DockerItem>;

/// The documents that tell what an archive is.
struct Found {
    index: Option<Arc<[u8]>>,
    names: BlobNames,
    /// docker's items, and the `manifest.json` they are from; before docker 1.10 there is none of either.
    docker: Option<(Option<Arc<[u8]>>, Items)>,
    /// A `manifest.json` beside an index that is skopeo's and not docker's.
    other: Option<Arc<[u8]>>,
    /// What is wrong with a half beside another.
    faults: Vec<Error>,
}

impl Found {
    fn look(container: &Container, open: &Open) -> Result<Self> {
        let only = open.only;
        let wants = |half| only.is_none_or(|only| only == half);
        let mut found = Found {
            index: None,
            names: BlobNames::Layout,
            docker: None,
            other: None,
            faults: Vec::new(),
        };
        let mut unread = None;
        if wants(Half::Oci) {
            match container.read("index.json", container.limits.of_document()) {
                Ok(index) => found.index = index,
                Err(error) if open.examine && only.is_none() => unread = Some(error),
                Err(error) => return Err(error),
            }
        }
        if let Err(error) = found.manifest(container, only) {
            if !(open.examine && only.is_none() && found.index.is_some()) {
                return Err(unread.unwrap_or(error));
            }
            found.faults.push(error);
        }
        if found.index.is_none() && found.docker.is_none() {
            let cut = container.fault().is_some() && unread.is_none();
            if !(open.examine && cut) {
                return Err(unread.unwrap_or_else(|| nothing(container, only)));
            }
        }
        found.faults.extend(unread);
        Ok(found)
    }

    /// Looks at `manifest.json`, and without one at `repositories`.
    fn manifest(&mut self, container: &Container, only: Option<Half>) -> Result<()> {
        let wants = |half| only.is_none_or(|only| only == half);
        let manifest = match container.read("manifest.json", container.limits.of_document()) {
            // A layout may hold anything under that name; only without an index does it have to be docker's.
            Err(_) if self.index.is_some() && only.is_some() => None,
            other => other?,
        };
        if let Some(bytes) = manifest {
            let value =
                json::parse_within(&bytes, &container.limits.json).at(|| "manifest.json".into())?;
            match value {
                Value::Object(_) if wants(Half::Dir) && self.index.is_none() => {
                    self.names = BlobNames::Hex;
                    self.index = Some(bytes);
                }
                Value::Object(_) => self.other = Some(bytes).filter(|_| only.is_none()),
                _ if wants(Half::Docker) => {
                    let items = docker::parse_manifest(&value, &container.limits)
                        .at(|| "manifest.json".into())?;
                    self.docker = Some((Some(bytes), items));
                }
                _ => {}
            }
        } else if wants(Half::Docker)
            && self.index.is_none()
            && container.get("repositories")?.is_some()
        {
            self.docker = Some((None, Vec::new()));
        }
        Ok(())
    }
}

/// What to say of a container that holds no image.
fn nothing(container: &Container, only: Option<Half>) -> Error {
    if let Some(fault) = container.fault() {
        return fault.clone();
    }
    match only {
        Some(Half::Docker) => {
            return Fault::MemberAbsent {
                name: "manifest.json".into(),
            }
            .into();
        }
        Some(Half::Oci) => {
            return Fault::MemberAbsent {
                name: "index.json".into(),
            }
            .into();
        }
        Some(Half::Dir) => {
            return Fault::MemberAbsent {
                name: "manifest.json".into(),
            }
            .into();
        }
        None => {}
    }
    let signs = container.signs();
    let rootfs = [
        "bin", "dev", "etc", "home", "lib", "opt", "proc", "root", "sbin", "tmp", "usr", "var",
    ];
    let is_directory = matches!(container.holder, Holder::Folder(_));
    // A directory that only holds such a thing is none; in a tar it is put with the directories above it.
    let has = |path: &str| match is_directory {
        true => signs.at_top(path),
        false => signs.anywhere(path),
    };
    let what = if signs.is_empty() {
        match is_directory {
            true => NotAnImage::NoManifest,
            false => NotAnImage::EmptyTar,
        }
    } else if has("registry/v2") || has("docker/registry/v2") {
        NotAnImage::RegistryTree
    } else if has("overlay-images") || has("vfs-images") {
        NotAnImage::ContainersStorage
    } else if is_docker_root(&has) {
        NotAnImage::DockerDataRoot
    } else if rootfs.iter().filter(|name| signs.at_top(name)).count() >= 2 {
        NotAnImage::RootFilesystem
    } else if let Some(member) = signs.image_below() {
        let folder = is_directory;
        NotAnImage::Below { member, folder }
    } else {
        NotAnImage::NoManifest
    };
    Fault::NotAnImage(what).into()
}

/// The storage drivers of docker, each with a directory of its own below `image`.
pub(super) const DRIVERS: [&str; 7] = [
    "overlay2",
    "overlay",
    "aufs",
    "vfs",
    "btrfs",
    "zfs",
    "devicemapper",
];

/// Recognizes the data root of a docker engine by its record of images, which other directories lack.
fn is_docker_root(has: &impl Fn(&str) -> bool) -> bool {
    let records = ["imagedb", "layerdb", "repositories.json"];
    let is_of = |driver: &str| {
        let mut records = records.iter();
        records.any(|record| has(&format!("image/{driver}/{record}")))
    };
    DRIVERS.iter().any(|driver| is_of(driver)) || has("graph") && has("containers")
}

pub(super) struct Assembly {
    pub(super) nodes: Vec<Node>,
    pub(super) images: Vec<Image>,
    roots: Vec<Root>,
    /// What is worth saying of how the archive is read.
    pub(super) notes: Vec<String>,
    examine: bool,
}

impl Assembly {
    fn oci(
        &mut self,
        container: &Container,
        index: Arc<[u8]>,
        names: BlobNames,
    ) -> Result<OciHalf> {
        let mut reader = GraphReader::new(container, names);
        let mut layout_version = None;
        let edges = if names == BlobNames::Hex {
            // A `dir:` has one manifest and no index; the manifest is not stored under its digest.
            let media_type = Document::parse_within(&index, &container.limits.json)
                .at(|| "manifest.json".into())?
                .media_type()
                .to_owned();
            let descriptor = Descriptor {
                media_type: MediaType::new(media_type),
                digest: sha256(&index),
                size: index.len() as u64,
                urls: Vec::new(),
                annotations: Vec::new(),
                data: None,
                artifact_type: None,
                platform: None,
            };
            vec![
                reader
                    .document(Arc::clone(&index), descriptor)
                    .at(|| "manifest.json".into())?,
            ]
        } else {
            let document = Document::parse_within(&index, &container.limits.json)
                .at(|| "index.json".into())?;
            let Document::Index(Index { manifests, .. }) = document else {
                let fault = Fault::Schema {
                    field: "the document".into(),
                    expected: "an index",
                    found: "a manifest".into(),
                };
                return Err(Error::new(fault).at("index.json"));
            };
            // A malformed `oci-layout` is for imgverify to report; every reader but the strictest ignores it.
            let layout = match docker::member_json(container, "oci-layout") {
                Err(error) if matches!(error.fault(), Fault::Ambiguous { .. }) => {
                    return Err(error);
                }
                layout => layout.ok().flatten(),
            };
            if let Some(layout) = &layout {
                fields::Shape::LAYOUT
                    .check(layout)
                    .at(|| "oci-layout".into())?;
            }
            layout_version = layout.and_then(|layout| {
                json::opt_text(&json::Node::root(&layout), "imageLayoutVersion")
                    .ok()
                    .flatten()
            });
            reader.follow(manifests)?
        };
        (self.nodes, self.images) = (reader.nodes, reader.images);
        Ok(OciHalf {
            index,
            edges,
            layout_version,
            names,
            stated: OnceLock::new(),
        })
    }

    /// What is wrong with a `manifest.json` beside `index.json` that holds a manifest: it may not be another image.
    fn other_manifest(&self, bytes: &[u8]) -> Option<Error> {
        let digest = sha256(bytes);
        let known =
            |node: &Node| node.descriptor.digest == digest || node.bytes.as_deref() == Some(bytes);
        let is_manifest = matches!(Document::parse_known(bytes), Ok(Document::Manifest(_)));
        (is_manifest && !self.nodes.iter().any(known)).then(|| {
            let why = "it is no manifest of index.json: skopeo's dir: would take it for the image, others index.json";
            Error::new(Fault::Ambiguous { why: why.into() }).at("manifest.json")
        })
    }

    /// Adds what one item of `manifest.json` describes: a new image, or the docker side of one already there.
    ///
    /// `twins` are the images so far by ID, `configs` the configs so far by member: items may share both.
    fn item<'a>(
        &mut self,
        container: &Container,
        position: usize,
        item: &'a DockerItem,
        twins: &mut HashMap<ImageId, Vec<usize>>,
        configs: &mut HashMap<&'a str, ItemConfig>,
    ) {
        let names = NameSet::distinct(item.repo_tags.iter().map(|tag| Name::from_repo_tag(tag)));
        let read = configs
            .entry(&item.config)
            .or_insert_with(|| ItemConfig::read(container, &item.config));
        let mut faults: Vec<Error> = read.unread.iter().cloned().collect();
        let root = |image| Root {
            names,
            ref_names: Vec::new(),
            node: None,
            image: Some(image),
            positions: Vec::new(),
            item: Some(position),
        };
        let Some((config_bytes, id)) = read.bytes.clone() else {
            if faults.is_empty() {
                faults.push(
                    Fault::MemberAbsent {
                        name: item.config.clone(),
                    }
                    .into(),
                );
            }
            // A config that is named by its digest, and cannot be read, is still that of the image in the other half.
            let named = Digest::from_blob_path(&item.config).map(ImageId::Config);
            let twin = named.and_then(|id| twins.get(&id)?.first().copied());
            let image = match twin {
                Some(twin) => {
                    self.images[twin].item.get_or_insert(position);
                    self.images[twin].faults.extend(faults);
                    twin
                }
                None => self.docker_image(container, position, item, Arc::default(), None, faults),
            };
            self.roots.push(root(image));
            return;
        };
        if !self.examine
            && let Some(stated) = Digest::from_blob_path(&item.config)
        {
            let checked = check_digest(&config_bytes, &stated).at(|| item.config.clone());
            faults.extend(checked.err());
        }
        // The same image is in the OCI half if a manifest there has this config; of several, the one whose blobs are
        // the layers named here.
        let known = twins.entry(id.clone()).or_default();
        let has_layers = |i: &&usize| {
            let layers = &self.images[**i].layers;
            layers.iter().map(|layer| &layer.member).eq(&item.layers)
        };
        if let Some(&twin) = known.iter().find(has_layers).or(known.first()) {
            if !self.examine {
                self.choose_half(container, position, item, twin);
            }
            self.images[twin].item.get_or_insert(position);
            self.images[twin].faults.extend(faults);
            self.roots.push(root(twin));
            return;
        }
        let (config, unparsed) = read.config(container, &item.config);
        if unparsed.is_none() && config.diff_ids.is_none() && !item.layers.is_empty() {
            faults.push(no_rootfs().at(item.config.clone()));
        }
        faults.extend(unparsed);
        let image = self.docker_image(
            container,
            position,
            item,
            config,
            Some(config_bytes),
            faults,
        );
        known.push(image);
        self.images[image].id = id;
        self.roots.push(root(image));
    }

    fn docker_image(
        &mut self,
        container: &Container,
        position: usize,
        item: &DockerItem,
        config: Arc<ImageConfig>,
        config_bytes: Option<Arc<[u8]>>,
        mut faults: Vec<Error>,
    ) -> usize {
        let diff_ids = config.diff_ids.as_ref();
        if let Some(ids) = diff_ids.filter(|ids| ids.len() != item.layers.len()) {
            let fault = Fault::LayerCount {
                manifest: item.layers.len(),
                config: ids.len(),
            };
            faults.push(Error::new(fault).at(item.config.clone()));
        }
        let mut layers = docker_layers(container, item, diff_ids, &mut faults);
        if !self.examine {
            name_layers(&mut layers);
        }
        self.images.push(Image {
            id: ImageId::V1(String::new()),
            platform: config.platform.clone(),
            config,
            config_bytes,
            manifest: None,
            node: None,
            item: Some(position),
            layers,
            faults,
        });
        self.images.len() - 1
    }

    /// Adds the images of an archive that has `repositories` alone. Gives what is wrong with those that cannot be
    /// followed to their base.
    fn v1(&mut self, container: &Container, records: &[RepositoryRecord]) -> Vec<Error> {
        let mut broken = Vec::new();
        let mut by_id: Vec<(&str, Vec<Name>)> = Vec::new();
        let mut positions: HashMap<&str, usize> = HashMap::new();
        for record in records {
            let name = Name::from_repo_tag(&format!("{}:{}", record.repository, record.tag));
            let position = *positions.entry(&record.id).or_insert(by_id.len());
            match by_id.get_mut(position) {
                Some((_, names)) => names.push(name),
                None => by_id.push((&record.id, vec![name])),
            }
        }
        for (id, names) in by_id {
            let name = names.first().map(ToString::to_string).unwrap_or_default();
            let v1 = match docker::v1_chain(container, &name, id) {
                Ok(v1) => v1,
                Err(error) => {
                    broken.push(error);
                    continue;
                }
            };
            let mut faults = Vec::new();
            let layers = v1.layers.into_iter().map(|member| {
                let presence = match container.get(&member) {
                    Ok(Some(content)) => Presence::Here(content),
                    Ok(None) => Presence::Absent,
                    Err(error) => {
                        faults.push(error);
                        Presence::Unreadable
                    }
                };
                Layer {
                    descriptor: None,
                    diff_id: None,
                    member,
                    presence,
                }
            });
            let layers = layers.collect();
            let image = self.images.len();
            self.images.push(Image {
                id: ImageId::V1(v1.id),
                platform: v1.config.platform.clone(),
                config: Arc::new(v1.config),
                config_bytes: None,
                manifest: None,
                node: None,
                item: None,
                layers,
                faults,
            });
            self.roots.push(Root {
                names,
                ref_names: Vec::new(),
                node: None,
                image: Some(image),
                positions: Vec::new(),
                item: None,
            });
        }
        broken
    }

    /// Whether a node is the manifest of an image that is read from the docker half.
    fn is_unused(&self, node: usize) -> bool {
        match self.nodes.get(node).map(|node| &node.kind) {
            Some(NodeKind::Image(image)) => self.images[*image].node.is_none(),
            _ => false,
        }
    }

    /// Notes down which images have other layers than their configs list, as far as documents tell.
    fn check_layers(&mut self) {
        for image in &mut self.images {
            let checked = image.check_layers();
            // That the numbers differ is said of the manifest and of the item already.
            let fault = checked
                .err()
                .filter(|error| !matches!(error.fault(), Fault::LayerCount { .. }));
            image.faults.extend(fault);
        }
    }

    /// Adds what `index.json` lists, joined with what `manifest.json` lists where both mean the same image.
    fn merge(&mut self, edges: &[Edge]) {
        let mut by_node: HashMap<usize, usize> = HashMap::new();
        let mut by_image: HashMap<usize, VecDeque<usize>> = HashMap::new();
        let mut said: HashMap<usize, NameSet> = HashMap::new();
        for (i, root) in self.roots.iter().enumerate() {
            if let Some(image) = root.image {
                by_image.entry(image).or_default().push_back(i);
            }
        }
        for (position, edge) in edges.iter().enumerate() {
            let name = Name::from_annotations(&edge.descriptor);
            let ref_name = edge.descriptor.annotation(annotations::REF_NAME);
            let known = by_node.get(&edge.node).copied().or_else(|| {
                let images = images_below(&self.nodes, edge.node);
                let first = |image| by_image.get(image)?.front().copied();
                images.iter().filter_map(first).min()
            });
            let at = known.unwrap_or_else(|| {
                self.roots.push(Root {
                    names: Vec::new(),
                    ref_names: Vec::new(),
                    node: None,
                    image: None,
                    positions: Vec::new(),
                    item: None,
                });
                self.roots.len() - 1
            });
            let is_unused = self.is_unused(edge.node);
            let root = &mut self.roots[at];
            if root.node.is_none() {
                // A manifest in whose place manifest.json is read is passed on by nobody.
                root.node = Some(edge.node).filter(|_| !is_unused);
                by_node.insert(edge.node, at);
                if let Some(waiting) = root.image.and_then(|image| by_image.get_mut(&image)) {
                    waiting.retain(|other| *other != at);
                }
            }
            root.positions.push(position);
            let said = said.entry(at).or_insert_with(|| {
                let mut said = NameSet::default();
                root.names.iter().for_each(|name| {
                    said.insert(name);
                });
                said
            });
            root.names.extend(name.filter(|name| said.insert(name)));
            let ref_name = ref_name.filter(|text| !text.is_empty());
            root.ref_names.extend(ref_name.map(str::to_owned));
        }
    }
}

/// The config of items of `manifest.json`, by the member that holds it: read and parsed once.
#[derive(Default)]
struct ItemConfig {
    bytes: Option<(Arc<[u8]>, ImageId)>,
    /// Why there are no bytes, if the member is there.
    unread: Option<Error>,
    parsed: Option<(Arc<ImageConfig>, Option<Error>)>,
}

impl ItemConfig {
    fn read(container: &Container, member: &str) -> Self {
        let mut read = ItemConfig::default();
        match container.read(member, container.limits.of_config()) {
            Ok(bytes) => {
                read.bytes = bytes.map(|bytes| {
                    // A blob of an OCI layout may be named by another algorithm, and the image with it.
                    let named = Digest::from_blob_path(member)
                        .filter(|named| super::check_digest(&bytes, named).is_ok());
                    let id = ImageId::Config(named.unwrap_or_else(|| sha256(&bytes)));
                    (bytes, id)
                });
            }
            Err(error) => read.unread = Some(error),
        }
        read
    }

    fn config(&mut self, container: &Container, member: &str) -> (Arc<ImageConfig>, Option<Error>) {
        let bytes = self.bytes.as_ref().map_or(&[][..], |(bytes, _)| bytes);
        let parse = || match ImageConfig::parse_within(bytes, &container.limits.json)
            .at(|| member.to_owned())
        {
            Ok(config) => (Arc::new(config), None),
            Err(error) => (Arc::default(), Some(error)),
        };
        self.parsed.get_or_insert_with(parse).clone()
    }
}

/// The images that a node leads to, each once, in the order of the indexes. Attestations and artifacts are none.
pub(super) fn images_below(nodes: &[Node], node: usize) -> Vec<usize> {
    let mut images = Vec::new();
    let mut seen = HashSet::new();
    let mut work = vec![node];
    while let Some(node) = work.pop() {
        if !seen.insert(node) {
            continue;
        }
        match nodes.get(node).map(|node| &node.kind) {
            Some(NodeKind::Image(image)) => images.push(*image),
            Some(NodeKind::Index(edges)) => work.extend(edges.iter().rev().map(|edge| edge.node)),
            _ => {}
        }
    }
    images
}

impl Archive {
    /// The images that a root leads to, in the order of the index: one, or one for each platform that is here.
    pub fn images_of(&self, root: &Root) -> Vec<usize> {
        match root.node {
            Some(node) => images_below(&self.nodes, node),
            None => root.image.into_iter().collect(),
        }
    }

    /// The images that a node leads to, in the order of the indexes.
    pub fn images_below(&self, node: usize) -> Vec<usize> {
        images_below(&self.nodes, node)
    }

    /// Whether all of the archive is here: nothing was cut off, not even between two members.
    ///
    /// # Errors
    /// What stopped the walk over its members; `Tar` if the end marker is missing. Placed at the archive.
    pub fn whole(&self) -> Result<()> {
        let at = |error: Error| Err(error.at(self.place.clone()));
        if let Some(fault) = self.container.fault() {
            return at(fault.clone());
        }
        let Holder::Table(table) = &self.container.holder else {
            return Ok(());
        };
        let is_cut = |anomaly: &&Anomaly| anomaly.kind == AnomalyKind::MissingEndMarker;
        match table.anomalies.iter().find(is_cut) {
            Some(anomaly) => {
                let why = TarFault::UnexpectedEnd { missing: 1024 };
                let offset = anomaly.header_offset;
                at(Fault::Tar { offset, why }.into())
            }
            None => Ok(()),
        }
    }

    /// What is wrong with an image or with the manifest and config it is read from.
    pub fn faults_of(&self, image: usize) -> impl Iterator<Item = &Error> {
        let image = &self.images[image];
        let node = image.node.map(|node| &self.nodes[node].faults);
        image.faults.iter().chain(node.into_iter().flatten())
    }

    /// All damage known without reading layers, innermost places only.
    pub fn all_faults(&self) -> impl Iterator<Item = &Error> {
        let nodes = self.nodes.iter().flat_map(|node| &node.faults);
        let images = self.images.iter().flat_map(|image| &image.faults);
        self.container
            .fault()
            .into_iter()
            .chain(&self.faults)
            .chain(nodes)
            .chain(images)
    }

    /// What is wrong with what some of its roots lead to, or with the container that holds them all.
    pub fn faults_below<'a>(&'a self, roots: &[&Root]) -> Vec<&'a Error> {
        let mut faults: Vec<&Error> = self.container.fault().into_iter().collect();
        let mut seen = HashSet::new();
        let mut work: Vec<usize> = roots.iter().rev().filter_map(|root| root.node).collect();
        let mut images: Vec<usize> = roots.iter().filter_map(|root| root.image).collect();
        while let Some(node) = work.pop() {
            if !seen.insert(node) {
                continue;
            }
            faults.extend(&self.nodes[node].faults);
            match &self.nodes[node].kind {
                NodeKind::Index(edges) => work.extend(edges.iter().rev().map(|edge| edge.node)),
                NodeKind::Image(image) => images.push(*image),
                _ => {}
            }
        }
        images.sort_unstable();
        images.dedup();
        faults.extend(images.iter().flat_map(|&image| &self.images[image].faults));
        faults
    }

    /// The names of an image: those of every root that leads to it.
    pub fn names_of(&self, image: usize) -> Vec<Name> {
        let roots_of = self.roots_of.get_or_init(|| {
            let mut roots_of = vec![Vec::new(); self.images.len()];
            for (i, root) in self.roots.iter().enumerate() {
                for image in self.images_of(root) {
                    roots_of[image].push(i);
                }
            }
            roots_of
        });
        let roots = roots_of.get(image).into_iter().flatten();
        NameSet::distinct(roots.flat_map(|&root| self.roots[root].names.iter().cloned()))
    }
}
