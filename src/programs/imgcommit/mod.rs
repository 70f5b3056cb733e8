//! imgcommit: make a changed root filesystem one more layer of an image.

mod args;
pub mod commit;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::archive::{Content, Image};
use crate::blob::{CHUNK, Compression, Input, Meter, NewFile, sync_directory};
use crate::cli::{self, ImageArg, Io, Opened, Page, Uses, Verdict, no_effect};
use crate::disk::{Directory, Options};
use crate::error::At;
use crate::write::{MediaTypes, Packer};
use crate::{Error, Fault, Result, escape};
use args::Args;
use commit::{Changed, CommitOptions};

const PAGE: Page = Page {
    name: "imgcommit",
    uses: Uses {
        temporary: true,
        ..Uses::ONE
    },
    text: include_str!("page.md"),
};

/// Runs the program with the arguments, streams and environment of the process.
pub fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let name = name(args)?;
        let (instructions, names) = args.making.taken_in(name.as_deref())?;
        args.making.warn_of_lists(&instructions, io);
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
        for output in [args.making.file(), args.layer_out.as_deref()] {
            cli::apart(output, image.as_deref())?;
        }
        // Not with --squash, where the only argument is a name.
        let changed = args.input.as_deref().filter(|_| args.squash.is_none());
        cli::apart(args.making.file(), changed)?;
        match (&args.squash, &args.base) {
            (Some(image), _) => squash(args, image, &options, io),
            (None, Some(base)) => commit(args, base, &options, io),
            (None, None) => Err(Fault::Usage("--base is missing".into()).into()),
        }?;
        Ok(Verdict::Yes)
    })
}

/// The new image's name, which with --squash is the only argument.
fn name(args: &Args) -> Result<Option<String>> {
    let usage = |why: &str| Error::new(Fault::Usage(why.into()));
    match (&args.squash, &args.input, &args.name) {
        (Some(_), _, Some(_)) => Err(usage("--squash takes no folder or tar, but a name alone")),
        (Some(_), Some(name), None) => match name.to_str() {
            Some(name) => Ok(Some(name.to_owned())),
            None => Err(usage("a name is text")),
        },
        (Some(_), None, None) => Ok(None),
        (None, None, _) => Err(usage(
            "the changed root filesystem is missing: a folder, a tar or -",
        )),
        (None, Some(_), name) => Ok(name.clone()),
    }
}

fn open(args: &Args, image: &ImageArg, landing: &Path, io: &Io) -> Result<Opened> {
    let meter = Meter::default();
    let _progress = io.progress(image.text(), None, &meter, args.making.quiet);
    let opened = image.open_with(&args.common, &meter, Some(landing.to_owned()))?;
    opened.archive.check_complete().map(|()| opened)
}

fn landing(args: &Args) -> Result<PathBuf> {
    match &args.layer_out {
        None => args.making.landing(&args.common),
        Some(path) => Ok(cli::landing(
            Some(path)
                .filter(|path| *path != Path::new("-"))
                .map(PathBuf::as_path),
        )),
    }
}

/// What is wrong with the image, rather than with where the new one goes, is placed at its archive.
fn of_image(error: Error, opened: &Opened) -> Error {
    match error.fault() {
        Fault::Io { .. } | Fault::NotAFile { .. } | Fault::Usage(_) => error,
        _ => error.at(opened.archive.place.clone()),
    }
}

fn squash(args: &Args, image: &ImageArg, options: &CommitOptions, io: &mut Io) -> Result<()> {
    let landing = landing(args)?;
    let recode = args.packing.recode(&args.common)?;
    let (image, range) = &image.split_range()?;
    if args.from.is_some() {
        let in_name = ("IMAGE@LAYERS", range.is_some());
        no_effect("with --from: choose layers in one place", &[in_name])?;
    }
    let opened = open(args, image, &landing, io)?;
    let selection = opened.select(&args.common)?;
    let (number, count) = (selection.index, selection.image().layers.len());
    if let Some((_, Some(last))) = range
        && *last != count
    {
        let why = format!(
            "--squash merges layers up to the last, {count}, and not to layer {last}: write IMAGE@N.."
        );
        return Err(Fault::Usage(why).into());
    }
    let meter = Meter::default();
    let progress = io.progress(image.text(), None, &meter, args.making.quiet);
    let packer = Packer {
        recode: &recode,
        landing: &landing,
        meter: &meter,
    };
    let first = range.as_ref().map_or(0, |(first, _)| *first);
    let from = args.from.map_or(first, |from| from as usize - 1);
    let (bundle, id) = commit::squash(&opened.archive, number, from, &packer, options)?;
    drop(progress);
    let delivered = args.making.deliver(&bundle, &id, &args.common, io);
    delivered.map_err(|error| of_image(error, &opened))
}

