//! Media types of the documents and layers that are written.

use crate::blob::Compression;
use crate::error::{Error, Result};
use crate::spec::{LayerKind, MediaType};

/// A family of media types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaTypes {
    /// Those of the image specification.
    Oci,
    /// Docker's.
    Docker,
}

impl MediaTypes {
    pub(super) fn config(self) -> &'static str {
        match self {
            MediaTypes::Oci => MediaType::OCI_CONFIG,
            MediaTypes::Docker => MediaType::DOCKER_CONFIG,
        }
    }

    pub(super) fn manifest(self) -> &'static str {
        match self {
            MediaTypes::Oci => MediaType::OCI_MANIFEST,
            MediaTypes::Docker => MediaType::DOCKER_MANIFEST,
        }
    }

    pub(super) fn index(self) -> &'static str {
        match self {
            MediaTypes::Oci => MediaType::OCI_INDEX,
            MediaTypes::Docker => MediaType::DOCKER_LIST,
        }
    }

    /// Returns the media type of a layer with a compression.
    ///
    /// # Errors
    /// `Unsupported` for compressions other than gzip and zstd.
    pub fn layer(self, compression: Compression) -> Result<&'static str> {
        let kind = match compression {
            Compression::None => LayerKind::Tar,
            Compression::Gzip => LayerKind::Gzip,
            Compression::Zstd => LayerKind::Zstd,
            other => {
                return Err(Error::unsupported(format!(
                    "a layer compressed with {}",
                    other.name()
                )));
            }
        };
        Ok(self.layer_type(kind, false))
    }

    /// The media type of a layer. Docker's zstd type is that of containerd and BuildKit; there is none for foreign
    /// layers in zstd, which callers refuse.
    pub(super) fn layer_type(self, kind: LayerKind, is_foreign: bool) -> &'static str {
        match (self, is_foreign, kind) {
            (MediaTypes::Docker, _, LayerKind::Zstd) => {
                "application/vnd.docker.image.rootfs.diff.tar.zstd"
            }
            (MediaTypes::Docker, false, LayerKind::Gzip) => {
                "application/vnd.docker.image.rootfs.diff.tar.gzip"
            }
            (MediaTypes::Docker, false, _) => "application/vnd.docker.image.rootfs.diff.tar",
            (MediaTypes::Docker, true, LayerKind::Gzip) => {
                "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
            }
            (MediaTypes::Docker, true, _) => "application/vnd.docker.image.rootfs.foreign.diff.tar",
            (MediaTypes::Oci, false, LayerKind::Gzip) => {
                "application/vnd.oci.image.layer.v1.tar+gzip"
            }
            (MediaTypes::Oci, false, LayerKind::Zstd) => {
                "application/vnd.oci.image.layer.v1.tar+zstd"
            }
            (MediaTypes::Oci, false, _) => "application/vnd.oci.image.layer.v1.tar",
            (MediaTypes::Oci, true, LayerKind::Gzip) => {
                "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
            }
            (MediaTypes::Oci, true, LayerKind::Zstd) => {
                "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"
            }
            (MediaTypes::Oci, true, _) => "application/vnd.oci.image.layer.nondistributable.v1.tar",
        }
    }
}
