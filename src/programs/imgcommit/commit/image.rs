//! New images: with a committed layer, or with merged layers.

use std::sync::Arc;

use super::layer::{CommitLayer, reading, same_contents, write_steps};
use super::options::CommitOptions;
use super::pairs::Rules;
use super::plan::plan;
use super::side::Layers;
use crate::archive::{Archive, ImageIdx};
use crate::disk::Patterns;
use crate::error::{At, Error, Result};
use crate::escape;
use crate::parallel::in_parallel;
use crate::spec::{Digest, History, NewConfig};
use crate::tree::{Listing, Proof, Tree};
use crate::write::{Bundle, ListedName, MediaTypes, NewImage, NewLayer, Packer};

/// Diff ID of a tar without entries: a layer that docker leaves out.
const EMPTY_LAYER: &str = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";

/// Creates the image: the layers of the base image, the new layer if anything has changed, and docker's history entry.
///
/// # Errors
/// As [`NewLayer::of_image`] and [`NewConfig::like`].
pub fn commit(
    archive: &Archive,
    image: ImageIdx,
    made: CommitLayer,
    packer: &Packer<'_>,
    options: &CommitOptions,
) -> Result<(Bundle, Digest)> {
    let place = || archive.place.clone();
    let (mut layers, types) = NewLayer::of_image(archive, image).at(place)?;
    if made.has_read_base {
        layers.iter_mut().for_each(NewLayer::was_decoded);
    }
    let mut config = config_of(archive, image).at(place)?;
    // docker records the command of the container, which defaults to the command of the image.
    let command = config.command();
    let is_empty = |diff_id: &Digest| diff_id.as_str() == EMPTY_LAYER;
    let layer = made
        .layer
        .filter(|layer| !layer.scan.diff_id.as_ref().is_some_and(is_empty));
    let empty_layer = layer.is_none();
    if let Some(layer) = layer {
        layers.push(packer.layer(layer, types)?);
    }
    config.apply(&options.instructions).at(|| "-c".to_owned())?;
    config.made(options.created, options.author.as_deref(), None);
    config.set_layers(layers.iter().map(|layer| &layer.diff_id));
    config.add_history(&History {
        created: Some(options.created.rfc3339_nano()),
        created_by: command,
        author: options.author.clone(),
        comment: options.message.clone().unwrap_or_default(),
        empty_layer,
    })?;
    Ok(bundle(config, layers, types, options.names.clone()))
}

/// Returns the config of an image, to be changed.
fn config_of(archive: &Archive, image: ImageIdx) -> Result<NewConfig> {
    let bytes = archive.images[image].config_bytes.as_ref();
    let bytes = bytes.ok_or_else(|| Error::unsupported("an image without config"))?;
    NewConfig::like(bytes)
}

/// Creates the bundle of a new image.
fn bundle(
    config: NewConfig,
    layers: Vec<NewLayer>,
    types: MediaTypes,
    names: Vec<ListedName>,
) -> (Bundle, Digest) {
    let mut bundle = Bundle::default();
    let image = NewImage {
        config: config.bytes(),
        layers,
        types,
    };
    let id = bundle.add_new(image, names);
    (bundle, id)
}

/// Merges the layers of an image, from number `from` (from 0) up, into one, and adds a history entry.
///
/// The merged layer has no files that its upper layers remove or replace, nor those in [`CommitOptions::excludes`].
/// Layers below `from` stay unchanged.
///
/// # Errors
/// `Usage` for a number that no layer has, and for an excluded path in a layer below `from`; as
/// [`commit_layer`](super::commit_layer).
pub fn squash(
    archive: &Archive,
    image: ImageIdx,
    from: usize,
    packer: &Packer<'_>,
    options: &CommitOptions,
) -> Result<(Bundle, Digest)> {
    let place = || archive.place.clone();
    let (mut layers, types) = NewLayer::of_image(archive, image).at(place)?;
    let count = layers.len();
    if from >= count {
        return Err(Error::usage(format!(
            "--from {}: no such layer: the image has {count} layers, numbered from 1",
            from + 1
        )));
    }
    let layer_bytes = reading(archive).decode_all(&archive.images[image], packer.temp_dir);
    let (listings, plain): (Vec<_>, Vec<_>) = layer_bytes
        .at(place)?
        .into_iter()
        .map(|layer| (layer.listing, Some(layer.bytes)))
        .unzip();
    check_excluded(&options.excludes, listings.iter().take(from)).at(place)?;
    let below = Tree::apply(listings.iter().take(from).cloned().collect())
        .and_then(Tree::checked)
        .at(place)?;
    let all = Tree::apply(listings).and_then(Tree::checked).at(place)?;
    let (base, new) = (Layers::new(&below, &plain), Layers::sharing(&all, &plain));
    let rules = Rules {
        excludes: &options.excludes,
        leave_out_docker: false,
        base_owners: false,
        latest: None,
        keep_top: true,
    };
    let steps = plan(&base, &new, &rules, |files| {
        let compared = in_parallel(files, |&(a, b)| same_contents(&base, a, &new, b));
        compared.into_iter().collect()
    })
    .at(place)?;
    let mut out = packer.writer()?;
    // Files of uncompressed layers get a new diff ID, so the old one is verified.
    let proof = Proof::of(&archive.images[image], 0..count).at(place)?;
    let written = proof.beside(packer.meter, || write_steps(&steps, &new, |_| (), &mut out));
    written.at(place)?;
    let merged = out.finish()?;

    let kept = archive.images[image]
        .steps()
        .iter()
        .position(|step| step.layer == Some(from));
    layers.truncate(from);
    // All layers were decoded above, and their diff IDs verified.
    layers.iter_mut().for_each(NewLayer::was_decoded);
    layers.push(packer.layer(merged, types)?);
    let mut config = config_of(archive, image).at(place)?;
    config.apply(&options.instructions).at(|| "-c".to_owned())?;
    let id = archive.images[image].id.to_string();
    let comment = match from {
        0 => format!("create new from {id}"),
        _ => format!("merge {id} from layer {}", from + 1),
    };
    config.set("created", options.created.rfc3339_nano().into());
    if let Some(author) = &options.author {
        config.set("author", author.as_str().into());
    }
    config.set_layers(layers.iter().map(|layer| &layer.diff_id));
    config.empty_history(kept.unwrap_or_default())?;
    config.add_history(&History {
        created: Some(options.created.rfc3339_nano()),
        author: options.author.clone(),
        comment: options.message.clone().unwrap_or(comment),
        ..History::default()
    })?;
    Ok(bundle(config, layers, types, options.names.clone()))
}

/// Refuses to exclude a path that an unchanged layer holds, because it would stay in the image.
fn check_excluded<'a>(
    excludes: &Patterns,
    kept: impl Iterator<Item = &'a Arc<Listing>>,
) -> Result<()> {
    for (number, listing) in kept.enumerate().filter(|_| !excludes.is_empty()) {
        let mut found = None;
        listing.paths(|path| {
            if found.is_none() && excludes.matches(path) {
                found = Some(escape::bytes(path).into_owned());
            }
        });
        if let Some(path) = found {
            let layer = number + 1;
            return Err(Error::usage(format!(
                "cannot exclude '{path}': layer {layer} holds it and stays unchanged: merge it, too, with --from {layer}"
            )));
        }
    }
    Ok(())
}
