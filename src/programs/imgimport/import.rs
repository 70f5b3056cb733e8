//! imgimport: a root filesystem as an image.
//!
//! A tar passes through byte for byte and is hashed, walked and kept in one pass; gzip and zstd stay as they are, what
//! layers do not come in (xz, bzip2) is unpacked. A cpio archive or a folder is written anew as a tar.

use std::collections::HashMap;
use std::sync::Arc;

use crate::blob::Input;
use crate::disk::Directory;
use crate::error::{At, Fault, Result};
use crate::spec::instruction::Instruction;
use crate::spec::{Digest, History, ImageConfig, NewConfig, Platform, Timestamp};
use crate::tree::{NodeKind, Tree};
use crate::write::{
    Bundle, ListedName, MediaTypes, NewImage, NewLayer, Packer, check_root, pass, write_item,
};

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
        Some(bytes) => ImageConfig::parse(bytes, &crate::limits::JsonLimits::default())?.author,
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
