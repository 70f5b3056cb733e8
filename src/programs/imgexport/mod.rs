//! imgexport: write an image's root filesystem as a tar, or unpack it.

mod args;
pub mod export;
pub mod listing;

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::archive::Image;
use crate::blob::{Meter, NewFile, PendingFile, sync_directory};
use crate::cache::Cache;
use crate::cli::{self, ImageArg, Io, Opened, Page, Uses, Verdict, no_effect};
use crate::error::At;
use crate::tree::{Proof, Reading};
use crate::{Error, Fault, Result};
use args::{Args, FormatArg};
use export::{
    Existing, Export, ExportOptions, Globs, NotApplied, Shape, Unpack, layer_range, raw_layer,
    since,
};
use serde_json::{Map, json};

const PAGE: Page = Page {
    name: "imgexport",
    uses: Uses {
        temporary: true,
        ..Uses::ONE
    },
    text: include_str!("page.md"),
};

/// Runs the program with the arguments, streams and environment of the process.
pub fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let output = args
            .output
            .as_deref()
            .filter(|path| *path != Path::new("-"));
        let is_listing = matches!(args.format, FormatArg::Mtree | FormatArg::Json);
        if args.digests && !is_listing {
            return Err(usage("--digests is for --format mtree and json"));
        }
        if output.is_none()
            && args.directory.is_none()
            && !is_listing
            && std::io::stdout().is_terminal()
        {
            return Err(usage(
                "refusing to write an archive to the terminal: name a file with -o, or pipe the output",
            ));
        }
        let (image, range) = args.image.split_range()?;
        if args.applied && args.layer.is_none() && args.since.is_none() && range.is_none() {
            return Err(usage("--applied is for --layer and --since"));
        }
        let in_name = ("IMAGE@LAYERS", range.is_some());
        if args.layer.is_some() {
            no_effect("with --layer: choose layers in one place", &[in_name])?;
        }
        if args.since.is_some() {
            no_effect("with --since: choose layers in one place", &[in_name])?;
        }
        let input = image.path();
        cli::apart(output.or(args.directory.as_deref()), input.as_deref())?;
        let globs = Globs::new(&args.include, &args.exclude)?;
        // What a cache knows of a layer is no proof of what the archive holds.
        let cache = args.caching.open()?.filter(|_| !args.verify);
        let opened = open(args, &image, io)?;
        let place = || opened.archive.place.clone();
        let selection = opened.select(&args.common)?;
        let image = selection.image();
        let typed = range.map(|(first, last)| match last {
            Some(last) => format!("{}..{last}", first + 1),
            None => format!("{}..", first + 1),
        });
        let layers = match (args.layer.as_ref().or(typed.as_ref()), &args.since) {
            (Some(text), _) => Some(layer_range(image, text).at(place)?),
            (None, Some(base)) => {
                let base = open(args, base, io)?;
                Some(since(image, base.select(&args.common)?.image()).at(place)?)
            }
            (None, None) => None,
        };
        let clean = |path: &OsString| path.as_bytes().to_vec();
        let options = ExportOptions {
            raw: layers.is_some() && !args.applied,
            layers,
            paths: args.paths.iter().map(clean).collect(),
            globs,
            top: args.directory.is_some() || is_listing,
            clamp: args.reproducible.then(epoch),
            verify: args.verify,
        };
        let config = config(args, image).at(place)?;
        // What cannot be written is known before there is an output.
        let config = match (&args.config, config) {
            (Some(path), Some(bytes)) => Some(PendingFile::new(path, &bytes)?),
            _ => None,
        };
        let as_it_is = options.raw
            && args.format == FormatArg::Tar
            && args.directory.is_none()
            && options.paths.is_empty()
            && args.include.is_empty()
            && args.exclude.is_empty()
            && !args.reproducible;
        let single = options
            .layers
            .clone()
            .filter(|layers| as_it_is && layers.len() == 1);
        if let Some(layers) = single {
            let meter = Meter::default();
            let _progress = io.progress(args.image.text(), None, &meter, args.quiet);
            let limits = args.common.limits();
            to_output(output, io, |out| {
                raw_layer(image, layers.start, &limits, &landing(args), out, &meter)
            })
            .map_err(|error| of_input(error, &opened))?;
        } else if is_listing {
            list(args, image, &options, cache.as_ref(), output, io)
                .map_err(|error| of_input(error, &opened))?;
        } else {
            write(args, image, &options, cache.as_ref(), output, io, &opened)?;
        }
        cli::warn_of_cache(cache.as_ref(), io);
        config.map_or(Ok(()), PendingFile::commit)?;
        Ok(Verdict::Yes)
    })
}

