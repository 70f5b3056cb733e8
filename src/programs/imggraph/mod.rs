//! imggraph: draw the dependency graph of images.

mod args;
pub mod draw;
pub mod graph;
mod inputs;
pub mod installed;
mod output;

use std::process::ExitCode;

use crate::archive::Filter;
use crate::blob::Meter;
use crate::cli::{self, Io, Page, Uses, Verdict};
use crate::error::At;
use crate::{Error, Result};
use args::{Args, SizeArg, ViewArg};
use graph::{Bounds, Graph, SizeOf, Source};
use inputs::Input;

const PAGE: Page = Page {
    name: "imggraph",
    uses: Uses::ALL.with_temporary_files(),
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        let filters = args
            .filters
            .iter()
            .map(|text| Filter::parse(text, cli::now()))
            .collect::<Result<Vec<_>>>()?;
        args.check()?;
        if args.view == ViewArg::Packages && !filters.is_empty() {
            let why = "--filter selects images, and --view packages shows one image: --up and --down select packages";
            return Err(Error::usage(why));
        }
        let mut inputs = inputs::open(args, io)?;
        if inputs.is_empty() && io.has_failed() {
            return Ok(Verdict::Yes);
        }
        let mut graph = match args.view {
            ViewArg::Packages => packages(args, &inputs, io)?,
            _ => {
                inputs::select(args, &mut inputs, &filters, io)?;
                inputs::measure(args, &mut inputs, io);
                images(args, &inputs)?
            }
        };
        let bounds = Bounds {
            up: args.up.clone(),
            down: args.down.clone(),
            depth: args.depth,
        };
        graph = graph::subgraph(graph, &bounds)?;
        output::print(args, &graph, &inputs, io)?;
        Ok(Verdict::Yes)
    })
}

/// Returns the graph of the selected images.
fn images(args: &Args, inputs: &[Input]) -> Result<Graph> {
    let sources: Vec<Source<'_>> = inputs
        .iter()
        .map(|one| Source {
            archive: &one.archive,
            images: &one.images,
            sizes: &one.sizes,
        })
        .collect();
    if args.view == ViewArg::Blobs {
        let mut roots = Vec::new();
        for one in inputs {
            let mut wanted = one.roots()?;
            if !args.filters.is_empty() || args.common.platform.is_some() {
                wanted.retain(|root| {
                    let below = one.archive.images_of(root);
                    below.iter().any(|image| one.images.contains(image))
                });
            }
            roots.push(wanted);
        }
        return Ok(graph::blobs(&sources, &roots));
    }
    let size_of = match args.size.unwrap_or_default() {
        SizeArg::Compressed => SizeOf::Stored,
        SizeArg::Raw => SizeOf::Raw,
    };
    let stacks = graph::stacks(&sources, size_of);
    Ok(match args.view {
        ViewArg::Images => graph::images(&stacks),
        _ => graph::layers(&stacks, !args.unfold),
    })
}

/// Returns the graph of the packages of the given image.
fn packages(args: &Args, inputs: &[Input], io: &mut Io) -> Result<Graph> {
    let [one] = inputs else {
        return Err(Error::usage(format!(
            "--view packages needs one image, {} archives given",
            inputs.len()
        )));
    };
    let context = || one.archive.place.clone();
    let selection = one
        .archive
        .select(&one.pick, args.common.platform.as_ref())
        .at(context)?;
    let meter = Meter::default();
    let progress = io.progress(&one.archive.place, None, &meter, false);
    let packages =
        installed::installed(selection.image(), &args.common.limits(), &meter).at(context)?;
    drop(progress);
    for fault in &packages.faults {
        io.fail(&fault.clone().at(one.archive.place.clone()));
    }
    Ok(graph::packages(&packages))
}
