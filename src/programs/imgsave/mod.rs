//! imgsave: write images from anywhere into one archive.

mod args;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::archive::Open;
use crate::blob::{Compression, Meter};
use crate::cli::{self, ImageArg, Io, Opened, Openings, Page, Takes, Uses, Verdict};
use crate::error::At;
use crate::write::{self, Bundle, Format, Holds, ListedName, archive, layout};
use crate::{Fault, Result};
use args::{Args, FormatArg};

const PAGE: Page = Page {
    name: "imgsave",
    uses: Uses {
        temporary: true,
        ..Uses::ALL
    },
    description: &[
        "Writes images into one archive: from the local store, or straight from other archives and layouts, which \
         merges, splits and renames them without unpacking. A repository without a tag means all its tags; an image \
         given by ID or digest is saved without a name, as docker save does. A file without a reference means all \
         images in it.",
        "Manifests, configs and layers pass through as they are, so digests and IDs stay; layers that images share \
         are written once. Docker before 23 cannot load layers packed in zstd: --compression gzip serves it. Every blob is verified while it is written. With -o the archive appears under its name when \
         it is whole, readable by its owner alone; to a pipe it is written as it comes, and only exit status 0 says that \
         it is whole. Members are in a fixed order with fixed owners and times: the same images give the same bytes.",
    ],
    output: &[
        "The archive, on standard output or in the file that -o names. Nothing else is printed.",
    ],
    keys: &[],
    exit: &[
        ("0", "done"),
        (
            "2",
            "an image could not be read or trusted, the output not written, or bad usage",
        ),
    ],
    examples: &[
        ("from the store to a file", "imgsave -o app.tar app:1"),
        ("to another machine", "imgsave app:1 | ssh host docker load"),
        (
            "two archives and an image of the store in one",
            "imgsave -o bundle.tar a.tar oci:layout:tag app:1",
        ),
        (
            "give the one image of a file another name",
            "imgsave -o new.tar --name app:2 old.tar",
        ),
        (
            "as docker before 25 wrote it",
            "imgsave --format docker-legacy -o app.tar app:1",
        ),
    ],
    sections: &[(
        "FORMATS",
        &[
            (
                "docker",
                "one archive for every tool: an OCI layout with docker's manifest.json and repositories over the same blobs (docker 25)",
            ),
            (
                "docker-legacy",
                "a folder for each layer, as docker 1.10 to 24 wrote it; plain layers only",
            ),
            ("oci", "an OCI layout in a tar"),
            ("oci-layout", "an OCI layout as a new folder; needs -o"),
            (
                "dir",
                "skopeo's dir: as a new folder, for one image; needs -o",
            ),
        ],
    )],
    see_also: &["imgload", "imgls", "imgverify"],
};

/// Runs the program with the arguments, streams and environment of the process.
pub fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let output = args.output.as_deref().filter(|path| !cli::is_stdout(path));
        let folder = matches!(args.format, FormatArg::OciLayout | FormatArg::Dir);
        if output.is_none() && folder {
            return Err(Fault::Usage("a folder needs a name: give it with -o".into()).into());
        }
        if output.is_none() && std::io::stdout().is_terminal() {
            let why = "refusing to write an archive to the terminal: name a file with -o, or pipe the output";
            return Err(Fault::Usage(why.into()).into());
        }
        let name = args.name.as_deref().map(ListedName::new).transpose()?;
        if let Some(output) = output.filter(|_| !folder) {
            archive::check_target(output).at(|| output.to_string_lossy().into_owned())?;
        }
        for image in &args.images {
            cli::apart(output, image.path().as_deref())?;
        }
        let mut recode = args.packing.recode(&args.common)?;
        let mut openings = Openings::of(&args.images);
        let opened = args
            .images
            .iter()
            .map(|image| open(args, image, &mut openings, io))
            .collect::<Result<Vec<_>>>()?;
        let mut bundle = Bundle::default();
        for opened in &opened {
            let platform = args.common.platform.as_ref();
            let saved = write::save(
                &mut bundle,
                &opened.archive,
                &opened.chosen()?,
                platform,
                name.as_ref(),
            );
            saved.at(|| opened.archive.place.clone())?;
        }
        if let (Some(name), [_, _, ..]) = (&args.name, &bundle.listed[..]) {
            let why = format!(
                "--name {name} is for one image, and {} are to be saved",
                bundle.listed.len()
            );
            return Err(Fault::Usage(why).into());
        }
        if args.format == FormatArg::DockerLegacy && recode.compression.is_none() {
            recode.compression = Some(Compression::None);
        }
        let packed = Meter::default();
        let mut packing = recode.compression.is_some().then(|| {
            let all = archive::size(&bundle);
            io.progress("packing", Some(all), &packed, args.quiet)
        });
        let in_place = output.filter(|path| !folder && archive::is_replaceable(path));
        let written = bundle.recoded(
            &recode,
            in_place.is_some(),
            &landing(args),
            &packed,
            |bundle| {
                packing = None;
                let meter = Meter::default();
                let label =
                    output.map_or_else(|| "-".into(), |path| path.to_string_lossy().into_owned());
                let all = archive::size(bundle);
                let _progress = io.progress(&label, Some(all), &meter, args.quiet);
                match output {
                    Some(path) => write_path(args, bundle, path, &meter),
                    None => {
                        archive::to_stream(bundle, archive_format(args.format), io.out(), &meter)
                    }
                }
            },
        );
        let bundle = written.map_err(|error| match (&opened[..], error.fault()) {
            // What is damaged is the input.
            (_, Fault::Io { .. }) => error,
            ([only], _) => error.at(only.archive.place.clone()),
            _ => error,
        })?;
        let holds = match args.format {
            FormatArg::Dir => Holds::Signatures,
            FormatArg::DockerLegacy => Holds::Images,
            FormatArg::Docker | FormatArg::Oci | FormatArg::OciLayout => Holds::Artifacts,
        };
        for loss in bundle.losses(holds) {
            io.warn(&loss.to_string());
        }
        Ok(Verdict::Yes)
    })
}

fn open(args: &Args, image: &ImageArg, openings: &mut Openings, io: &Io) -> Result<Opened> {
    let meter = Meter::default();
    let _progress = io.progress(image.text(), None, &meter, args.quiet);
    let open = Open::with(&args.common, &meter, Some(landing(args)));
    let opened = openings.open(image, &args.common, open, Takes::Several)?;
    opened.archive.whole().map(|()| opened)
}

/// Where what comes by on a stream, or is packed anew, is kept until it is known where it belongs.
fn landing(args: &Args) -> PathBuf {
    let named = args.output.as_deref();
    cli::landing(named.filter(|path| !cli::is_stdout(path)))
}

fn archive_format(format: FormatArg) -> Format {
    match format {
        FormatArg::DockerLegacy => Format::DockerLegacy,
        FormatArg::Oci => Format::Oci,
        FormatArg::Docker | FormatArg::OciLayout | FormatArg::Dir => Format::Docker,
    }
}

fn write_path(args: &Args, bundle: &Bundle, path: &Path, meter: &Meter) -> Result<()> {
    match args.format {
        FormatArg::OciLayout => return layout::layout(bundle, path, meter),
        FormatArg::Dir => return layout::dir(bundle, path, meter),
        _ => {}
    }
    archive::to_path(bundle, archive_format(args.format), path, meter).map_err(|error| match error
        .fault()
    {
        Fault::Io { .. } => error.at(path.to_string_lossy()),
        _ => error,
    })
}
