//! Output: lines for people, raw paths, rows for JSON, tables and templates.

use std::collections::BTreeMap;
use std::io::Write;

use super::args::Args;
use super::facts::{Found, Item};
use super::style::Style;
use crate::cli::{FileKeys, Io, Named, VersionRecords};
use crate::error::{During, Result};
use crate::escape;
use crate::find::{Action, Facts, Kind};
use crate::render::format::Kind as FormatKind;
use crate::render::{Column, Format, json as lossless};
use crate::tree::VersionState;
use serde_json::{Map, Value};

/// Headings of the columns of tables.
const COLUMNS: &[Column] = &[
    Column::new("Archive", "ARCHIVE"),
    Column::new("Image", "IMAGE"),
    Column::new("Path", "PATH"),
    Column::new("Inside", "INSIDE"),
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
    Column::new("Line", "LINE"),
    Column::new("Column", "COLUMN"),
    Column::new("ByteOffset", "OFFSET"),
    Column::new("Text", "TEXT"),
    Column::new("Count", "COUNT"),
    Column::new("Platform", "PLATFORM"),
    Column::new("ImageID", "IMAGE ID"),
];

/// Form of the output.
pub(super) enum Form {
    Nothing,
    Text,
    /// Raw paths, each ended by NUL.
    Null,
    Rows(Box<Format>),
}

