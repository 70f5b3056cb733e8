//! imggraph: draw what images stand on, and what they share.

pub mod draw;
pub mod graph;
pub mod installed;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::Arc;

use crate::archive::{self, Archive, Filter, Name, Open, Pick, Root, Sizes};
use crate::blob::Meter;
use crate::cli::{
    self, Coloring, Common, ImageArg, Io, Openings, Page, Takes, Uses, Verdict, no_effect,
};
use crate::error::{At, Fault};
use crate::{Error, Result};
use clap::ValueEnum;
use draw::{RankDir, TreeOptions};
use graph::{Graph, ImageMap, Narrow, SizeOf, Source, View};

const PAGE: Page = Page {
    name: "imggraph",
    uses: Uses {
        temporary: true,
        ..Uses::ALL
    },
    text: include_str!("page.md"),
};

/// Draw what images stand on, and what they share
#[derive(clap::Parser)]
#[command(version)]
struct Args {
    /// Archives, images in them, folders with archives, or - for standard input; without any, the local store
    #[arg(value_name = "IMAGE")]
    images: Vec<ImageArg>,
    /// What to draw (see VIEWS in --help)
    #[arg(long, value_name = "VIEW", value_enum, default_value_t)]
    view: ViewArg,
    /// tree, dot, mermaid, json, svg or html
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    format: FormatArg,
    /// Which bytes sizes count: as stored (the default), or of the files once unpacked
    #[arg(long, value_name = "WHICH", value_enum)]
    size: Option<SizeArg>,
    /// Only this and what it stands on
    #[arg(long, value_name = "IMAGE")]
    up: Option<String>,
    /// Only this and what stands on it
    #[arg(long, value_name = "IMAGE")]
    down: Option<String>,
    /// Only images that satisfy KEY=VALUE (see FILTERS in --help); may be repeated
    #[arg(short, long = "filter", value_name = "FILTER")]
    filters: Vec<String>,
    /// No further than N steps from where the drawing begins
    #[arg(long, value_name = "N")]
    depth: Option<usize>,
    /// Draw each layer of a run that belongs to one image
    #[arg(long)]
    unfold: bool,
    /// Which way drawings grow: LR (the default), RL, TB or BT
    #[arg(
        long,
        value_name = "DIR",
        value_enum,
        ignore_case = true,
        hide_possible_values = true
    )]
    rankdir: Option<RankArg>,
    /// Draw the tree with - and | only
    #[arg(long)]
    ascii: bool,
    /// Do not cut commands and digests
    #[arg(long)]
    no_trunc: bool,
    /// Cut the tree's lines to N columns; by default to the terminal's
    #[arg(long, value_name = "N")]
    width: Option<usize>,
    #[command(flatten)]
    _coloring: Coloring,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum ViewArg {
    #[default]
    Layers,
    Images,
    Blobs,
    Packages,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum FormatArg {
    #[default]
    Tree,
    Dot,
    Mermaid,
    Json,
    Svg,
    Html,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum SizeArg {
    #[default]
    Compressed,
    Raw,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
enum RankArg {
    #[default]
    Lr,
    Rl,
    Tb,
    Bt,
}

impl Args {
    /// Refuses options that do nothing in the view or format that was chosen.
    ///
    /// # Errors
    /// `Usage`.
    fn check(&self) -> Result<()> {
        if self.view != ViewArg::Layers {
            no_effect("without --view layers", &[("--unfold", self.unfold)])?;
        }
        let size = ("--size", self.size.is_some());
        match self.view {
            ViewArg::Layers | ViewArg::Images => {}
            ViewArg::Blobs => {
                no_effect("with --view blobs, whose sizes are those stored", &[size])?
            }
            ViewArg::Packages => no_effect("with --view packages", &[size])?,
        }
        let rankdir = ("--rankdir", self.rankdir.is_some());
        if matches!(self.format, FormatArg::Tree | FormatArg::Json) {
            no_effect("without --format dot, mermaid, svg or html", &[rankdir])?;
        }
        if self.format != FormatArg::Tree {
            let (ascii, no_trunc) = (("--ascii", self.ascii), ("--no-trunc", self.no_trunc));
            let width = ("--width", self.width.is_some());
            no_effect("without --format tree", &[ascii, no_trunc, width])?;
        }
        Ok(())
    }
}

/// An archive, and what of it is meant.
struct Opened {
    archive: Arc<Archive>,
    pick: Pick,
    /// The images that are meant, once the filters have been asked.
    images: Vec<usize>,
    sizes: Sizes,
}

impl Opened {
    fn roots(&self) -> Result<Vec<&Root>> {
        match self.pick {
            Pick::Only => Ok(self.archive.roots.iter().collect()),
            _ => {
                let chosen = self.archive.chosen(&self.pick);
                let chosen = chosen.at(|| self.archive.place.clone())?;
                Ok(chosen.into_iter().map(|one| one.root).collect())
            }
        }
    }
}

/// Runs the program with the arguments, streams and environment of the process.
pub fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let filters = args
            .filters
            .iter()
            .map(|text| Filter::parse(text, cli::now()))
            .collect::<Result<Vec<_>>>()?;
        args.check()?;
        if args.view == ViewArg::Packages && !filters.is_empty() {
            let why = "--filter is about images, and --view packages shows one: --up and --down name a package";
            return Err(Fault::Usage(why.into()).into());
        }
        let mut opened = open(args, io)?;
        if opened.is_empty() && io.has_failed() {
            return Ok(Verdict::Yes);
        }
        let mut graph = match args.view {
            ViewArg::Packages => packages(args, &opened, io)?,
            _ => {
                select(args, &mut opened, &filters, io)?;
                measure(args, &mut opened, io);
                draw_images(args, &opened)?
            }
        };
        let narrow = Narrow {
            up: args.up.clone(),
            down: args.down.clone(),
            depth: args.depth,
        };
        graph = graph::narrow(graph, &narrow)?;
        print(args, &graph, &opened, io)?;
        Ok(Verdict::Yes)
    })
}

