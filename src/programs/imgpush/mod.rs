//! imgpush: push images into the storage tree of a registry.

mod args;
mod names;
mod output;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::archive::Open;
use crate::blob::{Compression, Meter};
use crate::cli::{self, ImageArg, Io, Opened, Openings, Page, Takes, Uses, Verdict};
use crate::error::{At, Error, Fault, Result};
use crate::write::registry::{self, Plan, PushOptions, RegistryTree};
use crate::write::{self, Bundle, archive};
use args::Args;

const PAGE: Page = Page {
    name: "imgpush",
    uses: Uses {
        temporary: true,
        ..Uses::ALL
    },
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        let target = Target::of(args)?;
        let path = target.path();
        let mut recode = args.packing.recode(&args.common)?;
        let opened = open(args, &target, io)?;
        let Some(bundle) = collect(args, &opened, io)? else {
            return Ok(Verdict::No);
        };
        if bundle.has_new_manifests() {
            recode.uncompressed = Some(Compression::Gzip);
        }
        let meter = Meter::default();
        let mut recoding = recode.changes_layers().then(|| {
            let total = archive::size(&bundle);
            io.progress("compressing", Some(total), &meter, args.quiet)
        });
        let temp_dir = cli::temporary_directory(path);
        let mut verdict = Verdict::Yes;
        let pushed = bundle.recoded(&recode, false, &temp_dir, &meter, |bundle| {
            recoding = None;
            verdict = push(args, &target, bundle, io)?;
            Ok(())
        });
        pushed.map_err(|error| of_input(error, &opened))?;
        Ok(verdict)
    })
}

/// Output of a push.
enum Target<'a> {
    /// The storage directory of a registry, and the images in front of it.
    Tree(PathBuf, &'a [ImageArg]),
    /// A tar in a file, or on standard output.
    Tar(&'a Path, &'a [ImageArg]),
}

impl<'a> Target<'a> {
    /// Returns the output, which is the last argument unless a tar is requested.
    ///
    /// # Errors
    /// `Usage`; as [`registry::check`].
    fn of(args: &'a Args) -> Result<Self> {
        if let Some(file) = &args.tree_tar {
            if cli::is_stdout(file) && std::io::stdout().is_terminal() {
                let why = "refusing to write an archive to the terminal: pipe the output";
                return Err(Error::usage(why));
            }
            return Ok(Target::Tar(file, &args.images));
        }
        let (last, images) = match &args.images[..] {
            [images @ .., last] if !images.is_empty() || args.by_list.is_given() => (last, images),
            _ => {
                return Err(Error::usage(
                    "expected IMAGE... and the storage directory of a registry",
                ));
            }
        };
        let text = last.text();
        if text.starts_with("layout-tree:") || text.starts_with("dir-tree:") {
            let why =
                format!("{text}: not the storage of a registry: see imgconvert, which writes it");
            return Err(Error::usage(why));
        }
        let path = PathBuf::from(text.strip_prefix("registry-tree:").unwrap_or(text));
        registry::check(&path)?;
        Ok(Target::Tree(path, images))
    }

    fn images(&self) -> &'a [ImageArg] {
        match self {
            Target::Tree(_, images) | Target::Tar(_, images) => images,
        }
    }

    /// Path of the output; `None` for standard output.
    fn path(&self) -> Option<&Path> {
        match self {
            Target::Tree(path, _) => Some(path),
            Target::Tar(path, _) => Some(*path).filter(|path| !cli::is_stdout(path)),
        }
    }
}

/// Opens all inputs; with a list and no input the local store.
fn open(args: &Args, target: &Target<'_>, io: &Io) -> Result<Vec<Opened>> {
    if target.images().is_empty() {
        let store = cli::open_store(&args.common, &Open::default())?;
        return Ok(store.map(Opened::whole).into_iter().collect());
    }
    let mut openings = Openings::of(target.images());
    let images = target.images().iter().map(|image| {
        let meter = Meter::default();
        let _progress = io.progress(image.text(), None, &meter, args.quiet);
        let temp_dir = Some(cli::temporary_directory(target.path()));
        let open = Open::with(&args.common, &meter, temp_dir);
        let opened = openings.open(image, &args.common, open, Takes::Several)?;
        opened.check_complete().map(|()| opened)
    });
    images.collect()
}

/// Collects the selected images and their referrers, with their names in the tree; `None` if one of a list is missing.
fn collect(args: &Args, opened: &[Opened], io: &Io) -> Result<Option<Bundle>> {
    let mut bundle = Bundle::default();
    let platform = args.common.platform.as_ref();
    let all = match args.all_tags {
        true => Opened::chosen,
        false => Opened::chosen_tag,
    };
    let Some(chosen) = args.by_list.choose(opened, all, &args.common, io)? else {
        return Ok(None);
    };
    let archives = opened.iter().map(|opened| &opened.archive);
    let selected: Vec<_> = archives.zip(chosen).collect();
    for (archive, chosen) in &selected {
        write::collect(&mut bundle, archive, chosen, platform, None)
            .at(|| archive.place.clone())?;
    }
    let own = bundle.listed.len();
    if !args.no_referrers {
        for (archive, chosen) in selected {
            let referrers = archive.referrers_of(&chosen);
            write::collect(&mut bundle, archive, &referrers, None, None)
                .at(|| archive.place.clone())?;
        }
    }
    names::change(&mut bundle, own, args)?;
    Ok(Some(bundle))
}

/// Writes the images, or in a dry run only compares them with the tree.
fn push(args: &Args, target: &Target<'_>, bundle: &Bundle, io: &mut Io) -> Result<Verdict> {
    let plan = Plan::of(bundle)?;
    if let Some(note) = plan.missing.first().filter(|_| args.require_all_platforms) {
        return Err(Error::usage(note));
    }
    for note in plan.missing.iter().chain(&plan.notes) {
        io.note(note);
    }
    let options = PushOptions {
        no_clobber: args.no_clobber,
        verify_existing: args.verify_existing,
        owner: args.owner,
        link: args.link,
        dry_run: args.dry_run,
    };
    let mut bundle = bundle.clone();
    let meter = Meter::default();
    let total = archive::size(&bundle);
    let label = target.path().map_or("-".into(), Path::to_string_lossy);
    let progress = io.progress(&label, Some(total), &meter, args.quiet);
    let format = archive::Format::RegistryTree;
    let pushed = match target {
        Target::Tree(path, _) => {
            let tree = RegistryTree::open(path, options)?;
            tree.push(&mut bundle, plan, &meter)?
        }
        Target::Tar(file, _) => {
            let pushed = plan.pushed(&bundle);
            match target.path() {
                Some(_) => archive::to_path(&bundle, format, file, &meter)?,
                None => archive::to_stream(&bundle, format, io.out(), &meter)?,
            }
            pushed
        }
    };
    drop(progress);
    if target.path().is_none() {
        // Standard output has the tar.
        return Ok(Verdict::Yes);
    }
    if !args.quiet {
        output::layers(&pushed, io);
    }
    output::tags(&bundle, &pushed, args.format == "json", io)?;
    Ok(match pushed.tags.iter().any(|tag| tag.kept) {
        true => Verdict::No,
        false => Verdict::Yes,
    })
}

/// Adds the archive as context to an error that is not about the output, if there is one archive only.
fn of_input(error: Error, opened: &[Opened]) -> Error {
    match (opened, error.fault()) {
        (_, Fault::Io { .. } | Fault::Usage(_) | Fault::Exists { .. }) => error,
        ([only], _) if error.context().next().is_none() => error.at(only.archive.place.clone()),
        _ => error,
    }
}
