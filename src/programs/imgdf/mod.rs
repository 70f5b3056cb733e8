//! imgdf: show what images take, and what they share.

mod args;

use std::process::ExitCode;

use crate::Result;
use crate::archive::{Open, Pick};
use crate::blob::Meter;
use crate::cli::{self, Io, Opened, Openings, Page, Takes, Uses, Verdict};
use crate::render::{Column, Format, human};
use crate::spec::Timestamp;
use crate::store::{self, Usage};
use args::Args;
use serde_json::{Value, json};

const PAGE: Page = Page {
    name: "imgdf",
    uses: Uses::ALL,
    text: include_str!("page.md"),
};

const COLUMNS: &[Column] = &[
    Column {
        field: "Type",
        heading: "TYPE",
    },
    Column {
        field: "TotalCount",
        heading: "TOTAL",
    },
    Column {
        field: "Active",
        heading: "ACTIVE",
    },
    Column {
        field: "Size",
        heading: "STORED",
    },
    Column {
        field: "Reclaimable",
        heading: "RECLAIMABLE",
    },
    Column {
        field: "Repository",
        heading: "REPOSITORY",
    },
    Column {
        field: "Tag",
        heading: "TAG",
    },
    Column {
        field: "ShortID",
        heading: "IMAGE ID",
    },
    Column {
        field: "ID",
        heading: "IMAGE ID",
    },
    Column {
        field: "CreatedSince",
        heading: "CREATED",
    },
    Column {
        field: "SharedSize",
        heading: "SHARED SIZE",
    },
    Column {
        field: "UniqueSize",
        heading: "UNIQUE SIZE",
    },
];

/// Runs the program with the arguments, streams and environment of the process.
pub fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let default = match args.verbose {
            false => r"table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
            true => {
                r"table {{.Repository}}\t{{.Tag}}\t{{.ShortID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}"
            }
        };
        let raw = match args.verbose {
            false => {
                "type: {{.Type}}\ntotal: {{.TotalCount}}\nactive: {{.Active}}\nsize: {{.Size}}\nreclaimable: {{.Reclaimable}}\n"
            }
            true => {
                "repository: {{.Repository}}\ntag: {{.Tag}}\nimage_id: {{.ID}}\ncreated_since: {{.CreatedSince}}\nsize: {{.Size}}\nshared_size: {{.SharedSize}}\nunique_size: {{.UniqueSize}}\n"
            }
        };
        let text = match args.format.as_str() {
            "raw" => raw,
            text => text,
        };
        let format = Format::parse(text, default)?;
        let opened = open(args, io)?;
        if opened.is_empty() && io.has_failed() {
            return Ok(Verdict::Yes);
        }
        let sources = opened.iter().map(|opened| {
            let roots = match opened.pick {
                Pick::Only if !opened.archive.is_part => None,
                _ => Some(opened.roots()?),
            };
            Ok((&*opened.archive, roots))
        });
        let usage = store::usage(&sources.collect::<Result<Vec<_>>>()?, &args.common.limits())?;
        let rows = if args.verbose {
            images(&usage)
        } else {
            totals(&usage)
        };
        format.write(io.out(), Some(COLUMNS), rows)?;
        Ok(Verdict::Yes)
    })
}

fn open(args: &Args, io: &mut Io) -> Result<Vec<Opened>> {
    if args.images.is_empty() {
        let store = cli::open_store(&args.common, &Default::default())?;
        let store = store.map(|store| meant(args, Opened::whole(store)));
        return Ok(store.transpose()?.into_iter().collect());
    }
    let mut found = Vec::new();
    let mut openings = Openings::of(&args.images);
    for image in &args.images {
        let open = Open::with(&args.common, &Meter::default(), None);
        for opened in openings.each(image, &args.common, open, Takes::Several) {
            match opened.and_then(|opened| meant(args, opened)) {
                Ok(opened) => {
                    let archive = &opened.archive;
                    let roots = opened.roots()?;
                    let mut faults: Vec<_> = match opened.pick {
                        Pick::Only => archive.all_faults().collect(),
                        _ => archive.faults_below(&roots),
                    };
                    faults.dedup_by_key(|fault| fault.to_string());
                    for fault in faults {
                        io.fail(&fault.clone().at(opened.archive.place.clone()));
                    }
                    found.push(opened);
                }
                Err(error) => io.fail(&error),
            }
        }
    }
    Ok(found)
}

/// What is meant of an archive that has to be whole: the images for the platform, where one is asked for.
fn meant(args: &Args, opened: Opened) -> Result<Opened> {
    opened.archive.check_complete()?;
    match &args.common.platform {
        None => Ok(opened),
        platform => opened.part(platform.as_ref()).map(Opened::whole),
    }
}

fn share(part: u64, whole: u64) -> String {
    let percent = if whole == 0 {
        0
    } else {
        u128::from(part) * 100 / u128::from(whole)
    };
    format!("{} ({percent}%)", human::size(part))
}

fn totals(usage: &Usage) -> Vec<Value> {
    let row = |what: &str, total: usize, active: usize, size: u64, reclaimable: u64| {
        json!({
            "Type": what,
            "TotalCount": total.to_string(),
            "Active": active.to_string(),
            "Size": human::size(size),
            "SizeBytes": size,
            "Reclaimable": share(reclaimable, size),
            "ReclaimableBytes": reclaimable,
        })
    };
    let (orphans, bytes) = usage.orphans;
    let total = usage.images.len();
    vec![
        row(
            "Images",
            total,
            total - usage.dangling,
            usage.blobs.1,
            usage.reclaimable - bytes,
        ),
        row("Unreferenced Blobs", orphans, 0, bytes, bytes),
    ]
}

fn images(usage: &Usage) -> Vec<Value> {
    let now = cli::now();
    let mut rows = Vec::new();
    for image in &usage.images {
        let created = image.created.as_deref();
        let hex = image.id.rsplit(':').next().unwrap_or_default();
        let names: Vec<String> = image.names.iter().map(ToString::to_string).collect();
        let row = |repository: &str, tag: &str| {
            json!({
                "Repository": repository,
                "Tag": tag,
                "Names": names,
                "ID": image.id,
                "ShortID": hex.get(..12).unwrap_or(hex),
                "Created": created,
                "CreatedSince": created.and_then(Timestamp::parse).map_or_else(|| "N/A".to_owned(), |time| human::ago(time, now)),
                "Size": human::size(image.size),
                "SizeBytes": image.size,
                "SharedSize": human::size(image.shared),
                "SharedBytes": image.shared,
                "UniqueSize": human::size(image.size - image.shared),
                "UniqueBytes": image.size - image.shared,
            })
        };
        if image.names.is_empty() {
            rows.push(row("<none>", "<none>"));
        }
        for name in &image.names {
            let repository = name.repository().unwrap_or_else(|| "<none>".into());
            rows.push(row(&repository, name.tag().unwrap_or("<none>")));
        }
    }
    rows
}
