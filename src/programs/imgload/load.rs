//! Loading of images from any archive into a store.

use std::collections::HashMap;

use crate::archive::{Archive, Chosen, Name, Root};
use crate::blob::Meter;
use crate::bundle::Completion;
use crate::error::Result;
use crate::spec::{Digest, Platform};
use crate::store::{NameResult, Policy, Store};
use crate::write::{Bundle, Holds, ListedName, Loss, Recode, Scans, StatedNames, add_root};

/// Options of loading.
#[derive(Debug, Default)]
pub struct LoadOptions {
    /// Names of the images to load; all images if empty.
    pub only: Vec<String>,
    /// Old and new names of the images to rename.
    pub rename: Vec<(String, String)>,
    /// New name of the only image.
    pub tag: Option<ListedName>,
    /// Treatment of existing tags.
    pub policy: Policy,
    /// Platform to load of an index; the whole index if `None`.
    pub platform: Option<Platform>,
    /// Compression of layers in the store.
    pub recode: Recode,
    /// Blobs that the archive lacks.
    pub completion: Completion,
}

/// One loaded name, or a loaded untagged image.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Name in the store; `None` for an untagged image.
    pub name: Option<Name>,
    /// Image ID in full; for an index without an image for the host's platform, its digest.
    pub id: String,
    /// Digest of the manifest or index in the store.
    pub digest: String,
    /// Digest of the manifest or index that the name pointed to before, if it is another.
    pub replaced: Option<String>,
    /// Image ID that the name pointed to before.
    pub replaced_id: Option<String>,
    /// True if an existing tag was kept, and so the image not stored under the name.
    pub kept: bool,
}

/// Loads images into the store, each with the names that are selected of it: all of them, or none if it fails.
///
/// `ready` is called before anything is stored, with the image IDs, the properties that the store cannot hold, and the
/// images; nothing is stored if it fails.
///
/// # Errors
/// Those of `ready`; `NoSuchImage` for `only` and `rename`; the first damage of the images; as [`Store::add`].
pub fn load(
    archive: &Archive,
    chosen: &[Chosen<'_>],
    store: &Store,
    options: &LoadOptions,
    meter: &Meter,
    ready: impl FnOnce(&[&str], Vec<Loss>, &mut Bundle) -> Result<()>,
) -> Result<(Vec<Loaded>, Scans)> {
    let (mut bundle, mut ids) = bundle(archive, chosen, options)?;
    let before: Vec<String> = bundle
        .listed
        .iter()
        .map(|listed| listed.descriptor.digest.to_string())
        .collect();
    if options.recode.compression.is_some() {
        let recode = Recode {
            limits: archive.container.limits,
            ..options.recode
        };
        bundle.recode(&recode, &store.blob_directory()?, meter)?;
        for (id, listed) in before.iter().zip(&bundle.listed) {
            if let Some((digest, _)) = ids.iter_mut().find(|(digest, _)| digest == id) {
                *digest = listed.descriptor.digest.to_string();
            }
        }
    }
    let scans = bundle.watch(&archive.container.limits);
    let id_of = id_of(&ids);
    let listed = bundle.listed.iter();
    let digests: Vec<Digest> = listed
        .map(|listed| listed.descriptor.digest.clone())
        .collect();
    let all: Vec<&str> = digests
        .iter()
        .map(Digest::as_str)
        .map(|digest| id_of.get(digest).map_or(digest, |id| id))
        .collect();
    ready(&all, bundle.losses(Holds::Artifacts), &mut bundle)?;
    let added = store.add(&bundle, options.policy, meter)?;
    Ok((loaded(added.placed, &ids, store), scans))
}

/// Image IDs by the digests of manifests and indexes.
fn id_of(ids: &[(String, String)]) -> HashMap<&str, &str> {
    let ids = ids.iter().rev();
    ids.map(|(digest, id)| (&**digest, &**id)).collect()
}

/// Describes the names of a store that were changed, or would be.
pub(super) fn loaded(
    placed: Vec<NameResult>,
    ids: &[(String, String)],
    store: &Store,
) -> Vec<Loaded> {
    let id_of = id_of(ids);
    let id = |digest: &str| id_of.get(digest).map_or(digest, |id| id).to_owned();
    let placed = placed.into_iter();
    let placed = placed.map(|placed| Loaded {
        name: placed.name,
        id: id(placed.digest.as_str()),
        digest: placed.digest.to_string(),
        replaced_id: placed
            .replaced
            .as_ref()
            .map(|digest| store.image_id(digest).to_string()),
        replaced: placed.replaced.map(|digest| digest.to_string()),
        kept: placed.refused,
    });
    placed.collect()
}

/// Collects the images to load, and the image ID of each listed digest.
pub(super) fn bundle(
    archive: &Archive,
    chosen: &[Chosen<'_>],
    options: &LoadOptions,
) -> Result<(Bundle, Vec<(String, String)>)> {
    let mut bundle = Bundle::default();
    options.completion.supply(&mut bundle);
    let mut ids = Vec::new();
    let roots: Vec<&Root> = chosen.iter().map(|one| one.root).collect();
    if options.only.is_empty() && options.rename.is_empty() {
        let named = chosen.iter().map(|one| (one.root, one.names.as_slice()));
        archive.check_names(named)?;
    }
    for wanted in options
        .only
        .iter()
        .chain(options.rename.iter().map(|(old, _)| old))
    {
        if !roots.iter().any(|root| root.matches_name(wanted)) {
            return Err(archive.no_such_image(wanted, roots.iter().copied()));
        }
    }
    for one in chosen {
        let root = one.root;
        let mut names: Vec<&Name> = one.names.iter().collect();
        if !options.only.is_empty() {
            let by_ref_name =
                |wanted: &String| root.ref_names.contains(wanted) && root.names.len() == 1;
            names.retain(|name| {
                let wants = |wanted: &String| name.matches(wanted) || by_ref_name(wanted);
                options.only.iter().any(wants)
            });
            if names.is_empty() {
                continue;
            }
        }
        let names = names.into_iter();
        let stated = StatedNames::of(archive, root);
        let names = names.map(|name| renamed(&stated, name, &options.rename));
        let names = match &options.tag {
            Some(tag) => vec![tag.clone()],
            None => names.collect::<Result<_>>()?,
        };
        let before = bundle.listed.len();
        let platform = options.platform.as_ref();
        let image = match one.image {
            Some(image) => {
                bundle.add_image(archive, image, names)?;
                Some(image)
            }
            None => add_root(&mut bundle, archive, root, &roots, platform, names)?,
        };
        if let (Some(listed), Some(image)) = (bundle.listed.get(before), image) {
            ids.push((
                listed.descriptor.digest.to_string(),
                archive.images[image].id.to_string(),
            ));
        }
    }
    if let Some(tag) = &options.tag {
        bundle.check_only(&tag.text)?;
    }
    Ok((bundle, ids))
}

/// Returns the name of an image in the store: renamed if so asked, with a tag.
fn renamed(
    stated: &StatedNames<'_>,
    name: &Name,
    rename: &[(String, String)],
) -> Result<ListedName> {
    let Some((_, new)) = rename.iter().find(|(old, _)| name.matches(old)) else {
        let mut listed = stated.listed(name);
        listed.name = tagged(listed.name);
        return Ok(listed.for_store());
    };
    ListedName::new(new)
}

fn tagged(name: Name) -> Name {
    match name {
        Name::Full(reference) => Name::Full(reference.tagged()),
        other => other,
    }
}
