//! imgpull: pull images from the storage tree of a registry into the local store.

mod args;

use std::process::ExitCode;

use crate::archive::{Chosen, Open};
use crate::blob::Meter;
use crate::cli::{self, Io, Opened, Openings, Page, Takes, Uses, Verdict};
use crate::error::{At, Fault, Result};
use crate::escape;
use crate::spec::Digest;
use crate::store::{Policy, Store};
use crate::write::{self, Bundle, Holds};
use args::Args;

const PAGE: Page = Page {
    name: "imgpull",
    uses: Uses::ALL,
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        let store = cli::store(&args.common)?;
        let mut openings = Openings::of(&args.images);
        let mut verdict = Verdict::Yes;
        for image in &args.images {
            let meter = Meter::default();
            let open = Open {
                registry: args.names.registry.clone(),
                ..Open::with(&args.common, &meter, None)
            };
            let opened = openings.open(image, &args.common, open, Takes::Several)?;
            opened.check_complete()?;
            let chosen = match args.all_tags {
                true => opened.chosen(),
                false => opened.chosen_tag(),
            };
            let chosen = match chosen {
                Err(error) if matches!(error.fault(), Fault::NoSuchImage { .. }) => {
                    // It may be there, and damaged.
                    opened.check_list()?;
                    io.note(&error.to_string());
                    error.hint().iter().for_each(|hint| io.hint(hint));
                    verdict = Verdict::No;
                    continue;
                }
                chosen => chosen?,
            };
            pull(args, &opened, &chosen, &store, io)?;
        }
        Ok(verdict)
    })
}

/// Adds the images and their referrers to the store.
fn pull(
    args: &Args,
    opened: &Opened,
    chosen: &[Chosen<'_>],
    store: &Store,
    io: &mut Io,
) -> Result<()> {
    let (archive, place) = (&opened.archive, || opened.archive.place.clone());
    let platform = args.common.platform.as_ref();
    let mut bundle = Bundle::default();
    write::save(&mut bundle, archive, chosen, platform, None).at(place)?;
    let own = bundle.listed.len();
    let referrers = archive.referrers_of(chosen);
    write::save(&mut bundle, archive, &referrers, None, None).at(place)?;
    bundle.name_for_store();
    let before = cli::open_store(&args.common, &Open::default())?;
    let known = |name: &str| -> Option<Digest> {
        let store = before.as_ref()?;
        let node = store.roots_named(name).first()?.node?;
        Some(store.nodes[node].descriptor.digest.clone())
    };
    let meter = Meter::default();
    let total = write::archive::size(&bundle);
    let progress = io.progress(&archive.place, Some(total), &meter, args.quiet);
    let added = store.add(&bundle, Policy::Replace, &meter);
    added.map_err(|error| match error.fault() {
        Fault::Io { .. } => error,
        _ => error.at(place()),
    })?;
    drop(progress);
    for loss in bundle.losses(Holds::Artifacts) {
        io.warn(&format!("{}: {loss}", archive.place));
    }
    for listed in bundle.listed.iter().take(own) {
        let digest = &listed.descriptor.digest;
        let mut names: Vec<&str> = listed.names.iter().map(|name| &*name.text).collect();
        if names.is_empty() {
            names.push(digest.as_str());
        }
        for name in names {
            let shown = escape::text(name);
            if !args.quiet {
                io.line(&format!("Digest: {digest}"))?;
                io.line(&match known(name).as_ref() == Some(digest) {
                    true => format!("Status: Image is up to date for {shown}"),
                    false => format!("Status: Downloaded newer image for {shown}"),
                })?;
            }
            io.line(&shown)?;
        }
    }
    Ok(())
}
