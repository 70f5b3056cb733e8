//! Tags, manifests and blobs removed from a tree: what the server's garbage collection means, with indexes and
//! referrers followed.
//!
//! Links go before the blobs that they point to, and tags before links, so an interrupted removal leaves blobs that
//! nothing needs, and never a link to nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::tree::RegistryTree;
use crate::archive::registry::{data_path, link_path};
use crate::archive::{Archive, Holder, NodeKind, Tree, subject_of_tag};
use crate::blob::fault_injection::fail_point;
use crate::blob::{is_leftover, remove_leftover};
use crate::error::{At, During, Error, Result, within};
use crate::limits::Limits;
use crate::spec::{Digest, Document};

/// Age below which an upload may still be in work.
const UPLOAD: Duration = Duration::from_secs(3600);

/// Removed parts of a tree; in a dry run those that would be removed.
#[derive(Debug, Default)]
pub struct Pruned {
    /// Tags, `NAME:TAG`.
    pub tags: Vec<String>,
    /// Manifests and indexes that no repository has any more.
    pub manifests: Vec<Digest>,
    /// Number of blobs.
    pub blobs: usize,
    /// Their size in bytes.
    pub bytes: u64,
}

/// Links of a repository to remove.
struct Unneeded {
    /// Paths of links.
    links: Vec<String>,
    tags: Vec<String>,
}

impl RegistryTree {
    /// Removes a tag with its history. Its manifest stays, without a tag, until the tree is pruned.
    ///
    /// # Errors
    /// `Io`.
    pub fn untag(&self, name: &str, tag: &str) -> Result<()> {
        let path = format!("repositories/{name}/_manifests/tags/{tag}");
        self.remove(&format!("{path}/current/link"))?;
        let path = self.storage().join(path);
        std::fs::remove_dir_all(&path)
            .during("remove")
            .at(|| path.to_string_lossy().into_owned())
    }

    /// Removes temporary files of killed programs, and links and blobs that no tag needs and, unless `all` is given, no other manifest either. `archive` is the
    /// tree, opened while it was locked.
    ///
    /// # Errors
    /// `Usage` if an upload is in work, unless `force` is given; `NotAFile` for a link of the file system; the fault of a manifest that is damaged and may need
    /// any blob; `Io`.
    pub fn prune(
        &self,
        archive: &Archive,
        all: bool,
        force: bool,
        dry_run: bool,
    ) -> Result<Pruned> {
        let Holder::Tree(tree) = &archive.container.holder else {
            return Ok(Pruned::default());
        };
        let damaged = archive.nodes.iter().find_map(|node| node.faults.first());
        if let Some(fault) = archive.faults.first().or(damaged) {
            return Err(fault.clone());
        }
        let limits = &archive.container.limits;
        let (mut pruned, mut unneeded) = (Pruned::default(), Vec::new());
        let (mut kept, mut revisions) = (BTreeSet::new(), BTreeSet::new());
        let (names, ignored) = tree.repositories(limits).names()?;
        if let Some(link) = ignored.iter().find(|ignored| ignored.is_link) {
            // The server follows it, and what it leads to may need any blob.
            return Err(Error::not_a_file(link.why).at(&*link.path));
        }
        for name in names {
            if !force {
                self.check_uploads(tree, archive, &name)?;
            }
            let links = self.unneeded(tree, archive, &name, all, (&mut kept, &mut revisions))?;
            let tags = links.tags.iter().map(|tag| format!("{name}:{tag}"));
            pruned.tags.extend(tags);
            unneeded.push((name, links));
        }
        let gone = revisions.iter().filter(|digest| !kept.contains(*digest));
        pruned.manifests = gone.cloned().collect();
        let names = archive.container.names(limits)?;
        let blobs = names.iter().filter_map(|name| Digest::from_blob_path(name));
        let blobs: Vec<Digest> = blobs.filter(|digest| !kept.contains(digest)).collect();
        for digest in &blobs {
            let path = self.storage().join(data_path(digest));
            pruned.bytes += path.metadata().map_or(0, |about| about.len());
        }
        pruned.blobs = blobs.len();
        let leftovers = self.leftovers(limits)?;
        if dry_run {
            pruned.bytes += leftovers.iter().map(|path| length(path)).sum::<u64>();
            return Ok(pruned);
        }
        for (name, links) in &unneeded {
            links
                .tags
                .iter()
                .try_for_each(|tag| self.untag(name, tag))?;
        }
        for (_, links) in &unneeded {
            links.links.iter().try_for_each(|link| self.remove(link))?;
        }
        self.sync()?;
        blobs
            .iter()
            .try_for_each(|digest| self.remove(&data_path(digest)))?;
        for path in leftovers {
            let size = length(&path);
            if remove_leftover(&path)? {
                pruned.bytes += size;
                if let Some(parent) = path.parent() {
                    // The file that was to get a name may have been alone.
                    let _ = std::fs::remove_dir(parent);
                }
            }
        }
        Ok(pruned)
    }

