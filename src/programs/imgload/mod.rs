//! imgload: load images from an archive into the local store.

mod args;
mod by_list;
mod check;
mod complete;
mod load;
mod output;
mod plan;
mod volumes;

use std::path::Path;
use std::process::ExitCode;

use crate::Result;
use crate::archive::{Chosen, Open};
use crate::blob::{Meter, PendingFile};
use crate::bundle::{Completion, Record, all_blobs};
use crate::cli::{self, ImageArg, Io, Opened, Openings, Page, Takes, Uses, Verdict, no_effect};
use crate::error::{At, Error};
use crate::layer::Limits;
use crate::store::Policy;
use crate::write::ListedName;
use args::Args;
use by_list::Wanted;
use complete::Base;
use load::{LoadOptions, Loaded};
use plan::Planned;

const PAGE: Page = Page {
    name: "imgload",
    uses: Uses::ALL,
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        let store = cli::store(&args.common)?;
        let mut inputs = [args.archives.as_slice(), &args.input].concat();
        if inputs.is_empty() {
            inputs.push(ImageArg::stdin());
        }
        let is_directory = |input: &ImageArg| input.directory_to_search().is_some();
        let are_several = inputs.len() > 1 || inputs.iter().any(is_directory);
        if are_several {
            no_effect("with several archives", &[("--tag", args.tag.is_some())])?;
        }
        let lists = cli::read_lists(&args.only_list, &args.common, None, io)?;
        let mut wanted = Wanted::new(args, &lists, are_several);
        let mut openings = Openings::of(&inputs);
        let mut loading = Loading {
            args,
            base: Base::open(args, &store)?,
            id_file: IdFile::new(args.id_file.as_deref()),
            planned: Planned::new(&store),
            verdict: Verdict::Yes,
            are_several,
        };
        let mut incomplete: Vec<Opened> = Vec::new();
        if args.volumes {
            let mut load_images =
                |opened: Opened, io: &mut Io| match loading.load(&opened, &mut wanted, io)? {
                    Some(loaded) => loading.print(&loaded, io).map(|()| true),
                    None => {
                        let names_volumes = opened.archive.missing_volumes().is_some();
                        if !names_volumes || args.base.missing.is_some() || args.dry_run {
                            incomplete.push(opened);
                        }
                        Ok(false)
                    }
                };
            if !volumes::load(args, &store, limits(args), io, &mut load_images)? {
                loading.verdict = Verdict::No;
            }
            inputs.clear();
        }
        for input in &inputs {
            let meter = Meter::default();
            let opening = io.progress(input.text(), None, &meter, args.quiet);
            let open = Open {
                limits: limits(args),
                registry: args.names.registry.clone(),
                ..Open::with(&args.common, &meter, args.temp_dir(&store)?)
            };
            let mut each = openings.each(input, &args.common, open, Takes::One);
            let mut next = each.next();
            drop(opening);
            while let Some(opened) = next {
                incomplete.extend(loading.one(opened, &mut wanted, io)?);
                next = each.next();
            }
        }
        // What a bundle omits may have come with one after it.
        let mut before = usize::MAX;
        while incomplete.len() < before && are_several {
            before = incomplete.len();
            incomplete = loading.again(incomplete, &mut wanted, io)?;
        }
        if incomplete.len() > 1 {
            // The archives of a set list the same images, and have a part of their blobs each.
            loading.base.take_from(&incomplete)?;
            incomplete = loading.again(incomplete, &mut wanted, io)?;
        }
        for opened in &incomplete {
            match loading.report(opened, &mut wanted, io) {
                Err(error) if are_several && !error.is_broken_pipe() => io.fail(&error),
                reported => reported?,
            }
        }
        loading.id_file.commit()?;
        loading.base.finish()?;
        match wanted.report(io) {
            true => Ok(Verdict::No),
            false => Ok(loading.verdict),
        }
    })
}

/// A run over all inputs.
struct Loading<'a> {
    args: &'a Args,
    base: Base<'a>,
    id_file: IdFile<'a>,
    planned: Planned<'a>,
    verdict: Verdict,
    are_several: bool,
}

