//! Adding a tag to an image of the store, or an image of an archive to the store.

use std::path::Path;

use crate::archive::Chosen;
use crate::blob::Meter;
use crate::cli::Opened;
use crate::error::{At, Fault, Result};
use crate::spec::{Digest, Platform};
use crate::store::{Policy, Store};
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
    let chosen = choose(opened)?;
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

/// Returns the selected image; for a repository without a tag, its tag `latest`.
fn choose(opened: &Opened) -> Result<Vec<Chosen<'_>>> {
    let chosen = opened.chosen()?;
    if let [_] = chosen[..] {
        return Ok(chosen);
    }
    let root = opened.archive.root(&opened.pick);
    let root = root.at(|| opened.archive.place.clone())?;
    let is_root = |one: &Chosen<'_>| std::ptr::eq(one.root, root);
    Ok(chosen.into_iter().filter(is_root).take(1).collect())
}
