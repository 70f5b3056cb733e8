//! imgimport: make an image of a root filesystem.

mod args;
pub mod import;

use std::path::Path;
use std::process::ExitCode;

use crate::blob::{Input, Meter};
use crate::cli::{self, Io, Page, Uses, Verdict};
use crate::disk::{Directory, Options};
use crate::error::At;
use crate::spec::Digest;
use crate::write::Bundle;
use crate::write::Packer;
use crate::{Fault, Result, escape};
use args::Args;
use import::{ImportOptions, Imported};

const PAGE: Page = Page {
    name: "imgimport",
    uses: Uses::MAKES,
    text: include_str!("page.md"),
};

/// Runs the program with the arguments, streams and environment of the process.
pub fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        if let Some(name) = args.name.as_deref().map(Path::new)
            && !is_stdin(&args.input)
            && !args.input.exists()
            && name.exists()
        {
            let (input, name) = (shown(&args.input), shown(name));
            let why = format!("no file '{input}': the file comes first: imgimport {name} {input}");
            return Err(Fault::Usage(why).into());
        }
        let (instructions, names) = args.making.taken_in(args.name.as_deref())?;
        args.making.warn_of_lists(&instructions, io);
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
        cli::apart(args.making.file(), Some(&args.input))?;
        let meter = Meter::default();
        let is_folder = args.input.is_dir();
        if !is_folder && (args.owner.is_some() || args.selecting.is_given()) {
            let why = "--owner and --exclude are for folders: an archive passes through as it is";
            return Err(Fault::Usage(why.into()).into());
        }
        let folder = match is_folder {
            false => None,
            true => {
                let folder = Directory::read(
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
                say_skipped(&folder.skipped, io);
                Some(folder)
            }
        };
        let input = match is_folder {
            true => None,
            false => Some(open(&args.input)?),
        };
        let landing = args.making.landing(&args.common)?;
        let packer = Packer {
            recode: &recode,
            landing: &landing,
            meter: &meter,
        };
        let total = input.as_ref().and_then(Input::len);
        let label = args.input.to_string_lossy();
        let progress = io.progress(&label, total, &meter, args.making.quiet);
        let (bundle, id): (Bundle, Digest) = match (folder, input) {
            (Some(folder), _) => import::import_folder(&folder, &packer, &options)?,
            (None, Some(input)) => {
                let in_place = args.making.output.is_some();
                let imported = import::import(input, in_place, &packer, &options);
                let (bundle, id, said) = imported.map_err(|error| placed(error, &args.input))?;
                drop(progress);
                say(&said, &args.input, io);
                (bundle, id)
            }
            (None, None) => return Err(Fault::StreamConsumed.into()),
        };
        args.making.deliver(&bundle, &id, &args.common, io)?;
        Ok(Verdict::Yes)
    })
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

fn shown(path: &Path) -> String {
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
    .at(|| shown(path))
}

/// What is wrong with the config is wrong with what was typed, and with nothing in the input.
fn placed(error: crate::Error, path: &Path) -> crate::Error {
    match error.fault() {
        Fault::Instruction { .. } | Fault::Schema { .. } | Fault::Json { .. } => error,
        _ => error.at(shown(path)),
    }
}

fn say(said: &Imported, path: &Path, io: &mut Io) {
    say_skipped(&said.skipped, io);
    if said.looks_like_image {
        let path = shown(path);
        io.warn(&format!(
            "{path}: it looks like an archive of images, of which imgload loads the images"
        ));
    }
}

fn say_skipped(sockets: &[Vec<u8>], io: &Io) {
    for path in sockets.iter().take(10) {
        io.note(&format!(
            "{}: a socket, which is left out",
            escape::bytes(path)
        ));
    }
    if let Some(more) = sockets.len().checked_sub(10).filter(|more| *more > 0) {
        io.note(&format!("and {more} more sockets"));
    }
}