    /// Returns the paths of temporary files, whose programs may have ended, beside blobs and links. Links of the file
    /// system are not followed.
    fn leftovers(&self, limits: &Limits) -> Result<Vec<PathBuf>> {
        let (mut found, mut seen) = (Vec::new(), 0);
        let mut work = vec![
            self.storage().join("repositories"),
            self.storage().join("blobs"),
        ];
        while let Some(directory) = work.pop() {
            let place = || directory.to_string_lossy().into_owned();
            let entries = match std::fs::read_dir(&directory) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                entries => entries.during("open").at(place)?,
            };
            for entry in entries {
                let entry = entry.during("read").at(place)?;
                seen += 1;
                within("links", limits.links, seen)?;
                let kind = entry.file_type().during("read").at(place)?;
                let name = entry.file_name();
                if kind.is_dir() {
                    // Those of the server have an age of their own.
                    if name != "_uploads" {
                        work.push(entry.path());
                    }
                } else if kind.is_file() && name.to_str().is_some_and(is_leftover) {
                    found.push(entry.path());
                }
            }
        }
        found.sort_unstable();
        Ok(found)
    }

    /// Collects the links of a repository that are not needed, and adds the blobs that are to `kept`.
    fn unneeded(
        &self,
        tree: &Tree,
        archive: &Archive,
        name: &str,
        all: bool,
        (kept, known): (&mut BTreeSet<Digest>, &mut BTreeSet<Digest>),
    ) -> Result<Unneeded> {
        let mut repositories = tree.repositories(&archive.container.limits);
        let top = format!("repositories/{name}");
        let mut tags: BTreeMap<String, Digest> = BTreeMap::new();
        for tag in repositories.tags(name)?.0 {
            if let Some((digest, _)) = repositories.tag(name, &tag)? {
                tags.insert(tag, digest);
            }
        }
        let links = repositories.links(&format!("{top}/_manifests/revisions"))?;
        let mut revisions = BTreeSet::new();
        for link in links {
            revisions.insert(link.target?);
        }
        known.extend(revisions.iter().cloned());
        // Tags of referrers wait for their subjects.
        let is_own = |tag: &str| !all || subject_of_tag(tag).is_none();
        let own = tags.iter().filter(|(tag, _)| is_own(tag));
        let mut work: Vec<Digest> = own.map(|(_, digest)| digest.clone()).collect();
        if !all {
            work.extend(revisions.iter().cloned());
        }
        let mut needed = BTreeSet::new();
        loop {
            while let Some(digest) = work.pop() {
                if needed.insert(digest.clone()) {
                    work.extend(below(archive, &digest));
                }
            }
            let referrers = revisions.iter().filter(|digest| {
                let subject = archive
                    .node_of(digest)
                    .and_then(|node| archive.subject_of(node));
                subject.is_some_and(|subject| needed.contains(&subject))
            });
            let tagged = tags.iter().filter(|(tag, _)| {
                subject_of_tag(tag).is_some_and(|subject| needed.contains(&subject))
            });
            let more = referrers.chain(tagged.map(|(_, digest)| digest));
            work.extend(more.filter(|digest| !needed.contains(*digest)).cloned());
            if work.is_empty() {
                break;
            }
        }
        let gone_tags: Vec<String> = tags
            .iter()
            .filter(|(_, digest)| !needed.contains(*digest))
            .map(|(tag, _)| tag.clone())
            .collect();
        let mut unneeded = Unneeded {
            links: Vec::new(),
            tags: gone_tags,
        };
        let mut add = |directory: &str, digest: &Digest| {
            unneeded.links.push(link_path(directory, digest));
        };
        for tag in tags
            .keys()
            .filter(|tag| is_own(tag) || needed.contains(&tags[*tag]))
        {
            let index = format!("{top}/_manifests/tags/{tag}/index");
            for link in repositories.links(&index)? {
                // The history of a tag is part of its deletion at the server: it lists existing manifests only.
                link.target?;
                if !needed.contains(&link.named) {
                    add(&index, &link.named);
                }
            }
        }
        let directory = format!("{top}/_manifests/revisions");
        for digest in revisions.iter().filter(|digest| !needed.contains(*digest)) {
            add(&directory, digest);
        }
        let directory = format!("{top}/_layers");
        for link in repositories.links(&directory)? {
            // What leads elsewhere is not removed.
            link.target?;
            if !needed.contains(&link.named) {
                add(&directory, &link.named);
            }
        }
        kept.extend(needed);
        Ok(unneeded)
    }

    /// Refuses a repository to which a client may be uploading.
    fn check_uploads(&self, tree: &Tree, archive: &Archive, name: &str) -> Result<()> {
        let uploads = format!("repositories/{name}/_uploads");
        for id in tree.list(&uploads, &archive.container.limits)? {
            let path = format!("{uploads}/{id}");
            // Only its file changes while an upload grows.
            let changed = ["", "data", "startedat"].into_iter().filter_map(|name| {
                let about = self.storage().join(&path).join(name).symlink_metadata();
                about.and_then(|about| about.modified()).ok()
            });
            let is_young = |time: SystemTime| {
                let age = SystemTime::now().duration_since(time);
                // The clock of a file server may be ahead.
                age.map_or(true, |age| age < UPLOAD)
            };
            if changed.max().is_some_and(is_young) {
                let why = "an upload may be in work: stop the server, or use --force";
                return Err(Error::usage(why).at(path));
            }
        }
        Ok(())
    }

    /// Removes a file of the tree and the directories that become empty, up to the one of the algorithm.
    fn remove(&self, path: &str) -> Result<()> {
        let whole = self.storage().join(path);
        let removed = fail_point(&whole).and_then(|()| std::fs::remove_file(&whole));
        match removed {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io("remove", error).at(whole.to_string_lossy()));
            }
            _ => {}
        }
        if let Some(parent) = whole.parent() {
            // Another link may be in it.
            let _ = std::fs::remove_dir(parent);
        }
        Ok(())
    }
}

fn length(path: &Path) -> u64 {
    path.symlink_metadata().map_or(0, |about| about.len())
}

/// Returns everything that a manifest or index points to.
fn below(archive: &Archive, digest: &Digest) -> Vec<Digest> {
    let Some(node) = archive.node_of(digest) else {
        return Vec::new();
    };
    let manifest = match &archive.nodes[node].kind {
        NodeKind::Image(image) => archive.images[*image].manifest.as_ref(),
        NodeKind::Attestation(manifest) | NodeKind::Artifact(manifest) => Some(manifest),
        NodeKind::Index(edges) => {
            let children = edges.iter().map(|edge| edge.descriptor.digest.clone());
            return children.collect();
        }
        NodeKind::Schema1 => {
            let bytes = archive.nodes[node].bytes.as_ref();
            return match bytes.map(|bytes| Document::parse_known(bytes)) {
                Some(Ok(Document::Schema1(document))) => document.layers,
                _ => Vec::new(),
            };
        }
        NodeKind::Missing | NodeKind::Opaque => None,
    };
    let blobs = manifest.into_iter();
    let blobs = blobs.flat_map(|manifest| manifest.config.iter().chain(&manifest.layers));
    blobs.map(|blob| blob.digest.clone()).collect()
}
