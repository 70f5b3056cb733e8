//! Transports of other tools that lead to a registry or an engine: imgkit is offline, and says which tool is not.

use crate::error::{Fault, Result};

/// Prefixes of images that are no files, and how one comes by a file: `{}` is what follows the prefix.
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

/// Refuses what names an image in a registry or an engine.
///
/// # Errors
/// `Online`, with what to type.
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
