//! Links that the images of a bundle need in a tree.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::pushed::{BlobState, LayerState, Pushed, PushedTag};
use super::referrers::subject_of;
use super::repository::{PlannedTag, Repository};
use crate::archive::{Name, registry};
use crate::error::{At, Error, Fault, Result};
use crate::spec::{Digest, Document, Reference};
use crate::write::bundle::Bundle;
use crate::write::listed::{Listed, ListedName};

/// Links and tags of the repositories that a bundle adds to.
#[derive(Debug, Default)]
pub struct Plan {
    pub(super) repositories: BTreeMap<String, Repository>,
    /// Remarks on manifests that indexes list and the bundle lacks.
    pub missing: Vec<String>,
    /// Other remarks on what the tree will lack.
    pub notes: Vec<String>,
}

impl Plan {
    /// Plans the images of a bundle. Manifests without a name are written if they refer to one that is written, with
    /// their fallback tags.
    ///
    /// # Errors
    /// `Usage` for an untagged image; `Ambiguous` for two images with one name; `Unsupported` for a docker manifest of
    /// schema 1; `BadReference`.
    pub fn of(bundle: &Bundle) -> Result<Self> {
        let mut plan = Plan::default();
        let mut unnamed: Vec<&Listed> = Vec::new();
        for listed in &bundle.listed {
            let digest = &listed.descriptor.digest;
            if listed.names.is_empty() {
                unnamed.push(listed);
            }
            for name in &listed.names {
                let (path, tag) = place_of(name)?;
                let size = bundle.blob(digest).map_or(0, |blob| blob.size);
                let planned = PlannedTag {
                    digest: digest.clone(),
                    size,
                };
                plan.add(bundle, &path, digest)?;
                let repository = plan.repositories.entry(path.clone()).or_default();
                let known = repository.tags.insert(tag.clone(), planned.clone());
                if known.is_some_and(|known| known != planned) {
                    let why = format!("'{path}:{tag}' is the name of two different images");
                    return Err(Error::ambiguous(why));
                }
            }
        }
        plan.add_referrers(bundle, unnamed)?;
        for notes in [&mut plan.missing, &mut plan.notes] {
            notes.sort();
            notes.dedup();
        }
        Ok(plan)
    }

    /// Returns what writing to an empty tree does.
    pub fn pushed(&self, bundle: &Bundle) -> Pushed {
        let mut pushed = Pushed::default();
        for (name, repository) in &self.repositories {
            let layers = repository.layers.iter().cloned();
            let layers = layers.map(|digest| (digest, LayerState::Pushed));
            pushed.layers.insert(name.clone(), layers.collect());
            let needed = repository.layers.iter().chain(&repository.revisions);
            for blob in needed.filter_map(|digest| bundle.blob(digest)) {
                let state = (blob.size, BlobState::Pushed);
                pushed.blobs.insert(blob.digest.clone(), state);
            }
            for (tag, planned) in &repository.tags {
                pushed.tags.push(PushedTag {
                    name: name.clone(),
                    tag: tag.clone(),
                    planned: planned.clone(),
                    replaced: None,
                    kept: false,
                });
            }
        }
        pushed
    }

    /// Returns the images of each repository, with their tags as names, and what refers to them.
    pub fn parts(&self, bundle: &Bundle) -> Vec<(String, Bundle)> {
        let mut named: HashMap<String, BTreeMap<usize, Vec<ListedName>>> = HashMap::new();
        let mut unnamed = Vec::new();
        for (position, listed) in bundle.listed.iter().enumerate() {
            if listed.names.is_empty() {
                unnamed.push((position, &listed.descriptor.digest));
            }
            for name in &listed.names {
                if let Ok((repository, tag)) = place_of(name) {
                    let images = named.entry(repository).or_default();
                    images.entry(position).or_default().push(name.as_tag(tag));
                }
            }
        }
        let part = |(path, repository): (&String, &Repository)| {
            let mut images = named.remove(path).unwrap_or_default();
            let referrers = unnamed.iter();
            let referrers = referrers.filter(|(_, digest)| repository.seen.contains(digest));
            images.extend(referrers.map(|(position, _)| (*position, Vec::new())));
            let listed = images.into_iter().filter_map(|(position, names)| {
                let listed = bundle.listed.get(position)?;
                Some(listed.with_names(names))
            });
            let wanted = repository.layers.iter().chain(&repository.seen);
            (path.clone(), bundle.part(listed.collect(), wanted))
        };
        self.repositories.iter().map(part).collect()
    }

    /// Adds manifests without names, each to the repositories of its subject.
    fn add_referrers(&mut self, bundle: &Bundle, mut unnamed: Vec<&Listed>) -> Result<()> {
        loop {
            let before = unnamed.len();
            let mut left = Vec::new();
            for listed in unnamed {
                let digest = &listed.descriptor.digest;
                let subject = subject_of(bundle, digest);
                let names = self.repositories.iter();
                let names = names.filter(|(_, known)| {
                    subject
                        .as_ref()
                        .is_some_and(|subject| known.seen.contains(subject))
                });
                let names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
                if names.is_empty() {
                    left.push(listed);
                }
                for name in names {
                    self.add(bundle, &name, digest)?;
                }
            }
            unnamed = left;
            if unnamed.is_empty() || unnamed.len() == before {
                break;
            }
        }
        match unnamed.first() {
            None => Ok(()),
            Some(listed) => {
                let why = format!(
                    "untagged image {}: a registry needs a name for it",
                    listed.descriptor.digest
                );
                Err(Error::usage(why))
            }
        }
    }

