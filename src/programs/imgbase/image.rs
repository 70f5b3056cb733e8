//! The image of a tree: layers, config, history.

use super::Base;
use super::layers::{self, Division};

use crate::error::{At, Result};
use crate::spec::instruction::{self, Change};
use crate::spec::{Digest, History, NewConfig, Platform, Timestamp};
use crate::write::Packer;
use crate::write::{Bundle, ListedName, MediaTypes, NewImage};

/// Largest `os-release` file that is read, in bytes.
const OS_RELEASE: u64 = 64 << 10;

/// Default search path of programs, as engines set it.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Properties of an image other than its files.
#[derive(Debug, Clone)]
pub struct ImageOptions {
    /// Names of the image.
    pub names: Vec<ListedName>,
    /// Platform; by default that of the config, else the host's.
    pub platform: Option<Platform>,
    /// Config document to start from.
    pub config: Option<Vec<u8>>,
    /// Changes to the config.
    pub instructions: Vec<Change>,
    /// Creation time.
    pub created: Timestamp,
    /// Command in the history; without paths of the host.
    pub command: String,
    /// Default command of a container, if its program exists in the tree.
    pub default_command: Vec<String>,
    /// Makes the default command the entry point.
    pub is_entry_point: bool,
    /// Annotations of the manifest.
    pub annotations: Vec<(String, String)>,
    /// Division of the tree into layers.
    pub division: Division,
}

/// Makes an image of a tree, without the consistency check of [`check`](super::check).
///
/// # Errors
/// As [`layers::write`], [`NewConfig::like`] and [`NewConfig::apply`].
pub fn image(base: &Base, packer: &Packer<'_>, options: &ImageOptions) -> Result<(Bundle, Digest)> {
    let mut config = config(base, options)?;
    let created = options.created.rfc3339_nano();
    let mut made = Vec::new();
    for slice in layers::divide(base, options.division) {
        let layer = packer.layer(layers::write(&slice, packer)?, MediaTypes::Oci)?;
        config.add_history(&History {
            created: Some(created.clone()),
            created_by: options.command.clone(),
            comment: slice.description,
            ..History::default()
        })?;
        made.push(layer);
    }
    config.set_layers(made.iter().map(|layer| &layer.diff_id));
    let mut annotations = vec![(
        "org.opencontainers.image.created".to_owned(),
        options.created.rfc3339(),
    )];
    if let Some(version) = version(base)? {
        annotations.push(("org.opencontainers.image.version".to_owned(), version));
    }
    for (key, text) in &options.annotations {
        annotations.retain(|(other, _)| other != key);
        annotations.push((key.clone(), text.clone()));
    }
    annotations.sort();
    let mut bundle = Bundle::default();
    let image = NewImage {
        config: config.bytes(),
        layers: made,
        types: MediaTypes::Oci,
    };
    let id = bundle.add_annotated(image, options.names.clone(), &annotations);
    Ok((bundle, id))
}

/// Validates the options of the config, before any input is read.
///
/// # Errors
/// As [`NewConfig::like`] and [`NewConfig::apply`].
pub fn check_config(options: &ImageOptions) -> Result<()> {
    config(&Base::new(0), options).map(drop)
}

fn config(base: &Base, options: &ImageOptions) -> Result<NewConfig> {
    let mut config = match &options.config {
        Some(bytes) => NewConfig::like(bytes).at(|| "--config".to_owned())?,
        None => NewConfig::for_platform(options.platform.as_ref().unwrap_or(&Platform::host())),
    };
    if let Some(platform) = &options.platform {
        config.set_platform(platform);
    }
    if options.config.is_none() {
        let mut defaults = vec![format!("ENV {PATH}")];
        let exists = |program: &String| {
            let found = base
                .rootfs
                .follow(program.trim_start_matches('/').as_bytes());
            found.is_ok_and(|path| base.rootfs.get(&path).is_some())
        };
        if options.default_command.first().is_some_and(exists) {
            let words = serde_json::to_string(&options.default_command).unwrap_or_default();
            let word = match options.is_entry_point {
                true => "ENTRYPOINT",
                false => "CMD",
            };
            defaults.push(format!("{word} {words}"));
        }
        config.apply(&instruction::parse(&defaults)?)?;
    }
    config.apply(&options.instructions).at(|| "-c".to_owned())?;
    config.made(options.created, None, None);
    // The layers of a given config are replaced.
    config.empty_history(0)?;
    Ok(config)
}

fn version(base: &Base) -> Result<Option<String>> {
    let text = base.rootfs.read(b"etc/os-release", OS_RELEASE)?;
    let text = String::from_utf8_lossy(text.as_deref().unwrap_or_default()).into_owned();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_ID="));
    let value = line.map(|value| value.trim_matches(['"', '\'']).to_owned());
    Ok(value.filter(|value| !value.is_empty()))
}
