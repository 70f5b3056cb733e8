//! Sets of volumes: loaded when they are complete, kept until then.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use super::args::Args;
use crate::archive::Open;
use crate::archive::volumes::{Volume, VolumeSet, set_of, sets_in};
use crate::blob::Meter;
use crate::cli::{self, Io, Opened};
use crate::error::{At, Error, Result};
use crate::limits::Limits;
use crate::store::Store;

/// Loads the images of a complete set; false if blobs are missing that it omits.
pub(super) type LoadImages<'a> = dyn FnMut(Opened, &mut Io) -> Result<bool> + 'a;

/// Loads the sets of the directories that are complete, with the volumes that were kept before, and keeps the volumes of
/// the others. Returns false if volumes are missing.
///
/// # Errors
/// `Usage` for an argument that is neither a directory nor a volume; those of loading; `Io`.
pub(super) fn load(
    args: &Args,
    store: &Store,
    limits: Limits,
    io: &mut Io,
    load_images: &mut LoadImages<'_>,
) -> Result<bool> {
    let most = limits.volumes;
    let mut is_complete = true;
    for ((base, id), found) in sets_in(&directories(args, most)?, most)? {
        let place = || base.clone();
        let mut volumes = store.kept_volumes(&id, most)?;
        let present = found.iter().filter(|volume| volume.is_present()).cloned();
        let present: Vec<Volume> = present.collect();
        volumes.extend(found);
        let set = VolumeSet::of(volumes, most).at(place)?;
        let asks = args.base.missing.is_some();
        let temp_dir = args.temp_dir(store)?;
        let input = match asks {
            true => set.rest(temp_dir.as_deref()),
            false => set.input(temp_dir.as_deref()),
        };
        let input = input.at(place)?;
        if input.missing.is_some() && has_images(args, store, &id)? {
            io.note(&format!("{base}: its images are in the store"));
            continue;
        }
        let open = Open {
            limits,
            ..Open::with(&args.common, &Meter::default(), temp_dir)
        };
        let missing = input.missing.clone();
        let opened = open.volumes(&base, input).map(Opened::whole);
        let opened = match &missing {
            None => Some(opened?),
            // Without the documents, nothing is known about the blobs in the missing volumes.
            Some(_) => opened
                .ok()
                .filter(|opened| opened.check_documents().is_ok()),
        };
        let has_list = opened.is_some();
        if let Some(opened) = opened {
            let archive = Arc::clone(&opened.archive);
            if load_images(opened, io)? {
                if args.dry_run {
                    continue;
                }
                let roots = archive.roots.iter().filter_map(|root| root.node);
                let roots = roots.map(|node| archive.nodes[node].descriptor.digest.clone());
                store.finish_volumes(&id, &roots.collect::<Vec<_>>())?;
                continue;
            }
        }
        if let Some(missing) = missing {
            for volume in present.iter().filter(|_| !args.dry_run) {
                if let Err(error) = keep(args, store, volume, io) {
                    io.note(&error.to_string());
                }
            }
            // A damaged volume was not kept, so it is missing for the next run as well.
            io.note(&missing.at(base).to_string());
            if asks && !has_list {
                io.hint("the list of images is missing: no request can name blobs; ask for those volumes again");
            }
            is_complete = false;
        }
    }
    Ok(is_complete)
}

/// Tests if all images of a set were loaded before, and are still there.
fn has_images(args: &Args, store: &Store, id: &str) -> Result<bool> {
    let loaded = store.loaded_from(id)?;
    if loaded.is_empty() {
        return Ok(false);
    }
    let archive = cli::open_store(&args.common, &Open::default())?;
    Ok(archive.is_some_and(|archive| {
        loaded
            .iter()
            .all(|digest| archive.node_of(digest).is_some())
    }))
}

fn keep(args: &Args, store: &Store, volume: &Volume, io: &Io) -> Result<()> {
    let meter = Meter::default();
    let name = volume.path.to_string_lossy();
    let _progress = io.progress(&name, Some(volume.table.size), &meter, args.quiet);
    store.keep_volume(volume, &args.common.limits(), &meter)
}

/// Returns the directories that the arguments name, with those of single volumes.
fn directories(args: &Args, most: u64) -> Result<Vec<PathBuf>> {
    let mut directories = BTreeSet::new();
    for input in &args.archives {
        let refused = || {
            let why = format!(
                "--volumes: expected a directory or a volume, found '{}'",
                input.text()
            );
            Error::usage(why)
        };
        let path = input.whole_path().ok_or_else(refused)?;
        if path.is_dir() {
            directories.insert(path);
            continue;
        }
        let set = set_of(&path, most).at(|| path.to_string_lossy().into_owned())?;
        set.ok_or_else(refused)?;
        let parent = path.parent().map(std::path::Path::to_path_buf);
        directories.insert(parent.unwrap_or_default());
    }
    Ok(directories.into_iter().collect())
}
