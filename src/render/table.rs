//! Tables as docker prints them.
//!
//! docker writes rows through Go's `tabwriter` with a minimum width of 10 and a padding of 3: a column is as wide as its
//! widest cell and three blanks, at least ten. Blanks at the end of a line are dropped.

use std::io::Write;

use comfy_table::presets::NOTHING;
use comfy_table::{ColumnConstraint, ContentArrangement, Row, Width};
use unicode_width::UnicodeWidthStr;

use super::human;
use crate::error::{During, Result};
use crate::escape;

/// Minimum width of a column, its padding included.
const MIN_WIDTH: u16 = 10;
/// Blanks after the widest cell of a column.
const PADDING: u16 = 3;
/// Width of the widest cell for which comfy-table can add up widths in 16 bits.
const MAX_WIDTH: usize = 30_000;

/// Rows of cells, held until all are known. Every cell is escaped when it is added and measured in terminal columns.
///
/// # Examples
/// ```
/// let mut table = imgkit::render::Table::new(&["IMAGE", "SIZE"]);
/// table.row(["6e5f702b1450", "232MB"]);
/// let mut out = Vec::new();
/// table.write_to(&mut out, None).unwrap();
/// assert_eq!(out, b"IMAGE          SIZE\n6e5f702b1450   232MB\n");
/// ```
#[derive(Debug, Clone, Default)]
pub struct Table {
    lines: Vec<Vec<String>>,
}

impl Table {
    /// Creates a table with a header, or without one if there are no headings.
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

    /// Adds the rows that a template rendered: cells separated by tabs, rows by line ends.
    pub fn text(&mut self, rendered: &str) {
        for line in rendered.split('\n') {
            self.row(line.split('\t'));
        }
    }

    /// Writes all rows, each ended by a line end. A table that is wider than `window` columns is fitted to them by
    /// cutting cells.
    ///
    /// # Errors
    /// `Io` if the writer fails.
    pub fn write_to<W: Write + ?Sized>(&self, out: &mut W, window: Option<u16>) -> Result<()> {
        let is_regular = self.lines.iter().all(|cells| {
            cells.len() == self.lines[0].len() && cells.iter().all(|cell| cell.width() <= MAX_WIDTH)
        });
        let lines = match is_regular {
            true => self.drawn(),
            false => self.irregular(),
        };
        let is_too_wide = |window: u16| {
            let mut lines = lines.iter();
            lines.any(|line| line.trim_end_matches(' ').width() > usize::from(window))
        };
        let lines = match window.filter(|window| is_too_wide(*window)) {
            Some(window) => self.fitted(window),
            None => lines,
        };
        for line in lines {
            let line = line.trim_end_matches(' ');
            writeln!(out, "{line}").during("write")?;
        }
        Ok(())
    }

