//! imgconvert: convert images between archive formats.

mod args;
mod convert;
mod destination;
mod output;

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

use crate::blob::Meter;
use crate::cli::{self, Page, Uses, Verdict, no_effect};
use crate::write::{MediaTypes, Recode};
use crate::{Error, Result};
use args::{Args, MediaTypesArg};
use convert::Request;
use destination::Destination;

const PAGE: Page = Page {
    name: "imgconvert",
    uses: Uses::ALL.with_temporary_files(),
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        let (destination, name) = Destination::parse(&args.destination, &args.common)?;
        check_streams(args, &destination)?;
        let name = match &args.tag {
            None => name,
            Some(tag) => Some(destination.name(tag, name.is_some())?),
        };
        if let Some(path) = destination.path() {
            // An existing layout may be the source, too: it gets another name or form of an image that it has.
            let input = args
                .source
                .path()
                .filter(|_| !destination.is_existing_layout());
            cli::reject_same_file(Some(path), input.as_deref())?;
        }
        destination.check_vacant(args.force)?;
        let request = Request {
            label: &args.destination,
            name,
            platform: args.common.platform.as_ref(),
            recode: recode(args)?,
            keep_digests: args.keep_digests,
            digest_map: args.digest_map.as_deref().filter(|path| !is_dash(path)),
            temp_dir: &destination.temp_dir()?,
            destination: &destination,
            quiet: args.quiet,
        };
        let opened = {
            let meter = Meter::default();
            let _progress = io.progress(args.source.text(), None, &meter, args.quiet);
            let temp_dir = Some(request.temp_dir.to_owned());
            args.source.open_with(&args.common, &meter, temp_dir)?
        };
        let converted = convert::convert(&opened, &request, io)?;
        for loss in &converted.losses {
            io.warn(&format!("{}: {loss}", opened.archive.place));
        }
        if let Some(file) = converted.digest_map {
            file.commit()?;
        } else if args.digest_map.is_some() {
            output::print_digest_map(&converted.changes, io)?;
        }
        if args.reporting.is_json() {
            cli::report(&converted.listed, destination.path(), io)?;
        }
        Ok(Verdict::Yes)
    })
}

fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}

/// Refuses to write an archive to a terminal, and two outputs to one stream.
fn check_streams(args: &Args, destination: &Destination) -> Result<()> {
    let json = ("--format json", args.reporting.is_json());
    if args.digest_map.as_deref().is_some_and(is_dash) {
        no_effect("with --digest-map -, which has standard output", &[json])?;
    }
    if !matches!(destination, Destination::Stream(_)) {
        return Ok(());
    }
    no_effect("with the archive on standard output", &[json])?;
    let why = if std::io::stdout().is_terminal() {
        "refusing to write an archive to the terminal: pipe the output"
    } else if args.digest_map.as_deref().is_some_and(is_dash) {
        "standard output cannot take both the archive and the digest map"
    } else {
        return Ok(());
    };
    Err(Error::usage(why))
}

/// Returns the requested changes to layers and documents.
fn recode(args: &Args) -> Result<Recode> {
    Ok(Recode {
        media_types: match args.media_types {
            MediaTypesArg::Keep => None,
            MediaTypesArg::Oci => Some(MediaTypes::Oci),
            MediaTypesArg::Docker => Some(MediaTypes::Docker),
        },
        prune_sparse: args.prune_sparse,
        reproducible: args
            .reproducible
            .then(|| cli::source_date_epoch().unwrap_or(0)),
        ..args.packing.recode(&args.common)?
    })
}
