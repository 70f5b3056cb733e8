//! imgls: list the images of files, folders and the local store.

mod args;
pub mod list;
mod output;

use std::cmp::Reverse;
use std::process::ExitCode;

use crate::archive::{self, Archive, Filter, Open, Pick, Root, Sizes};
use crate::blob::Meter;
use crate::cli::{self, ImageArg, Io, Opened, Openings, Page, Takes, Uses, Verdict};
use crate::error::At;
use crate::render::images::Telling;
use crate::render::{Format, Table};
use crate::spec::Timestamp;
use crate::{Error, Fault, Result};
use args::Args;
use list::{Ages, ListRow, RowKind};
use output::{LIST_COLUMNS, list_row, tree_labels};

const PAGE: Page = Page {
    name: "imgls",
    uses: Uses::ONE,
    text: include_str!("page.md"),
};

/// Runs the program with the arguments, streams and environment of the process.
pub fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let filters = args
            .filters
            .iter()
            .map(|text| Filter::parse(text, cli::now()))
            .collect::<Result<Vec<_>>>()?;
        let format = Format::parse(&format_text(args), &default_format(args))?;
        let mut listing = Listing {
            args,
            format: &format,
            filters: &filters,
            ages: Ages::of(&filters),
            others: Vec::new(),
        };
        let mut rows = Vec::new();
        if args.images.is_empty() {
            // So that no layer goes while it is measured.
            let _held = cli::store(&args.common)?.hold();
            let archive = cli::open_store(&args.common, &Default::default())?;
            if let Some(archive) = archive {
                rows.extend(listing.list(&Opened::whole(archive), true, io)?);
            }
        }
        let mut openings = Openings::of(&args.images);
        for image in &args.images {
            let meter = Meter::default();
            let progress = io.progress(image.text(), None, &meter, args.quiet);
            let open = Open::with(&args.common, &meter, None);
            let mut each = openings.each(image, &args.common, open, Takes::Several);
            let mut next = each.next();
            drop(progress);
            let is_store = image.input_path().is_ok_and(|path| path.is_none());
            while let Some(opened) = next {
                match opened.and_then(|opened| listing.list(&opened, is_store, io)) {
                    Ok(more) => rows.extend(more),
                    Err(error) => io.fail(&error),
                }
                next = each.next();
            }
        }
        let others = std::mem::take(&mut listing.others);
        if let (Some(platform), true, false) =
            (&args.common.platform, rows.is_empty(), others.is_empty())
        {
            let fault = Fault::NoSuchImage {
                wanted: platform.to_string(),
                candidates: others.into_iter().collect(),
            };
            return Err(fault.into());
        }
        let rows = listing.ages.keep(rows)?;
        if rows.is_empty() && io.has_failed() {
            return Ok(Verdict::Yes);
        }
        print(args, &format, &rows, io)?;
        Ok(Verdict::Yes)
    })
}

/// What is listed, and what was seen on the way.
struct Listing<'a> {
    args: &'a Args,
    format: &'a Format,
    filters: &'a [Filter],
    ages: Ages,
    /// The platforms of images that are not listed for theirs.
    others: Vec<String>,
}

impl Listing<'_> {
    /// What one archive lists; damage that leaves the rest readable is said and makes the run fail. Images of the store
    /// are listed from the newest to the oldest, as docker lists them, those of an archive in its order.
    fn list(&mut self, opened: &Opened, is_store: bool, io: &mut Io) -> Result<Vec<ListRow>> {
        let (args, filters) = (self.args, self.filters);
        let archive = &opened.archive;
        self.ages.look(archive);
        let mut chosen = opened.chosen()?;
        let roots: Vec<&Root> = chosen.iter().map(|one| one.root).collect();
        let mut faults: Vec<&Error> = match opened.pick {
            Pick::Only => archive.all_faults().collect(),
            _ => archive.faults_below(&roots),
        };
        faults.dedup_by_key(|fault| fault.to_string());
        for fault in faults {
            io.fail(&fault.clone().at(archive.place.clone()));
        }
        if is_store {
            chosen.sort_by_cached_key(|one| Reverse(created(archive, one.root)));
        }
        let platform = args.common.platform.as_ref();
        if let Some(platform) = platform {
            for one in &chosen {
                let images = archive.images_of(one.root);
                if archive.choose(&images, Some(platform)).is_none() {
                    let here = images.iter().map(|&image| &archive.images[image].platform);
                    self.others.extend(here.map(ToString::to_string));
                }
            }
        }
        let labels_match = |root: &Root| {
            let images = archive.images_of(root);
            let image = archive.choose(&images, platform);
            image.or(images.first().copied()).is_none_or(|image| {
                filters
                    .iter()
                    .all(|filter| filter.label_matches(&archive.images[image]))
            })
        };
        chosen.retain(|one| labels_match(one.root));
        let wanted: Vec<usize> = chosen
            .iter()
            .flat_map(|one| match one.image {
                Some(image) if !args.tree => vec![image],
                _ => shown(args, opened, one.root),
            })
            .collect();
        let sized = ["Size", "SizeBytes", "VirtualSize"];
        let sizes = match args.tree || sized.iter().any(|field| self.format.uses(field)) {
            false => Sizes::default(),
            true => {
                let meter = Meter::default();
                let _progress = io.progress(&archive.place, None, &meter, args.quiet);
                archive::measure(archive, &wanted, &args.common.limits(), &meter)
            }
        };
        for fault in sizes.faults() {
            io.fail(&fault.clone().at(archive.place.clone()));
        }
        let mut rows = Vec::new();
        match (args.tree, &opened.pick) {
            (true, Pick::Only) => {
                let roots: Vec<&Root> = chosen.iter().map(|one| one.root).collect();
                rows = list::tree(archive, &roots, &sizes).at(|| archive.place.clone())?;
            }
            _ => {
                for one in &chosen {
                    // An image that is meant by its own ID is shown for its own platform.
                    let own = one.image.map(|image| &archive.images[image].platform);
                    let roots = [one.root];
                    let mut more = match args.tree {
                        true => list::tree(archive, &roots, &sizes).at(|| archive.place.clone())?,
                        false => list::list(archive, &roots, own.or(platform), args.all, &sizes),
                    };
                    more.retain(|row| {
                        let name = row.name.as_ref();
                        name.is_none_or(|name| one.names.contains(name))
                    });
                    rows.extend(more);
                }
            }
        }
        let mut keep = true;
        rows.retain(|row| {
            if row.depth == 0 {
                keep = filters.iter().all(|filter| match filter {
                    Filter::Dangling(wanted) => row.name.is_none() == *wanted,
                    filter => filter.time_matches(row.created.as_deref()),
                }) && any_reference(filters, row);
            }
            keep
        });
        Ok(rows)
    }
}

