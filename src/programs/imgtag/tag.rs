//! Adding a tag to an image of the store, or an image of an archive to the store.

use std::path::Path;

use crate::archive::TreeKind;
use crate::blob::Meter;
use crate::cli::Opened;
use crate::error::{At, Candidates, Error, Fault, Result};
use crate::spec::{Digest, Platform};
use crate::store::{Policy, Store, add_to_tree};
use crate::write::registry::{Plan, PushOptions, RegistryTree};
use crate::write::{self, Bundle, Holds, ListedName, Loss};

/// Result of tagging.
pub(super) struct Tagged {
    /// Digest of the manifest or index that the name points to.
    pub digest: Digest,
    /// Properties that the store cannot hold.
    pub losses: Vec<Loss>,
}

/// Gives an image another name in the store, and stores it first if it comes from an archive.
///
/// With `platform` the name is given to that one image of an index.
///
/// # Errors
/// `NoSuchImage`; as [`Store::tag`] and [`Store::add`].
pub(super) fn tag(
    store: &Store,
    opened: &Opened,
    platform: Option<&Platform>,
    name: &ListedName,
    meter: &Meter,
) -> Result<Tagged> {
    let archive = &opened.archive;
    let place = || archive.place.clone();
    let chosen = opened.chosen_tag()?;
    // An image that the store's index lists itself needs no new manifest; one image of an index is not listed yet.
    if platform.is_none()
        && Path::new(&archive.place) == store.path()
        && let [one] = &chosen[..]
        && let (Some(node), None) = (one.root.node, one.image)
    {
        let digest = &archive.nodes[node].descriptor.digest;
        return store.tag(digest, name).map(|_| Tagged {
            digest: digest.clone(),
            losses: Vec::new(),
        });
    }
    let mut bundle = Bundle::default();
    write::save(&mut bundle, archive, &chosen, platform, Some(name)).at(place)?;
    let added = store.add(&bundle, Policy::Replace, meter);
    // Damage is of the image, and not of the store.
    let added = added.map_err(|error| match error.fault() {
        Fault::Io { .. } => error,
        _ => error.at(place()),
    })?;
    let placed = added.placed.into_iter().next();
    let digest = placed.map(|placed| placed.digest);
    let digest = digest.or_else(|| {
        bundle
            .listed
            .first()
            .map(|one| one.descriptor.digest.clone())
    });
    Ok(Tagged {
        digest: digest.ok_or(Fault::StreamConsumed)?,
        losses: bundle.losses(Holds::Artifacts),
    })
}

/// Gives an image of a tree of repositories another name there. Returns the ID and the digest of the image; of an index
/// without an image for the host its digest for both.
///
/// # Errors
/// `NoSuchImage`; as [`RegistryTree::push`] and [`add_to_tree`].
pub(super) fn tag_in_tree(
    path: &Path,
    kind: TreeKind,
    opened: &Opened,
    platform: Option<&Platform>,
    name: &ListedName,
) -> Result<(Digest, Digest)> {
    let place = || opened.archive.place.clone();
    let chosen = opened.chosen_tag()?;
    let mut bundle = Bundle::default();
    write::save(&mut bundle, &opened.archive, &chosen, platform, Some(name)).at(place)?;
    let plan = Plan::of(&bundle).at(place)?;
    let meter = Meter::default();
    match kind {
        TreeKind::Registry => {
            let tree = RegistryTree::open(path, PushOptions::default())?;
            tree.push(&mut bundle, plan, &meter)?;
        }
        _ => add_to_tree(&bundle, kind, path, &plan, &meter)?,
    }
    let Some(listed) = bundle.listed.first() else {
        return Err(Error::no_such_image("", Candidates::default()).at(place()));
    };
    let digest = listed.descriptor.digest.clone();
    let image = listed.image.as_ref();
    let id = image.map_or_else(|| digest.clone(), |image| image.config.clone());
    Ok((id, digest))
}
