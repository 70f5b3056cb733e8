//! Keys of annotations that readers interpret.

/// Name of a descriptor in an OCI layout: a tag, a full reference, or any text.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// Full reference, as containerd and docker 25 and newer write it.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// Creation time of an image, in RFC 3339.
pub const CREATED: &str = "org.opencontainers.image.created";
/// Name of the image that an image was built on.
pub const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// Purpose of a descriptor, in BuildKit's words: `attestation-manifest`.
pub const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
/// Digest of the manifest that an attestation is about.
pub const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";
/// Value of [`REFERENCE_TYPE`] on attestation manifests.
pub const ATTESTATION: &str = "attestation-manifest";