/// Output of a search.
pub(super) struct Output<'a> {
    pub(super) form: Form,
    /// Form of matches in contents.
    pub(super) style: Style,
    /// A match in contents was written.
    pub(super) has_written: bool,
    /// Lines begin with archive and image.
    pub(super) is_several: bool,
    /// Rows of a table, which is written at the end.
    rows: Vec<Value>,
    /// The path that was written last, raw.
    last: Option<Vec<u8>>,
    counts: BTreeMap<VersionState, u64>,
    /// Texts of documents that match.
    texts: u64,
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
        let inside = if args.patterns.opens() {
            r"{{.Inside}}\t"
        } else {
            ""
        };
        let style = Style::new(&args.patterns, args.null, window.is_some());
        let table = match style.extra_columns() {
            Some(columns) => {
                format!(
                    r"table {image}{{{{.Path}}}}\t{inside}{{{{.Layer}}}}\t{{{{.State}}}}\t{columns}"
                )
            }
            None => format!(
                r"table {image}{{{{.Path}}}}\t{{{{.Type}}}}\t{{{{.Mode}}}}\t{{{{.UID}}}}:{{{{.GID}}}}\t{{{{.Size}}}}\t{{{{.ModTime}}}}\t{{{{.Layer}}}}\t{{{{.State}}}}"
            ),
        };
        let form = match args.format.as_str() {
            _ if args.quiet => Form::Nothing,
            _ if args.null && !style.has_lines() => Form::Null,
            "text" => Form::Text,
            format => Form::Rows(Box::new(Format::parse(format, &table)?.fitted(window))),
        };
        Ok(Output {
            form,
            style,
            has_written: false,
            is_several,
            rows: Vec::new(),
            last: None,
            counts: BTreeMap::new(),
            texts: 0,
            args,
        })
    }

    /// Tests if digests are written.
    pub(super) fn has_digests(&self) -> bool {
        matches!(&self.form, Form::Rows(format) if format.uses("Digest"))
    }

    /// Returns whether lines need numbers, and positions of the matches in them.
    pub(super) fn needs(&self) -> (bool, bool) {
        match &self.form {
            Form::Rows(format) => (
                format.uses("Line"),
                format.uses("Submatches") || format.uses("Column"),
            ),
            _ => (self.style.has_numbers, false),
        }
    }

    pub(super) fn has_found(&self) -> bool {
        !self.counts.is_empty() || self.texts > 0
    }

    /// Begins another image.
    pub(super) fn begin(&mut self) {
        self.last = None;
    }

    /// Counts a text of a document that matches.
    pub(super) fn count_text(&mut self) {
        self.texts += 1;
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
            (Action::Print0, _) => self.null(found.path.clone(), io),
            (Action::Print, _) => self.print((named, records), found, None, io),
        }
    }

    /// Writes a version, or a path inside its file.
    ///
    /// # Errors
    /// As [`Output::act`].
    pub(super) fn print(
        &mut self,
        (named, records): (&Named<'_>, &VersionRecords<'_>),
        found: &Found<'_>,
        inside: Option<&[u8]>,
        io: &mut Io,
    ) -> Result<()> {
        match self.form {
            Form::Nothing => Ok(()),
            Form::Null => self.null(whole_path(found, inside), io),
            Form::Text => io.line(&self.line(named, found, inside)),
            Form::Rows(_) => self.row(self.record(records, found, inside), io),
        }
    }

    /// The record of a version, or of a file inside it.
    pub(super) fn record(
        &self,
        records: &VersionRecords<'_>,
        found: &Found<'_>,
        inside: Option<&[u8]>,
    ) -> Map<String, Value> {
        let mut row = row(records, found);
        if self.args.patterns.opens() {
            let (text, raw) = inside.map(lossless::bytes_lossless).unzip();
            row.insert("Inside".to_owned(), text.into());
            if let Some(raw) = raw.flatten() {
                row.insert("InsideBytes".to_owned(), raw.into());
            }
        }
        row
    }

    /// Writes a row, or keeps it for a table.
    pub(super) fn row(&mut self, row: Map<String, Value>, io: &mut Io) -> Result<()> {
        let row = Value::Object(row);
        match &self.form {
            Form::Rows(format) if format.kind() == FormatKind::Table => {
                self.rows.push(row);
                Ok(())
            }
            Form::Rows(format) => format.write(io.out(), None, [row]),
            _ => Ok(()),
        }
    }

    /// Writes a path, raw, once for all its versions.
    fn null(&mut self, path: Vec<u8>, io: &mut Io) -> Result<()> {
        if self.last.as_ref() == Some(&path) {
            return Ok(());
        }
        io.out().write_all(&path).during("write")?;
        self.last = Some(path);
        io.out().write_all(b"\0").during("write")
    }

    fn line(&self, named: &Named<'_>, found: &Found<'_>, inside: Option<&[u8]>) -> String {
        let path = whole_path(found, inside);
        let path = escape::bytes(&path);
        let end = match ending(found, true) {
            Some(end) => format!("\t{end}"),
            None => String::new(),
        };
        format!("{}{path}{end}", self.image(named))
    }

    /// Archive and image in front of a path, if there are several.
    pub(super) fn image(&self, named: &Named<'_>) -> String {
        let (archive, name) = (&named.archive.place, &named.name);
        match self.is_several {
            true => format!("{}:{}:", escape::text(archive), escape::text(name)),
            false => String::new(),
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
            let mut counts: Vec<String> = counts
                .map(|(state, count)| format!("{count} {}", state.name()))
                .collect();
            if self.texts > 0 {
                counts.push(format!("{} in documents", self.texts));
            }
            io.note(&format!("matches by state: {}", counts.join(", ")));
        }
        Ok(())
    }
}

/// Layer of a version that the image does not show, and how it ended, with the command that ended it if `has_step`;
/// `None` for a file of the image.
pub(super) fn ending(found: &Found<'_>, has_step: bool) -> Option<String> {
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
        Some(by) => match found.gone_by().filter(|_| has_step) {
            None | Some("") => format!("layer {layer}, {state} by {}", by + 1),
            Some(step) => format!(
                "layer {layer}, {state} by {}: {}",
                by + 1,
                escape::brief(step)
            ),
        },
    })
}

/// Path of a version, with the one inside it behind `!`.
pub(super) fn whole_path(found: &Found<'_>, inside: Option<&[u8]>) -> Vec<u8> {
    match inside {
        Some(inside) => [&found.path, &b"!"[..], inside].concat(),
        None => found.path.clone(),
    }
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