impl Loading<'_> {
    /// Tries archives once more, and returns those of which blobs are still missing.
    fn again(
        &mut self,
        archives: Vec<Opened>,
        wanted: &mut Wanted<'_>,
        io: &mut Io,
    ) -> Result<Vec<Opened>> {
        let mut incomplete = Vec::new();
        for opened in archives {
            incomplete.extend(self.one(Ok(opened), wanted, io)?);
        }
        Ok(incomplete)
    }

    /// Loads the images of one archive, and returns it if blobs are missing that it omits.
    fn one(
        &mut self,
        opened: Result<Opened>,
        wanted: &mut Wanted<'_>,
        io: &mut Io,
    ) -> Result<Option<Opened>> {
        let loaded = opened.and_then(|opened| Ok((self.load(&opened, wanted, io)?, opened)));
        match loaded {
            Ok((None, opened)) => return Ok(Some(opened)),
            Ok((Some(loaded), _)) => {
                self.print(&loaded, io)?;
            }
            // The other archives are loaded nevertheless.
            Err(error) if self.are_several && !error.is_broken_pipe() => io.fail(&error),
            Err(error) => return Err(error),
        }
        Ok(None)
    }

    /// Prints loaded images.
    fn print(&mut self, loaded: &[Loaded], io: &mut Io) -> Result<()> {
        for image in loaded {
            if image.kept {
                self.verdict = Verdict::No;
            }
            output::print(image, self.args.reporting.is_json(), io)?;
        }
        Ok(())
    }

    /// Loads the images of one archive; `None` if blobs are missing that it omits.
    fn load(
        &mut self,
        opened: &Opened,
        wanted: &mut Wanted<'_>,
        io: &mut Io,
    ) -> Result<Option<Vec<Loaded>>> {
        let archive = &opened.archive;
        let place = || archive.place.clone();
        let Some(chosen) = wanted.choose(opened)? else {
            return Ok(Some(Vec::new()));
        };
        let record = Record::of(&archive.container).at(place)?;
        if record
            .as_ref()
            .is_some_and(|record| record.answers.is_some())
        {
            match self.args.dry_run {
                true => self.plan_blobs(opened, io)?,
                false => self.base.keep(archive, true, io)?,
            }
            return Ok(Some(Vec::new()));
        }
        let completion = self.base.complete(archive, &chosen, record.as_ref(), io);
        let completion = completion.at(place)?;
        if completion.missing().next().is_some() {
            return Ok(None);
        }
        if self.args.dry_run {
            self.plan(opened, &chosen, completion, io)?;
            return Ok(Some(Vec::new()));
        }
        let loaded = load(
            &self.base,
            opened,
            &chosen,
            completion,
            &mut self.id_file,
            io,
        )?;
        if record.is_some() {
            self.base.release(archive).at(place)?;
        }
        Ok(Some(loaded))
    }

    /// Reports the blobs that an archive lacks.
    fn report(&mut self, opened: &Opened, wanted: &mut Wanted<'_>, io: &mut Io) -> Result<()> {
        let archive = &opened.archive;
        let place = || archive.place.clone();
        self.verdict = Verdict::No;
        let Some(chosen) = wanted.choose(opened)? else {
            return Ok(());
        };
        let record = Record::of(&archive.container).at(place)?;
        let completion = self.base.complete(archive, &chosen, record.as_ref(), io);
        let completion = completion.at(place)?;
        self.base.report(opened, record.as_ref(), &completion, io)?;
        match self.args.dry_run {
            true => self.plan(opened, &chosen, completion, io),
            false => Ok(()),
        }
    }

    /// Prints what loading the images of an archive would do.
    fn plan(
        &mut self,
        opened: &Opened,
        chosen: &[Chosen<'_>],
        mut completion: Completion,
        io: &mut Io,
    ) -> Result<()> {
        let archive = &opened.archive;
        let missing = completion.missing();
        let missing: Vec<_> = missing
            .map(|(digest, size)| (digest.clone(), size))
            .collect();
        completion.assume();
        if self.args.check {
            check::check(archive, &limits(self.args), self.args.quiet, io)?;
        }
        let options = options(self.args, completion)?;
        let plan = self.planned.images(archive, chosen, &options, &missing);
        let plan = plan.at(|| archive.place.clone())?;
        if plan.images.iter().any(|image| image.kept) {
            self.verdict = Verdict::No;
        }
        // Archives after it may omit what it has.
        self.base.take_from(std::slice::from_ref(opened))?;
        output::plan(&archive.place, &plan, self.args.reporting.is_json(), io)
    }

    /// Prints what keeping the blobs of an archive would do.
    fn plan_blobs(&mut self, opened: &Opened, io: &mut Io) -> Result<()> {
        let archive = &opened.archive;
        let place = || archive.place.clone();
        let blobs = all_blobs(archive, &limits(self.args)).at(place)?;
        let plan = self.planned.blobs(&blobs).at(place)?;
        self.base.take_from(std::slice::from_ref(opened))?;
        output::plan(&archive.place, &plan, self.args.reporting.is_json(), io)
    }
}

