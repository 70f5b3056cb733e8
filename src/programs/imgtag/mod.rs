//! imgtag: give an image of the local store another name.

mod args;

use std::process::ExitCode;

use crate::archive::Chosen;
use crate::blob::Meter;
use crate::cli::{self, Io, Opened, Page, Uses, Verdict};
use crate::error::At;
use crate::spec::Reference;
use crate::store::Policy;
use crate::write::{Bundle, Holds, ListedName};
use crate::{Fault, Result, write};
use args::Args;

const PAGE: Page = Page {
    name: "imgtag",
    uses: Uses::ALL,
    text: include_str!("page.md"),
};

/// Runs the program with the arguments, streams and environment of the process.
pub fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let name = Reference::parse(&args.name)?;
        if name.digest().is_some() {
            return Err(Fault::Usage(format!(
                "'{}': a name with a digest cannot be given",
                args.name
            ))
            .into());
        }
        tag(args, &ListedName::new(&args.name)?, io)?;
        Ok(Verdict::Yes)
    })
}

fn tag(args: &Args, name: &ListedName, io: &mut Io) -> Result<()> {
    let store = cli::store(&args.common)?;
    let meter = Meter::default();
    let opened = args
        .source
        .open_with(&args.common, &meter, Some(store.landing()?))?;
    let archive = &opened.archive;
    archive.check_complete()?;
    let place = || archive.place.clone();
    let platform = args.common.platform.as_ref();
    // One platform of an index is listed by itself then, and its blobs are there already.
    if platform.is_none() && std::path::Path::new(&archive.place) == store.path() {
        // One image of an index by its own ID is not listed by itself yet.
        let target = match &one(&opened)?[..] {
            [one] if one.image.is_none() => one.root.node,
            _ => None,
        };
        if let Some(node) = target {
            let digest = &archive.nodes[node].descriptor.digest;
            return store.tag(digest, name).map(|_| ());
        }
    }
    let mut bundle = Bundle::default();
    let chosen = one(&opened)?;
    write::save(&mut bundle, archive, &chosen, platform, Some(name)).at(place)?;
    let added = store.add(&bundle, Policy::Replace, &meter);
    // What is wrong with the image, rather than with the store.
    added.map_err(|error| match error.fault() {
        Fault::Io { .. } => error,
        _ => error.at(place()),
    })?;
    for loss in bundle.losses(Holds::Artifacts) {
        io.warn(&format!("{}: {loss}", archive.place));
    }
    Ok(())
}

/// What is meant, where a repository without a tag is its tag `latest`.
fn one(opened: &Opened) -> Result<Vec<Chosen<'_>>> {
    let chosen = opened.chosen()?;
    if let [_] = chosen[..] {
        return Ok(chosen);
    }
    let root = opened.archive.root(&opened.pick);
    let root = root.at(|| opened.archive.place.clone())?;
    let is_meant = |one: &Chosen<'_>| std::ptr::eq(one.root, root);
    Ok(chosen.into_iter().filter(is_meant).take(1).collect())
}
