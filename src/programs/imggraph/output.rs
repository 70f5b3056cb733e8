//! Output of imggraph: one of the formats of `draw`.

use std::io::IsTerminal;

use super::args::{Args, FormatArg, RankArg};
use super::draw::{self, RankDir, TreeOptions};
use super::graph::{self, Graph, ImageMap, View};
use super::inputs::Input;
use crate::Result;
use crate::blob::Meter;
use crate::cli::Io;
use crate::error::At;

/// Limit on the images of a page with a treemap: each costs a walk over its layers.
const MAX_MAPS: usize = 64;

/// Writes the graph in the requested format.
pub fn print(args: &Args, graph: &Graph, inputs: &[Input], io: &mut Io) -> Result<()> {
    let rankdir = match args.rankdir.unwrap_or_default() {
        RankArg::Lr => RankDir::LeftToRight,
        RankArg::Rl => RankDir::RightToLeft,
        RankArg::Tb => RankDir::TopToBottom,
        RankArg::Bt => RankDir::BottomToTop,
    };
    match args.format {
        FormatArg::Tree => {
            let terminal = std::io::stdout().is_terminal() && !args.no_trunc;
            let columns = || terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
            let options = TreeOptions {
                ascii: args.ascii,
                width: args.width.or_else(|| columns().filter(|_| terminal)),
                no_trunc: args.no_trunc,
                color: io.color(),
            };
            draw::tree(graph, &options, io.out())
        }
        FormatArg::Dot => draw::dot(graph, rankdir, io.out()),
        FormatArg::Mermaid => draw::mermaid(graph, rankdir, io.out()),
        FormatArg::Json => draw::json(graph, io.out()),
        FormatArg::Svg => draw::svg(graph, rankdir, io.out()),
        FormatArg::Html => {
            let maps = maps(graph, inputs, io);
            draw::html(graph, &maps, rankdir, io.out())
        }
    }
}

/// Returns the treemaps of the drawn images; reports those that cannot be read.
fn maps(graph: &Graph, inputs: &[Input], io: &mut Io) -> Vec<(String, ImageMap)> {
    let mut maps = Vec::new();
    if !matches!(graph.view, View::Layers | View::Images) {
        return maps;
    }
    for node in &graph.nodes {
        if !node.id.starts_with("image:") {
            continue;
        }
        if maps.len() == MAX_MAPS {
            io.note(&format!(
                "treemaps are limited to {MAX_MAPS} images; the others have none"
            ));
            break;
        }
        let found = inputs.iter().find_map(|one| {
            let image = one
                .images
                .iter()
                .find(|&&i| one.archive.images[i].id.to_string() == node.digest);
            image.map(|&i| (one, i))
        });
        let Some((one, i)) = found else { continue };
        let meter = Meter::default();
        let progress = io.progress(node.title(), None, &meter, false);
        let map = graph::map(
            &one.archive.images[i],
            &one.archive.container.limits,
            &meter,
        );
        drop(progress);
        match map.at(|| one.archive.place.clone()) {
            Ok(map) => maps.push((node.digest.clone(), map)),
            Err(error) => io.fail(&error),
        }
    }
    maps
}
