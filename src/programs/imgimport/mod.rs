//! imgimport: create an image from a root filesystem.

mod args;
mod import;

use std::path::Path;
use std::process::ExitCode;

use crate::blob::{Input, Meter};
use crate::cli::{self, Io, Page, Uses, Verdict};
use crate::disk::{Directory, Options};
use crate::error::{At, Error};
use crate::spec::Digest;
use crate::write::{Bundle, Packer};
use crate::{Fault, Result};
use args::Args;
use import::ImportOptions;

const PAGE: Page = Page {
    name: "imgimport",
    uses: Uses::MAKES,
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        check_order(args)?;
        let (instructions, names) = args.destination.parse(args.name.as_deref())?;
        args.destination.warn_of_lists(&instructions, io);
        let recode = args.packing.recode(&args.common)?;
        let excludes = args.selecting.excludes()?;
        let config = args.config.as_deref().map(cli::option_file).transpose()?;
        let options = ImportOptions {
            names,
            message: args.message.clone(),
            platform: args.common.platform.clone(),
            config,
            instructions,
            created: cli::now(),
        };
        cli::reject_same_file(args.destination.file(), Some(&args.input))?;
        let is_directory = args.input.is_dir();
        if !is_directory && (args.owner.is_some() || args.selecting.is_given()) {
            let why = "--owner and --exclude require a directory: archives are imported unchanged";
            return Err(Error::usage(why));
        }
        let source = match is_directory {
            true => {
                let directory = Directory::read(
                    &args.input,
                    &Options {
                        excludes,
                        owner: args.owner,
                        latest: cli::source_date_epoch(),
                        exact_times: false,
                        overlay: false,
                        limits: args.common.limits(),
                    },
                )?;
                cli::note_sockets(&directory.skipped, io);
                Source::Directory(directory)
            }
            false => Source::Archive(open(&args.input)?),
        };
        let meter = Meter::default();
        let packer = Packer {
            recode: &recode,
            temp_dir: &args.destination.temporary_directory(&args.common)?,
            meter: &meter,
        };
        let (bundle, id) = import(args, source, &packer, &options, io)?;
        args.destination.deliver(&bundle, &id, &args.common, io)?;
        Ok(Verdict::Yes)
    })
}

/// Root filesystem to import.
enum Source {
    Directory(Directory),
    Archive(Input),
}

fn import(
    args: &Args,
    source: Source,
    packer: &Packer<'_>,
    options: &ImportOptions,
    io: &mut Io,
) -> Result<(Bundle, Digest)> {
    let total = match &source {
        Source::Directory(_) => None,
        Source::Archive(input) => input.len(),
    };
    let label = args.input.to_string_lossy();
    let progress = io.progress(&label, total, packer.meter, args.destination.quiet);
    let input = match source {
        Source::Directory(directory) => {
            return import::import_directory(&directory, packer, options);
        }
        Source::Archive(input) => input,
    };
    let in_place = args.destination.output.is_some();
    let imported = import::import(input, in_place, packer, options);
    let imported = imported.map_err(|error| of_input(error, &args.input))?;
    drop(progress);
    cli::note_sockets(&imported.skipped, io);
    if imported.looks_like_image {
        let path = display(&args.input);
        io.warn(&format!(
            "{path}: looks like an image archive; imgload loads its images"
        ));
    }
    Ok((imported.bundle, imported.id))
}

/// Refuses a name that comes before the input.
fn check_order(args: &Args) -> Result<()> {
    match args.name.as_deref().map(Path::new) {
        Some(name) if !is_stdin(&args.input) && !args.input.exists() && name.exists() => {
            let (input, name) = (display(&args.input), display(name));
            let why =
                format!("no such file '{input}': the file comes first: imgimport {name} {input}");
            Err(Error::usage(why))
        }
        _ => Ok(()),
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn display(path: &Path) -> String {
    match is_stdin(path) {
        true => "standard input".to_owned(),
        false => path.to_string_lossy().into_owned(),
    }
}

fn open(path: &Path) -> Result<Input> {
    match is_stdin(path) {
        true => Input::stdin(),
        false => Input::path(path),
    }
    .at(|| display(path))
}

/// Adds the input as context to an error that is not about the config or the arguments.
fn of_input(error: Error, path: &Path) -> Error {
    match error.fault() {
        Fault::Instruction { .. } | Fault::Schema { .. } | Fault::Json { .. } => error,
        _ => error.at(display(path)),
    }
}
