//! Media types: what a blob claims to be. Bytes decide; claims are compared with them.

/// A media type as written. Parameters and unknown types are carried, not refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct MediaType(String);

/// How a layer's media type says it is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    /// A plain tar.
    Tar,
    /// A tar in gzip.
    Gzip,
    /// A tar in zstd.
    Zstd,
    /// Encrypted: the tar cannot be read without a key.
    Encrypted,
}

impl MediaType {
    /// `application/vnd.oci.image.index.v1+json`
    pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// `application/vnd.oci.image.manifest.v1+json`
    pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
    /// `application/vnd.oci.image.config.v1+json`
    pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
    /// `application/vnd.docker.distribution.manifest.list.v2+json`
    pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
    /// `application/vnd.docker.distribution.manifest.v2+json`
    pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// `application/vnd.docker.container.image.v1+json`
    pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

    /// Takes the text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        MediaType(text.into())
    }

    /// The text as written; empty when there was none.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text without parameters (`; charset=…`), in lower case.
    fn bare(&self) -> String {
        self.0
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    }

    /// Whether it names an OCI index or a docker manifest list.
    pub fn is_index(&self) -> bool {
        matches!(self.bare().as_str(), Self::OCI_INDEX | Self::DOCKER_LIST)
    }

    /// Whether it names an OCI or docker image manifest.
    pub fn is_manifest(&self) -> bool {
        matches!(
            self.bare().as_str(),
            Self::OCI_MANIFEST | Self::DOCKER_MANIFEST
        )
    }

    /// Whether it names a docker manifest of schema 2 or a docker manifest list.
    pub fn is_docker(&self) -> bool {
        matches!(
            self.bare().as_str(),
            Self::DOCKER_MANIFEST | Self::DOCKER_LIST
        )
    }

    /// Whether it names a container image's config.
    pub fn is_image_config(&self) -> bool {
        matches!(self.bare().as_str(), Self::OCI_CONFIG | Self::DOCKER_CONFIG)
    }

    /// Whether it names the config of a docker plugin, which reads like an image's.
    pub fn is_plugin_config(&self) -> bool {
        self.bare() == "application/vnd.docker.plugin.v1+json"
    }

    /// Whether it names a layer that may lawfully be missing, to be fetched from its URLs.
    pub fn is_foreign(&self) -> bool {
        let bare = self.bare();
        bare.starts_with("application/vnd.oci.image.layer.nondistributable.")
            || bare.starts_with("application/vnd.docker.image.rootfs.foreign.")
    }

    /// The types of filesystem layers, without what says how they are packed.
    const LAYERS: [&str; 4] = [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
    ];

    /// Whether it names a filesystem layer, however packed, or nothing at all.
    pub fn is_layer(&self) -> bool {
        let bare = self.bare();
        bare.is_empty() || Self::LAYERS.iter().any(|layer| bare.starts_with(layer))
    }

    /// How a filesystem layer is packed, if it names one; `None` for everything that is not known to be a layer.
    pub fn layer_kind(&self) -> Option<LayerKind> {
        let bare = self.bare();
        let rest = Self::LAYERS
            .iter()
            .find_map(|prefix| bare.strip_prefix(prefix))?;
        match rest {
            "" => Some(LayerKind::Tar),
            "+gzip" | ".gzip" => Some(LayerKind::Gzip),
            "+zstd" | ".zstd" => Some(LayerKind::Zstd),
            _ if rest.ends_with("+encrypted") => Some(LayerKind::Encrypted),
            _ => None,
        }
    }
}

impl std::fmt::Display for MediaType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
