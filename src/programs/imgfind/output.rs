//! Output: lines for people, raw paths, rows for JSON, tables and templates.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Map, Value};

use super::args::Args;
use super::facts::{Found, Item};
use super::images::Named;
use crate::cli::{FileKeys, Io, VersionRecords};
use crate::error::{During, Result};
use crate::escape;
use crate::find::{Action, Facts, Kind};
use crate::render::format::Kind as FormatKind;
use crate::render::{Column, Format};
use crate::tree::VersionState;

/// Headings of the columns of tables.
const COLUMNS: &[Column] = &[
    Column::new("Archive", "ARCHIVE"),
    Column::new("Image", "IMAGE"),
    Column::new("Path", "PATH"),
    Column::new("Type", "TYPE"),
    Column::new("Mode", "MODE"),
    Column::new("UID", "OWNER"),
    Column::new("GID", "GROUP"),
    Column::new("Size", "SIZE"),
    Column::new("ModTime", "MODIFIED"),
    Column::new("Layer", "LAYER"),
    Column::new("State", "STATE"),
    Column::new("Digest", "DIGEST"),
    Column::new("CreatedBy", "CREATED BY"),
    Column::new("Platform", "PLATFORM"),
    Column::new("ImageID", "IMAGE ID"),
];

/// Form of the output.
enum Form {
    Nothing,
    Text,
    /// Raw paths, each ended by NUL.
    Null,
    Rows(Box<Format>),
}

/// Output of a search.
pub(super) struct Output<'a> {
    form: Form,
    /// Lines begin with archive and image.
    pub(super) is_several: bool,
    /// Rows of a table, which is written at the end.
    rows: Vec<Value>,
    /// The path that was written last, raw.
    last: Option<Vec<u8>>,
    counts: BTreeMap<VersionState, u64>,
    args: &'a Args,
}

impl<'a> Output<'a> {
    /// # Errors
    /// `Usage` for an invalid format.
    pub(super) fn new(args: &'a Args, window: Option<u16>) -> Result<Self> {
        let is_several = args.images.len() > 1
            || args
                .images
                .iter()
                .any(|image| image.directory_to_search().is_some());
        let image = if is_several {
            r"{{.Archive}}\t{{.Image}}\t"
        } else {
            ""
        };
        let table = format!(
            r"table {image}{{{{.Path}}}}\t{{{{.Type}}}}\t{{{{.Mode}}}}\t{{{{.UID}}}}:{{{{.GID}}}}\t{{{{.Size}}}}\t{{{{.ModTime}}}}\t{{{{.Layer}}}}\t{{{{.State}}}}"
        );
        let form = match args.format.as_str() {
            _ if args.quiet => Form::Nothing,
            _ if args.null => Form::Null,
            "text" => Form::Text,
            format => Form::Rows(Box::new(Format::parse(format, &table)?.fitted(window))),
        };
        Ok(Output {
            form,
            is_several,
            rows: Vec::new(),
            last: None,
            counts: BTreeMap::new(),
            args,
        })
    }

    /// Tests if digests are written.
    pub(super) fn has_digests(&self) -> bool {
        matches!(&self.form, Form::Rows(format) if format.uses("Digest"))
    }

    pub(super) fn has_found(&self) -> bool {
        !self.counts.is_empty()
    }

    /// Begins another image.
    pub(super) fn begin(&mut self) {
        self.last = None;
    }

    /// Counts a version that matches.
    pub(super) fn count(&mut self, found: &Found<'_>, is_match: bool) {
        if is_match {
            *self.counts.entry(found.item.state()).or_default() += 1;
        }
    }

    /// Writes what the expression does with a version.
    ///
    /// # Errors
    /// `Io`, and `Usage` if a template does not fit.
    pub(super) fn act(
        &mut self,
        action: Action<'_>,
        (named, records): (&Named<'_>, &VersionRecords<'_>),
        found: &Found<'_>,
        io: &mut Io,
    ) -> Result<()> {
        match (action, &self.form) {
            (_, Form::Nothing) => Ok(()),
            (Action::Write(bytes), _) => io.out().write_all(bytes).during("write"),
            (Action::Print0, _) | (Action::Print, Form::Null) => self.null(found, io),
            (Action::Print, Form::Text) => io.line(&self.line(named, found)),
            (Action::Print, Form::Rows(format)) => {
                let row = Value::Object(row(records, found));
                if format.kind() == FormatKind::Table {
                    self.rows.push(row);
                    return Ok(());
                }
                format.write(io.out(), None, [row])
            }
        }
    }

    /// Writes a path, raw, once for all its versions.
    fn null(&mut self, found: &Found<'_>, io: &mut Io) -> Result<()> {
        if self.last.as_ref() == Some(&found.path) {
            return Ok(());
        }
        self.last = Some(found.path.clone());
        io.out().write_all(&found.path).during("write")?;
        io.out().write_all(b"\0").during("write")
    }

    fn line(&self, named: &Named<'_>, found: &Found<'_>) -> String {
        let path = escape::bytes(&found.path);
        let end = match ending(found) {
            Some(end) => format!("\t{end}"),
            None => String::new(),
        };
        match self.is_several {
            true => {
                let (archive, name) = (
                    escape::text(&named.archive.place),
                    escape::text(&named.name),
                );
                format!("{archive}:{name}:{path}{end}")
            }
            false => format!("{path}{end}"),
        }
    }

    /// Writes what is held until the end.
    ///
    /// # Errors
    /// As [`Output::act`].
    pub(super) fn finish(self, io: &mut Io) -> Result<()> {
        if let Form::Rows(format) = &self.form
            && format.kind() == FormatKind::Table
        {
            format.write(io.out(), Some(COLUMNS), self.rows)?;
        }
        if self.args.verbose {
            let counts = self.counts.iter();
            let counts: Vec<String> = counts
                .map(|(state, count)| format!("{count} {}", state.name()))
                .collect();
            io.note(&format!("matches by state: {}", counts.join(", ")));
        }
        Ok(())
    }
}

/// Layer of a version that the image does not show, and how it ended; `None` for a file of the image.
fn ending(found: &Found<'_>) -> Option<String> {
    let item = &found.item;
    let layer = item.layer() + 1;
    let state = match (item.state(), item.kind()) {
        (VersionState::Final, Kind::Whiteout) => "whiteout",
        (VersionState::Final, Kind::Opaque) => "opaque",
        (VersionState::Final, _) => return None,
        (state, _) => state.name(),
    };
    let by = item.ended_by().filter(|by| *by != item.layer());
    Some(match by {
        None => format!("layer {layer}, {state}"),
        Some(by) => match found.gone_by() {
            None | Some("") => format!("layer {layer}, {state} by {}", by + 1),
            Some(step) => format!(
                "layer {layer}, {state} by {}: {}",
                by + 1,
                escape::brief(step)
            ),
        },
    })
}

/// The record of a version.
fn row(records: &VersionRecords<'_>, found: &Found<'_>) -> Map<String, Value> {
    match &found.item {
        Item::Version(version) => records.record(version),
        Item::Implied(node) => {
            let keys = FileKeys {
                path: &found.path,
                kind: "directory",
                link_target: None,
                hard_link_to: None,
                metadata: Some((found.meta(), 0)),
                links: Some(node.link_count() as u64),
                device: None,
                layer: Some(node.layer()),
                digest: None,
            };
            records.of_directory(keys)
        }
    }
}
