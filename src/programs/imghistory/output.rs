//! Rows of imghistory: docker's keys with docker's values, and further keys.

use serde_json::{Value, json};

use super::history::{HistoryReport, HistoryRow};
use crate::render::images::{RowFormat, UNKNOWN};
use crate::render::{Column, human};
use crate::spec::Timestamp;

/// Fields of a row of imghistory and their headings.
pub const HISTORY_COLUMNS: &[Column] = &[
    Column::new("ID", "IMAGE"),
    Column::new("CreatedSince", "CREATED"),
    Column::new("CreatedAt", "CREATED AT"),
    Column::new("CreatedBy", "CREATED BY"),
    Column::new("Size", "SIZE"),
    Column::new("Comment", "COMMENT"),
    Column::new("Layer", "LAYER"),
    Column::new("LayerDigest", "LAYER DIGEST"),
    Column::new("DiffID", "DIFF ID"),
    Column::new("StoredSize", "STORED"),
    Column::new("Created", "CREATED"),
    Column::new("Author", "AUTHOR"),
    Column::new("EmptyLayer", "EMPTY LAYER"),
    Column::new("Recorded", "RECORDED"),
    Column::new("SizeBytes", "SIZE"),
    Column::new("StoredBytes", "STORED"),
];

/// Returns the rows of imghistory, newest first.
pub fn history_rows<'a>(
    report: &'a HistoryReport,
    row_format: &'a RowFormat,
) -> impl Iterator<Item = Value> + use<'a> {
    report
        .rows
        .iter()
        .enumerate()
        .map(move |(i, row)| history_row(report, i, row, row_format))
}

fn history_row(
    report: &HistoryReport,
    position: usize,
    row: &HistoryRow,
    row_format: &RowFormat,
) -> Value {
    let created = row.created.as_deref();
    let one_line = row.created_by.replace('\t', " ");
    let created_at = created
        .and_then(Timestamp::parse)
        .map_or_else(|| UNKNOWN.to_owned(), Timestamp::rfc3339);
    let since = match row_format.human {
        true => row_format.since(created),
        // As in docker history -H=false.
        false => created_at.clone(),
    };
    json!({
        "Author": row.author,
        "Comment": row.comment,
        "Created": created,
        "CreatedAt": created_at,
        "CreatedBy": if row_format.truncate { human::ellipsis(&one_line, 45) } else { one_line },
        "CreatedSince": since,
        "DiffID": row.diff_id,
        "EmptyLayer": row.empty_layer,
        "ID": if position == 0 { row_format.id(&report.id) } else { "<missing>".to_owned() },
        "Layer": row.layer,
        "LayerDigest": row.layer_digest,
        "Recorded": row.recorded,
        "Size": row_format.size(row.size),
        "SizeBytes": row.size,
        "StoredBytes": row.stored,
        "StoredSize": row.stored.map(|stored| row_format.size(Some(stored))).unwrap_or_default(),
    })
}
