//! imgcommit: commit a changed root filesystem as a new layer of an image.

mod args;
pub mod commit;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::archive::Content;
use crate::blob::{Input, Meter, each_chunk};
use crate::cli::{self, ImageArg, Io, Opened, Page, Uses, Verdict, no_effect};
use crate::disk::{Directory, Options};
use crate::error::{At, During};
use crate::write::{MediaTypes, Packer};
use crate::{Error, Fault, Result};
use args::Args;
use commit::{Changed, CommitOptions};

const PAGE: Page = Page {
    name: "imgcommit",
    uses: Uses::ONE.with_temporary_files(),
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        let name = name(args)?;
        let (instructions, names) = args.destination.parse(name.as_deref())?;
        args.destination.warn_of_lists(&instructions, io);
        let options = CommitOptions {
            names,
            author: args.author.clone(),
            message: args.message.clone(),
            instructions,
            excludes: args.selecting.excludes()?,
            base_owners: args.base_owners,
            created: cli::now(),
            latest: cli::source_date_epoch(),
            cache: args.caching.open()?,
        };
        let image = args.squash.as_ref().or(args.base.as_ref());
        let image = image.and_then(ImageArg::path);
        for output in [args.destination.file(), args.layer_out.as_deref()] {
            cli::reject_same_file(output, image.as_deref())?;
        }
        // Not with --squash, where the only argument is a name.
        let changed = args.input.as_deref().filter(|_| args.squash.is_none());
        cli::reject_same_file(args.destination.file(), changed)?;
        match (&args.squash, &args.base) {
            (Some(image), _) => squash(args, image, &options, io),
            (None, Some(base)) => commit(args, base, &options, io),
            (None, None) => Err(Error::usage("missing --base")),
        }?;
        Ok(Verdict::Yes)
    })
}

/// Returns the name of the new image, which is the only argument of `--squash`.
fn name(args: &Args) -> Result<Option<String>> {
    let usage = |why: &str| Error::usage(why);
    match (&args.squash, &args.input, &args.name) {
        (Some(_), _, Some(_)) => Err(usage(
            "--squash takes no directory or tar archive, only a name",
        )),
        (Some(_), Some(_), None) if args.destination.tag.is_some() => {
            Err(usage("--tag and an operand both name the image"))
        }
        (Some(_), Some(name), None) => match name.to_str() {
            Some(name) => Ok(Some(name.to_owned())),
            None => Err(usage("invalid name: not UTF-8")),
        },
        (Some(_), None, None) => Ok(None),
        (None, None, _) => Err(usage(
            "missing root filesystem: a directory, a tar archive or -",
        )),
        (None, Some(_), name) => Ok(name.clone()),
    }
}

fn open(args: &Args, image: &ImageArg, temp_dir: &Path, io: &Io) -> Result<Opened> {
    let meter = Meter::default();
    let _progress = io.progress(image.text(), None, &meter, args.destination.quiet);
    let opened = image.open_with(&args.common, &meter, Some(temp_dir.to_owned()))?;
    opened.check_complete().map(|()| opened)
}

/// Returns the directory for temporary files: on the file system of the output.
fn temp_dir(args: &Args) -> Result<PathBuf> {
    match &args.layer_out {
        None => args.destination.temporary_directory(&args.common),
        Some(path) => Ok(cli::temporary_directory(
            Some(path)
                .filter(|path| *path != Path::new("-"))
                .map(PathBuf::as_path),
        )),
    }
}

/// Adds the archive of the image as context to an error that is not about the output.
fn of_image(error: Error, opened: &Opened) -> Error {
    match error.fault() {
        Fault::Io { .. } | Fault::NotAFile { .. } | Fault::Usage(_) => error,
        _ => error.at(opened.archive.place.clone()),
    }
}