fn usage(why: &str) -> Error {
    Fault::Usage(why.into()).into()
}

/// What is wrong with the image, rather than with the output, is placed at the archive.
fn of_input(error: Error, opened: &Opened) -> Error {
    match error.fault() {
        Fault::Io {
            action: "write", ..
        } => error,
        _ => error.at(opened.archive.place.clone()),
    }
}

fn open(args: &Args, image: &ImageArg, io: &Io) -> Result<Opened> {
    let meter = Meter::default();
    let _progress = io.progress(image.text(), None, &meter, args.quiet);
    let opened = image.open_with(&args.common, &meter, Some(landing(args)))?;
    Ok(opened)
}

/// Where what comes by on a stream, or is decoded, is kept meanwhile.
fn landing(args: &Args) -> PathBuf {
    let named = args
        .output
        .as_deref()
        .filter(|path| *path != Path::new("-"));
    cli::landing(named.or(args.directory.as_deref()))
}

/// The time that no other is to be later than.
fn epoch() -> i64 {
    cli::source_date_epoch().unwrap_or(0)
}

fn config(args: &Args, image: &Image) -> Result<Option<Vec<u8>>> {
    match (&args.config, &image.config_bytes) {
        (None, _) => Ok(None),
        (Some(_), Some(bytes)) => Ok(Some(bytes.to_vec())),
        (Some(_), None) => Err(Fault::Unsupported {
            what: "an image that has no config".into(),
        }
        .into()),
    }
}

fn list(
    args: &Args,
    image: &Image,
    options: &ExportOptions,
    cache: Option<&Cache>,
    output: Option<&Path>,
    io: &mut Io,
) -> Result<()> {
    let reading = Reading {
        digests: args.digests,
        limits: args.common.limits(),
        ..Reading::default()
    };
    let export = {
        let _progress = io.progress(args.image.text(), None, &reading.meter, args.quiet);
        if args.verify && !args.digests {
            let layers = options.layers.clone();
            let layers = layers.unwrap_or(0..image.layers.len());
            Proof::of(image, layers)?.check(&reading.meter)?;
        }
        Export::listing(image, options, &reading, cache)?
    };
    to_output(output, io, |out| {
        let mut out = std::io::BufWriter::new(out);
        let failed = |error| Error::io("write", error);
        if args.format == FormatArg::Mtree {
            writeln!(out, "{}", listing::MTREE).map_err(failed)?;
        }
        for item in export.items() {
            let line = match args.format {
                FormatArg::Mtree => listing::mtree(&item),
                _ => listing::json(&item, Map::new())?,
            };
            writeln!(out, "{line}").map_err(failed)?;
        }
        out.flush().map_err(failed)
    })
}

fn write(
    args: &Args,
    image: &Image,
    options: &ExportOptions,
    cache: Option<&Cache>,
    output: Option<&Path>,
    io: &mut Io,
    opened: &Opened,
) -> Result<()> {
    let reading = Reading {
        limits: args.common.limits(),
        ..Reading::default()
    };
    let mut export = {
        let stored = image.layers.iter().filter_map(|layer| layer.content());
        let total = stored.map(|content| content.len()).sum();
        let _progress = io.progress(args.image.text(), Some(total), &reading.meter, args.quiet);
        Export::plan(image, options, &reading, cache, &landing(args))
            .map_err(|error| of_input(error, opened))?
    };
    let meter = Meter::default();
    if let Some(target) = &args.directory {
        let record_file = args
            .record
            .as_deref()
            .map(PendingFile::reserve)
            .transpose()?;
        let unpacked = {
            let label = target.to_string_lossy().into_owned();
            let _progress = io.progress(&label, Some(export.size()), &meter, args.quiet);
            unpack(args, &mut export, target, &meter).map_err(|error| match error.fault() {
                Fault::Limit { .. }
                | Fault::DiffIdMismatch { .. }
                | Fault::DigestMismatch { .. }
                | Fault::SizeMismatch { .. } => error.at(opened.archive.place.clone()),
                _ => error,
            })?
        };
        return record(args, record_file, &export, &unpacked, io);
    }
    let shape = match args.format {
        FormatArg::Cpio => Shape::Cpio,
        _ => Shape::Tar,
    };
    let label = output.map_or_else(|| "-".into(), |path| path.to_string_lossy().into_owned());
    let _progress = io.progress(&label, Some(export.size()), &meter, args.quiet);
    if shape == Shape::Cpio {
        let lost = export
            .items()
            .filter(|item| !item.meta.xattrs.is_empty())
            .count();
        if lost > 0 {
            io.warn(&format!(
                "cpio has no extended attributes: {lost} entries lose theirs"
            ));
        }
    }
    let written = match output.map(|path| {
        (
            path,
            std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()),
        )
    }) {
        Some((path, false)) => whole(path, |file| export.to_file(shape, file.file(), &meter)),
        _ => to_output(output, io, |out| export.to_stream(shape, out, &meter)),
    };
    written.map_err(|error| of_input(error, opened))
}

