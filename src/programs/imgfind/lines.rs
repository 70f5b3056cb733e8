//! Output of matches in contents, in the forms of ripgrep.

use std::io::Write;

use super::documents::Text;
use super::facts::Found;
use super::inside::FileMatches;
use super::output::{Form, Output, ending, whole_path};
use super::patterns::Shown;
use crate::cli::{Io, Named, VersionRecords};
use crate::error::{During, Error, Result};
use crate::escape;
use crate::grep::{Line, LineKind, Matches, Store};
use crate::nested::{Step, inner_path};
use crate::render::json as lossless;
use serde_json::{Map, Value, json};

/// Whose matches are written.
#[derive(Clone, Copy)]
pub(super) enum Of<'a> {
    /// A version's contents, those of a file at a path inside it, or its name.
    Version(&'a VersionRecords<'a>, &'a Found<'a>, Option<&'a [u8]>),
    Text(&'a Text),
}

/// A place as it is written.
struct Place<'a> {
    /// Raw, with archive and image in front.
    raw: Vec<u8>,
    /// Escaped, with how the version ended.
    shown: String,
    named: &'a Named<'a>,
    of: Of<'a>,
}

impl<'a> Place<'a> {
    fn new(image: String, named: &'a Named<'a>, of: Of<'a>) -> Self {
        let (raw, shown) = match of {
            Of::Version(_, found, inside) => {
                let end = ending(found, false).map(|end| format!(" [{end}]"));
                let raw = whole_path(found, inside);
                let path = escape::bytes(&raw);
                let shown = format!("{image}{path}{}", end.unwrap_or_default());
                ([image.as_bytes(), &raw].concat(), shown)
            }
            Of::Text(text) => {
                let (archive, document) = (&named.archive.place, text.document);
                let image = if image.is_empty() {
                    format!("{}:", escape::text(archive))
                } else {
                    image
                };
                let raw = format!("{image}{document}:{}", text.pointer);
                let shown = format!("{image}{document}:{}", escape::text(&text.pointer));
                (raw.into_bytes(), shown)
            }
        };
        Place {
            raw,
            shown,
            named,
            of,
        }
    }

    fn row(&self, output: &Output<'_>) -> Map<String, Value> {
        let text = match self.of {
            Of::Version(records, found, inside) => return output.record(records, found, inside),
            Of::Text(text) => text,
        };
        let image = self.named.image;
        let pairs = [
            ("Archive", self.named.archive.place.clone()),
            ("Image", self.named.name.clone()),
            ("ImageID", image.id.to_string()),
            ("Platform", image.platform.to_string()),
            ("Document", text.document.to_owned()),
            ("Pointer", text.pointer.clone()),
        ];
        let pairs = pairs
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value.into()));
        pairs.collect()
    }
}

