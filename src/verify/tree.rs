//! Checks of the storage tree of a registry: its links, and the parts that its server would not find or would delete.

use std::collections::HashSet;

use rayon::prelude::*;

use super::finding::{Finding, Found, Severity};
use crate::archive::registry::{Link, current_link, link_path};
use crate::archive::{Archive, Holder, Node, NodeKind, Root, Tree, TreeKind};
use crate::error::{At, Error, Result};
use crate::layer::Limits;
use crate::spec::{Descriptor, Digest};

/// Adds findings about the links of a registry's tree, or the copies of blobs in a directory of images; of a part of
/// it, about the repositories of its tags.
pub(super) fn links(archive: &Archive, limits: &Limits, found: &mut Found) {
    let Holder::Tree(tree) = &archive.container.holder else {
        return;
    };
    if tree.kind != TreeKind::Registry {
        if !archive.is_part {
            copies(tree, limits, found);
        }
        return;
    }
    let check = Check {
        archive,
        tree,
        limits,
    };
    if let Err(error) = check.repositories(found) {
        found.error(&error);
    }
}

/// Compares the further files of blobs that are in several images with their digests; images are read from the first.
fn copies(tree: &Tree, limits: &Limits, found: &mut Found) {
    let check = |(digest, path): &(Digest, String)| -> Result<()> {
        let Some(copy) = tree.file(path, limits)? else {
            return Ok(());
        };
        let first = tree.get(&digest.blob_path(), limits.hops).ok().flatten();
        if first.is_some_and(|first| first.address() == copy.address()) {
            return Ok(());
        }
        let stored = copy.digest(digest)?;
        match stored == *digest {
            true => Ok(()),
            false => Err(Error::digest_mismatch(digest, stored)),
        }
    };
    let failed: Vec<Error> = tree
        .copies
        .par_iter()
        .filter_map(|copy| check(copy).at(|| copy.1.clone()).err())
        .collect();
    for error in &failed {
        found.error(error);
    }
}

struct Check<'a> {
    archive: &'a Archive,
    tree: &'a Tree,
    limits: &'a Limits,
}

/// Links of one repository that name their blobs by digest.
struct Linked {
    layers: HashSet<Digest>,
    revisions: HashSet<Digest>,
}

