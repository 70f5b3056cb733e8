//! Differences of text files, line by line.

use std::io::Write;

use serde_json::Value;

use super::files::{change_row, shown_path};
use super::views::failed;
use crate::error::Result;
use crate::programs::imgdiff::compare::{Change, Side, TextChange};
use crate::render::{human, unified};

/// A text file's change as a unified diff. Bytes that would do something to a terminal are escaped.
///
/// # Errors
/// `Io`.
pub fn write_text<W: Write + ?Sized>(
    out: &mut W,
    sides: &[Side; 2],
    change: &Change,
    text: &TextChange,
) -> Result<()> {
    let [a, b] = sides;
    let (old, new) = (change.before(&a.tree), change.after(&b.tree));
    let name = |side: &str, path: Option<Vec<u8>>| match path {
        Some(path) => format!("{side}{}", shown_path(&path)),
        None => "/dev/null".into(),
    };
    let old = name("a", old.map(|node| node.path()));
    let new = name("b", new.map(|node| node.path()));
    match text {
        TextChange::Binary => writeln!(out, "Binary files {old} and {new} differ").map_err(failed),
        TextChange::Large(size) => {
            let size = human::size(*size);
            writeln!(
                out,
                "Files {old} and {new} differ: too large to be shown ({size})"
            )
            .map_err(failed)
        }
        TextChange::Lines(was, is) => {
            writeln!(out, "--- {old}\n+++ {new}").map_err(failed)?;
            unified(out, was, is)
        }
    }
}

/// A text change as a row.
pub fn text_row(sides: &[Side; 2], change: &Change, text: &TextChange) -> Result<Value> {
    let mut patch = Vec::new();
    if let TextChange::Lines(was, is) = text {
        unified(&mut patch, was, is)?;
    }
    let mut row = change_row(sides, change);
    if let Value::Object(row) = &mut row {
        row.insert("Type".into(), "text".into());
        let why = match text {
            TextChange::Lines(..) => "text",
            TextChange::Binary => "binary",
            TextChange::Large(_) => "large",
        };
        row.insert("Contents".into(), why.into());
        row.insert(
            "Patch".into(),
            String::from_utf8_lossy(&patch).into_owned().into(),
        );
    }
    Ok(row)
}
