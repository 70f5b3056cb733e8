//! imgprune: remove unused images and blobs from the local store.

mod args;
mod output;

use std::io::{BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::archive::{Filter, Half, Open, TreeKind};
use crate::cli::{self, Io, Page, Uses, Verdict};
use crate::error::{At, During};
use crate::store::{self, PruneOptions, Removal};
use crate::write::registry::{PushOptions, RegistryTree};
use crate::{Error, Result};
use args::Args;

const PAGE: Page = Page {
    name: "imgprune",
    uses: Uses::NOTHING,
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        let filters = args.filters.iter().map(|text| parse_filter(text));
        let options = PruneOptions {
            all: args.all,
            dry_run: args.dry_run,
            filters: filters.collect::<Result<_>>()?,
        };
        if !args.force && !args.dry_run && !confirm(args.all)? {
            return Ok(Verdict::Yes);
        }
        if let Some(tree) = &args.tree {
            let removal = match tree.tree() {
                Some((TreeKind::Registry, ..)) | None => {
                    let path = tree.input_path()?.unwrap_or_else(|| tree.text().into());
                    return prune_tree(&path, args, io).map(|()| Verdict::Yes);
                }
                Some((kind, path, _)) => store::prune_tree(&path, kind, &options)?,
            };
            return output::print_removal(&removal, args, io).map(|()| Verdict::Yes);
        }
        let store = cli::store(&args.common)?;
        let removal = match cli::open_store(&args.common, &Default::default())? {
            Some(archive) => store::prune(&store, &archive, &options)?,
            // A load that was killed can leave blobs in a store without an index.
            None => Removal {
                freed: store.collect(args.dry_run)?,
                ..Removal::default()
            },
        };
        output::print_removal(&removal, args, io)?;
        Ok(Verdict::Yes)
    })
}

/// Removes what no tag, or with `--all` no manifest, of a registry's storage needs.
fn prune_tree(path: &Path, args: &Args, io: &mut Io) -> Result<()> {
    let place = || path.to_string_lossy().into_owned();
    let open = Open {
        limits: args.common.limits(),
        only: Some(Half::Tree(TreeKind::Registry)),
        ..Open::default()
    };
    // A missing tree is an error, and is not created.
    let mut archive = open.path(path)?;
    let options = PushOptions {
        dry_run: args.dry_run,
        ..PushOptions::default()
    };
    let tree = RegistryTree::open(path, options)?;
    if !args.dry_run {
        archive = open.path(path)?;
    }
    let pruned = tree.prune(&archive, args.all, args.force, args.dry_run);
    let is_json = args.reporting.is_json();
    output::print_tree(&pruned.at(place)?, args.dry_run, is_json, io)
}

/// Parses a filter; false for one that is negated, as in `label!=KEY`.
fn parse_filter(text: &str) -> Result<(Filter, bool)> {
    let (filter, wanted) = match Filter::split(text) {
        Some((key, label)) if key == "label!" => (format!("label={label}"), false),
        Some((key, _)) if key == "until" || key == "label" => (text.to_owned(), true),
        _ => {
            let why = format!("invalid filter '{text}': expected until, label or label!");
            return Err(Error::usage(why));
        }
    };
    Ok((Filter::parse(&filter, cli::now())?, wanted))
}

/// Asks for confirmation on the terminal, as docker does.
fn confirm(all: bool) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        let why = "cannot ask for confirmation without a terminal: use --force, or --dry-run to see what would be removed";
        return Err(Error::usage(why));
    }
    let images = match all {
        true => "all images",
        false => "all untagged images",
    };
    let mut err = std::io::stderr();
    let asked = write!(
        err,
        "WARNING! This will remove {images} and all unreferenced blobs.\nAre you sure you want to continue? [y/N] "
    );
    asked.and_then(|()| err.flush()).during("write")?;
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .during("read")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
