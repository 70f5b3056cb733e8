//! Rows and tables of the history of paths.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Map, Value, json};

use super::super::args::Args;
use super::life::{Happened, Life, Patch};
use crate::cli::{self, Io};
use crate::error::{During, Result};
use crate::escape;
use crate::render::images::RowFormat;
use crate::render::{Column, Format, human};

const COLUMNS: &[Column] = &[
    Column::new("Layer", "LAYER"),
    Column::new("Created", "CREATED"),
    Column::new("Did", "DID"),
    Column::new("Path", "PATH"),
    Column::new("Kind", "KIND"),
    Column::new("Mode", "MODE"),
    Column::new("Owner", "OWNER"),
    Column::new("Uid", "UID"),
    Column::new("Gid", "GID"),
    Column::new("Size", "SIZE"),
    Column::new("ModTime", "MODIFIED"),
    Column::new("Digest", "DIGEST"),
    Column::new("Fields", "FIELDS"),
    Column::new("Added", "ADDED"),
    Column::new("Changed", "CHANGED"),
    Column::new("Deleted", "DELETED"),
    Column::new("BytesNew", "NEW"),
    Column::new("BytesGone", "GONE"),
    Column::new("DiffID", "DIFF ID"),
    Column::new("CreatedBy", "CREATED BY"),
    Column::new("Images", "IMAGES"),
];

const LIFE: &str = r"table {{.Layer}}\t{{.Created}}\t{{.Did}}\t{{.Mode}}\t{{.Owner}}\t{{.Size}}\t{{.Digest}}\t{{.CreatedBy}}";
const BELOW: &str = r"table {{.Layer}}\t{{.Created}}\t{{.Did}}\t{{.Path}}\t{{.Mode}}\t{{.Owner}}\t{{.Size}}\t{{.Digest}}\t{{.CreatedBy}}";
const STAT: &str = r"table {{.Layer}}\t{{.Created}}\t{{.Added}}\t{{.Changed}}\t{{.Deleted}}\t{{.BytesNew}}\t{{.BytesGone}}\t{{.CreatedBy}}";

/// Output in the requested format.
pub(super) struct Output<'a> {
    args: &'a Args,
    /// `None` for tables of our own.
    format: Option<Format>,
    window: Option<u16>,
    style: RowFormat,
}

impl<'a> Output<'a> {
    /// # Errors
    /// `Usage` for an invalid format.
    pub(super) fn new(args: &'a Args, window: Option<u16>) -> Result<Self> {
        let format = match args.format.as_str() {
            "" | "table" => None,
            text => Some(Format::parse(text, LIFE)?.fitted(window)),
        };
        Ok(Output {
            args,
            format,
            window,
            style: RowFormat {
                truncate: !args.no_trunc,
                human: args.is_human(),
                now: cli::now(),
            },
        })
    }

    /// Writes all blocks, each with the names of the images that have it.
    ///
    /// # Errors
    /// `Io`, and `Usage` if a template does not fit.
    pub(super) fn write(
        &self,
        blocks: &[(Life, Vec<String>)],
        has_images: bool,
        io: &mut Io,
    ) -> Result<()> {
        if let Some(format) = &self.format {
            let rows = blocks.iter().flat_map(|(life, images)| {
                let rows = self.rows(life).into_iter();
                rows.map(move |mut row| {
                    row.insert("Images".to_owned(), json!(images));
                    Value::Object(row)
                })
            });
            return format.write(io.out(), Some(COLUMNS), rows);
        }
        for (number, (life, images)) in blocks.iter().enumerate() {
            if number > 0 {
                io.line("")?;
            }
            let path = shown(&life.path);
            match has_images {
                true => io.line(&format!("{path} in {}", escape::text(&images.join(", "))))?,
                false if blocks.len() > 1 => io.line(&path)?,
                false => {}
            }
            let default = match (self.args.path.stat, life.is_directory) {
                (true, _) => STAT,
                (false, true) => BELOW,
                (false, false) => LIFE,
            };
            let format = Format::parse("table", default)?.fitted(self.window);
            let rows = self.rows(life).into_iter();
            let rows = rows.map(|row| Value::Object(self.for_people(row)));
            format.write(io.out(), Some(COLUMNS), rows)?;
            for event in &life.events {
                patch(io.out(), event).during("write")?;
            }
        }
        Ok(())
    }

    fn rows(&self, life: &Life) -> Vec<Map<String, Value>> {
        if self.args.path.stat {
            return sums(life);
        }
        let rows = life.events.iter().map(|event| {
            let mut row = event.row.clone();
            if self.args.path.patch {
                let (contents, patch) = match &event.patch {
                    None => (Value::Null, ""),
                    Some(Patch::Text(text, _)) => ("text".into(), text.as_str()),
                    Some(Patch::Binary(..)) => ("binary".into(), ""),
                    Some(Patch::Large(..)) => ("large".into(), ""),
                };
                row.insert("Contents".to_owned(), contents);
                row.insert("Patch".to_owned(), patch.into());
            }
            row
        });
        rows.collect()
    }

