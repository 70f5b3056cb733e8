//! Output of imgls: docker's keys with docker's values, then further keys; and the tree.

use std::io::Write;

use serde_json::{Value, json};

use super::args::Args;
use super::rows::{ListRow, RowKind};
use crate::cli::ImageArg;
use crate::error::Result;
use crate::render::format::NAME_WIDTH;
use crate::render::images::{NONE, RowFormat, UNKNOWN};
use crate::render::{Column, Table, human};
use crate::spec::Timestamp;

/// Fields of a row and their headings.
pub(super) const LIST_COLUMNS: &[Column] = &[
    Column::new("Repository", "REPOSITORY"),
    Column::new("Tag", "TAG"),
    Column::new("Digest", "DIGEST"),
    Column::new("ID", "IMAGE ID"),
    Column::new("CreatedSince", "CREATED"),
    Column::new("CreatedAt", "CREATED AT"),
    Column::new("Size", "SIZE"),
    Column::new("StoredSize", "STORED"),
    Column::new("Platform", "PLATFORM"),
    Column::new("Archive", "ARCHIVE"),
    Column::new("Kind", "KIND"),
    Column::new("ImageID", "IMAGE ID"),
    Column::new("Containers", "CONTAINERS"),
    Column::new("SharedSize", "SHARED SIZE"),
    Column::new("UniqueSize", "UNIQUE SIZE"),
    Column::new("VirtualSize", "SIZE"),
    Column::new("Created", "CREATED"),
    Column::new("SizeBytes", "SIZE"),
    Column::new("StoredBytes", "STORED"),
];

/// Returns the format to parse: as in docker images, `raw` is a template, and `--digests` adds a column to a table that
/// has none.
pub(super) fn format_text(args: &Args) -> String {
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

/// Returns the format of `table` alone.
pub(super) fn default_format(args: &Args) -> String {
    if args.quiet {
        return "{{.ID}}".into();
    }
    let digest = if args.digests { r"\t{{.Digest}}" } else { "" };
    let is_directory = |image: &ImageArg| image.directory_to_search().is_some();
    let archive = if args.images.len() > 1 || args.images.iter().any(is_directory) {
        r"\t{{.Archive}}"
    } else {
        ""
    };
    format!(
        r"table {{{{.Repository}}}}\t{{{{.Tag}}}}{digest}\t{{{{.ID}}}}\t{{{{.CreatedSince}}}}\t{{{{.Size}}}}{archive}"
    )
}

/// Returns the fields of a row.
pub(super) fn list_row(row: &ListRow, style: &RowFormat) -> Value {
    let name = row.name.as_ref();
    let repository = name
        .and_then(|name| name.repository())
        .unwrap_or_else(|| NONE.to_owned());
    let tag = name.and_then(|name| name.tag()).unwrap_or(NONE);
    let created = row.created.as_deref();
    json!({
        "Archive": row.archive,
        "Containers": UNKNOWN,
        "Created": created,
        "CreatedAt": created.and_then(Timestamp::parse).map_or_else(|| UNKNOWN.to_owned(), Timestamp::created_at),
        "CreatedSince": style.since(created),
        "Digest": row.digest.as_deref().unwrap_or(NONE),
        "ID": style.id(&row.id),
        "ImageID": row.id,
        "Kind": row.kind.name(),
        "Platform": row.platform.as_ref().map(ToString::to_string).unwrap_or_default(),
        "Repository": repository,
        "SharedSize": UNKNOWN,
        "Size": style.size(row.size),
        "SizeBytes": row.size,
        "StoredBytes": row.stored,
        "StoredSize": style.size(Some(row.stored)),
        "Tag": tag,
        "UniqueSize": UNKNOWN,
        "VirtualSize": style.size(row.size),
    })
}

/// Writes the rows of a tree as a table, fitted to a window of this many columns if any.
///
/// # Errors
/// `Io`.
pub(super) fn write_tree(
    rows: &[ListRow],
    style: &RowFormat,
    window: Option<u16>,
    out: &mut dyn Write,
) -> Result<()> {
    let mut table = Table::new(&["IMAGE", "ID", "CREATED", "SIZE", "STORED"]);
    for (row, label) in rows.iter().zip(tree_labels(rows)) {
        let value = list_row(row, style);
        let text = |key: &str, is_shown: bool| match (is_shown, value[key].as_str()) {
            (true, Some(text)) => text.to_owned(),
            _ => String::new(),
        };
        let is_image = row.kind == RowKind::Image;
        table.row([
            label,
            text("ID", true),
            text("CreatedSince", is_image),
            text("Size", is_image),
            text("StoredSize", row.kind != RowKind::Absent),
        ]);
    }
    table.write_to(out, window)
}

/// Returns the first cell of each row of the tree: the name, or the branch that leads to the row.
fn tree_labels(rows: &[ListRow]) -> Vec<String> {
    // For each depth: true if a later row of that depth has the same parent.
    let mut more: Vec<bool> = Vec::new();
    let label = |row: &ListRow| {
        more.resize(more.len().max(row.depth + 1), false);
        let mut label = String::new();
        for (depth, more) in more.iter().enumerate().take(row.depth + 1).skip(1) {
            label.push_str(match (depth == row.depth, more) {
                (true, true) => "├─ ",
                (true, false) => "└─ ",
                (false, true) => "│  ",
                (false, false) => "   ",
            });
        }
        more.truncate(row.depth + 1);
        more[row.depth] = true;
        label + &tree_name(row)
    };
    let mut labels: Vec<String> = rows.iter().rev().map(label).collect();
    labels.reverse();
    labels
}

fn tree_name(row: &ListRow) -> String {
    let label = match (row.kind, &row.name, &row.platform) {
        (_, Some(name), _) => name.to_string(),
        (RowKind::Attestation, ..) => "attestation".to_owned(),
        // BuildKit gives attestations the platform unknown/unknown.
        (RowKind::Absent, None, Some(platform)) if platform.is_unknown() => {
            "attestation".to_owned()
        }
        (_, None, _) if row.depth == 0 => "<untagged>".to_owned(),
        (_, None, Some(platform)) => platform.to_string(),
        (kind, None, None) => kind.name().to_owned(),
    };
    let label = human::ellipsis(&label, NAME_WIDTH);
    match row.kind {
        RowKind::Absent => format!("{label} (absent)"),
        RowKind::Artifact if row.name.is_some() => format!("{label} (artifact)"),
        _ if row.repeated => format!("{label} (see above)"),
        _ => label,
    }
}
