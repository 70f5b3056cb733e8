//! Media types as stated. The bytes decide; stated types are compared with them.

/// Media type as written. Parameters and unknown types are kept, not refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct MediaType(String);

/// Compression of a layer, as its media type states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerKind {
    /// Uncompressed tar.
    Tar,
    /// Tar compressed with gzip.
    Gzip,
    /// Tar compressed with zstd.
    Zstd,
    /// Encrypted tar, unreadable without a key.
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

    /// Wraps a text as it is.
    pub fn new(text: impl Into<String>) -> Self {
        MediaType(text.into())
    }

    /// Text as written; empty if not stated.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text without parameters (`; charset=…`), in lower case.
    fn bare(&self) -> String {
        self.0
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase()
    }

    /// Tests if it is an OCI index or a docker manifest list.
    pub fn is_index(&self) -> bool {
        matches!(self.bare().as_str(), Self::OCI_INDEX | Self::DOCKER_LIST)
    }

    /// Tests if it is an OCI or docker image manifest.
    pub fn is_manifest(&self) -> bool {
        matches!(
            self.bare().as_str(),
            Self::OCI_MANIFEST | Self::DOCKER_MANIFEST
        )
    }

    /// Tests if it is a docker manifest of schema 2 or a docker manifest list.
    pub fn is_docker(&self) -> bool {
        matches!(
            self.bare().as_str(),
            Self::DOCKER_MANIFEST | Self::DOCKER_LIST
        )
    }

    /// Tests if it is an image config.
    pub fn is_image_config(&self) -> bool {
        matches!(self.bare().as_str(), Self::OCI_CONFIG | Self::DOCKER_CONFIG)
    }

    /// Tests if it is the config of a docker plugin, which resembles an image config.
    pub fn is_plugin_config(&self) -> bool {
        self.bare() == "application/vnd.docker.plugin.v1+json"
    }

    /// Tests if it is a layer that may be missing and fetched from its URLs.
    pub fn is_foreign(&self) -> bool {
        let bare = self.bare();
        bare.starts_with("application/vnd.oci.image.layer.nondistributable.")
            || bare.starts_with("application/vnd.docker.image.rootfs.foreign.")
    }

    /// Types of filesystem layers, without the compression.
    const LAYERS: [&str; 4] = [
        "application/vnd.oci.image.layer.v1.tar",
        "application/vnd.oci.image.layer.nondistributable.v1.tar",
        "application/vnd.docker.image.rootfs.diff.tar",
        "application/vnd.docker.image.rootfs.foreign.diff.tar",
    ];

    /// Tests if it is a filesystem layer of any compression, or empty.
    pub fn is_layer(&self) -> bool {
        let bare = self.bare();
        bare.is_empty() || Self::LAYERS.iter().any(|layer| bare.starts_with(layer))
    }

    /// Returns the compression of a filesystem layer; `None` for all other types.
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
