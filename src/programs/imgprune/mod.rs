//! imgprune: free what the local store does not need.

mod args;

use std::io::{BufRead, IsTerminal, Write};
use std::process::ExitCode;

use crate::archive::Filter;
use crate::cli::{self, Page, Uses, Verdict};
use crate::render::human;
use crate::store::{self, PruneOptions, Removal};
use crate::{Error, Fault, Result, escape};
use args::Args;

const PAGE: Page = Page {
    name: "imgprune",
    uses: Uses::NOTHING,
    text: include_str!("page.md"),
};

/// Runs the program with the arguments, streams and environment of the process.
pub fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let mut options = PruneOptions {
            all: args.all,
            dry_run: args.dry_run,
            ..PruneOptions::default()
        };
        for filter in &args.filters {
            read_filter(filter, &mut options)?;
        }
        if !args.force && !args.dry_run && !agreed(args.all)? {
            return Ok(Verdict::Yes);
        }
        let store = cli::store(&args.common)?;
        let removal = match cli::open_store(&args.common, &Default::default())? {
            Some(archive) => store::prune(&store, &archive, &options)?,
            // What a load left behind that was killed before anything had a name.
            None => Removal {
                freed: store.collect(args.dry_run)?,
                ..Removal::default()
            },
        };
        if !removal.untagged.is_empty() || !removal.images.is_empty() {
            io.line(if args.dry_run {
                "Would Delete Images:"
            } else {
                "Deleted Images:"
            })?;
            let (untagged, deleted) = match args.dry_run {
                true => ("would untag", "would delete"),
                false => ("untagged", "deleted"),
            };
            for name in &removal.untagged {
                io.line(&format!("{untagged}: {}", escape::text(&name.to_string())))?;
            }
            for id in &removal.images {
                io.line(&format!("{deleted}: {id}"))?;
            }
            io.line("")?;
        }
        let freed = human::size(removal.freed.bytes);
        io.line(&match args.dry_run {
            true => format!("Would reclaim: {freed}"),
            false => format!("Total reclaimed space: {freed}"),
        })?;
        Ok(Verdict::Yes)
    })
}

fn read_filter(text: &str, options: &mut PruneOptions) -> Result<()> {
    let (filter, wanted) = match Filter::split(text) {
        Some((key, label)) if key == "label!" => (format!("label={label}"), false),
        Some((key, _)) if key == "until" || key == "label" => (text.to_owned(), true),
        _ => {
            let why = format!("filter '{text}': the keys are until, label and label!");
            return Err(Fault::Usage(why).into());
        }
    };
    let filter = Filter::parse(&filter, cli::now())?;
    options.filters.push((filter, wanted));
    Ok(())
}

/// Asks on the terminal, as docker does.
fn agreed(all: bool) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(Fault::Usage(
            "there is nobody to ask: use --force, or --dry-run to see what would go".into(),
        )
        .into());
    }
    let what = if all {
        "all images"
    } else {
        "all images without a name"
    };
    let mut err = std::io::stderr();
    let asked = write!(
        err,
        "WARNING! This will remove {what} and all blobs that nothing needs.\nAre you sure you want to continue? [y/N] "
    );
    asked
        .and_then(|()| err.flush())
        .map_err(|error| Error::io("write", error))?;
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Error::io("read", error))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
