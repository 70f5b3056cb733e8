//! Timesketch's rows: JSON lines and CSV.

use std::fmt::Write;

use serde_json::{Value, json};

use super::collect::EventRef;
use crate::escape;
use crate::layer::Mtime;
use crate::spec::Timestamp;
use crate::tree::VersionKind;

/// Keys and columns, in their order.
pub const COLUMNS: [&str; 19] = [
    "message",
    "timestamp",
    "datetime",
    "timestamp_desc",
    "data_type",
    "image",
    "image_id",
    "layer",
    "diff_id",
    "created_by",
    "path",
    "state",
    "by_layer",
    "mode",
    "uid",
    "gid",
    "size",
    "sha256",
    "tag",
];

/// First and last second of the years that readers of such times know: 1 to 9999.
const FIRST: i64 = -62_135_596_800;
const LAST: i64 = 253_402_300_799;

/// Values of a row; `None` is what does not apply. Texts are escaped.
pub struct Row<'e> {
    pub(super) message: String,
    time: Mtime,
    description: &'static str,
    data_type: &'static str,
    pub(super) image: &'e str,
    pub(super) image_id: Option<String>,
    layer: Option<usize>,
    pub(super) diff_id: Option<String>,
    pub(super) created_by: Option<String>,
    pub(super) path: String,
    pub(super) state: Option<&'static str>,
    pub(super) by_layer: Option<usize>,
    pub(super) mode: Option<String>,
    pub(super) uid: Option<u64>,
    pub(super) gid: Option<u64>,
    pub(super) size: Option<u64>,
    pub(super) sha256: Option<String>,
    tags: Vec<&'static str>,
}

impl<'e> Row<'e> {
    /// The row of an event.
    pub fn of(event: &EventRef<'e>) -> Self {
        let (image, layer) = (event.image(), event.layer());
        let diff_id = image
            .zip(layer)
            .and_then(|(image, layer)| image.diff_id(layer));
        let created_by = image
            .zip(layer)
            .and_then(|(image, layer)| image.created_by(layer));
        let version = match event {
            EventRef::Version { version, .. } => Some(version),
            EventRef::Document { .. } => None,
        };
        let entry = version.filter(|version| matches!(version.kind(), VersionKind::Entry(_)));
        let meta = version.map(|version| version.meta());
        Row {
            message: event.message(),
            time: event.event().time,
            description: event.description(),
            data_type: event.event().kind.source(),
            image: image.map_or("", |image| &image.name),
            image_id: image.map(|image| image.image.id.to_string()),
            layer: layer.map(|layer| layer + 1),
            diff_id: diff_id.map(str::to_owned),
            created_by: created_by.map(|text| escape::text(text).into_owned()),
            path: escape::bytes(&event.path()).into_owned(),
            state: version.map(|version| version.state().name()),
            by_layer: version
                .and_then(|version| version.ended_by())
                .map(|by| by + 1),
            mode: meta.as_ref().map(|meta| format!("{:04o}", meta.mode)),
            uid: meta.as_ref().map(|meta| meta.owner.uid),
            gid: meta.as_ref().map(|meta| meta.owner.gid),
            size: entry.map(|version| version.size()),
            sha256: version
                .and_then(|version| version.digest())
                .map(hex::encode),
            tags: event
                .anomalies()
                .map(|anomaly| anomaly.rule.code())
                .collect(),
        }
    }

    /// The values in the order of [`COLUMNS`].
    fn values(&self) -> [Value; 19] {
        [
            json!(self.message),
            json!(microseconds(self.time)),
            json!(datetime(self.time)),
            json!(self.description),
            json!(format!("imgkit:{}", self.data_type)),
            json!(escape::text(self.image)),
            json!(self.image_id),
            json!(self.layer),
            json!(self.diff_id),
            json!(self.created_by),
            json!(self.path),
            json!(self.state),
            json!(self.by_layer),
            json!(self.mode),
            json!(self.uid),
            json!(self.gid),
            json!(self.size),
            json!(self.sha256),
            json!(self.tags),
        ]
    }

    /// The row as an object with all keys.
    pub fn object(&self) -> Value {
        let keys = COLUMNS.iter().map(|&key| key.to_owned());
        Value::Object(keys.zip(self.values()).collect())
    }

    /// The row as a line of CSV (RFC 4180), ended by CR and LF.
    pub fn csv(&self) -> String {
        let cells = self.values().map(|value| match value {
            Value::Null => String::new(),
            Value::String(text) => text,
            Value::Array(tags) => {
                let tags: Vec<&str> = tags.iter().filter_map(Value::as_str).collect();
                tags.join(" ")
            }
            other => other.to_string(),
        });
        cells.map(|cell| quoted(&cell)).join(",") + "\r\n"
    }
}

/// The heading of the CSV.
pub fn csv_heading() -> String {
    COLUMNS.join(",") + "\r\n"
}

fn quoted(cell: &str) -> String {
    match cell.contains(['"', ',', '\n', '\r']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}

/// Microseconds since 1970 of a time in the years 1 to 9999; others become the first or the last of these.
fn microseconds(time: Mtime) -> i64 {
    let time = bounded(time);
    time.seconds * 1_000_000 + i64::from(time.nanos / 1000)
}

/// `2026-01-02T03:04:05.000006+00:00`, within the years 1 to 9999.
pub fn datetime(time: Mtime) -> String {
    let time = bounded(time);
    let mut text = Timestamp::from_unix(time.seconds, 0).rfc3339();
    text.pop();
    let _ = write!(text, ".{:06}+00:00", time.nanos / 1000);
    text
}

fn bounded(time: Mtime) -> Mtime {
    match time.seconds {
        FIRST..=LAST => time,
        seconds => Mtime::from_seconds(seconds.clamp(FIRST, LAST)),
    }
}
