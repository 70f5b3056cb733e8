//! Formats of a timeline.

use std::collections::HashMap;
use std::io::{BufWriter, Write};

use serde_json::{Map, Value, json};

use super::span::Span;
use crate::cli::{self, Io, VersionRecords};
use crate::error::{During, Error, Result};
use crate::layer::Mtime;
use crate::programs::imghistory::args::Args;
use crate::render::{Column, Format, json};
use crate::spec::Timestamp;
use crate::timeline::{
    Anomaly, Dialect, EventRef, L2TCSV_HEADING, Row, TimedImage, Timeline, Written, csv_heading,
    l2tcsv_line,
};
use crate::tree::EntryVersion;

/// Headings of the columns of tables.
const COLUMNS: &[Column] = &[
    Column::new("Time", "TIME"),
    Column::new("Event", "EVENT"),
    Column::new("Layer", "LAYER"),
    Column::new("State", "STATE"),
    Column::new("Message", "WHAT"),
    Column::new("Anomalies", "ANOMALIES"),
    Column::new("Reasons", "ANOMALIES"),
    Column::new("Path", "PATH"),
    Column::new("Archive", "ARCHIVE"),
    Column::new("Image", "IMAGE"),
    Column::new("Type", "TYPE"),
    Column::new("Size", "SIZE"),
    Column::new("CreatedBy", "CREATED BY"),
];

/// Format of the output.
pub(super) enum Form {
    /// Table, JSON or template.
    Rows(Box<Format>),
    Bodyfile(Dialect),
    L2tcsv,
    Timesketch,
    TimesketchCsv,
}

/// A timeline to be written.
pub(super) struct Output<'o, 'a> {
    pub(super) form: &'o Form,
    pub(super) args: &'o Args,
    pub(super) timeline: &'o Timeline<'a>,
    pub(super) span: Span,
}

impl Form {
    /// Parses the format, and checks the name of its file: Timesketch knows a format by its suffix.
    pub(super) fn parse(args: &Args, io: &Io) -> Result<Self> {
        let several = args.others.len() + usize::from(args.image.directory_to_search().is_some());
        let image = if several > 0 { r"{{.Image}}\t" } else { "" };
        let table = format!(
            r"table {{{{.Time}}}}\t{{{{.Event}}}}\t{{{{.Layer}}}}\t{image}{{{{.Message}}}}\t{{{{.Reasons}}}}"
        );
        let form = match args.format.as_str() {
            "bodyfile" => Form::Bodyfile(Dialect::Mactime),
            "bodyfile-plaso" => Form::Bodyfile(Dialect::Plaso),
            "l2tcsv" => Form::L2tcsv,
            "timesketch" => Form::Timesketch,
            "timesketch-csv" => Form::TimesketchCsv,
            format => {
                let window = match args.times.file() {
                    Some(_) => None,
                    None => io.window(args.no_trunc),
                };
                Form::Rows(Box::new(Format::parse(format, &table)?.fitted(window)))
            }
        };
        if args.times.hashes.is_some() && !matches!(form, Form::Bodyfile(_)) {
            return Err(Error::usage(
                "--hashes has an effect only with --format bodyfile or bodyfile-plaso",
            ));
        }
        let suffix = match form {
            Form::Timesketch => "jsonl",
            Form::TimesketchCsv => "csv",
            _ => return Ok(form),
        };
        match args.times.file() {
            Some(file) if file.extension().is_none_or(|own| own != suffix) => {
                Err(Error::usage(format!(
                    "--output {}: expected a name that ends in .{suffix}, by which Timesketch knows the format",
                    crate::escape::text(&file.to_string_lossy())
                )))
            }
            _ => Ok(form),
        }
    }

    /// Tests if digests of contents are needed: a version of other content is known by them.
    pub(super) fn has_digests(&self) -> bool {
        match self {
            Form::Rows(format) => ["Digest", "Anomalies", "Reasons"]
                .iter()
                .any(|key| format.uses(key)),
            Form::Bodyfile(_) => false,
            Form::L2tcsv | Form::Timesketch | Form::TimesketchCsv => true,
        }
    }
}

impl Output<'_, '_> {
    /// Writes the timeline to its file or to standard output.
    ///
    /// # Errors
    /// `Io`, and `Usage` if a template does not fit.
    pub(super) fn write(&self, io: &mut Io) -> Result<()> {
        let written = match self.args.times.file() {
            None => self.write_to(io.out())?,
            Some(file) => {
                let mut written = Written::default();
                cli::write_file(file, 0o644, |new| {
                    let mut out = BufWriter::new(new.file());
                    written = self.write_to(&mut out)?;
                    out.flush().during("write")
                })?;
                written
            }
        };
        let lost = match self.form {
            Form::Bodyfile(Dialect::Mactime) => written.before_1970,
            Form::Bodyfile(Dialect::Plaso) => written.zeros,
            _ => 0,
        };
        if lost > 0 {
            io.note(&match self.form {
                Form::Bodyfile(Dialect::Plaso) => {
                    format!("plaso takes times of 0 for unknown ones: {lost} written")
                }
                _ => format!("mactime does not show times before 1970: {lost} written"),
            });
        }
        Ok(())
    }

