//! imgedit: edit parts of an image.

mod append;
mod args;
mod drop;
mod edits;

use std::cell::Cell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::archive::{Chosen, ImageIdx, Pick};
use crate::blob::{Compression, Meter, PendingFile};
use crate::cli::{self, Io, Opened, OutputArgs, Page, Uses, Verdict, no_effect};
use crate::error::{At, Error, Fault, Result};
use crate::escape;
use crate::spec::Digest;
use crate::write::{
    self, Bundle, Change, Holds, ImageEdit, IndexEdits, ListedName, Packer, Recode, StatedNames,
};
use args::Args;
use edits::{Editor, Scope};

const PAGE: Page = Page {
    name: "imgedit",
    uses: Uses::ONE.with_temporary_files(),
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        let (instructions, names) = args.destination.parse(args.name.as_deref())?;
        args.destination.warn_of_lists(&instructions, io);
        let edits = edits::parse(&args.edits.0, cli::now())?;
        if edits.is_empty() {
            return Err(Error::usage("missing edit, as -c 'ENV A=b'"));
        }
        check_outputs(args)?;
        let destination = destination(args)?;
        let temp_dir = destination.temporary_directory(&args.common)?;
        let opened = {
            let meter = Meter::default();
            let quiet = args.destination.quiet;
            let _progress = io.progress(args.image.text(), None, &meter, quiet);
            args.image
                .open_with(&args.common, &meter, Some(temp_dir.clone()))?
        };
        opened.check_complete()?;
        let is_compressed = opened.archive.container.outer != Compression::None;
        if args.replace && destination.output.is_some() && is_compressed {
            let place = &opened.archive.place;
            let why = format!("--replace: {place} is compressed: expected an uncompressed archive");
            return Err(Error::usage(why));
        }
        let chosen = choose(&opened, args.replace && destination.output.is_some())?;
        let names = match args.replace {
            true => names_of(&opened, &chosen)?,
            false => names,
        };
        let images = opened.archive.images_of(chosen.root);
        let image = chosen.image.or(images.first().copied());
        let recode = Recode {
            // Directories are compressed as the image's last layer, as imgcommit does it.
            compression: image.and_then(|image| opened.archive.images[image].last_codec()),
            limits: args.common.limits(),
            ..Recode::default()
        };
        // Archives keep their compression, directories get that of the image.
        let as_it_is = Recode {
            compression: None,
            ..recode
        };
        let meter = Meter::default();
        let packer = |recode| Packer {
            recode,
            temp_dir: &temp_dir,
            meter: &meter,
        };
        let (reading, packer) = (packer(&recode), packer(&as_it_is));
        let mut editor = Editor::new(&edits, args.history.then(cli::now), &packer);
        editor.read_layers(destination.output.is_some(), &reading, io)?;
        let images = present(&opened, &chosen, args);
        editor.list_layers(&opened.archive, &images, args.common.limits())?;
        let mut bundle = Bundle::default();
        let stored = collect(&opened, &chosen, args, &mut bundle)?;
        edit(&opened, &chosen, &editor, args, &mut bundle, io)?;
        if let Some(listed) = bundle.listed.first_mut() {
            listed.names = names;
        }
        bundle.check_names()?;
        report(&opened, &bundle, &editor, args, io)?;
        let kept = kept(&bundle);
        let is_in_store = destination.output.is_none()
            && Path::new(&opened.archive.place) == cli::store(&args.common)?.path();
        if is_in_store {
            bundle.leave(&stored);
        }
        deliver(&opened, &bundle, &kept, &destination, args, io)?;
        Ok(Verdict::Yes)
    })
}

/// Returns the images to edit, as far as the archive has their layers.
fn present(opened: &Opened, chosen: &Chosen<'_>, args: &Args) -> Vec<ImageIdx> {
    let archive = &opened.archive;
    let images = archive.images_of(chosen.root);
    let platform = args.common.platform.as_ref();
    let one = platform.and_then(|platform| archive.choose(&images, Some(platform)));
    let images = match chosen.image.or(one) {
        Some(image) => vec![image],
        None => images,
    };
    let images = images.into_iter();
    let present = images.filter(|&image| archive.images[image].is_complete());
    present.collect()
}

