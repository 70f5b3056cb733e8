//! The storage tree of a registry, as its server lays it out: `docker/registry/v2`.

use super::build::{Files, Image, digest};

/// The storage below the root of a tree.
pub const V2: &str = "docker/registry/v2";

/// Path of a blob.
pub fn data(digest: &str) -> String {
    let hex = &digest["sha256:".len()..];
    format!("{V2}/blobs/sha256/{}/{hex}/data", &hex[..2])
}

/// Adds the link of a repository to a digest.
pub fn link(files: &mut Files, directory: &str, digest: &str) {
    let hex = &digest["sha256:".len()..];
    let path = format!("{V2}/repositories/{directory}/sha256/{hex}/link");
    if !files.has(&path) {
        files.add(&path, digest);
    }
}

/// Adds a blob, and returns its digest.
pub fn blob(files: &mut Files, bytes: &[u8]) -> String {
    let digest = digest(bytes);
    if !files.has(&data(&digest)) {
        files.add(&data(&digest), bytes);
    }
    digest
}

/// Adds a manifest or index with a link of its repository.
pub fn revision(files: &mut Files, repository: &str, bytes: &[u8]) -> String {
    let digest = blob(files, bytes);
    link(
        files,
        &format!("{repository}/_manifests/revisions"),
        &digest,
    );
    digest
}

/// Adds a tag with its history.
pub fn tag(files: &mut Files, repository: &str, tag: &str, digest: &str) {
    let directory = format!("{repository}/_manifests/tags/{tag}");
    link(files, &format!("{directory}/index"), digest);
    files.add(
        &format!("{V2}/repositories/{directory}/current/link"),
        digest,
    );
}

/// Adds an image as the server stores it, without a tag.
pub fn push(files: &mut Files, repository: &str, image: &Image) -> String {
    for bytes in image.blobs().into_iter().chain([image.config()]) {
        let digest = blob(files, &bytes);
        link(files, &format!("{repository}/_layers"), &digest);
    }
    revision(files, repository, &image.manifest())
}