/// Opens all that is named; what cannot be opened is said, and the rest is drawn.
fn open(args: &Args, io: &mut Io) -> Result<Vec<Opened>> {
    let mut opened = Vec::new();
    let mut take = |archive: Arc<Archive>, pick: Pick| {
        opened.push(Opened {
            archive,
            pick,
            images: Vec::new(),
            sizes: Sizes::default(),
        });
    };
    if args.images.is_empty() {
        if let Some(archive) = cli::open_store(
            &args.common,
            &Open {
                limits: args.common.limits(),
                ..Open::default()
            },
        )? {
            take(Arc::new(archive), Pick::Only);
        }
        return Ok(opened);
    }
    // Files of a stream have to be looked at again where packages are wanted.
    let landing = match args.view == ViewArg::Packages || args.format == FormatArg::Html {
        true => Some(std::env::temp_dir()),
        false => None,
    };
    let mut openings = Openings::of(&args.images);
    for image in &args.images {
        let meter = Meter::default();
        let _progress = io.progress(image.text(), None, &meter, false);
        let open = Open::with(&args.common, &meter, landing.clone());
        for opened in openings.each(image, &args.common, open, Takes::Several) {
            match opened {
                Ok(one) => take(one.archive, one.pick),
                Err(error) => io.fail(&error),
            }
        }
    }
    Ok(opened)
}

/// Which images are drawn: those that are named, for the platform that is asked for, that satisfy the filters.
fn select(args: &Args, opened: &mut [Opened], filters: &[Filter], io: &mut Io) -> Result<()> {
    let limits = age_limits(opened, filters)?;
    for one in opened.iter_mut() {
        let archive = &one.archive;
        let roots = one.roots()?;
        let mut faults: Vec<&Error> = match one.pick {
            Pick::Only => archive.all_faults().collect(),
            _ => archive.faults_below(&roots),
        };
        faults.dedup_by_key(|fault| fault.to_string());
        for fault in faults {
            io.fail(&fault.clone().at(archive.place.clone()));
        }
        let mut images: Vec<usize> = Vec::new();
        let mut seen = vec![false; archive.images.len()];
        for root in roots {
            let below = archive.images_of(root);
            let below = match &args.common.platform {
                Some(platform) => archive.choose(&below, Some(platform)).into_iter().collect(),
                None => below,
            };
            images.extend(
                below
                    .into_iter()
                    .filter(|&i| !std::mem::replace(&mut seen[i], true)),
            );
        }
        images.retain(|&i| is_wanted(archive, i, filters, &limits));
        one.images = images;
    }
    Ok(())
}

