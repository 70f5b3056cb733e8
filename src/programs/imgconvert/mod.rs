//! imgconvert: turn an archive of any shape into one of any other.

mod args;

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::archive::Name;
use crate::blob::{Meter, PendingFile};
use crate::cli::{self, Io, Page, Uses, Verdict};
use crate::error::At;
use crate::render::json;
use crate::spec::Reference;
use crate::store::{Policy, Store};
use crate::write::{self, Bundle, Change, Format, Holds, ListedName, MediaTypes, archive, layout};
use crate::{Error, Fault, Result};
use args::{Args, MediaTypesArg};
use serde_json::json;

const PAGE: Page = Page {
    name: "imgconvert",
    uses: Uses {
        temporary: true,
        ..Uses::ALL
    },
    text: include_str!("page.md"),
};

/// Where to, and in which shape.
enum Destination {
    Stream(Format),
    Archive(Format, PathBuf),
    Layout(PathBuf),
    Dir(PathBuf),
    Store,
}

/// Runs the program with the arguments, streams and environment of the process.
pub fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let (destination, name) = destination(&args.destination)?;
        if matches!(destination, Destination::Stream(_)) && std::io::stdout().is_terminal() {
            return Err(Fault::Usage(
                "refusing to write an archive to the terminal: pipe the output".into(),
            )
            .into());
        }
        if matches!(destination, Destination::Stream(_))
            && args.digest_map.as_deref() == Some(Path::new("-"))
        {
            let why = "standard output takes the archive or the digest map, not both";
            return Err(Fault::Usage(why.into()).into());
        }
        if let Destination::Archive(_, path) | Destination::Layout(path) | Destination::Dir(path) =
            &destination
        {
            // A layout takes another name or form of an image that it has.
            let adds = path.join("index.json").exists();
            let input = args.source.path().filter(|_| !adds);
            cli::apart(Some(path), input.as_deref())?;
        }
        vacant(&destination, args.force)?;
        let mut recode = args.packing.recode(&args.common)?;
        let landing = landing(&destination, args)?;
        let meter = Meter::default();
        let opening = io.progress(args.source.text(), None, &meter, args.quiet);
        let opened = args
            .source
            .open_with(&args.common, &meter, Some(landing.clone()))?;
        drop(opening);
        let source = &opened.archive;
        let place = || source.place.clone();
        source.check_complete()?;
        let mut bundle = Bundle::default();
        write::save(
            &mut bundle,
            source,
            &opened.chosen()?,
            args.common.platform.as_ref(),
            name.as_ref(),
        )
        .at(place)?;
        if matches!(destination, Destination::Store) {
            bundle.name_for_store();
        }
        let legacy = matches!(
            destination,
            Destination::Archive(Format::DockerLegacy, _)
                | Destination::Stream(Format::DockerLegacy)
        );
        if legacy && recode.compression.is_none() {
            recode.compression = Some(crate::blob::Compression::None);
        }
        recode.media_types = match args.media_types {
            MediaTypesArg::Keep => None,
            MediaTypesArg::Oci => Some(MediaTypes::Oci),
            MediaTypesArg::Docker => Some(MediaTypes::Docker),
        };
        recode.prune_sparse = args.prune_sparse;
        recode.reproducible = args
            .reproducible
            .then(|| cli::source_date_epoch().unwrap_or(0));
        let in_place =
            matches!(&destination, Destination::Archive(_, path) if archive::is_replaceable(path));
        let packed = Meter::default();
        let repacks = recode.compression.is_some() || recode.reproducible.is_some();
        let mut packing = repacks.then(|| {
            let all = archive::size(&bundle);
            io.progress("packing", Some(all), &packed, args.quiet)
        });
        let map_file = args.digest_map.as_deref();
        let map_file = map_file.filter(|path| *path != Path::new("-"));
        let mut map_written = None;
        let written = bundle.recoded(&recode, in_place, &landing, &packed, |bundle| {
            packing = None;
            if args.keep_digests {
                unchanged(bundle)?;
            }
            // What cannot be written is known before there is an output.
            if let Some(path) = map_file {
                map_written = Some(PendingFile::new(path, map(&bundle.changes)?.as_bytes())?);
            }
            let meter = Meter::default();
            let all = archive::size(bundle);
            let _progress = io.progress(&args.destination, Some(all), &meter, args.quiet);
            write(&destination, bundle, args, io, &meter)
        });
        let bundle = written.map_err(|error| match error.fault() {
            Fault::Io { .. } | Fault::Exists { .. } => error,
            // What is damaged is the source.
            _ => error.at(place()),
        })?;
        let holds = match &destination {
            Destination::Dir(_) => Holds::Signatures,
            _ if legacy => Holds::Images,
            _ => Holds::Artifacts,
        };
        for loss in bundle.losses(holds) {
            io.warn(&format!("{}: {loss}", source.place));
        }
        if let Some(written) = map_written {
            written.commit()?;
        } else if args.digest_map.is_some() {
            let text = map(&bundle.changes)?;
            io.out()
                .write_all(text.as_bytes())
                .map_err(|error| Error::io("write", error))?;
        }
        Ok(Verdict::Yes)
    })
}