/// Makes a file that appears under its name when it is whole, readable by its owner alone.
fn whole(path: &Path, write: impl FnOnce(&NewFile) -> Result<()>) -> Result<()> {
    let place = || path.to_string_lossy().into_owned();
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .filter(|_| !path.is_dir());
    let Some(name) = name else {
        return Err(Error::new(Fault::NotAFile {
            kind: "a directory",
        })
        .at(place()));
    };
    let folder = path.parent().unwrap_or("".as_ref());
    let file = NewFile::beside(path, 0o600)?;
    write(&file).map_err(|error| match error.fault() {
        Fault::Io {
            action: "write", ..
        } => error.at(place()),
        _ => error,
    })?;
    file.replace(name)?;
    sync_directory(folder)
}

/// Writes to standard output, to a file that appears when it is whole, or to a device or FIFO.
fn to_output(
    output: Option<&Path>,
    io: &mut Io,
    write: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<()> {
    let Some(path) = output else {
        return write(&mut io.raw_out()?);
    };
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir()) {
        let file = OpenOptions::new().write(true).open(path);
        let opened = file.map_err(|error| Error::io("open", error));
        return write(&mut opened.at(|| path.to_string_lossy().into_owned())?);
    }
    whole(path, |file| write(&mut file.file()))
}

fn unpack(
    args: &Args,
    export: &mut Export,
    target: &Path,
    meter: &Meter,
) -> Result<crate::programs::imgexport::export::Unpacked> {
    let unpack = Unpack {
        target: target.to_owned(),
        existing: match args.overwrite {
            true => Existing::Replace,
            false => Existing::Refuse,
        },
        rootless: args.rootless || !cli::is_root(),
    };
    export.unpack(&unpack, meter)
}

/// Says what could not be applied: in full to a file, or in one line.
fn record(
    args: &Args,
    record_file: Option<PendingFile>,
    export: &Export,
    unpacked: &crate::programs::imgexport::export::Unpacked,
    io: &mut Io,
) -> Result<()> {
    type Has = fn(&NotApplied) -> bool;
    let kinds: [(&str, Has); 4] = [
        ("owner", |missing| missing.owner),
        ("mode", |missing| missing.mode),
        ("device", |missing| missing.device),
        ("xattrs", |missing| missing.xattrs),
    ];
    if let Some(mut file) = record_file {
        let mut text = String::new();
        for (row, missing) in &unpacked.not_applied {
            let Some(item) = export.row(*row) else {
                continue;
            };
            let names: Vec<&str> = kinds
                .iter()
                .filter(|(_, has)| has(missing))
                .map(|(name, _)| *name)
                .collect();
            let more = Map::from_iter([("NotApplied".to_owned(), json!(names))]);
            text.push_str(&listing::json(&item, more)?);
            text.push('\n');
        }
        file.write(text.as_bytes())?;
        return file.commit();
    }
    let counts: Vec<String> = kinds
        .iter()
        .map(|(name, has)| {
            (
                name,
                unpacked
                    .not_applied
                    .iter()
                    .filter(|(_, missing)| has(missing))
                    .count(),
            )
        })
        .filter(|(_, count)| *count > 0)
        .map(|(name, count)| format!("{name} of {count}"))
        .collect();
    if !counts.is_empty() && !args.quiet {
        io.warn(&format!(
            "not applied: {}; --record lists them",
            counts.join(", ")
        ));
    }
    Ok(())
}