impl Check<'_> {
    fn repositories(&self, found: &mut Found) -> Result<()> {
        let mut repositories = self.tree.repositories(self.limits);
        let names = self
            .archive
            .roots
            .iter()
            .flat_map(|root: &Root| &root.ref_names);
        let names: HashSet<&str> = names.map(String::as_str).collect();
        for name in repositories.names()?.0 {
            let mut tags = repositories.tags(&name)?.0;
            if self.archive.is_part {
                tags.retain(|tag| names.contains(&*format!("{name}:{tag}")));
                if tags.is_empty() {
                    continue;
                }
            }
            let top = format!("repositories/{name}");
            let layers = repositories.links(&format!("{top}/_layers"))?;
            let revisions = repositories.links(&format!("{top}/_manifests/revisions"))?;
            for link in layers.iter().chain(&revisions) {
                self.link(link, found);
            }
            for link in layers.iter().filter(|link| link.has_newline) {
                let message =
                    "ends with a newline: the server answers requests for the blob with an error";
                found.add(
                    Severity::Warning,
                    "link-newline",
                    link.path.clone(),
                    message,
                );
            }
            let named = |links: Vec<Link>| links.into_iter().map(|link| link.named).collect();
            let targets = revisions.iter().filter_map(|link| link.target.clone().ok());
            let targets: Vec<Digest> = targets.collect();
            let linked = Linked {
                layers: named(layers),
                revisions: named(revisions),
            };
            for digest in &targets {
                if let Some(node) = self.archive.node_of(digest) {
                    self.needed(&name, &self.archive.nodes[node], &linked, found);
                }
            }
            let mut tagged = HashSet::new();
            for tag in tags {
                let path = current_link(&name, &tag);
                // Damage is among the faults of the archive.
                let Ok(Some((digest, _))) = repositories.tag(&name, &tag) else {
                    continue;
                };
                self.exists(&digest, &path, found);
                if !linked.revisions.contains(&digest) {
                    let message = format!("revision {digest} has no link in this repository");
                    found.add(Severity::Error, "missing-link", path.clone(), message);
                }
                let index = format!("{top}/_manifests/tags/{tag}/index");
                let history = repositories.links(&index)?;
                for link in &history {
                    mismatch(link, found);
                }
                if !history.iter().any(|link| link.named == digest) {
                    let message =
                        "the tag's index lacks its digest: deleting the manifest leaves the tag";
                    found.add(Severity::Note, "tag-without-index", path, message);
                }
                tagged.insert((tag, digest));
            }
            self.untagged(&name, &tagged, found);
            if !self.archive.is_part {
                self.uploads(&top, found)?;
            }
        }
        Ok(())
    }

    fn link(&self, link: &Link, found: &mut Found) {
        mismatch(link, found);
        match &link.target {
            Ok(digest) => self.exists(digest, &link.path, found),
            Err(error) => found.error(error),
        }
    }

    fn exists(&self, digest: &Digest, path: &str, found: &mut Found) {
        if !self.has(digest) {
            let message = format!("blob {digest} is not in the tree");
            found.add(Severity::Error, "dangling-link", path, message);
        }
    }

    fn has(&self, digest: &Digest) -> bool {
        // An unreadable blob is an error where it is read.
        !matches!(self.archive.container.get(&digest.blob_path()), Ok(None))
    }

    /// Adds blobs and manifests that a manifest of the repository needs and that the repository does not link.
    fn needed(&self, name: &str, node: &Node, linked: &Linked, found: &mut Found) {
        let manifest = match &node.kind {
            NodeKind::Image(image) => self.archive.images[*image].manifest.as_ref(),
            NodeKind::Attestation(manifest) | NodeKind::Artifact(manifest) => Some(manifest),
            _ => None,
        };
        let blobs = manifest.into_iter();
        let blobs = blobs.flat_map(|manifest| manifest.config.iter().chain(&manifest.layers));
        let layers = format!("repositories/{name}/_layers");
        self.unlinked(blobs, &linked.layers, &layers, node, found);
        if let NodeKind::Index(edges) = &node.kind {
            let children = edges.iter().map(|edge| &edge.descriptor);
            let revisions = format!("repositories/{name}/_manifests/revisions");
            self.unlinked(children, &linked.revisions, &revisions, node, found);
        }
    }

    fn unlinked<'d>(
        &self,
        needed: impl Iterator<Item = &'d Descriptor>,
        linked: &HashSet<Digest>,
        directory: &str,
        node: &Node,
        found: &mut Found,
    ) {
        // Blobs that are missing altogether are reported as such.
        let missing = needed
            .filter(|descriptor| !linked.contains(&descriptor.digest))
            .filter(|descriptor| self.has(&descriptor.digest));
        for descriptor in missing {
            let path = link_path(directory, &descriptor.digest);
            let message = format!(
                "missing, though manifest {} needs it",
                node.descriptor.digest
            );
            found.add(Severity::Error, "missing-link", path, message);
        }
    }

    /// Adds the manifests that `garbage-collect --delete-untagged` of the server's version 2 deletes although tags need
    /// them.
    fn untagged(&self, name: &str, tagged: &HashSet<(String, Digest)>, found: &mut Found) {
        let own: HashSet<&Digest> = tagged.iter().map(|(_, digest)| digest).collect();
        let mut tagged: Vec<&(String, Digest)> = tagged.iter().collect();
        tagged.sort_unstable();
        for (tag, digest) in tagged {
            let below = self.archive.nodes_below(self.archive.node_of(digest));
            let nodes = below.into_iter().map(|node| &self.archive.nodes[node]);
            let doomed = nodes.filter(|node| {
                !own.contains(&node.descriptor.digest) && !matches!(node.kind, NodeKind::Missing)
            });
            if let count @ 1.. = doomed.count() {
                let message = format!(
                    "garbage-collect --delete-untagged of registry 2 would delete {count} of its manifests"
                );
                let place = format!("{name}:{tag}");
                found.add(Severity::Warning, "gc-would-remove", place, message);
            }
        }
    }

    fn uploads(&self, top: &str, found: &mut Found) -> Result<()> {
        let uploads = format!("{top}/_uploads");
        for id in self.tree.list(&uploads, self.limits)? {
            let path = format!("{uploads}/{id}");
            let since = self.tree.started(&path);
            let message = match since {
                Some(time) => format!("upload never finished: begun {}", time.created_at()),
                None => "upload never finished".to_owned(),
            };
            let mut finding = Finding::new(Severity::Warning, "abandoned-upload", path, message);
            finding.since = since;
            found.findings.push(finding);
        }
        Ok(())
    }
}

fn mismatch(link: &Link, found: &mut Found) {
    if let Ok(target) = &link.target
        && *target != link.named
        && target.algorithm() == link.named.algorithm()
    {
        let message = format!("expected {}, found {target}", link.named);
        found.add(Severity::Error, "link-mismatch", link.path.clone(), message);
    }
}