fn squash(args: &Args, image: &ImageArg, options: &CommitOptions, io: &mut Io) -> Result<()> {
    let temp_dir = temp_dir(args)?;
    let recode = args.packing.recode(&args.common)?;
    let (image, range) = &image.split_range()?;
    if args.layer.is_some() || args.from.is_some() {
        let in_name = ("IMAGE@LAYERS", range.is_some());
        no_effect("with --layer: choose layers in one place", &[in_name])?;
    }
    let opened = open(args, image, &temp_dir, io)?;
    let selection = opened.select(&args.common)?;
    let (number, count) = (selection.index, selection.image().layers.len());
    let layers = match (&args.layer, range) {
        (Some(text), _) => cli::layer_range(selection.image(), text)?,
        (None, Some((first, last))) => *first..last.unwrap_or(count),
        (None, None) => args.from.map_or(0, |from| from as usize - 1)..count,
    };
    if layers.end != count {
        let last = layers.end;
        return Err(Error::usage(format!(
            "--squash: cannot merge up to layer {last}: the last layer, {count}, must be included, as in IMAGE@N.."
        )));
    }
    let meter = Meter::default();
    let progress = io.progress(image.text(), None, &meter, args.destination.quiet);
    let packer = Packer {
        recode: &recode,
        temp_dir: &temp_dir,
        meter: &meter,
    };
    let (bundle, id) = commit::squash(&opened.archive, number, layers.start, &packer, options)?;
    drop(progress);
    let delivered = args.destination.deliver(&bundle, &id, &args.common, io);
    delivered.map_err(|error| of_image(error, &opened))
}

fn commit(args: &Args, base: &ImageArg, options: &CommitOptions, io: &mut Io) -> Result<()> {
    let Some(input) = &args.input else {
        return Err(Error::usage("missing root filesystem"));
    };
    let stdin = input == Path::new("-");
    if stdin && base.text().starts_with('-') {
        return Err(Error::usage("cannot read two inputs from standard input"));
    }
    let to_terminal =
        args.layer_out.as_deref() == Some(Path::new("-")) && std::io::stdout().is_terminal();
    if to_terminal {
        let why = "refusing to write a layer to the terminal: name a file, or pipe the output";
        return Err(Error::usage(why));
    }
    let mut recode = args.packing.recode(&args.common)?;
    let display = match stdin {
        true => "standard input".to_owned(),
        false => input.to_string_lossy().into_owned(),
    };
    let place = || display.clone();
    let directory = match input.is_dir() {
        false => None,
        true => Some(Directory::read(
            input,
            &Options {
                excludes: options.excludes.clone(),
                exact_times: false,
                overlay: args.upper,
                latest: options.latest,
                owner: None,
                limits: args.common.limits(),
            },
        )?),
    };
    if let Some(directory) = &directory {
        cli::note_sockets(&directory.skipped, io);
    }
    let changed = match (&directory, args.upper) {
        (Some(directory), true) => Changed::Upper(directory),
        (Some(directory), false) => Changed::Directory(directory),
        (None, true) => {
            return Err(Error::usage("--upper requires a directory"));
        }
        (None, false) if stdin => Changed::Tar(Input::stdin().at(place)?, &display),
        (None, false) => Changed::Tar(Input::path(input).at(place)?, &display),
    };
    let temp_dir = temp_dir(args)?;
    let opened = open(args, base, &temp_dir, io)?;
    let selection = opened.select(&args.common)?;
    let position = selection.index;
    if recode.compression.is_none() && args.layer_out.is_none() {
        recode.compression = selection.image().last_codec();
    }
    let meter = Meter::default();
    let progress = io.progress(&place(), None, &meter, args.destination.quiet);
    let packer = Packer {
        recode: &recode,
        temp_dir: &temp_dir,
        meter: &meter,
    };
    let made = commit::commit_layer(&opened.archive, position, changed, &packer, options)?;
    drop(progress);
    cli::warn_of_cache(options.cache.as_ref(), io);
    if made.left_out {
        io.note("the tree is that of a container: files that docker creates in every container are left out");
    }
    if let Some(path) = &args.layer_out {
        let layer = made.into_layer(&packer)?;
        let layer = packer.layer(layer, MediaTypes::Oci)?;
        if let Some(content) = &layer.content {
            write_layer(content, path, io)?;
        }
        return match path == Path::new("-") {
            true => Ok(()),
            false => io.line(layer.descriptor.digest.as_str()),
        };
    }
    if made.layer.is_none() {
        io.note("no changes: the image has no new layer");
    }
    let (bundle, id) = commit::commit(&opened.archive, position, made, &packer, options)?;
    let delivered = args.destination.deliver(&bundle, &id, &args.common, io);
    delivered.map_err(|error| of_image(error, &opened))
}

/// Writes a layer to a file or to standard output.
fn write_layer(content: &Content, path: &Path, io: &mut Io) -> Result<()> {
    let mut reader = content.reader()?;
    let mut copy =
        |out: &mut dyn Write| each_chunk(&mut reader, |bytes| out.write_all(bytes).during("write"));
    if path == Path::new("-") {
        return copy(io.out());
    }
    cli::write_file(path, 0o644, |file| copy(&mut file.file()))
}
