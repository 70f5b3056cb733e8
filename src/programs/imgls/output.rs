//! Rows of imgls: docker's keys with docker's values, then our own.

use serde_json::{Value, json};

use super::list::{ListRow, RowKind};
use crate::render::format::NAME_WIDTH;
use crate::render::images::{NONE, Telling, UNKNOWN};
use crate::render::{Column, human};
use crate::spec::Timestamp;

/// The fields of a row of imgls and their headings.
pub const LIST_COLUMNS: &[Column] = &[
    Column {
        field: "Repository",
        heading: "REPOSITORY",
    },
    Column {
        field: "Tag",
        heading: "TAG",
    },
    Column {
        field: "Digest",
        heading: "DIGEST",
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
        field: "CreatedAt",
        heading: "CREATED AT",
    },
    Column {
        field: "Size",
        heading: "SIZE",
    },
    Column {
        field: "StoredSize",
        heading: "STORED",
    },
    Column {
        field: "Platform",
        heading: "PLATFORM",
    },
    Column {
        field: "Archive",
        heading: "ARCHIVE",
    },
    Column {
        field: "Kind",
        heading: "KIND",
    },
    Column {
        field: "ImageID",
        heading: "IMAGE ID",
    },
    Column {
        field: "Containers",
        heading: "CONTAINERS",
    },
    Column {
        field: "SharedSize",
        heading: "SHARED SIZE",
    },
    Column {
        field: "UniqueSize",
        heading: "UNIQUE SIZE",
    },
    Column {
        field: "VirtualSize",
        heading: "SIZE",
    },
    Column {
        field: "Created",
        heading: "CREATED",
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

/// A row of imgls.
pub fn list_row(row: &ListRow, telling: &Telling) -> Value {
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
        "CreatedSince": telling.since(created),
        "Digest": row.digest.as_deref().unwrap_or(NONE),
        "ID": telling.id(&row.id),
        "ImageID": row.id,
        "Kind": row.kind.name(),
        "Platform": row.platform.as_ref().map(ToString::to_string).unwrap_or_default(),
        "Repository": repository,
        "SharedSize": UNKNOWN,
        "Size": telling.size(row.size),
        "SizeBytes": row.size,
        "StoredBytes": row.stored,
        "StoredSize": telling.size(Some(row.stored)),
        "Tag": tag,
        "UniqueSize": UNKNOWN,
        "VirtualSize": telling.size(row.size),
    })
}

/// The first cell of each row of imgls's tree: the name, or the branch that leads to what stands below it.
pub fn tree_labels(rows: &[ListRow]) -> Vec<String> {
    // Whether, looking down from a row, another one follows on a level before one of a lower level does.
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
    let what = match (row.kind, &row.name, &row.platform) {
        (_, Some(name), _) => name.to_string(),
        (RowKind::Attestation, ..) => "attestation".to_owned(),
        // BuildKit gives its attestations a platform that no machine has.
        (RowKind::Absent, None, Some(platform)) if platform.is_unknown() => {
            "attestation".to_owned()
        }
        (_, None, _) if row.depth == 0 => "<untagged>".to_owned(),
        (_, None, Some(platform)) => platform.to_string(),
        (kind, None, None) => kind.name().to_owned(),
    };
    let what = human::ellipsis(&what, NAME_WIDTH);
    match row.kind {
        RowKind::Absent => format!("{what} (absent)"),
        RowKind::Artifact if row.name.is_some() => format!("{what} (artifact)"),
        _ if row.repeated => format!("{what} (see above)"),
        _ => what,
    }
}
