//! Output of imgdf: docker's keys with docker's values, then further keys.

use serde_json::{Value, json};

use crate::render::images::{NONE, RowFormat};
use crate::render::{Column, human};
use crate::spec::Timestamp;
use crate::store::Usage;

/// Fields of a row and their headings.
pub(super) const COLUMNS: &[Column] = &[
    Column::new("Type", "TYPE"),
    Column::new("TotalCount", "TOTAL"),
    Column::new("Active", "ACTIVE"),
    Column::new("Size", "STORED"),
    Column::new("Reclaimable", "RECLAIMABLE"),
    Column::new("Repository", "REPOSITORY"),
    Column::new("Tag", "TAG"),
    Column::new("ShortID", "IMAGE ID"),
    Column::new("ID", "IMAGE ID"),
    Column::new("CreatedSince", "CREATED"),
    Column::new("SharedSize", "SHARED SIZE"),
    Column::new("UniqueSize", "UNIQUE SIZE"),
];

/// Returns the format of `table` alone.
pub(super) fn default_format(verbose: bool) -> &'static str {
    match verbose {
        false => r"table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}",
        true => {
            r"table {{.Repository}}\t{{.Tag}}\t{{.ShortID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}"
        }
    }
}

/// Returns the format of `raw`.
pub(super) fn raw_format(verbose: bool) -> &'static str {
    match verbose {
        false => {
            "type: {{.Type}}\ntotal: {{.TotalCount}}\nactive: {{.Active}}\nsize: {{.Size}}\nreclaimable: {{.Reclaimable}}\n"
        }
        true => {
            "repository: {{.Repository}}\ntag: {{.Tag}}\nimage_id: {{.ID}}\ncreated_since: {{.CreatedSince}}\nsize: {{.Size}}\nshared_size: {{.SharedSize}}\nunique_size: {{.UniqueSize}}\n"
        }
    }
}

/// Returns a size with its percentage of a total.
fn share(part: u64, total: u64) -> String {
    let percent = if total == 0 {
        0
    } else {
        u128::from(part) * 100 / u128::from(total)
    };
    format!("{} ({percent}%)", human::size(part))
}

/// Returns one row for images and one for unreferenced blobs.
pub(super) fn totals(usage: &Usage) -> Vec<Value> {
    let row = |kind: &str, total: usize, active: usize, size: u64, reclaimable: u64| {
        json!({
            "Type": kind,
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

/// Returns one row for each name of an image and for each untagged image; ages are relative to `now`.
pub(super) fn images(usage: &Usage, now: Timestamp) -> Vec<Value> {
    let style = RowFormat {
        truncate: true,
        human: true,
        now,
    };
    let mut rows = Vec::new();
    for image in &usage.images {
        let created = image.created.as_deref();
        let names: Vec<String> = image.names.iter().map(ToString::to_string).collect();
        let row = |repository: &str, tag: &str| {
            json!({
                "Repository": repository,
                "Tag": tag,
                "Names": names,
                "ID": image.id,
                "ShortID": style.id(&image.id),
                "Created": created,
                "CreatedSince": style.since(created),
                "Size": human::size(image.size),
                "SizeBytes": image.size,
                "SharedSize": human::size(image.shared),
                "SharedBytes": image.shared,
                "UniqueSize": human::size(image.size - image.shared),
                "UniqueBytes": image.size - image.shared,
            })
        };
        if image.names.is_empty() {
            rows.push(row(NONE, NONE));
        }
        for name in &image.names {
            let repository = name.repository().unwrap_or_else(|| NONE.into());
            rows.push(row(&repository, name.tag().unwrap_or(NONE)));
        }
    }
    rows
}