/// Refuses outputs that exclude each other.
fn check_outputs(args: &Args) -> Result<()> {
    if args.dry_run {
        let json = ("--format json", args.destination.is_json());
        let id_file = ("--id-file", args.destination.id_file.is_some());
        no_effect("with --dry-run, which makes no image", &[json, id_file])?;
    }
    if !args.replace {
        let path = args.image.path();
        cli::reject_same_file(args.destination.file(), path.as_deref())?;
    }
    Ok(())
}

/// Returns the output: with `--replace`, the archive itself.
fn destination(args: &Args) -> Result<OutputArgs> {
    let mut destination = args.destination.clone();
    if !args.replace {
        return Ok(destination);
    }
    if args.image.is_stdin() || args.image.tree().is_some() {
        let why = "--replace requires an image in the local store or an archive in a file";
        return Err(Error::usage(why));
    }
    if let Some(path) = args.image.path() {
        if path.is_dir() {
            let place = path.to_string_lossy();
            let why = format!("--replace: {place} is a directory: expected a file");
            return Err(Error::usage(why));
        }
        destination.output = Some(path);
    }
    Ok(destination)
}

/// Returns the image to edit, with its names.
fn choose(opened: &Opened, is_replaced: bool) -> Result<Chosen<'_>> {
    let archive = &opened.archive;
    let mut chosen = opened.chosen_tag()?;
    let several = |roots: Vec<_>| {
        let candidates = archive.candidates(roots);
        let error: Error = Fault::SeveralImages { candidates }.into();
        error.at(archive.place.clone())
    };
    let is_image = |one: &Chosen<'_>| !archive.images_of(one.root).is_empty();
    if chosen.iter().any(is_image) {
        // The others are referrers.
        chosen.retain(is_image);
    }
    if is_replaced && opened.pick != Pick::Only {
        let listed = archive.listed_roots();
        let listed = listed
            .into_iter()
            .filter(|root| !archive.images_of(root).is_empty());
        let listed: Vec<_> = listed.collect();
        if listed.len() > 1 {
            let why = format!(
                "--replace: {} holds {} images, and the others would be lost",
                archive.place,
                listed.len()
            );
            return Err(Error::usage(why));
        }
    }
    match chosen.len() {
        0 | 1 => {}
        _ => return Err(several(chosen.iter().map(|one| one.root).collect())),
    }
    let missing = || Error::no_such_image(String::new(), Default::default());
    chosen.pop().ok_or_else(missing)
}

/// Returns the names that move to the new image.
fn names_of(opened: &Opened, chosen: &Chosen<'_>) -> Result<Vec<ListedName>> {
    let stated = StatedNames::of(&opened.archive, chosen.root);
    let by_name = chosen.names.iter().filter(|_| !chosen.by_id);
    let names: Vec<ListedName> = by_name.map(|name| stated.listed(name)).collect();
    if names.is_empty() && opened.pick != Pick::Only {
        let why = "--replace: the image is selected by its ID, so that there is no name to move";
        return Err(Error::usage(why));
    }
    Ok(names)
}

/// Adds the image to a bundle, without its names. Returns the digests of its blobs.
fn collect(
    opened: &Opened,
    chosen: &Chosen<'_>,
    args: &Args,
    bundle: &mut Bundle,
) -> Result<HashSet<Digest>> {
    let one = [Chosen {
        names: Vec::new(),
        ..chosen.clone()
    }];
    let platform = args.common.platform.as_ref();
    let archive = &opened.archive;
    write::collect(bundle, archive, &one, platform, None).at(|| archive.place.clone())?;
    let blobs = bundle.blobs().iter();
    Ok(blobs.map(|blob| blob.digest.clone()).collect())
}

