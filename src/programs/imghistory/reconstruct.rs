//! `imghistory --dockerfile`: inputs and outputs of the reconstruction.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use super::args::Args;
use super::dockerfile::{self, Candidate, Dockerfile};
use super::dockerfile_text::{
    DOCKERFILE_COLUMNS, Layout, dockerfile as dockerfile_text, dockerfile_rows,
};
use crate::archive::{Archive, Image, ImageIdx, Open};
use crate::blob::{Meter, NewDirectory};
use crate::cli::{Io, Openings, Takes, Verdict};
use crate::error::{At, During, Error, Result};
use crate::render::Format;

/// Limit on the warnings about one image.
const WARNINGS: usize = 50;

/// Reconstructs the Dockerfile and prints or extracts it.
///
/// # Errors
/// `Usage`, `Io`; the fault of a damaged archive or layer.
pub fn run(args: &Args, io: &mut Io) -> Result<Verdict> {
    // The default format, a table, means a Dockerfile.
    let format = match args.format.as_str() {
        "table" => None,
        format => Some(Format::parse(format, "")?.fitted(io.window(false))),
    };
    let directory = args
        .extract
        .as_deref()
        .map(NewDirectory::for_target)
        .transpose()?;
    let meter = Meter::default();
    let progress = io.progress(args.image.text(), None, &meter, false);
    // Layers are read more than once, which a stream does not allow.
    let temporary = Some(std::env::temp_dir());
    let opened = args.image.open_with(&args.common, &meter, temporary)?;
    let selection = opened.select(&args.common)?;
    let image = selection.image();
    let context = || opened.archive.place.clone();
    let archives = open_bases(args, io)?;
    let names = candidates(&archives, image);
    let candidates: Vec<Candidate<'_>> = names
        .iter()
        .map(|(name, image, named)| Candidate {
            name,
            image,
            named: *named,
        })
        .collect();
    let limits = args.common.limits();
    let mut found = dockerfile::dockerfile(image, &candidates, &limits, &meter).at(context)?;
    if let Some(directory) = &directory {
        dockerfile::extract(&mut found, image, directory.path(), &limits, &meter).at(context)?;
    }
    drop(progress);
    for finding in found.findings.iter().take(WARNINGS) {
        let entry = finding.entry.map(|entry| format!("entry {entry}: "));
        let entry = entry.filter(|_| finding.kind != "time").unwrap_or_default();
        io.warn(&format!(
            "{}: {entry}{}",
            opened.archive.place, finding.text
        ));
    }
    if found.findings.len() > WARNINGS {
        let more = found.findings.len() - WARNINGS;
        io.warn(&format!(
            "{}: {more} more; --format json lists them all",
            opened.archive.place
        ));
    }
    if let (Some(directory), Some(target)) = (directory, &args.extract) {
        finish(&found, args.annotate, directory, target)?;
    }
    match format {
        Some(format) => {
            format.write(io.out(), Some(DOCKERFILE_COLUMNS), dockerfile_rows(&found))?
        }
        None if args.extract.is_none() => {
            let layout = Layout {
                annotate: args.annotate,
                safe: true,
            };
            let text = dockerfile_text(&found, layout);
            io.out().write_all(text.as_bytes()).during("write")?;
        }
        None => {}
    }
    Ok(Verdict::Yes)
}

/// Archive, positions of the images that may be a base, and true for an image that was named itself.
type Usable = (Arc<Archive>, Vec<ImageIdx>, bool);

/// Opens the archives that may have the base: those given, and those below given directories. Warns of those in a
/// directory that cannot be read, and goes on.
fn open_bases(args: &Args, io: &mut Io) -> Result<Vec<Usable>> {
    let mut found = Vec::new();
    let mut openings = Openings::of(&args.base);
    for base in &args.base {
        let is_directory = base.directory_to_search().is_some();
        let open = Open::with(&args.common, &Meter::default(), None);
        let (mut faults, mut archives) = (Vec::new(), Vec::new());
        for opened in openings.each(base, &args.common, open, Takes::One) {
            match opened {
                Ok(opened) => archives.push(opened),
                Err(error) => faults.push(error),
            }
        }
        if archives.is_empty() {
            return faults.into_iter().next().map_or(Ok(found), Err);
        }
        for fault in faults {
            io.warn(&fault.to_string());
        }
        for opened in archives {
            let roots = opened.roots()?.into_iter();
            let images = roots.flat_map(|root| opened.archive.images_of(root));
            let images: Vec<ImageIdx> = images.collect();
            // An image is not based on itself.
            let named = !is_directory && images.len() == 1 && base.text() != args.image.text();
            found.push((opened.archive, images, named));
        }
    }
    Ok(found)
}

/// Returns the images that may be a base, with their names in FROM.
fn candidates<'a>(archives: &'a [Usable], of: &Image) -> Vec<(String, &'a Image, bool)> {
    let mut out = Vec::new();
    for (archive, images, named) in archives {
        for &index in images {
            let image = &archive.images[index];
            let same_platform = (&image.platform.os, &image.platform.architecture)
                == (&of.platform.os, &of.platform.architecture);
            if !same_platform {
                continue;
            }
            let names = archive.names_of(index);
            let name = names
                .iter()
                .map(ToString::to_string)
                .find(|name| dockerfile::is_image_name(name));
            out.push((name.unwrap_or_else(|| image.id.to_string()), image, *named));
        }
    }
    out
}

/// Writes the Dockerfile, and renames the directory to the target.
fn finish(
    found: &Dockerfile,
    annotate: bool,
    directory: NewDirectory,
    target: &Path,
) -> Result<()> {
    let layout = Layout {
        annotate,
        safe: false,
    };
    let text = dockerfile_text(found, layout);
    let failed = |error| Error::io("write", error).at(target.to_string_lossy());
    let mut file = fs::File::create_new(directory.path().join("Dockerfile")).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)?;
    let context = || target.to_string_lossy().into_owned();
    directory.become_target(target).at(context)
}
