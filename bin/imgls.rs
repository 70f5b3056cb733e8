//! imgls: list the images of files, folders and the local store.

use std::process::ExitCode;

use imgkit::archive::{Pick, Root};
use imgkit::blob::Meter;
use imgkit::cli::{self, Common, ImageArg, Io, Opened, Page, Verdict};
use imgkit::error::At;
use imgkit::job::{self, Filter, ListRow, RowKind, Sizes};
use imgkit::show::images::{LIST_COLUMNS, Telling, list_row, tree_labels};
use imgkit::show::{Format, Table};
use imgkit::{Error, Result};

const PAGE: Page = Page {
    name: "imgls",
    description: &[
        "Lists the images of archives, layouts and folders as docker images does; without arguments those of the \
         local store. Only names, manifests, configs and headers are read: a docker-archive of gigabytes takes \
         milliseconds. Layers that are compressed have to be decoded to know their size (they are verified on the \
         way); with -q, or a format that shows no size, they are left alone.",
        "Of an index with several platforms one line is shown: the image for --platform, or for the host, or else the \
         first one that is there. --tree shows them all, with attestations and with what is absent.",
    ],
    output: &[
        "A table as docker prints it. With several inputs the last column says which one a line is from. With \
         --format json one object per line, with docker's keys and values and these of our own:",
    ],
    keys: &[
        ("Archive", "the input, as it was named"),
        (
            "Created",
            "when the image was made, as its config says; null if it does not",
        ),
        ("ImageID", "the ID in full, whatever --no-trunc"),
        (
            "Kind",
            "image, index, attestation, artifact, absent or unknown",
        ),
        (
            "Platform",
            "os/architecture[/variant]; empty if nothing says so",
        ),
        (
            "SizeBytes",
            "bytes of the unpacked layers; null if a layer is damaged or not in the archive",
        ),
        (
            "StoredBytes, StoredSize",
            "bytes that manifest, config and layers take in the archive",
        ),
    ],
    exit: &[
        ("0", "done"),
        ("2", "something could not be read, or bad usage"),
    ],
    examples: &[
        ("the images of two files", "imgls app.tar layout/"),
        (
            "an archive that comes through a pipe, compressed or not",
            "zstd -dc app.tar.zst | imgls -",
        ),
        ("every platform and attestation", "imgls --tree app.tar"),
        (
            "for a script",
            "imgls --format '{{.Repository}}:{{.Tag}} {{.ID}}' app.tar",
        ),
    ],
    sections: &[(
        "FILTERS",
        &[
            (
                "reference=GLOB",
                "names that match, with or without their tag; * and ? stop at /; several are alternatives",
            ),
            (
                "dangling=true|false",
                "images without a name, or only those with one",
            ),
            (
                "label=KEY, label=KEY=VALUE",
                "images with that label; several must all be there",
            ),
            (
                "before=IMAGE, since=IMAGE",
                "images made before or after one that is listed too, given by name or ID",
            ),
            (
                "until=TIME",
                "images made before that time: RFC 3339, seconds since 1970, or an age like 24h or 1h30m",
            ),
        ],
    )],
    see_also: &["imginspect", "imghistory", "imgverify"],
};

/// List the images of files, folders and the local store
#[derive(clap::Parser)]
#[command(version)]
struct Args {
    /// Files, folders, or - for standard input; without any, the local store
    #[arg(value_name = "IMAGE")]
    images: Vec<ImageArg>,
    /// Show what is no image too: artifacts, and what is listed but absent
    #[arg(short, long)]
    all: bool,
    /// Show the digests that names point to
    #[arg(long)]
    digests: bool,
    /// Show IDs in full
    #[arg(long)]
    no_trunc: bool,
    /// Print IDs only
    #[arg(short, long)]
    quiet: bool,
    /// Show only images that satisfy KEY=VALUE (see FILTERS in --help); may be repeated
    #[arg(short, long = "filter", value_name = "FILTER")]
    filters: Vec<String>,
    /// Show what stands below each image: platforms, attestations, what is absent
    #[arg(long, conflicts_with_all = ["quiet", "digests", "format"])]
    tree: bool,
    /// table, json, or a Go template
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_default_value = true
    )]
    format: String,
    #[command(flatten)]
    common: Common,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let filters = args
            .filters
            .iter()
            .map(|text| Filter::parse(text, cli::now()))
            .collect::<Result<Vec<_>>>()?;
        let format = Format::parse(&args.format, &default_format(args))?;
        let mut rows = Vec::new();
        if args.images.is_empty() {
            // So that no layer goes while it is measured.
            let _held = cli::store(&args.common)?.hold();
            let archive = cli::open_store(&args.common, &Default::default())?;
            if let Some(archive) = archive {
                let opened = Opened::whole(archive);
                rows.extend(list(args, &opened, &format, &filters, io)?);
            }
        }
        for image in &args.images {
            let meter = Meter::default();
            let progress = io.progress(image.text(), None, &meter, args.quiet);
            let opened = image.open(&args.common, &meter);
            drop(progress);
            match opened.and_then(|opened| list(args, &opened, &format, &filters, io)) {
                Ok(more) => rows.extend(more),
                Err(error) => io.fail(&error),
            }
        }
        let rows = job::by_age(rows, &filters)?;
        if rows.is_empty() && io.has_failed() {
            return Ok(Verdict::Yes);
        }
        print(args, &format, &rows, io)?;
        Ok(Verdict::Yes)
    })
}

/// What one archive lists; damage that leaves the rest readable is said and makes the run fail.
fn list(
    args: &Args,
    opened: &Opened,
    format: &Format,
    filters: &[Filter],
    io: &mut Io,
) -> Result<Vec<ListRow>> {
    let archive = &opened.archive;
    let mut roots: Vec<&Root> = opened.roots()?;
    let mut faults: Vec<&Error> = match opened.pick {
        Pick::Only => archive.all_faults().collect(),
        _ => archive.faults_below(&roots),
    };
    faults.dedup_by_key(|fault| fault.to_string());
    for fault in faults {
        io.fail(&fault.clone().at(archive.place.clone()));
    }
    let labels_match = |root: &Root| {
        let images = archive.images_of(root);
        let chosen = archive
            .choose(&images, args.common.platform.as_ref())
            .or(images.first().copied());
        chosen.is_none_or(|image| {
            filters
                .iter()
                .all(|filter| filter.label_matches(&archive.images[image]))
        })
    };
    roots.retain(|root| labels_match(root));
    let wanted: Vec<usize> = roots
        .iter()
        .flat_map(|root| shown(args, opened, root))
        .collect();
    let sized = ["Size", "SizeBytes", "VirtualSize"];
    let sizes = match args.tree || sized.iter().any(|field| format.uses(field)) {
        false => Sizes::default(),
        true => {
            let meter = Meter::default();
            let _progress = io.progress(&archive.place, None, &meter, args.quiet);
            job::measure(archive, &wanted, &args.common.limits(), &meter)
        }
    };
    for fault in sizes.faults() {
        io.fail(&fault.clone().at(archive.place.clone()));
    }
    let platform = args.common.platform.as_ref();
    let mut rows = match args.tree {
        true => job::tree(archive, &roots, &sizes).at(|| archive.place.clone())?,
        false => job::list(archive, &roots, platform, args.all, &sizes),
    };
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

fn default_format(args: &Args) -> String {
    if args.quiet {
        return "{{.ID}}".into();
    }
    let digest = if args.digests { r"\t{{.Digest}}" } else { "" };
    let archive = if args.images.len() > 1 {
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