/// Edits the image, or each image of an index, and adds referrers if the user wants them.
fn edit(
    opened: &Opened,
    chosen: &Chosen<'_>,
    editor: &Editor<'_>,
    args: &Args,
    bundle: &mut Bundle,
    io: &mut Io,
) -> Result<()> {
    let archive = &opened.archive;
    let place = || archive.place.clone();
    let (images, docker) = (Cell::new(0), Cell::new(false));
    let edits = IndexEdits {
        index: &|annotations| editor.annotate(Scope::Index, annotations),
        descriptor: &|annotations| editor.annotate(Scope::Descriptor, annotations),
        platform: editor.platform(),
        keep_referrers: args.keep_referrers,
    };
    let mut change = |image: &mut ImageEdit| {
        let annotations = image.annotations.clone();
        images.set(images.get() + 1);
        editor.apply(image)?;
        docker.set(docker.get() || image.is_docker && annotations != image.annotations);
        Ok(())
    };
    let dropped = bundle.edit(&edits, &mut change).at(place)?;
    if images.get() == 0 {
        let why = "an image without manifest or config, or an artifact";
        return Err(Error::unsupported(why).at(place()));
    }
    if images.get() > 1 && editor.platform().is_some() {
        let why = format!(
            "--set-platform: the index has {} images: choose one with --platform",
            images.get()
        );
        return Err(Error::usage(why));
    }
    if docker.get() {
        io.warn("annotations in a manifest with docker's media types: most programs ignore them");
    }
    for digest in dropped {
        io.note(&format!(
            "{digest}: referrer left out: it is about the image before the change"
        ));
    }
    let referrers = archive.referrers_of(std::slice::from_ref(chosen));
    match args.keep_referrers {
        true => write::collect(bundle, archive, &referrers, None, None).at(place)?,
        false => {
            let nodes = referrers.iter().filter_map(|one| one.root.node);
            for digest in nodes.map(|node| &archive.nodes[node].descriptor.digest) {
                io.note(&format!(
                    "{digest}: referrer left out: it is about the image before the change"
                ));
            }
        }
    }
    Ok(())
}

/// Says what has changed and what has not.
fn report(
    opened: &Opened,
    bundle: &Bundle,
    editor: &Editor<'_>,
    args: &Args,
    io: &mut Io,
) -> Result<()> {
    for edit in editor.unused() {
        io.note(&format!("{edit}: nothing to change"));
    }
    if bundle.changes.is_empty() {
        io.note("nothing changed: all digests are the same");
    }
    for line in editor.effects() {
        tell(&line, args, io)?;
    }
    for change in &bundle.changes {
        let line = match &change.old {
            Some(old) => format!("{} {old} -> {}: {}", change.what, change.new, change.why),
            None => format!("{} {}: {}", change.what, change.new, change.why),
        };
        tell(&line, args, io)?;
    }
    for loss in bundle.losses(Holds::Artifacts) {
        io.warn(&format!("{}: {loss}", opened.archive.place));
    }
    Ok(())
}

/// Prints what changes: with `--dry-run` as the output.
fn tell(line: &str, args: &Args, io: &mut Io) -> Result<()> {
    match args.dry_run {
        true => io.line(line)?,
        false if args.destination.quiet => {}
        false => io.note(line),
    }
    Ok(())
}

/// Returns the digests of blobs that are the same in the new image.
fn kept(bundle: &Bundle) -> Vec<(&'static str, String)> {
    let is_new = |digest: &Digest| {
        let digest = digest.to_string();
        bundle
            .changes
            .iter()
            .any(|change: &Change| change.new == digest)
    };
    let kept = bundle.blobs().iter().filter(|blob| !is_new(&blob.digest));
    let row = kept.map(|blob| {
        let what = match (&blob.source, bundle.is_manifest(&blob.digest)) {
            (_, true) => "manifest",
            (write::Source::Document(_), false) => "image",
            (_, false) => "layer",
        };
        (what, blob.digest.to_string())
    });
    row.collect()
}

/// Writes the digest map and the image.
fn deliver(
    opened: &Opened,
    bundle: &Bundle,
    kept: &[(&str, String)],
    destination: &OutputArgs,
    args: &Args,
    io: &mut Io,
) -> Result<()> {
    let map = |path: &PathBuf| -> Result<PendingFile> {
        let text = cli::digest_map(&bundle.changes, kept)?;
        PendingFile::new(path, text.as_bytes())
    };
    let map = args.digest_map.as_ref().map(map).transpose()?;
    if !args.dry_run {
        let listed = bundle.listed.first();
        let id = listed.map(|listed| match &listed.image {
            Some(image) => &image.config,
            None => &listed.descriptor.digest,
        });
        let id = id.ok_or_else(|| Error::no_such_image(String::new(), Default::default()))?;
        let delivered = destination.deliver(bundle, id, &args.common, io);
        delivered.map_err(|error| match error.fault() {
            Fault::Io { .. } | Fault::NotAFile { .. } | Fault::Usage(_) => error,
            // Damage is of the source.
            _ => error.at(escape::text(&opened.archive.place).into_owned()),
        })?;
    }
    map.map_or(Ok(()), PendingFile::commit)
}