/// File for the IDs of all loaded images. It is written with each archive and gets its name at the end.
struct IdFile<'a> {
    path: Option<&'a Path>,
    text: String,
    pending: Option<PendingFile>,
}

impl<'a> IdFile<'a> {
    fn new(path: Option<&'a Path>) -> Self {
        IdFile {
            path,
            text: String::new(),
            pending: None,
        }
    }

    /// Writes the file with further IDs; without a path, only remembers them.
    fn add(&mut self, ids: &[&str]) -> Result<()> {
        let mut ids = ids.to_vec();
        ids.dedup();
        let lines: String = ids.iter().map(|id| format!("{id}\n")).collect();
        let text = format!("{}{lines}", self.text);
        let pending = self
            .path
            .map(|path| PendingFile::new(path, text.as_bytes()));
        self.pending = pending.transpose()?;
        self.text = text;
        Ok(())
    }

    /// Removes the IDs after the first `length` bytes of text, which are not in the store.
    fn truncate(&mut self, length: usize) {
        self.text.truncate(length);
        self.pending = None;
    }

    fn commit(mut self) -> Result<()> {
        if let (Some(path), false, None) = (self.path, self.text.is_empty(), &self.pending) {
            self.pending = Some(PendingFile::new(path, self.text.as_bytes())?);
        }
        self.pending.map_or(Ok(()), PendingFile::commit)
    }
}

/// Bytes of all layers' entries that are kept while a stream is loaded, so that they can be checked afterwards.
const TRACE: u64 = 1 << 28;

fn limits(args: &Args) -> Limits {
    let mut limits = args.common.limits();
    limits.trace = TRACE;
    limits
}

fn options(args: &Args, completion: Completion) -> Result<LoadOptions> {
    Ok(LoadOptions {
        only: args.only.clone(),
        rename: args.rename.clone(),
        tag: args.tag.as_deref().map(ListedName::new).transpose()?,
        policy: match args.no_clobber {
            true => Policy::NoClobber,
            false => Policy::Replace,
        },
        platform: args.common.platform.clone(),
        recode: args.packing.recode(&args.common)?,
        completion,
    })
}

/// Loads the selected images of one archive.
fn load(
    base: &Base<'_>,
    opened: &Opened,
    chosen: &[Chosen<'_>],
    completion: Completion,
    id_file: &mut IdFile<'_>,
    io: &mut Io,
) -> Result<Vec<Loaded>> {
    let (args, store) = (base.args, base.store);
    let options = options(args, completion)?;
    let limits = limits(args);
    let archive = &opened.archive;
    if opened.roots()?.is_empty() {
        io.note(&format!("{}: the archive lists no image", archive.place));
    }
    if args.check {
        check::check(archive, &limits, args.quiet, io)?;
    }
    let meter = Meter::default();
    let progress = io.progress(&archive.place, None, &meter, args.quiet);
    let length = id_file.text.len();
    let mut losses = Vec::new();
    // An error about the file of IDs does not get the archive as context.
    let mut unwritten: Option<Error> = None;
    let loaded = load::load(
        archive,
        chosen,
        store,
        &options,
        &meter,
        |ids, lost, bundle| {
            losses = lost;
            let added = id_file.add(ids);
            added.inspect_err(|error| unwritten = Some(error.clone()))?;
            base.replace_damaged(bundle, false, io)
        },
    );
    drop(progress);
    if loaded.is_err() {
        id_file.truncate(length);
    }
    if let Some(error) = unwritten {
        return Err(error);
    }
    let (loaded, scans) = loaded.at(|| archive.place.clone())?;
    for loss in losses {
        io.warn(&format!("{}: {loss}", archive.place));
    }
    if !args.check {
        let only = &args.only;
        let chosen = chosen
            .iter()
            .filter(|one| only.is_empty() || only.iter().any(|name| one.root.matches_name(name)));
        let images = chosen.flat_map(|one| match one.image {
            Some(image) => vec![image],
            None => archive.images_of(one.root),
        });
        let images: Vec<_> = images.collect();
        check::warn(archive, &images, &limits, &scans, io);
    }
    Ok(loaded)
}