fn commit(args: &Args, base: &ImageArg, options: &CommitOptions, io: &mut Io) -> Result<()> {
    let Some(input) = &args.input else {
        return Err(Fault::Usage("the changed root filesystem is missing".into()).into());
    };
    let stdin = input == Path::new("-");
    if stdin && base.text().starts_with('-') {
        let why = "standard input can be read once, and is named more often";
        return Err(Fault::Usage(why.into()).into());
    }
    let to_terminal =
        args.layer_out.as_deref() == Some(Path::new("-")) && std::io::stdout().is_terminal();
    if to_terminal {
        let why = "refusing to write a layer to the terminal: name a file, or pipe the output";
        return Err(Fault::Usage(why.into()).into());
    }
    let mut recode = args.packing.recode(&args.common)?;
    let shown = match stdin {
        true => "standard input".to_owned(),
        false => input.to_string_lossy().into_owned(),
    };
    let place = || shown.clone();
    let folder = match input.is_dir() {
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
    for path in folder.iter().flat_map(|folder| &folder.skipped).take(10) {
        let path = escape::bytes(path);
        io.note(&format!("{path}: a socket, which is left out"));
    }
    let changed = match (&folder, args.upper) {
        (Some(folder), true) => Changed::Upper(folder),
        (Some(folder), false) => Changed::Folder(folder),
        (None, true) => {
            return Err(Fault::Usage("--upper needs a folder".into()).into());
        }
        (None, false) if stdin => Changed::Tar(Input::stdin().at(place)?, &shown),
        (None, false) => Changed::Tar(Input::path(input).at(place)?, &shown),
    };
    let landing = landing(args)?;
    let opened = open(args, base, &landing, io)?;
    let selection = opened.select(&args.common)?;
    let number = selection.index;
    if recode.compression.is_none() && args.layer_out.is_none() {
        recode.compression = codec_of(selection.image());
    }
    let meter = Meter::default();
    let progress = io.progress(&place(), None, &meter, args.making.quiet);
    let packer = Packer {
        recode: &recode,
        landing: &landing,
        meter: &meter,
    };
    let made = commit::commit_layer(&opened.archive, number, changed, &packer, options)?;
    drop(progress);
    cli::warn_of_cache(options.cache.as_ref(), io);
    if made.left_out {
        io.note("the tree is a container's: what docker puts into every container is left out");
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
        io.note("nothing has changed: the image has no new layer");
    }
    let (bundle, id) = commit::commit(&opened.archive, number, made, &packer, options)?;
    let delivered = args.making.deliver(&bundle, &id, &args.common, io);
    delivered.map_err(|error| of_image(error, &opened))
}

/// The codec of an image's last layer, which a new one is compressed with; `None` where that is none of those that are
/// written, or the layer is not there.
fn codec_of(image: &Image) -> Option<Compression> {
    let content = image.layers.last()?.content()?;
    let codec = content.compression().ok()?;
    matches!(codec, Compression::Gzip | Compression::Zstd).then_some(codec)
}

fn write_layer(content: &Content, path: &Path, io: &mut Io) -> Result<()> {
    let mut reader = content.reader()?;
    let mut buf = vec![0; CHUNK];
    let mut pour = |out: &mut dyn Write| -> Result<()> {
        loop {
            match reader.read(&mut buf) {
                Ok(0) => return Ok(()),
                Ok(n) => out
                    .write_all(&buf[..n])
                    .map_err(|error| Error::io("write", error))?,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Error::io("read", error)),
            }
        }
    };
    if path == Path::new("-") {
        return pour(io.out());
    }
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name
        .filter(|_| !path.is_dir())
        .ok_or_else(|| {
            Error::new(Fault::NotAFile {
                kind: "a directory",
            })
        })
        .at(|| path.to_string_lossy().into_owned())?;
    let folder = path.parent().unwrap_or("".as_ref());
    let file = NewFile::beside(path, 0o644)?;
    pour(&mut file.file())?;
    file.replace(name)?;
    sync_directory(folder)
}
