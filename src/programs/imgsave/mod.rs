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
    text: include_str!("page.md"),
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
    opened.archive.check_complete().map(|()| opened)
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
