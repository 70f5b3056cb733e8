//! Transports of other tools for registries and engines, which imgkit does not support.

use crate::error::{Fault, Result};

/// Prefixes of images in registries and engines, and the command that writes such an image to a file: `{}` is the part
/// after the prefix.
const ONLINE: [(&str, &str); 8] = [
    ("docker://", "skopeo copy docker://{} oci-archive:FILE.tar"),
    ("https://", "skopeo copy docker://{} oci-archive:FILE.tar"),
    ("http://", "skopeo copy docker://{} oci-archive:FILE.tar"),
    ("oras://", "skopeo copy docker://{} oci-archive:FILE.tar"),
    ("docker-daemon:", "docker save -o FILE.tar {}"),
    ("podman://", "podman save -o FILE.tar {}"),
    ("containers-storage:", "podman save -o FILE.tar {}"),
    ("ostree:", "skopeo copy ostree:{} oci-archive:FILE.tar"),
];

/// Rejects an image in a registry or an engine.
///
/// # Errors
/// `Online`, with a command that writes the image to a file.
pub fn refuse_online(typed: &str) -> Result<()> {
    let matches = |prefix: &str| {
        typed
            .get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    let Some((prefix, remedy)) = ONLINE.iter().find(|(prefix, _)| matches(prefix)) else {
        return Ok(());
    };
    let rest = &typed[prefix.len()..];
    let remedy = match rest.is_empty() {
        true => remedy.replace("{}", "NAME"),
        false => remedy.replace("{}", rest),
    };
    Err(Fault::Online {
        typed: typed.to_owned(),
        transport: prefix,
        remedy,
    }
    .into())
}
