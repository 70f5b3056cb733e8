//! imgsave: save images from any source to one archive.

mod answer;
mod args;
mod output;
mod signed;
mod since;
mod split;
mod target;

use std::path::PathBuf;
use std::process::ExitCode;

use crate::archive::Open;
use crate::blob::{Compression, Meter};
use crate::bundle::Plan;
use crate::cli::{self, ImageArg, Io, Opened, Openings, Page, Takes, Uses, Verdict, no_effect};
use crate::error::At;
use crate::write::{self, Bundle, ListedName, Recode, archive};
use crate::{Error, Fault, Result};
use args::Args;
use since::Since;
use target::Target;

const PAGE: Page = Page {
    name: "imgsave",
    uses: Uses::ALL.with_temporary_files(),
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        let since = &args.since;
        let format = since.format(args.format)?;
        let target = Target::new(format, args.output.as_deref(), since.dry_run)?;
        let json = args.json && target.path().is_none() && !since.dry_run;
        let json = ("--json", json);
        no_effect("without -o FILE: standard output has the archive", &[json])?;
        let name = args.tag.as_deref().map(ListedName::new).transpose()?;
        split::check(&args.split, args.output.as_deref(), target.is_archive())?;
        target.check()?;
        for image in &args.images {
            cli::reject_same_file(target.path(), image.path().as_deref())?;
        }
        let mut recode = args.packing.recode(&args.common)?;
        let since = Since::read(args)?;
        let mut openings = Openings::of(&args.images);
        let mut opened = Vec::new();
        for image in &args.images {
            opened.extend(open(args, image, &target, &mut openings, io)?);
        }
        if args.images.is_empty() {
            let store = cli::open_store(&args.common, &Open::default())?;
            opened.extend(store.map(Opened::whole));
        }
        if let Some(request) = &args.since.only_blobs {
            return answer::write(args, request, &opened, &target, io);
        }
        let Some(bundle) = collect(args, &opened, name.as_ref(), &since, io)? else {
            return Ok(Verdict::No);
        };
        if target.is_docker_legacy() && recode.compression.is_none() {
            recode.compression = Some(Compression::None);
        }
        let written = write(args, bundle, &recode, &target, &since, io);
        let (bundle, plan) = written.map_err(|error| of_input(error, &opened))?;
        if let Some(plan) = plan {
            if args.since.dry_run {
                output::plan(&plan, args.json, io)?;
                return Ok(Verdict::Yes);
            }
            if plan.new == 0 {
                io.note(&format!(
                    "{}: nothing new: only names and documents",
                    target.label()
                ));
            }
            // The ledger must not state more than a reader can have.
            io.finish()?;
            since.commit(&plan)?;
        }
        for loss in bundle.losses(target.holds()) {
            io.warn(&loss.to_string());
        }
        if args.json {
            cli::report(&bundle.listed, target.path(), io)?;
        }
        Ok(Verdict::Yes)
    })
}

/// Opens an argument, or the archives below a directory.
fn open(
    args: &Args,
    image: &ImageArg,
    target: &Target<'_>,
    openings: &mut Openings,
    io: &Io,
) -> Result<Vec<Opened>> {
    let meter = Meter::default();
    let _progress = io.progress(image.text(), None, &meter, args.quiet);
    let open = Open {
        registry: args.names.registry.clone(),
        ..Open::with(&args.common, &meter, Some(temp_dir(target)))
    };
    let opened = openings.each(image, &args.common, open, Takes::Several);
    let complete = |opened: Opened| opened.check_complete().map(|()| opened);
    opened.map(|opened| opened.and_then(complete)).collect()
}

/// Returns the directory for temporary files: on the file system of the output.
fn temp_dir(target: &Target<'_>) -> PathBuf {
    cli::temporary_directory(target.path())
}

/// Collects the selected images; `None` if one of a list is missing.
fn collect(
    args: &Args,
    opened: &[Opened],
    name: Option<&ListedName>,
    since: &Since,
    io: &Io,
) -> Result<Option<Bundle>> {
    let mut bundle = Bundle::default();
    let Some(chosen) = args
        .by_list
        .choose(opened, Opened::chosen, &args.common, io)?
    else {
        return Ok(None);
    };
    let platform = args.common.platform.as_ref();
    let archives = opened.iter().map(|opened| &opened.archive);
    let selected: Vec<_> = archives.zip(chosen).collect();
    for (archive, chosen) in &selected {
        since.supply(archive, &mut bundle);
        write::save(&mut bundle, archive, chosen, platform, name).at(|| archive.place.clone())?;
    }
    if let Some(name) = &args.tag {
        bundle.check_only(name)?;
    }
    for (old, new) in &args.rename {
        if !bundle.rename(old, &ListedName::new(new)?) {
            let why = format!("--rename {old}={new}: no image '{old}' among those to save");
            return Err(Error::usage(why));
        }
    }
    for (archive, chosen) in selected.iter().filter(|_| since.is_bundle) {
        let referrers = archive.referrers_of(chosen);
        write::save(&mut bundle, archive, &referrers, None, None).at(|| archive.place.clone())?;
    }
    if !args.rename.is_empty() || since.is_bundle {
        bundle.check_names()?;
    }
    Ok(Some(bundle))
}

/// Recompresses layers as requested and writes the archive; returns the images, and the plan of a bundle or a dry run.
fn write(
    args: &Args,
    bundle: Bundle,
    recode: &Recode,
    target: &Target<'_>,
    since: &Since,
    io: &mut Io,
) -> Result<(Bundle, Option<Plan>)> {
    let meter = Meter::default();
    let mut recoding = recode.compression.is_some().then(|| {
        let total = archive::size(&bundle);
        io.progress("recompressing", Some(total), &meter, args.quiet)
    });
    let in_place = target.is_rewritable() && !since.plans() && args.split.split.is_none();
    let mut plan = None;
    let written = bundle.recoded(recode, in_place, &temp_dir(target), &meter, |bundle| {
        recoding = None;
        let mut part = None;
        if since.plans() {
            let planned = since.plan(bundle)?;
            if since.is_bundle && !args.since.dry_run {
                planned.apply(part.insert(bundle.clone()));
            }
            plan = Some(planned);
        }
        if args.since.dry_run {
            return Ok(());
        }
        let bundle = part.as_ref().unwrap_or(bundle);
        let meter = Meter::default();
        let total = archive::size(bundle);
        let _progress = io.progress(&target.label(), Some(total), &meter, args.quiet);
        target.write(bundle, &args.split, io, &meter)
    });
    Ok((written?, plan))
}

/// Adds the archive as context to an error that is not about the output, if there is one archive only.
fn of_input(error: Error, opened: &[Opened]) -> Error {
    match (opened, error.fault()) {
        (_, Fault::Io { .. } | Fault::Exists { .. } | Fault::Usage(_)) => error,
        ([only], _) => error.at(only.archive.place.clone()),
        _ => error,
    }
}