    /// Adds a manifest or index with everything below it that the bundle has.
    fn add(&mut self, bundle: &Bundle, name: &str, top: &Digest) -> Result<()> {
        let repository = self.repositories.entry(name.to_owned()).or_default();
        let mut work = vec![(top.clone(), false)];
        while let Some((digest, is_complete)) = work.pop() {
            if is_complete {
                repository.revisions.push(digest);
                continue;
            }
            if !repository.seen.insert(digest.clone()) {
                continue;
            }
            let Some(bytes) = bundle.document(&digest) else {
                return Err(Error::blob_missing(&digest));
            };
            let document = Document::parse_known(&bytes).at(|| digest.to_string())?;
            work.push((digest.clone(), true));
            match document {
                Document::Schema1(_) => {
                    let what = "docker manifest of schema 1: pull the image with docker 1.10 or later and save it";
                    return Err(Error::unsupported(what).at(digest.to_string()));
                }
                Document::Index(index) => {
                    if let Some(subject) = index.subject {
                        repository.add_referrer(&subject.digest, &digest);
                    }
                    for child in index.manifests {
                        match bundle.document(&child.digest) {
                            Some(_) => work.push((child.digest, false)),
                            None if bundle.blob(&child.digest).is_some() => {
                                repository.layers.insert(child.digest);
                            }
                            None => self.missing.push(format!(
                                "index {digest}: manifest {} is missing",
                                child.digest
                            )),
                        }
                    }
                }
                Document::Manifest(manifest) => {
                    if manifest.media_type.as_str().is_empty()
                        && manifest.config.as_ref().is_some_and(|config| {
                            config
                                .media_type
                                .as_str()
                                .starts_with("application/vnd.docker.")
                        })
                    {
                        self.notes.push(format!(
                            "docker manifest {digest} states no media type: the server takes it for an OCI manifest"
                        ));
                    }
                    if let Some(subject) = manifest.subject {
                        repository.add_referrer(&subject.digest, &digest);
                    }
                    for blob in manifest.config.into_iter().chain(manifest.layers) {
                        match bundle.blob(&blob.digest) {
                            Some(_) => drop(repository.layers.insert(blob.digest)),
                            None => self.notes.push(format!(
                                "manifest {digest}: blob {} is missing",
                                blob.digest
                            )),
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// Returns each image of a bundle, alone and without names, with the texts of its names.
pub fn each_image(bundle: &Bundle) -> impl Iterator<Item = (Vec<&str>, Bundle)> {
    bundle.listed.iter().map(|listed| {
        let wanted = below(bundle, &listed.descriptor.digest);
        let names = listed.names.iter().map(|name| &*name.text).collect();
        let alone = listed.with_names(Vec::new());
        (names, bundle.part(vec![alone], &wanted))
    })
}

/// Returns the blobs of a bundle that a manifest or index needs, including itself.
pub fn below(bundle: &Bundle, top: &Digest) -> BTreeSet<Digest> {
    let mut found = BTreeSet::new();
    let mut work = vec![top.clone()];
    while let Some(digest) = work.pop() {
        if bundle.blob(&digest).is_none() || !found.insert(digest.clone()) {
            continue;
        }
        let document = bundle
            .document(&digest)
            .filter(|_| bundle.is_manifest(&digest));
        match document.map(|bytes| Document::parse_known(&bytes)) {
            Some(Ok(Document::Index(index))) => {
                work.extend(index.manifests.into_iter().map(|child| child.digest));
            }
            Some(Ok(Document::Manifest(manifest))) => {
                let blobs = manifest.config.into_iter().chain(manifest.layers);
                work.extend(blobs.map(|blob| blob.digest));
            }
            _ => {}
        }
    }
    found
}

/// Returns the repository and the tag of a name in a tree: the text as typed, else the reference without the host.
///
/// # Errors
/// `BadReference`; `Usage` for a name without a repository.
pub fn place_of(name: &ListedName) -> Result<(String, String)> {
    let (path, tag) = match &name.name {
        _ if name.typed => {
            let start = name.text.rfind('/').map_or(0, |slash| slash + 1);
            match name.text[start..].split_once(':') {
                Some((last, tag)) => (format!("{}{last}", &name.text[..start]), tag.to_owned()),
                None => (name.text.clone(), "latest".to_owned()),
            }
        }
        Name::Full(reference) => {
            let tag = reference.tag_or_latest().unwrap_or("latest");
            (reference.path().to_owned(), tag.to_owned())
        }
        Name::Tag(text) | Name::Text(text) => {
            let why = format!("'{text}' names no repository: give the image a name");
            return Err(Error::usage(why));
        }
    };
    if !registry::is_valid_path(&path) {
        let why = "expected a repository of a registry, in lower case and without a port";
        return Err(Fault::BadReference { text: path, why }.into());
    }
    Reference::parse(&format!("a:{tag}"))?;
    Ok((path, tag))
}
