//! Differences of texts.

use std::io::Write;

use super::super::files::change_path;
use super::super::text::write_text;
use super::super::views::failed;
use super::frame::{badge, counted};
use crate::error::Result;
use crate::programs::imgdiff::compare::{Change, Side, TextChange};
use crate::render::page::escaped;

/// Number of texts up to which all of them are unfolded.
const UNFOLDED: usize = 20;

/// Writes the `number`th of `count` texts of a page, from 1, as a unified diff; before the first `is_first` the heading.
///
/// # Errors
/// `Io`.
pub fn write_page_text<W: Write + ?Sized>(
    out: &mut W,
    sides: &[Side; 2],
    change: &Change,
    (number, count, is_first): (usize, usize, bool),
    text: &TextChange,
) -> Result<()> {
    if is_first {
        writeln!(out, "<section id=\"texts\"><h2>Text differences</h2>").map_err(failed)?;
    }
    let path = escaped(&change_path(sides, change));
    let open = if count <= UNFOLDED { " open" } else { "" };
    write!(
        out,
        "<details class=\"find\"{open} id=\"t{number}\"><summary>{} {path}</summary>\n<pre>",
        badge(change.kind.letter())
    )
    .map_err(failed)?;
    write_text(&mut DiffLines::new(out), sides, change, text)?;
    writeln!(out, "</pre></details>").map_err(failed)
}

/// Writes the end of the section.
pub(super) fn end<W: Write + ?Sized>(
    out: &mut W,
    has_texts: bool,
    left_out: usize,
) -> std::io::Result<()> {
    if left_out > 0 {
        if !has_texts {
            writeln!(out, "<section id=\"texts\"><h2>Text differences</h2>")?;
        }
        writeln!(
            out,
            "<p class=\"none\">The contents of {} differ, too; imgdiff --text --format html shows those that are text.</p>",
            counted(left_out, "more file")
        )?;
    }
    if has_texts || left_out > 0 {
        writeln!(out, "</section>")?;
    }
    Ok(())
}

/// Writer that turns the lines of a unified diff into markup, added and deleted ones coloured.
struct DiffLines<'w, W: ?Sized> {
    out: &'w mut W,
    line: Vec<u8>,
    number: usize,
}

impl<'w, W: Write + ?Sized> DiffLines<'w, W> {
    /// Writes to `out`. Text after the last line feed is not written.
    fn new(out: &'w mut W) -> Self {
        DiffLines {
            out,
            line: Vec::new(),
            number: 0,
        }
    }
}

impl<W: Write + ?Sized> Write for DiffLines<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if !piece.ends_with(b"\n") {
                continue;
            }
            let line = String::from_utf8_lossy(&self.line);
            // Escaped already but for tabs, which the page shows.
            let parts: Vec<String> = line
                .trim_end_matches('\n')
                .split('\t')
                .map(escaped)
                .collect();
            let text = parts.join("\t");
            // The first two lines are the names of the files.
            let class = match text.as_bytes().first() {
                Some(b'+') if self.number >= 2 => "A",
                Some(b'-') if self.number >= 2 => "D",
                Some(b'@') => "H",
                _ => "",
            };
            // Each line is a block of its own: a line feed between them would be one more.
            match class {
                "" => write!(self.out, "<span>{text}\n</span>")?,
                class => write!(self.out, "<span class=\"{class}\">{text}\n</span>")?,
            }
            self.line.clear();
            self.number += 1;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
