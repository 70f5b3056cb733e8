//! The history of a path: what each layer did to it, in one image or several.

mod life;
mod load;
mod output;

use super::args::Args;
use crate::archive::distance;
use crate::blob::Meter;
use crate::cli::{Io, Verdict, warn_of_cache};
use crate::error::{At, Error, Result};
use crate::escape;
use crate::glob::{Dialect, Glob};
use crate::layer::clean_path;
use crate::tree::{History, Tree};
use life::Life;
use load::Loaded;
use output::Output;

/// Most edits between a path and the one that is named instead of it.
const NEAR: usize = 2;

/// Shows the history of the paths of `--path`.
///
/// # Errors
/// `Usage` if no layer of any image has the path; those of the archive. A layer that cannot be read is reported, and the
/// others are shown.
pub(super) fn run(args: &Args, wanted: &str, io: &mut Io) -> Result<Verdict> {
    let output = Output::new(args, io.window(args.no_trunc))?;
    let meter = Meter::default();
    let progress = io.progress(args.image.text(), None, &meter, false);
    let opened = args
        .image
        .open_with(&args.common, &meter, Some(std::env::temp_dir()))?;
    let place = || opened.archive.place.clone();
    let (images, others) = opened.named(args.common.platform.as_ref())?;
    if let (true, Some(platform)) = (images.is_empty(), &args.common.platform) {
        let others = others.into_iter().collect();
        return Err(Error::no_such_image(platform.to_string(), others).at(place()));
    }
    let cache = args.times.caching.open()?;
    let mut loaded = Loaded::new(args, cache.as_ref(), &meter);
    let mut blocks: Vec<(Life, Vec<String>)> = Vec::new();
    let mut nearest = None;
    for named in &images {
        let (tree, bytes) = loaded.tree(named.image).at(place)?;
        let paths = matching(&tree, wanted)?;
        if paths.is_empty() {
            nearest = nearest.or_else(|| near(&tree, wanted));
        }
        for (path, is_below) in paths {
            let mut life = Life::of(&path, is_below, named.image);
            if args.path.patch {
                life.add_patches(&bytes, args.path.max_text).at(place)?;
            }
            // Images that share their layers have one history.
            match blocks.iter_mut().find(|(known, _)| *known == life) {
                Some((_, names)) => names.push(named.name.clone()),
                None => blocks.push((life, vec![named.name.clone()])),
            }
        }
    }
    drop(progress);
    let faults = loaded.into_faults();
    if blocks.is_empty() && faults.is_empty() {
        let wanted = escape::text(wanted);
        let nearest =
            nearest.map(|path| format!("; the nearest path is /{}", escape::bytes(&path)));
        let why = format!("no layer has '{wanted}'{}", nearest.unwrap_or_default());
        return Err(Error::usage(why).at(place()));
    }
    output.write(&blocks, images.len() > 1, io)?;
    warn_of_cache(cache.as_ref(), io);
    for fault in faults {
        io.fail(&fault.at(place()));
    }
    Ok(Verdict::Yes)
}

/// Returns the paths that are wanted: the one with that name, with all below it if it was a directory; else those that
/// match it as a pattern.
fn matching<'t>(tree: &'t Tree, wanted: &str) -> Result<Vec<(History<'t>, bool)>> {
    let clean = clean_path(wanted.as_bytes()).path;
    let named = tree.history(&clean).filter(|past| !past.steps().is_empty());
    if let Some(past) = named {
        return Ok(vec![(past, true)]);
    }
    if !clean.iter().any(|byte| b"*?[{".contains(byte)) {
        return Ok(Vec::new());
    }
    let glob = Glob::of_bytes(&clean, Dialect::Shell, false).map_err(|why| {
        Error::usage(format!("invalid pattern '{}': {why}", escape::text(wanted)))
    })?;
    let all = tree.all_paths().filter(|past| glob.is_match(&past.path()));
    let all = all.filter(|past| !past.steps().is_empty());
    Ok(all.map(|past| (past, false)).collect())
}

/// Returns a path with nearly that name in the deepest directory above it that exists; else that directory.
fn near(tree: &Tree, wanted: &str) -> Option<Vec<u8>> {
    let clean = clean_path(wanted.as_bytes()).path.into_owned();
    let mut above: &[u8] = &clean;
    let mut name: &[u8] = &[];
    while !above.is_empty()
        && tree
            .history(above)
            .is_none_or(|past| past.steps().is_empty())
    {
        let slash = above.iter().rposition(|&byte| byte == b'/');
        name = above
            .get(slash.map_or(0, |at| at + 1)..)
            .unwrap_or_default();
        above = above.get(..slash.unwrap_or(0)).unwrap_or_default();
    }
    let name = String::from_utf8_lossy(name);
    let directory = tree.history(above)?;
    let siblings = tree.all_paths().filter(|past| {
        past.parent_index() == Some(directory.index()) && past.index() != directory.index()
    });
    let measured = siblings.map(|past| {
        let path = past.path();
        let last = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        (
            distance(&String::from_utf8_lossy(last), &name),
            path.clone(),
        )
    });
    let closest = measured.filter(|(far, _)| *far <= NEAR).min();
    let found = closest.map_or_else(|| above.to_vec(), |(_, path)| path);
    (!found.is_empty()).then_some(found)
}
