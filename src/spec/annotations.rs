//! Annotation keys that change what a reader shows.

/// The name a descriptor goes by in an OCI layout: a tag, a full reference, or any text.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The full reference, as containerd and docker 25 and newer write it.
pub const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// What a descriptor is for, in BuildKit's words: `attestation-manifest`.
pub const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
/// The digest of the manifest that an attestation is about.
pub const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";
/// The value of [`REFERENCE_TYPE`] on attestation manifests.
pub const ATTESTATION: &str = "attestation-manifest";
