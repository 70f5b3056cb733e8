//! imgdiff: compare images.

pub mod compare;
pub mod output;
mod sides;

mod args;
mod print;
mod result;

use std::process::ExitCode;

use crate::blob::Meter;
use crate::cli::{self, Openings, Page, Uses};
use crate::error::{Error, Result};
use crate::tree::Reading;
use compare::{self as diff, Field, Fields, Input, Loading, Options, Sort};

use self::args::{Args, SortArg};
use self::print::print;
use self::result::{Outcome, OutputFormat};

const PAGE: Page = Page {
    name: "imgdiff",
    uses: Uses::ONE.with_temporary_files(),
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        let meter = Meter::default();
        args.check(false)?;
        let options = options(args, &meter)?;
        args.check_fields(options.fields)?;
        let format = OutputFormat::parse(args)?;
        let label = args.images.first().map_or("", |image| image.text());
        let progress = io.progress(label, None, &meter, args.quiet);
        let operands = operands(args, &meter, &options)?;
        let Operands { inputs, path } = operands;
        args.check_blame(path.is_some())?;
        if args.verify {
            for input in &inputs {
                input.verify(&options.loading.reading)?;
            }
        }
        // Common layers are left out of a comparison, but a path may be in them.
        let named = match path {
            Some(_) => inputs.iter().map(Input::layers_alone).collect(),
            None => Vec::new(),
        };
        let found = match (inputs.len(), &path) {
            (1, _) if args.is_about_waste() => Outcome::Waste(Box::new(diff::waste(
                single(inputs)?,
                &options.ignored,
                &options.loading,
            )?)),
            (1, Some(path)) if args.blame.is_some() => {
                args.check_life()?;
                let sides = diff::load(inputs, &options.loading, false)?;
                Outcome::Life(sides, path.clone())
            }
            (2, _) if !args.is_about_waste() => two(args, inputs, &options)?,
            (0..=2, _) => {
                let why = match (args.is_about_waste(), args.blame.is_some()) {
                    (true, _) => "--waste is about one image",
                    (_, true) => "--blame is about two images, or with --blame=PATH about one",
                    _ => "two images are required",
                };
                return Err(Error::usage(why));
            }
            _ if args.layers
                || args.config
                || args.history
                || args.stat
                || args.text.is_some()
                || args.blame.is_some()
                || args.is_about_waste() =>
            {
                return Err(Error::usage("this view is about fewer images"));
            }
            _ => {
                args.check(true)?;
                Outcome::Many(Box::new(diff::diff_many(inputs, &options)?))
            }
        };
        let mut found = found;
        if let (Outcome::Two(report), Some(path)) = (&mut found, &path) {
            let keep = |change: &diff::Change| diff::is_below(&report.sides, change, path);
            report.compared.changes.retain(keep);
            if report.compared.changes.is_empty()
                && !diff::is_in_any(&report.sides, named, path, &options.loading)?
            {
                let path = crate::escape::bytes(path);
                let why = format!("no such path in either image: '{path}'");
                return Err(Error::usage(why));
            }
        }
        drop(progress);
        cli::warn_of_cache(options.loading.cache.as_ref(), io);
        if matches!(format, OutputFormat::Page)
            && !matches!(found, Outcome::Two(_) | Outcome::Waste(_))
        {
            return Err(no_page());
        }
        print(args, io, &format, found, path.as_deref(), &options)
    })
}

fn no_page() -> Error {
    Error::usage("--format html is for the comparison of two images and for --waste")
}

struct Operands {
    inputs: Vec<Input>,
    /// The path of --text or --blame, whichever way it was typed.
    path: Option<Vec<u8>>,
}

