//! Import of a root filesystem as an image.
//!
//! A tar archive becomes the layer byte for byte; it is hashed, checked and stored in one pass. Compression with gzip or
//! zstd is kept, any other is removed. A cpio archive or a directory is converted to tar.

use std::sync::Arc;

use crate::blob::Input;
use crate::disk::Directory;
use crate::error::{At, Error, Result};
use crate::spec::instruction::Change;
use crate::spec::{Digest, History, ImageConfig, NewConfig, Platform, Timestamp};
use crate::tree::{NodeKind, Tree};
use crate::write::{Bundle, ListedName, MediaTypes, NewImage, NewLayer, Packer, check_root, pass};

/// Options of an import.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Names of the image.
    pub names: Vec<ListedName>,
    /// History comment; `None` is docker's `Imported from -`.
    pub message: Option<String>,
    /// Platform of the image; `None` is the platform of `config`, or the host's.
    pub platform: Option<Platform>,
    /// Image config to start from.
    pub config: Option<Vec<u8>>,
    /// Dockerfile instructions that change the config.
    pub instructions: Vec<Change>,
    /// Creation time.
    pub created: Timestamp,
}

/// Creates an image from a directory.
///
/// # Errors
/// `Changed` and `Io` for files that change while they are read; as [`NewConfig::like`] and
/// [`NewConfig::apply`].
pub fn import_directory(
    directory: &Directory,
    packer: &Packer<'_>,
    options: &ImportOptions,
) -> Result<(Bundle, Digest)> {
    let config = config(options)?;
    let layer = packer.layer(packer.directory(directory)?, MediaTypes::Oci)?;
    new_image(config, layer, options)
}

/// Creates an image from a tar or cpio archive, compressed or not.
///
/// With `in_place` an uncompressed tar file is read again when the image is written, instead of copied.
///
/// # Errors
/// `Tar`, `Cpio`, `Codec`, `Entry`, `BadLink`, `Limit` for a damaged archive; `Unsupported` for any other input; as [`NewConfig::like`] and [`NewConfig::apply`].
pub fn import(
    input: Input,
    in_place: bool,
    packer: &Packer<'_>,
    options: &ImportOptions,
) -> Result<Imported> {
    // First, so that invalid arguments are reported before gigabytes are read.
    let config = config(options)?;
    let range = match &input {
        Input::Range(range) if in_place => Some(range.clone()),
        _ => None,
    };
    let passed = pass(input.read(), range, packer)?;
    check_root(&passed.listing, |_| false)?;
    let tree = Tree::apply(vec![Arc::new(passed.listing)])?.checked()?;
    if is_image_archive(&tree) {
        let why = "the archive holds images, not a root filesystem: imgload loads the images";
        return Err(Error::usage(why));
    }
    let looks_like_image = ["manifest.json", "oci-layout"]
        .iter()
        .any(|name| tree.get(name.as_bytes()).is_some());
    drop(tree);
    let layer = packer.pack(&passed.scan, passed.content, MediaTypes::Oci)?;
    let (bundle, id) = new_image(config, layer, options)?;
    Ok(Imported {
        bundle,
        id,
        looks_like_image,
        skipped: passed.skipped,
    })
}

/// Image created from an archive.
#[derive(Debug)]
pub struct Imported {
    /// The image, ready to be written.
    pub bundle: Bundle,
    /// Image ID.
    pub id: Digest,
    /// True if the archive may be an image archive.
    pub looks_like_image: bool,
    /// Paths of sockets, which were left out.
    pub skipped: Vec<Vec<u8>>,
}

/// Returns the config of the new image, without layers.
fn config(options: &ImportOptions) -> Result<NewConfig> {
    let mut config = match &options.config {
        Some(bytes) => NewConfig::like(bytes)?,
        None => NewConfig::for_platform(&Platform::host()),
    };
    if let Some(platform) = &options.platform {
        config.set_platform(platform);
    }
    let author = match &options.config {
        Some(bytes) => ImageConfig::parse(bytes, &crate::limits::JsonLimits::default())?.author,
        None => None,
    };
    config.apply(&options.instructions).at(|| "-c".to_owned())?;
    let message = options.message.as_deref().filter(|text| !text.is_empty());
    let message = message.unwrap_or(IMPORTED);
    config.made(options.created, author.as_deref(), Some(message));
    // All steps of the given history become the one layer.
    config.empty_history(0)?;
    config.add_history(&History {
        created: Some(options.created.rfc3339_nano()),
        comment: message.to_owned(),
        ..History::default()
    })?;
    Ok(config)
}

/// History comment of docker import for any file.
const IMPORTED: &str = "Imported from -";

/// Creates the image of a config and its only layer.
fn new_image(
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

/// Tests if a tar is an image archive rather than a root filesystem: by its list of images and the files beside it.
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
                    .root()
                    .children()
                    .any(|node| is_named_by_digest(node.name())))
}