impl Output<'_> {
    /// Writes the matches in a version's contents, or inside them, and what could not be read there.
    ///
    /// # Errors
    /// As [`Output::matches`].
    pub(super) fn all_matches(
        &mut self,
        all: &FileMatches,
        store: &Store,
        (named, of): (&Named<'_>, Of<'_>),
        io: &mut Io,
    ) -> Result<()> {
        if !all.is_opened {
            self.matches(all.own.as_ref(), store, (named, of), io)?;
        }
        let Of::Version(records, found, _) = of else {
            return Ok(());
        };
        for (steps, matches) in &all.inside {
            let path = inner_path(&found.path, steps);
            let of = Of::Version(records, found, Some(&path));
            self.matches(Some(matches), store, (named, of), io)?;
        }
        let place = |steps: &[Step]| {
            let inside = inner_path(&found.path, steps);
            let path = whole_path(found, Some(&*inside).filter(|path| !path.is_empty()));
            escape::bytes(&path).into_owned()
        };
        for note in &all.notes.list {
            tell(named, place(&note.steps), &note.error, io);
        }
        if all.notes.more > 0 {
            io.note(&format!("{}: and {} more", place(&[]), all.notes.more));
        }
        Ok(())
    }

    /// Writes the matches in a version's contents, a name or a text, and counts them.
    ///
    /// # Errors
    /// `Io`, and `Usage` if a template does not fit.
    pub(super) fn matches(
        &mut self,
        matches: Option<&Matches>,
        store: &Store,
        (named, of): (&Named<'_>, Of<'_>),
        io: &mut Io,
    ) -> Result<()> {
        let is_shown = matches.is_some_and(|matches| matches.count > 0);
        let is_refused = matches.is_some_and(|matches| matches.refused.is_some());
        if !is_refused && is_shown == (self.style.shown == Shown::Others) {
            return Ok(());
        }
        let place = Place::new(self.image(named), named, of);
        if let Some(refused) = matches.and_then(|matches| matches.refused.clone()) {
            let archive = named.archive.place.clone();
            let path = match of {
                Of::Version(_, found, Some(inside)) => {
                    let path = whole_path(found, Some(inside));
                    tell(named, escape::bytes(&path).into_owned(), &refused, io);
                    return Ok(());
                }
                Of::Version(_, found, None) => escape::bytes(&found.path).into_owned(),
                Of::Text(_) => place.shown,
            };
            io.fail(&refused.at(path).at(archive));
            return Ok(());
        }
        let matches = matches.filter(|_| is_shown);
        match of {
            Of::Version(_, found, _) => self.count(found, true),
            Of::Text(_) => self.count_text(),
        }
        match (matches, &self.form, of) {
            (_, Form::Nothing, _) => Ok(()),
            (Some(matches), Form::Rows(_), _) => self.rows_of(&place, matches, store, io),
            (Some(matches), _, _) if self.style.has_lines() => {
                self.lines_of(&place, matches, store, io)
            }
            (_, _, Of::Version(records, found, inside)) => {
                self.print((named, records), found, inside, io)
            }
            (None, Form::Rows(_), Of::Text(_)) => self.row(place.row(self), io),
            (_, Form::Null, Of::Text(_)) => self.path(&place, "", io),
            (_, _, Of::Text(_)) => io.line(&place.shown),
        }
    }

    fn lines_of(
        &mut self,
        of: &Place<'_>,
        matches: &Matches,
        store: &Store,
        io: &mut Io,
    ) -> Result<()> {
        if self.style.shown == Shown::Counts {
            let count = self.style.count(matches);
            self.path(of, ":", io)?;
            return io.line(&count.to_string());
        }
        let mut is_first = true;
        store.each(&matches.lines, |line| {
            if std::mem::take(&mut is_first) {
                self.first(of, io)?;
            }
            self.text(of, &line, io)
        })?;
        self.has_written = true;
        if let Some(offset) = matches.binary {
            self.path(of, ": ", io)?;
            io.line(&format!(
                r#"binary file matches (found "\0" byte around offset {offset})"#
            ))?;
        }
        Ok(())
    }

    /// Writes what separates a file's lines from those before, and the heading. A file without lines has none, as in
    /// ripgrep.
    fn first(&self, of: &Place<'_>, io: &mut Io) -> Result<()> {
        if self.has_written && self.style.has_heading {
            io.line("")?;
        } else if self.has_written && self.style.has_context {
            io.line("--")?;
        }
        match self.style.has_heading {
            true => self.path(of, "\n", io),
            false => Ok(()),
        }
    }

    /// Writes the path, and what separates it from what follows.
    fn path(&self, of: &Place<'_>, separator: &str, io: &mut Io) -> Result<()> {
        let out = io.out();
        match self.style.is_null {
            true => out.write_all(&[&of.raw, &b"\0"[..]].concat()),
            false => write!(out, "{}{separator}", of.shown),
        }
        .during("write")
    }

    /// Writes a line of text.
    fn text(&self, of: &Place<'_>, line: &Line, io: &mut Io) -> Result<()> {
        let separator = match line.kind {
            LineKind::Break => return io.line("--"),
            LineKind::Match => ':',
            LineKind::Context => '-',
        };
        if !self.style.has_heading {
            self.path(of, separator.encode_utf8(&mut [0; 4]), io)?;
        }
        let fields = [
            (self.style.has_numbers, line.number),
            (self.style.has_columns && line.column > 0, line.column),
            (self.style.has_offsets, line.offset),
        ];
        let out = io.out();
        for (_, number) in fields.into_iter().filter(|(is_shown, _)| *is_shown) {
            write!(out, "{number}{separator}").during("write")?;
        }
        io.line(&escape::line(&line.text))
    }

    /// Writes rows for JSON, tables and templates.
    fn rows_of(
        &mut self,
        of: &Place<'_>,
        matches: &Matches,
        store: &Store,
        io: &mut Io,
    ) -> Result<()> {
        let mut common = of.row(self);
        match self.style.shown {
            Shown::Files | Shown::Others => return self.row(common, io),
            Shown::Counts => {
                common.insert("Count".to_owned(), self.style.count(matches).into());
                return self.row(common, io);
            }
            Shown::Lines => {}
        }
        store.each(&matches.lines, |line| {
            if line.kind == LineKind::Break {
                return Ok(());
            }
            let mut row = common.clone();
            let mut put = |key: &str, value: Value| row.insert(key.to_owned(), value);
            let (text, raw) = lossless::bytes_lossless(&line.text);
            let known = |number: u64| (number > 0).then_some(number);
            put("Line", json!(known(line.number)));
            put("Column", json!(known(line.column)));
            put("ByteOffset", line.offset.into());
            put("Text", text.into());
            if let Some(raw) = raw {
                put("TextBytes", raw.into());
            }
            let submatch = |&(start, end): &(u64, u64)| json!({"Start": start, "End": end});
            put("Submatches", line.positions.iter().map(submatch).collect());
            put(
                "Kind",
                if line.kind == LineKind::Match {
                    "match"
                } else {
                    "context"
                }
                .into(),
            );
            self.row(row, io)
        })?;
        if let Some(offset) = matches.binary {
            let mut row = common;
            for key in ["Line", "Column", "Text"] {
                row.insert(key.to_owned(), Value::Null);
            }
            row.insert("ByteOffset".to_owned(), offset.into());
            row.insert("Submatches".to_owned(), json!([]));
            row.insert("Kind".to_owned(), "binary".into());
            return self.row(row, io);
        }
        Ok(())
    }
}

/// Tells why a place inside a file could not be read: a note, because a file may be damaged as it is.
fn tell(named: &Named<'_>, place: String, error: &Error, io: &mut Io) {
    let error = error.clone().at(place).at(named.archive.place.clone());
    io.note(&error.to_string());
    if let Some(hint) = error.hint() {
        io.hint(&hint);
    }
}