/// Fails if a digest of the source is not what it was.
fn unchanged(bundle: &Bundle) -> Result<()> {
    let changed = |change: &&Change| change.old.is_some();
    bundle
        .changes
        .iter()
        .find(changed)
        .map_or(Ok(()), |change| {
            let (old, new) = (change.old.as_deref().unwrap_or_default(), &change.new);
            let why = format!("{} {old} would become {new}: {}", change.what, change.why);
            Err(Fault::Usage(why).into())
        })
}

fn write(
    destination: &Destination,
    bundle: &Bundle,
    args: &Args,
    io: &mut Io,
    meter: &Meter,
) -> Result<()> {
    match destination {
        Destination::Stream(format) => archive::to_stream(bundle, *format, io.out(), meter),
        Destination::Archive(format, path) => archive::to_path(bundle, *format, path, meter)
            .map_err(|error| match error.fault() {
                Fault::Io { .. } => error.at(path.to_string_lossy()),
                _ => error,
            }),
        Destination::Dir(path) => layout::dir(bundle, path, meter),
        Destination::Layout(path) if path.join("index.json").exists() => Store::at(path)
            .add(bundle, Policy::Replace, meter)
            .map(|_| ()),
        Destination::Layout(path) => match layout::layout(bundle, path, meter) {
            // Another program made it meanwhile: it is added to. Any other error is one, even if the layout has its name.
            Err(error) if is_taken(&error) && path.join("index.json").exists() => Store::at(path)
                .add(bundle, Policy::Replace, meter)
                .map(|_| ()),
            made => made,
        },
        Destination::Store => cli::store(&args.common)?
            .add(bundle, Policy::Replace, meter)
            .map(|_| ()),
    }
}

/// Refuses a destination that is there, but an OCI layout, which is added to, and what cannot be replaced as a whole.
fn vacant(destination: &Destination, force: bool) -> Result<()> {
    let place = |path: &Path| path.to_string_lossy().into_owned();
    match destination {
        Destination::Archive(_, path) => {
            archive::check_target(path).at(|| place(path))?;
            let there = std::fs::metadata(path);
            // Nothing is lost with an empty file, as mktemp makes one.
            let is_file = there.is_ok_and(|there| there.is_file() && there.len() > 0);
            match is_file && !force {
                true => Err(Error::new(Fault::Exists { kind: "a file" }).at(place(path))),
                false => Ok(()),
            }
        }
        Destination::Layout(path) | Destination::Dir(path) => {
            let Ok(there) = std::fs::metadata(path) else {
                return Ok(());
            };
            let is_layout = matches!(destination, Destination::Layout(_));
            if !there.is_dir() {
                return Err(Error::new(Fault::Exists {
                    kind: "no directory",
                })
                .at(place(path)));
            }
            if is_layout && path.join("index.json").exists() {
                return Ok(());
            }
            let mut entries = std::fs::read_dir(path)
                .map_err(|error| Error::io("open", error).at(place(path)))?;
            let kind = match is_layout {
                true => "a directory that is not empty and no OCI layout",
                false => "a directory that is not empty",
            };
            match entries.next() {
                Some(_) => Err(Error::new(Fault::Exists { kind }).at(place(path))),
                None => Ok(()),
            }
        }
        Destination::Stream(_) | Destination::Store => Ok(()),
    }
}