/// When the image that is shown of a root was made, in nanoseconds since 1970.
fn created(archive: &Archive, root: &Root) -> Option<i128> {
    let images = archive.images_of(root);
    let image = archive.choose(&images, None).or(images.first().copied())?;
    let created = archive.images[image].config.created.as_deref()?;
    Timestamp::parse(created).map(Timestamp::nanoseconds)
}

/// Several `reference=` filters are alternatives, as in docker.
fn any_reference(filters: &[Filter], row: &ListRow) -> bool {
    let mut references = filters
        .iter()
        .filter(|filter| matches!(filter, Filter::Reference(_)))
        .peekable();
    references.peek().is_none()
        || references.any(|filter| filter.reference_matches(row.name.as_ref()))
}

/// The images of a root whose sizes are shown.
fn shown(args: &Args, opened: &Opened, root: &Root) -> Vec<usize> {
    let archive = &opened.archive;
    let images = archive.images_of(root);
    if args.tree {
        return images;
    }
    let platform = args.common.platform.as_ref();
    archive
        .choose(&images, platform)
        .or(images.first().copied().filter(|_| platform.is_none()))
        .into_iter()
        .collect()
}

/// The format that was typed, as docker images takes it: `raw` is a template, and --digests adds a column to a table
/// without one.
fn format_text(args: &Args) -> String {
    let digest = if args.digests {
        "digest: {{.Digest}}\n"
    } else {
        ""
    };
    match args.format.as_str() {
        "raw" if args.quiet => "image_id: {{.ID}}".into(),
        "raw" => format!(
            "repository: {{{{.Repository}}}}\ntag: {{{{.Tag}}}}\n{digest}image_id: {{{{.ID}}}}\n\
             created_at: {{{{.CreatedAt}}}}\nvirtual_size: {{{{.Size}}}}\n"
        ),
        table
            if args.digests
                && table != "table"
                && table.starts_with("table")
                && !table.contains("{{.Digest}}") =>
        {
            format!(r"{table}\t{{{{.Digest}}}}")
        }
        text => text.into(),
    }
}

fn default_format(args: &Args) -> String {
    if args.quiet {
        return "{{.ID}}".into();
    }
    let digest = if args.digests { r"\t{{.Digest}}" } else { "" };
    let is_directory = |image: &ImageArg| image.folder_to_search().is_some();
    let archive = if args.images.len() > 1 || args.images.iter().any(is_directory) {
        r"\t{{.Archive}}"
    } else {
        ""
    };
    format!(
        r"table {{{{.Repository}}}}\t{{{{.Tag}}}}{digest}\t{{{{.ID}}}}\t{{{{.CreatedSince}}}}\t{{{{.Size}}}}{archive}"
    )
}

fn print(args: &Args, format: &Format, rows: &[ListRow], io: &mut Io) -> Result<()> {
    let telling = Telling {
        truncate: !args.no_trunc,
        human: true,
        now: cli::now(),
    };
    let values = rows.iter().map(|row| list_row(row, &telling));
    if !args.tree {
        return format.write(io.out(), Some(LIST_COLUMNS), values);
    }
    let mut table = Table::new(&["IMAGE", "ID", "CREATED", "SIZE", "STORED"]);
    for ((row, value), label) in rows.iter().zip(values).zip(tree_labels(rows)) {
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        let size = if row.kind == RowKind::Image {
            text("Size")
        } else {
            String::new()
        };
        let created = if row.kind == RowKind::Image {
            text("CreatedSince")
        } else {
            String::new()
        };
        let stored = if row.kind == RowKind::Absent {
            String::new()
        } else {
            text("StoredSize")
        };
        table.row([label, text("ID"), created, size, stored]);
    }
    table.write_to(io.out())
}
