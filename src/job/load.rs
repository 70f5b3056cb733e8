//! imgload: from any archive into the store.

use crate::archive::{Archive, Name, Root};
use crate::blob::Meter;
use crate::error::{Fault, Result};
use crate::spec::{Platform, Reference};
use crate::store::{Policy, Store};
use crate::write::{Bundle, Recode};

/// How to load.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Only what goes by one of these names; all of it where empty.
    pub only: Vec<String>,
    /// Names to change: old and new.
    pub rename: Vec<(String, String)>,
    /// What happens to names that are taken.
    pub policy: Policy,
    /// Of indexes, the image for this platform alone.
    pub platform: Option<Platform>,
    /// How layers are to be packed.
    pub recode: Recode,
}

/// What became of one name of an archive, or of an untagged image.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The name it has in the store; `None` for an untagged image.
    pub name: Option<Name>,
    /// The image's ID in full; of an index without an image for this machine, its digest.
    pub id: String,
    /// The manifest or index in the store.
    pub digest: String,
    /// The manifest or index that the name was of before, if that is another.
    pub replaced: Option<String>,
    /// The ID of the image that the name was of before.
    pub replaced_id: Option<String>,
    /// Whether the name was left with what it stood for.
    pub kept: bool,
}

/// Puts what an archive lists into the store. All of it is there afterwards, or nothing is.
///
/// # Errors
/// `NoSuchImage` for `only` and `rename`; the first damage of what is to be loaded; as [`Store::add`].
pub fn load(
    archive: &Archive,
    roots: &[&Root],
    store: &Store,
    options: &LoadOptions,
    meter: &Meter,
) -> Result<Vec<Loaded>> {
    let (mut bundle, mut ids) = bundle(archive, roots, options)?;
    let before: Vec<String> = bundle
        .listed
        .iter()
        .map(|listed| listed.descriptor.digest.to_string())
        .collect();
    if options.recode.compression.is_some() {
        bundle.recode(
            &options.recode,
            &store.landing()?,
            &archive.container.limits,
            meter,
        )?;
        for (id, listed) in before.iter().zip(&bundle.listed) {
            if let Some((digest, _)) = ids.iter_mut().find(|(digest, _)| digest == id) {
                *digest = listed.descriptor.digest.to_string();
            }
        }
    }
    let added = store.add(&bundle, options.policy, meter)?;
    let id = |digest: &str| {
        ids.iter()
            .find(|(known, _)| known == digest)
            .map_or(digest, |(_, id)| id)
            .to_owned()
    };
    Ok(added
        .placed
        .into_iter()
        .map(|placed| Loaded {
            name: placed.name,
            id: id(placed.digest.as_str()),
            digest: placed.digest.to_string(),
            replaced_id: placed
                .replaced
                .as_ref()
                .map(|digest| store.image_id(digest).to_string()),
            replaced: placed.replaced.map(|digest| digest.to_string()),
            kept: placed.refused,
        })
        .collect())
}

/// What will be written, and the image ID behind each digest that is listed.
fn bundle(
    archive: &Archive,
    roots: &[&Root],
    options: &LoadOptions,
) -> Result<(Bundle, Vec<(String, String)>)> {
    let mut bundle = Bundle::default();
    let mut ids = Vec::new();
    if options.only.is_empty() && options.rename.is_empty() {
        let named = roots.iter().map(|root| (*root, root.names.as_slice()));
        archive.check_names(named)?;
    }
    for wanted in options
        .only
        .iter()
        .chain(options.rename.iter().map(|(old, _)| old))
    {
        if !roots.iter().any(|root| root.is_called(wanted)) {
            return Err(archive.no_such_image(wanted, roots.iter().copied()));
        }
    }
    for root in roots {
        let mut names: Vec<&Name> = root.names.iter().collect();
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
        let names = names
            .into_iter()
            .map(|name| renamed(name, &options.rename))
            .collect::<Result<Vec<_>>>()?;
        let images = archive.images_of(root);
        let chosen = archive.choose(&images, options.platform.as_ref());
        if let (Some(platform), None) = (&options.platform, chosen) {
            let here = images
                .iter()
                .map(|&image| archive.images[image].platform.to_string())
                .collect();
            return Err(Fault::NoSuchImage {
                wanted: platform.to_string(),
                candidates: here,
            }
            .into());
        }
        let before = bundle.listed.len();
        match (options.platform.is_some(), chosen) {
            (true, Some(image)) => bundle.add_image(archive, image, names)?,
            _ => bundle.add(archive, root, chosen.or(images.first().copied()), names)?,
        }
        if let (Some(listed), Some(image)) = (
            bundle.listed.get(before),
            chosen.or(images.first().copied()),
        ) {
            ids.push((
                listed.descriptor.digest.to_string(),
                archive.images[image].id.to_string(),
            ));
        }
    }
    Ok((bundle, ids))
}

/// The name under which something goes into the store: changed if so asked, with a tag.
fn renamed(name: &Name, rename: &[(String, String)]) -> Result<Name> {
    let name = match rename.iter().find(|(old, _)| name.matches(old)) {
        Some((_, new)) => Name::Full(Reference::parse(new)?),
        None => name.clone(),
    };
    Ok(match name {
        Name::Full(reference) => Name::Full(reference.tagged()),
        other => other,
    })
}
