//! Rows of imghistory: docker's keys with docker's values, and further keys.

use serde_json::{Value, json};

use super::history::{HistoryReport, HistoryRow};
use crate::render::images::{RowFormat, UNKNOWN};
use crate::render::{Column, human};
use crate::spec::Timestamp;

/// Fields of a row of imghistory and their headings.
pub const HISTORY_COLUMNS: &[Column] = &[
    Column {
        field: "ID",
        heading: "IMAGE",
    },
    Column {
        field: "CreatedSince",
        heading: "CREATED",
    },
    Column {
        field: "CreatedAt",
        heading: "CREATED AT",
    },
    Column {
        field: "CreatedBy",
        heading: "CREATED BY",
    },
    Column {
        field: "Size",
        heading: "SIZE",
    },
    Column {
        field: "Comment",
        heading: "COMMENT",
    },
    Column {
        field: "Layer",
        heading: "LAYER",
    },
    Column {
        field: "LayerDigest",
        heading: "LAYER DIGEST",
    },
    Column {
        field: "DiffID",
        heading: "DIFF ID",
    },
    Column {
        field: "StoredSize",
        heading: "STORED",
    },
    Column {
        field: "Created",
        heading: "CREATED",
    },
    Column {
        field: "Author",
        heading: "AUTHOR",
    },
    Column {
        field: "EmptyLayer",
        heading: "EMPTY LAYER",
    },
    Column {
        field: "Recorded",
        heading: "RECORDED",
    },
    Column {
        field: "SizeBytes",
        heading: "SIZE",
    },
    Column {
        field: "StoredBytes",
        heading: "STORED",
    },
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
