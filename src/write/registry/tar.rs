//! Files of a push as a tar, in the order in which they are written to a tree: unpacking it at the root is a push.

use std::collections::{BTreeMap, BTreeSet};

use super::plan::Plan;
use super::referrers::fallback_tags;
use crate::archive::registry::{current_link, data_path, link_path};
use crate::error::Result;
use crate::spec::Digest;
use crate::write::bundle::Bundle;
use crate::write::tar_out::{Body, Member};

/// Returns the members.
///
/// # Errors
/// As [`Plan::of`].
pub(in crate::write) fn members(bundle: &Bundle) -> Result<Vec<Member<'_>>> {
    let mut plan = Plan::of(bundle)?;
    let mut indexes: BTreeMap<Digest, Vec<u8>> = BTreeMap::new();
    for repository in plan.repositories.values_mut() {
        for (tag, index) in fallback_tags(bundle, repository, |_| Ok(None))? {
            let planned = repository.add_index(tag, &index);
            indexes.insert(planned.digest, index.to_vec());
        }
    }
    let repositories = plan.repositories.values();
    let needed = repositories.flat_map(|one| one.layers.iter().chain(&one.revisions));
    let needed: BTreeSet<&Digest> = needed.collect();
    let mut members = Vec::new();
    let mut add = |path: String, body| {
        let name = format!("docker/registry/v2/{path}");
        members.push(Member { name, body });
    };
    for digest in needed {
        let body = match (bundle.blob(digest), indexes.remove(digest)) {
            (Some(blob), _) => Body::Blob(blob),
            (None, Some(index)) => Body::Document(index),
            (None, None) => continue,
        };
        add(data_path(digest), body);
    }
    let text = |digest: &Digest| Body::Document(digest.as_str().into());
    for (name, repository) in &plan.repositories {
        let directory = format!("repositories/{name}/_layers");
        for digest in &repository.layers {
            add(link_path(&directory, digest), text(digest));
        }
    }
    for (name, repository) in &plan.repositories {
        let directory = format!("repositories/{name}/_manifests/revisions");
        for digest in &repository.revisions {
            add(link_path(&directory, digest), text(digest));
        }
    }
    for (name, repository) in &plan.repositories {
        for (tag, planned) in &repository.tags {
            let directory = format!("repositories/{name}/_manifests/tags/{tag}/index");
            add(
                link_path(&directory, &planned.digest),
                text(&planned.digest),
            );
        }
    }
    for (name, repository) in &plan.repositories {
        for (tag, planned) in &repository.tags {
            add(current_link(name, tag), text(&planned.digest));
        }
    }
    Ok(members)
}