/// Opens the operands. `--blame PATH IMAGE`, `--blame PATH A B` and `--text PATH A B` name a path first: an operand
/// that is an image is not a path.
fn operands(args: &Args, meter: &Meter, options: &Options) -> Result<Operands> {
    let typed = args.text.as_ref().or(args.blame.as_ref());
    let mut path = typed
        .filter(|path| !path.is_empty())
        .map(|path| path.clone().into_bytes());
    let temp_dir = &options.loading.temp_dir;
    let mut images = &args.images[..];
    let mut openings = Openings::of_sides(images);
    let mut inputs = Vec::new();
    let with_path: &[usize] = match (&args.text, &args.blame) {
        (Some(_), _) => &[3],
        (_, Some(_)) => &[2, 3],
        _ => &[],
    };
    if let (None, Some((first, rest))) = (&path, images.split_first())
        && with_path.contains(&images.len())
    {
        let opened = first.open_side(&mut openings, args, meter, temp_dir);
        match opened {
            Ok(opened) if opened.is_image => inputs.push(opened.input),
            // With --blame two directories are possible, too; a path of an image is the better guess.
            _ => path = Some(first.text().as_bytes().to_vec()),
        }
        images = rest;
    }
    for image in images {
        let opened = image.open_side(&mut openings, args, meter, temp_dir)?;
        inputs.push(opened.input);
    }
    Ok(Operands { inputs, path })
}

fn single(inputs: Vec<Input>) -> Result<Input> {
    inputs
        .into_iter()
        .next()
        .ok_or_else(|| Error::usage("an image is missing"))
}

fn two(args: &Args, inputs: Vec<Input>, options: &Options) -> Result<Outcome> {
    let [a, b]: [Input; 2] = inputs
        .try_into()
        .map_err(|_| Error::usage("two images are required"))?;
    let images = a.image.is_some() && b.image.is_some();
    if (args.config || args.history) && !images {
        let why = "only whole images have a config and a history";
        return Err(Error::usage(why));
    }
    if args.layers {
        return Ok(Outcome::Layers(Box::new(diff::diff_layers(a, b, options)?)));
    }
    if args.packages {
        let skip = a.has_layers_of(&b);
        let mut sides = diff::load(vec![a, b], &options.loading, skip)?;
        let (changes, faults) = diff::packages_of(&mut sides, &options.loading)?;
        return Ok(Outcome::Packages(changes, faults));
    }
    let only = |field: Field| Options {
        fields: match options.fields.has(Field::Mtime) {
            true => Fields::NONE.with(field).with(Field::Mtime),
            false => Fields::NONE.with(field),
        },
        ..options.clone()
    };
    let report = match (args.config, args.history) {
        (true, _) => diff::diff(a, b, &only(Field::Config))?,
        (_, true) => diff::diff(a, b, &only(Field::History))?,
        _ => diff::diff(a, b, options)?,
    };
    Ok(Outcome::Two(Box::new(report)))
}

fn options(args: &Args, meter: &Meter) -> Result<Options> {
    let mut fields = match (&args.fields, args.strict, args.semantic) {
        (Some(list), ..) => Fields::parse(list)?,
        (None, true, _) => Fields::all(),
        (None, _, true) => Fields::semantic(),
        (None, ..) => Fields::usual(),
    };
    for ignored in &args.ignore {
        for field in Fields::parse(ignored)?.iter() {
            fields = fields.without(field);
        }
    }
    if fields.is_empty() {
        return Err(Error::usage("nothing is left to compare"));
    }
    Ok(Options {
        fields,
        ignored: args.selecting.excludes()?,
        strict: args.strict,
        renames: args.renames,
        parents: args.parents,
        sort: match args.sort {
            None | Some(SortArg::Path) => Sort::Path,
            Some(SortArg::Size) => Sort::Size,
        },
        loading: Loading {
            reading: Reading {
                meter: meter.clone(),
                limits: args.common.limits(),
                ..Reading::default()
            },
            temp_dir: std::env::temp_dir(),
            digests: true,
            cache: args.caching.open()?.filter(|_| !args.verify),
        },
    })
}