    /// Lines of a table whose rows all have the same length.
    fn drawn(&self) -> Vec<String> {
        let mut table = comfy_table::Table::new();
        table.add_rows(&self.lines);
        for column in padded_columns(&mut table) {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(MIN_WIDTH)));
        }
        table.lines().collect()
    }

    /// Lines that are at most `window` columns wide if possible: the widest columns share the space that others leave.
    fn fitted(&self, window: u16) -> Vec<String> {
        let mut table = comfy_table::Table::new();
        for cells in &self.lines {
            let cells = cells.iter();
            let cells = cells.map(|cell| human::ellipsis(cell, usize::from(window)));
            let mut row = Row::from(cells.collect::<Vec<_>>());
            row.max_height(1);
            table.add_row(row);
        }
        padded_columns(&mut table);
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(window)
            // No cell has this character, so cells are cut at the last column and not at a blank.
            .set_delimiter('\0');
        table.lines().collect()
    }

    /// Lines of a table that comfy-table cannot draw: with rows of different lengths, or with very wide cells.
    fn irregular(&self) -> Vec<String> {
        let lines = self.lines.iter().zip(self.widths());
        let lines = lines.map(|(cells, widths)| {
            let widths = widths.into_iter().chain([0]);
            let cells = cells.iter().zip(widths);
            let cells = cells.map(|(cell, width)| {
                let blanks = width.saturating_sub(cell.width());
                cell.clone() + &" ".repeat(blanks)
            });
            cells.collect()
        });
        lines.collect()
    }

    /// Width of every cell but the last of each row: the widest of the neighbouring rows that also have that column.
    fn widths(&self) -> Vec<Vec<usize>> {
        let mut widths: Vec<Vec<usize>> = self
            .lines
            .iter()
            .map(|cells| {
                let padded = cells.iter().rev().skip(1).rev();
                padded
                    .map(|cell| (cell.width() + usize::from(PADDING)).max(MIN_WIDTH.into()))
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

/// Removes all borders, and sets the padding. Returns all columns but the last, which has none.
fn padded_columns(table: &mut comfy_table::Table) -> &mut [comfy_table::Column] {
    table.load_style(NOTHING);
    let columns = table.column_iter_mut().into_slice();
    let Some((last, columns)) = columns.split_last_mut() else {
        return &mut [];
    };
    last.set_padding((0, 0));
    for column in &mut *columns {
        column.set_padding((0, PADDING));
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(table: &Table) -> String {
        let mut out = Vec::new();
        table.write_to(&mut out, None).expect("write");
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
77ca256c7e54   18 minutes ago   /bin/sh -c #(nop)  HEALTHCHECK &{[\"CMD-SHELL…   0B\n\
e135c47c2ec0   22 minutes ago                                                   164MB     minbase\n";
        assert_eq!(text(&table), expected);
    }

    fn fitted(table: &Table, window: u16) -> String {
        let mut out = Vec::new();
        table.write_to(&mut out, Some(window)).expect("write");
        String::from_utf8(out).expect("UTF-8")
    }

    #[test]
    fn a_table_wider_than_the_window_is_fitted_to_it() {
        let mut table = Table::new(&["IMAGE", "CREATED BY", "SIZE", "COMMENT"]);
        let command = "/bin/sh -c apt-get update && apt-get install curl";
        table.row(["77ca256c7e54", command, "0B", ""]);
        table.row([
            "e135c47c2ec0",
            "你好世界你好世界你好世界",
            "164MB",
            "minbase",
        ]);
        let expected = "\
IMAGE          CREATED BY            SIZE    COMMENT
77ca256c7e54   /bin/sh -c apt-get…   0B
e135c47c2ec0   你好世界你好世界你…   164MB   minbase\n";
        assert_eq!(fitted(&table, 52), expected);
        for window in [1, 20, 40, 52, 60, 79] {
            let text = fitted(&table, window);
            assert_eq!(text.lines().count(), 3, "{text}");
            let widest = text.lines().map(UnicodeWidthStr::width).max();
            assert!(
                window < 40 || widest <= Some(window.into()),
                "{window}: {text}"
            );
        }
        // The window is as wide as the table, or wider.
        assert_eq!(fitted(&table, 87), text(&table));
        assert_eq!(fitted(&table, u16::MAX), text(&table));
    }

    #[test]
    fn cells_wider_than_16_bits_are_written_in_full() {
        let wide = "x".repeat(70_000);
        let mut table = Table::new(&["A", "B", "C"]);
        table.row(["1", &wide, "3"]);
        let blanks = " ".repeat(70_002);
        let expected = format!("A         B{blanks}C\n1         {wide}   3\n");
        assert_eq!(text(&table), expected);
        assert_eq!(fitted(&table, 30).lines().count(), 2);
    }

    #[test]
    fn comfy_table_and_tabwriter_draw_the_same_lines() {
        let cells = [
            "",
            "1",
            "sixsix",
            "sevenup",
            "e\u{301}",
            "你好",
            "🐳 🐳",
            "  x ",
            "a-longer-cell",
        ];
        for seed in 0_usize..200 {
            let columns = 1 + seed % 4;
            let mut table = Table::default();
            for row in 0..3 {
                let at = |column| (seed * 7 + row * 5 + column * 3 + seed / 9) % cells.len();
                table.row((0..columns).map(|column| cells[at(column)]));
            }
            let trimmed = |lines: Vec<String>| -> Vec<String> {
                let lines = lines.iter();
                lines.map(|line| line.trim_end().to_owned()).collect()
            };
            assert_eq!(trimmed(table.drawn()), trimmed(table.irregular()));
        }
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