    /// Shortens the values of a row.
    fn for_people(&self, mut row: Map<String, Value>) -> Map<String, Value> {
        let text = |row: &Map<String, Value>, key: &str| {
            let text = row.get(key).and_then(Value::as_str);
            text.map(str::to_owned)
        };
        let created = text(&row, "Created");
        let created = match self.style.human {
            true => self.style.since(created.as_deref()),
            false => created.unwrap_or_default(),
        };
        row.insert("Created".to_owned(), created.into());
        if let (Some(uid), Some(gid)) = (
            row.get("Uid").and_then(Value::as_u64),
            row.get("Gid").and_then(Value::as_u64),
        ) {
            row.insert("Owner".to_owned(), format!("{uid}:{gid}").into());
        } else {
            row.insert("Owner".to_owned(), "".into());
        }
        for key in ["Size", "BytesNew", "BytesGone"] {
            if let Some(size) = row.get(key).and_then(Value::as_u64) {
                let is_file =
                    key != "Size" || text(&row, "Kind").is_some_and(|kind| kind == "file");
                let shown = if is_file {
                    self.style.size(Some(size))
                } else {
                    String::new()
                };
                row.insert(key.to_owned(), shown.into());
            }
        }
        let short = |text: String| {
            if self.style.truncate {
                self.style.id(&text)
            } else {
                text
            }
        };
        if let Some(digest) = text(&row, "Digest") {
            row.insert("Digest".to_owned(), short(digest).into());
        }
        if let Some(command) = text(&row, "CreatedBy") {
            let command = command.replace('\t', " ");
            let command = if self.style.truncate {
                human::ellipsis(&command, 45)
            } else {
                command
            };
            row.insert("CreatedBy".to_owned(), command.into());
        }
        row
    }
}

fn shown(path: &[u8]) -> String {
    format!("/{}", escape::bytes(path))
}

/// Sums by layer, the newest first.
fn sums(life: &Life) -> Vec<Map<String, Value>> {
    let mut layers: BTreeMap<usize, Vec<&Happened>> = BTreeMap::new();
    for event in &life.events {
        layers.entry(event.layer).or_default().push(event);
    }
    let sum = |events: &[&Happened]| {
        let mut row = Map::new();
        let count =
            |is: &dyn Fn(&Happened) -> bool| events.iter().filter(|event| is(event)).count();
        let first = events.first();
        let (path, raw) = crate::render::json::bytes_lossless(&[b"/", &life.path[..]].concat());
        row.insert("Type".to_owned(), "stat".into());
        row.insert("Path".to_owned(), path.into());
        if let Some(raw) = raw {
            row.insert("PathBytes".to_owned(), raw.into());
        }
        for key in ["Layer", "DiffID", "CreatedBy", "Created"] {
            let value = first.and_then(|event| event.row.get(key));
            row.insert(key.to_owned(), value.cloned().unwrap_or_default());
        }
        for (key, value) in [
            ("Added", count(&|event| event.is_made && !event.was_there)),
            ("Changed", count(&|event| event.is_made && event.was_there)),
            ("Deleted", count(&|event| !event.is_made)),
        ] {
            row.insert(key.to_owned(), value.into());
        }
        let bytes = |pick: fn(&Happened) -> u64| {
            let sizes = events.iter().map(|event| pick(event));
            sizes.fold(0_u64, u64::saturating_add)
        };
        row.insert("BytesNew".to_owned(), bytes(|event| event.sizes.0).into());
        row.insert("BytesGone".to_owned(), bytes(|event| event.sizes.1).into());
        row
    };
    layers.values().rev().map(|events| sum(events)).collect()
}

/// Writes the difference of an event's contents from those of the version before.
fn patch<W: Write + ?Sized>(out: &mut W, event: &Happened) -> std::io::Result<()> {
    let Some(patch) = &event.patch else {
        return Ok(());
    };
    let path = shown(&event.path);
    let (was, layer) = match patch {
        Patch::Text(_, was) | Patch::Binary(_, _, was) | Patch::Large(_, _, was) => {
            (was + 1, event.layer + 1)
        }
    };
    writeln!(out, "--- a{path}\tlayer {was}\n+++ b{path}\tlayer {layer}")?;
    match patch {
        Patch::Text(text, _) => out.write_all(text.as_bytes()),
        Patch::Binary(was, is, _) => writeln!(out, "binary, {was} -> {is} bytes"),
        Patch::Large(was, is, _) => writeln!(out, "too large to be shown, {was} -> {is} bytes"),
    }
}