/// Tests if a directory could not get its name because there is one by that name that is not empty.
fn is_taken(error: &Error) -> bool {
    use std::io::ErrorKind::{AlreadyExists, DirectoryNotEmpty};
    matches!(error.fault(), Fault::Io { source, .. } if matches!(source.kind(), AlreadyExists | DirectoryNotEmpty))
}

fn destination(text: &str) -> Result<(Destination, Option<ListedName>)> {
    if cli::is_stdout(Path::new(text)) {
        return Ok((Destination::Stream(Format::Docker), None));
    }
    cli::refuse_online(text)?;
    let (kind, rest) = match text.split_once(':') {
        Some((
            kind @ ("docker-archive" | "docker-legacy" | "oci-archive" | "oci" | "dir" | "store"),
            rest,
        )) => (kind, rest),
        _ => ("", text),
    };
    if kind == "store" {
        let name = (!rest.is_empty())
            .then(|| ListedName::new(rest))
            .transpose()?;
        return Ok((Destination::Store, name));
    }
    let (path, reference) = match kind {
        "" | "dir" => (rest, ""),
        _ => rest.split_once(':').unwrap_or((rest, "")),
    };
    if path.is_empty() || text.starts_with(':') {
        return Err(Fault::Usage(format!("'{text}' names no file")).into());
    }
    if let ("", Some((kind, _))) = (kind, text.split_once(':'))
        && !kind.contains('/')
        && !kind.starts_with('.')
    {
        // A reference would become part of the file's name, and a shape that there is not its beginning.
        let name = match kind.contains('.') {
            true => format!(", docker-archive:{text} gives a name"),
            false => String::new(),
        };
        let why = format!(
            "'{text}': '{kind}' is no shape that is written here; ./{text} is a file{name}"
        );
        return Err(Fault::Usage(why).into());
    }
    let is_stream = cli::is_stdout(Path::new(path));
    let path = PathBuf::from(path);
    let format = match kind {
        "oci-archive" => Format::Oci,
        "docker-legacy" => Format::DockerLegacy,
        _ => Format::Docker,
    };
    let destination = match (kind, is_stream) {
        ("oci" | "dir", true) => {
            let why = format!("'{text}': a directory cannot be written to standard output");
            return Err(Fault::Usage(why).into());
        }
        (_, true) => Destination::Stream(format),
        ("oci", false) => Destination::Layout(path),
        ("dir", false) => Destination::Dir(path),
        (_, false) => Destination::Archive(format, path),
    };
    let name = match (kind, reference) {
        (_, "") => None,
        ("oci" | "oci-archive", text) => Some(name_in_layout(text)?),
        (_, text) => Some(ListedName::new(text)?),
    };
    Ok((destination, name))
}

/// A name in a layout: a reference, or any text that the image specification allows there, as skopeo and umoci take it.
fn name_in_layout(text: &str) -> Result<ListedName> {
    if !text.contains(['/', ':', '@']) {
        return Ok(ListedName::typed(Name::Tag(text.to_owned()), text));
    }
    match Reference::parse(text) {
        Ok(reference) => Ok(ListedName::typed(Name::Full(reference.tagged()), text)),
        Err(error) => {
            let separators = ['-', '.', '_', ':', '@', '+', '/'];
            let word = |part: &str| {
                !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
            };
            match text.replace("--", "-").split(separators).all(word) {
                true => Ok(ListedName::typed(Name::Text(text.to_owned()), text)),
                false => Err(error),
            }
        }
    }
}

/// Where what comes by on a stream, or is packed anew, is kept until it is known where it belongs.
fn landing(destination: &Destination, args: &Args) -> Result<PathBuf> {
    let path = match destination {
        Destination::Store => return cli::store(&args.common)?.landing(),
        Destination::Layout(path) if path.join("index.json").exists() => {
            return Store::at(path).landing();
        }
        Destination::Archive(_, path) | Destination::Layout(path) | Destination::Dir(path) => {
            Some(path)
        }
        Destination::Stream(_) => None,
    };
    Ok(cli::landing(path.map(PathBuf::as_path)))
}

fn map(changes: &[Change]) -> Result<String> {
    let changes = changes.iter().map(|change| json!({"What": change.what, "Old": change.old, "New": change.new, "Why": change.why}));
    Ok(json::line(&changes.collect::<Vec<_>>())? + "\n")
}
