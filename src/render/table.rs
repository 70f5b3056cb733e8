//! Tables as docker prints them.
//!
//! docker writes rows through Go's `tabwriter` with a least width of 10 and a padding of 3: a column is as wide as its
//! widest cell and three blanks, at least ten, and the last cell of a row is not padded. comfy-table pads the last
//! column as well, and its trimming would also take the blanks before an empty last cell, which docker prints; so
//! the few lines that lay out a row are here.

use std::io::Write;

use unicode_width::UnicodeWidthStr;

use crate::error::{Error, Result};
use crate::escape;

const MIN_WIDTH: usize = 10;
const PADDING: usize = 3;

/// Rows of cells, held until all are known. Every cell is escaped as it comes in and measured in terminal columns.
///
/// # Examples
/// ```
/// let mut table = imgkit::render::Table::new(&["IMAGE", "SIZE"]);
/// table.row(["6e5f702b1450", "232MB"]);
/// let mut out = Vec::new();
/// table.write_to(&mut out).unwrap();
/// assert_eq!(out, b"IMAGE          SIZE\n6e5f702b1450   232MB\n");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Table {
    lines: Vec<Vec<String>>,
}

impl Table {
    /// A table with a header; an empty list of headings makes a table without one.
    pub fn new(headings: &[&str]) -> Self {
        let mut table = Table::default();
        if !headings.is_empty() {
            table.row(headings.iter().copied());
        }
        table
    }

    /// Adds a row. Rows may differ in length: a column ends where a row does not reach it, as in `tabwriter`.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        let cells = cells.into_iter();
        self.lines.push(
            cells
                .map(|cell| escape::text(cell.as_ref()).into_owned())
                .collect(),
        );
    }

    /// Adds what a template rendered: cells divided by tabs, rows by line ends.
    pub fn text(&mut self, rendered: &str) {
        for line in rendered.split('\n') {
            self.row(line.split('\t'));
        }
    }

    /// Writes all rows, each ended by a line end.
    ///
    /// # Errors
    /// `Io` if the writer fails.
    pub fn write_to<W: Write + ?Sized>(&self, out: &mut W) -> Result<()> {
        let failed = |error| Error::io("write", error);
        let widths = self.widths();
        for (cells, widths) in self.lines.iter().zip(&widths) {
            for (at, cell) in cells.iter().enumerate() {
                let blanks = widths.get(at).map_or(0, |width| width - cell.width());
                out.write_all(cell.as_bytes()).map_err(failed)?;
                out.write_all(" ".repeat(blanks).as_bytes())
                    .map_err(failed)?;
            }
            out.write_all(b"\n").map_err(failed)?;
        }
        Ok(())
    }

    /// Width of every cell but the last of each row: the widest of the neighbouring rows that have that column, too.
    fn widths(&self) -> Vec<Vec<usize>> {
        let mut widths: Vec<Vec<usize>> = self
            .lines
            .iter()
            .map(|cells| {
                let padded = cells.iter().rev().skip(1).rev();
                padded
                    .map(|cell| (cell.width() + PADDING).max(MIN_WIDTH))
                    .collect()
            })
            .collect();
        let columns = widths.iter().map(Vec::len).max().unwrap_or(0);
        for column in 0..columns {
            for block in widths.chunk_by_mut(|a, b| (a.len() > column) == (b.len() > column)) {
                let widest = block
                    .iter()
                    .filter_map(|row| row.get(column).copied())
                    .max();
                let Some(widest) = widest else { continue };
                for row in block {
                    row[column] = widest;
                }
            }
        }
        widths
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(table: &Table) -> String {
        let mut out = Vec::new();
        table.write_to(&mut out).expect("write");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn columns_are_those_of_docker_history() {
        let mut table = Table::new(&["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]);
        table.row([
            "77ca256c7e54",
            "18 minutes ago",
            "/bin/sh -c #(nop)  HEALTHCHECK &{[\"CMD-SHELL…",
            "0B",
            "",
        ]);
        table.row(["e135c47c2ec0", "22 minutes ago", "", "164MB", "minbase"]);
        let expected = "\
IMAGE          CREATED          CREATED BY                                      SIZE      COMMENT
77ca256c7e54   18 minutes ago   /bin/sh -c #(nop)  HEALTHCHECK &{[\"CMD-SHELL…   0B        \n\
e135c47c2ec0   22 minutes ago                                                   164MB     minbase\n";
        assert_eq!(text(&table), expected);
    }

    #[test]
    fn a_column_is_at_least_ten_wide_and_the_last_is_not_padded() {
        let mut table = Table::new(&["A", "B"]);
        table.row(["1", "2"]);
        assert_eq!(text(&table), "A         B\n1         2\n");
        let mut table = Table::new(&["ONE"]);
        table.row(["1"]);
        assert_eq!(text(&table), "ONE\n1\n");
    }

    #[test]
    fn without_headings_there_is_no_header() {
        let mut table = Table::new(&[]);
        assert_eq!(text(&table), "");
        table.row(["6e5f702b1450", "0B"]);
        assert_eq!(text(&table), "6e5f702b1450   0B\n");
    }

    #[test]
    fn width_is_counted_in_columns_after_escaping() {
        let mut table = Table::new(&["NAME", "X"]);
        table.row(["你好世界你", "1"]);
        table.row(["a\nb\x1b[1m\u{202e}", "2\t3"]);
        assert_eq!(
            text(&table),
            "NAME                  X\n你好世界你            1\na\\nb\\x1b[1m\\u{202e}   2\\t3\n"
        );
    }

    #[test]
    fn columns_end_where_a_row_does_not_reach_them() {
        // As `docker history --format 'table {{.ID}}\n{{.Size}}\t{{.Comment}}|'` lays them out.
        let mut table = Table::default();
        table.text("IMAGE\nSIZE\tCOMMENT|");
        table.text("a-rather-long-image-id\n164MB\tminbase|");
        assert_eq!(
            text(&table),
            "IMAGE\nSIZE      COMMENT|\na-rather-long-image-id\n164MB     minbase|\n"
        );
        let mut table = Table::default();
        table.text("aaaaaaaaaaaa\tb\tc\nx\ty\nz\tbbbbbbbbbbbb\tc");
        assert_eq!(
            text(&table),
            "aaaaaaaaaaaa   b         c\nx              y\nz              bbbbbbbbbbbb   c\n"
        );
    }
}