    fn write_to(&self, out: &mut impl Write) -> Result<Written> {
        let mut written = Written::default();
        let mut put = |text: &str| out.write_all(text.as_bytes()).during("write");
        match self.form {
            Form::Rows(format) => {
                let records = Records::of(self.timeline.images());
                let rows = self.events().map(|event| records.row(&event));
                format.write(out, Some(COLUMNS), rows)?;
            }
            Form::Bodyfile(dialect) => {
                let mut line = String::new();
                for event in self.timeline.versions().filter(|event| self.shows(event)) {
                    let EventRef::Version { image, version, .. } = event else {
                        continue;
                    };
                    let created = image.created_of(version.layer());
                    if !self.is_within(version, created) {
                        continue;
                    }
                    line.clear();
                    let lost = dialect.line(&mut line, image, version, created);
                    written.before_1970 += lost.before_1970;
                    written.zeros += lost.zeros;
                    put(&line)?;
                }
            }
            Form::L2tcsv => {
                put(L2TCSV_HEADING)?;
                put("\n")?;
                let moments = self.timeline.moments(self.span.from, self.span.to);
                let shown = moments.filter(|moment| moment.iter().any(|event| self.shows(event)));
                for moment in shown {
                    if let Some(line) = l2tcsv_line(&moment) {
                        put(&line)?;
                        put("\n")?;
                    }
                }
            }
            Form::Timesketch => {
                for event in self.events() {
                    put(&json::line(&Row::of(&event).object())?)?;
                    put("\n")?;
                }
            }
            Form::TimesketchCsv => {
                put(&csv_heading())?;
                for event in self.events() {
                    put(&Row::of(&event).csv())?;
                }
            }
        }
        Ok(written)
    }

    fn events(&self) -> impl Iterator<Item = EventRef<'_>> {
        let events = self.timeline.within(self.span.from, self.span.to);
        events.filter(|event| self.shows(event))
    }

    /// Tests if an event has an anomaly, where only such are listed.
    fn shows(&self, event: &EventRef<'_>) -> bool {
        !self.args.times.anomalies || event.anomalies().next().is_some()
    }

    /// Tests if a version has a time in the span.
    fn is_within(&self, version: &EntryVersion<'_>, created: Option<Mtime>) -> bool {
        let others = version.other_times();
        let times = [
            others.access,
            others.change,
            Some(version.meta().mtime),
            created,
        ];
        let Span { from, to } = self.span;
        (from.is_none() && to.is_none())
            || times
                .into_iter()
                .flatten()
                .any(|time| from.is_none_or(|from| from <= time) && to.is_none_or(|to| time <= to))
    }
}

/// Records of the versions of all images.
struct Records<'a>(HashMap<*const TimedImage<'a>, VersionRecords<'a>>);

impl<'a> Records<'a> {
    fn of(images: &'a [TimedImage<'a>]) -> Self {
        let images = images.iter().map(|image| {
            let records = VersionRecords::new(image.archive, image.image, &image.name, 0);
            (std::ptr::from_ref(image), records)
        });
        Records(images.collect())
    }

    /// The row of an event. One of a document has the keys of a version that apply to it, and null for the others.
    fn row(&self, event: &EventRef<'_>) -> Value {
        let mut row = match event {
            EventRef::Version { image, version, .. } => {
                let records = self.0.get(&std::ptr::from_ref(*image).cast());
                records
                    .map(|records| records.record(version))
                    .unwrap_or_default()
            }
            EventRef::Document {
                image, document, ..
            } => {
                let layer = image.zip(document.layer);
                let path = document.path.strip_prefix(b"/").unwrap_or(&document.path);
                let (path, bytes) = json::bytes_lossless(path);
                let mut row = Map::new();
                for (key, value) in [
                    ("Path", json!(path)),
                    ("Type", Value::Null),
                    ("Mode", Value::Null),
                    ("UID", Value::Null),
                    ("GID", Value::Null),
                    ("Size", Value::Null),
                    ("Layer", json!(document.layer.map(|layer| layer + 1))),
                    (
                        "Archive",
                        json!(image.map_or(document.archive.as_deref(), |image| Some(
                            &image.archive.place
                        ))),
                    ),
                    ("Image", json!(image.map(|image| &image.name))),
                    (
                        "ImageID",
                        json!(image.map(|image| image.image.id.to_string())),
                    ),
                    ("State", Value::Null),
                    ("By", Value::Null),
                    (
                        "DiffID",
                        json!(layer.and_then(|(image, layer)| image.diff_id(layer))),
                    ),
                    (
                        "CreatedBy",
                        json!(layer.and_then(|(image, layer)| image.created_by(layer))),
                    ),
                    ("Entry", Value::Null),
                ] {
                    row.insert(key.to_owned(), value);
                }
                if let Some(bytes) = bytes {
                    row.insert("PathBytes".to_owned(), bytes.into());
                }
                row
            }
        };
        let (own, letter) = (event.event(), event.event().kind.letter());
        let reasons: Vec<String> = event.anomalies().map(Anomaly::text).collect();
        let codes = event.anomalies().map(|anomaly| anomaly.rule.code());
        let codes: Vec<&str> = codes.collect();
        let time = Timestamp::from_unix(own.time.seconds, own.time.nanos);
        for (key, value) in [
            ("Time", json!(time.rfc3339_nano())),
            ("TimeSeconds", json!(own.time.seconds)),
            ("Event", json!(own.kind.name())),
            ("MACB", json!(letter.to_string())),
            ("Description", json!(event.description())),
            ("Source", json!(own.kind.source())),
            ("Message", json!(event.message())),
            ("Anomalies", json!(codes)),
            ("Reasons", json!(reasons.join("; "))),
        ] {
            row.insert(key.to_owned(), value);
        }
        Value::Object(row)
    }
}