/// When the images of `before=` and `since=` were made: whether it is an upper bound, and the time.
fn age_limits(opened: &[Opened], filters: &[Filter]) -> Result<Vec<(bool, Option<i128>)>> {
    let mut limits = Vec::new();
    for filter in filters {
        let (wanted, before) = match filter {
            Filter::Before(wanted) => (wanted, true),
            Filter::Since(wanted) => (wanted, false),
            _ => continue,
        };
        let pick = Pick::Name(wanted.clone());
        let found = opened.iter().find_map(|one| {
            let selection = one.archive.find(&pick, None).ok()?;
            Some(made(&one.archive, selection.index))
        });
        let Some(made) = found else {
            let names = opened.iter().flat_map(|one| one.archive.roots.iter());
            let names = names.flat_map(|root| root.names.iter().map(Name::to_string));
            return Err(Fault::NoSuchImage {
                wanted: wanted.clone(),
                candidates: names.collect(),
            }
            .into());
        };
        limits.push((before, made));
    }
    Ok(limits)
}

fn made(archive: &Archive, image: usize) -> Option<i128> {
    let created = archive.images[image].config.created.as_deref()?;
    crate::spec::Timestamp::parse(created).map(crate::spec::Timestamp::nanoseconds)
}

fn is_wanted(
    archive: &Archive,
    i: usize,
    filters: &[Filter],
    limits: &[(bool, Option<i128>)],
) -> bool {
    if filters.is_empty() {
        return true;
    }
    let names = archive.names_of(i);
    let image = &archive.images[i];
    let mut references = filters
        .iter()
        .filter(|filter| matches!(filter, Filter::Reference(_)))
        .peekable();
    let named = references.peek().is_none()
        || references.any(|filter| {
            names
                .iter()
                .any(|name| filter.reference_matches(Some(name)))
        });
    let others = filters.iter().all(|filter| match filter {
        Filter::Dangling(wanted) => names.is_empty() == *wanted,
        filter => {
            filter.label_matches(image) && filter.time_matches(image.config.created.as_deref())
        }
    });
    let made = made(archive, i);
    let aged = limits.iter().all(|(before, limit)| match before {
        true => made < *limit,
        false => made > *limit,
    });
    named && others && aged
}

fn measure(args: &Args, opened: &mut [Opened], io: &mut Io) {
    if args.size != Some(SizeArg::Raw) || args.view == ViewArg::Blobs {
        return;
    }
    for one in opened {
        let meter = Meter::default();
        let progress = io.progress(&one.archive.place, None, &meter, false);
        one.sizes = archive::measure(&one.archive, &one.images, &args.common.limits(), &meter);
        drop(progress);
        for fault in one.sizes.faults() {
            io.fail(&fault.clone().at(one.archive.place.clone()));
        }
    }
}

fn draw_images(args: &Args, opened: &[Opened]) -> Result<Graph> {
    let sources: Vec<Source<'_>> = opened
        .iter()
        .map(|one| Source {
            archive: &one.archive,
            images: &one.images,
            sizes: &one.sizes,
        })
        .collect();
    if args.view == ViewArg::Blobs {
        let mut roots = Vec::new();
        for one in opened {
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

/// The packages of the one image that is named.
fn packages(args: &Args, opened: &[Opened], io: &mut Io) -> Result<Graph> {
    let [one] = opened else {
        let why = format!(
            "--view packages is about one image, and {} archives are named",
            opened.len()
        );
        return Err(Fault::Usage(why).into());
    };
    let place = || one.archive.place.clone();
    let selection = one
        .archive
        .select(&one.pick, args.common.platform.as_ref())
        .at(place)?;
    let meter = Meter::default();
    let progress = io.progress(&one.archive.place, None, &meter, false);
    let packages =
        installed::installed(selection.image(), &args.common.limits(), &meter).at(place)?;
    drop(progress);
    for fault in &packages.faults {
        io.fail(&fault.clone().at(one.archive.place.clone()));
    }
    Ok(graph::packages(&packages))
}

fn print(args: &Args, graph: &Graph, opened: &[Opened], io: &mut Io) -> Result<()> {
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
            let maps = maps(graph, opened, io);
            draw::html(graph, &maps, rankdir, io.out())
        }
    }
}

/// The files of the images that are drawn. What cannot be read has no treemap, and that is said.
fn maps(graph: &Graph, opened: &[Opened], io: &mut Io) -> Vec<(String, ImageMap)> {
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
                "a page has treemaps of {MAX_MAPS} images at most; the others are left out"
            ));
            break;
        }
        let found = opened.iter().find_map(|one| {
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

/// How many images of a page have a treemap: each costs a walk over its layers.
const MAX_MAPS: usize = 64;
