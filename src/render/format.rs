//! `--format` of a listing: `table`, `json`, or a template, with a header row for a table.

use std::io::Write;

use serde_json::Value;

use super::typed::unescaped;
use super::{Shape, Table, Template, human};
use crate::error::{During, Result};

/// Fields that hold names, which an archive may make as long as it likes.
const NAMES: [&str; 4] = ["Repository", "Tag", "Platform", "Archive"];
/// The most columns that a name takes in a table: as many as a valid one can have.
pub(crate) const NAME_WIDTH: usize = 255;

/// A field of a listing's rows and the heading of its column, in docker's capitals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The key in the rows: `CreatedBy`.
    pub field: &'static str,
    /// The heading: `CREATED BY`.
    pub heading: &'static str,
}

impl Column {
    /// Creates a column.
    pub const fn new(field: &'static str, heading: &'static str) -> Self {
        Column { field, heading }
    }
}

/// A listing's format, parsed.
///
/// # Examples
/// ```
/// use imgkit::render::{Column, Format};
/// let columns = [
///     Column { field: "ID", heading: "IMAGE ID" },
///     Column { field: "Size", heading: "SIZE" },
/// ];
/// let format = Format::parse("table", r"table {{.ID}}\t{{.Size}}").unwrap();
/// let mut out = Vec::new();
/// let rows = [serde_json::json!({"ID": "6e5f702b1450", "Size": "232MB"})];
/// format.write(&mut out, Some(&columns), rows).unwrap();
/// assert_eq!(out, b"IMAGE ID       SIZE\n6e5f702b1450   232MB\n");
/// ```
#[derive(Debug)]
pub struct Format {
    kind: Kind,
    template: Template,
    window: Option<u16>,
}

/// Kind of output for rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Aligned columns.
    Table,
    /// One JSON object per line.
    Json,
    /// The output of the template for each row.
    Lines,
}

impl Format {
    /// Parses a format; `table` alone and an empty text are `default`, which is a format itself.
    ///
    /// As docker's listings do, `\t` and `\n` typed as two characters become a tab and a line end, blanks around the
    /// template are dropped, and every text that starts with `table` makes a table. Inside double quotes Go's own
    /// meaning of `\n` is kept, where docker's replacement makes `{{join .X "\n"}}` an error.
    ///
    /// # Errors
    /// `Usage` for a text that is no template.
    pub fn parse(text: &str, default: &str) -> Result<Self> {
        let text = match text {
            "" | "table" => default,
            text => text,
        };
        let (kind, template) = match text.strip_prefix("table") {
            Some(template) => (Kind::Table, template),
            None if text == "json" => (Kind::Json, "{{json .}}"),
            None => (Kind::Lines, text),
        };
        let template = unescaped(template.trim_matches(' '));
        Ok(Format {
            kind,
            template: Template::parse(&template, Shape::ROW)?,
            window: None,
        })
    }

    /// Fits tables to a window of this many columns, if any.
    pub fn fitted(mut self, window: Option<u16>) -> Self {
        self.window = window;
        self
    }

    /// Returns the kind of output.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Tests if the output may depend on this field.
    pub fn uses(&self, field: &str) -> bool {
        self.template.uses(field)
    }

    /// Writes the rows, each ended by a line end; a table gets a header from `columns` and holds its rows until all
    /// are known, everything else is written row by row.
    ///
    /// # Errors
    /// `Usage` if the template does not fit the rows, `Io` if the writer fails.
    pub fn write<W: Write + ?Sized>(
        &self,
        out: &mut W,
        columns: Option<&[Column]>,
        rows: impl IntoIterator<Item = Value>,
    ) -> Result<()> {
        if self.kind != Kind::Table {
            for row in rows {
                let line = self.template.render(&row)? + "\n";
                out.write_all(line.as_bytes()).during("write")?;
            }
            return Ok(());
        }
        let mut table = Table::default();
        if let Some(columns) = columns {
            let headings = columns.iter().map(|column| (column.field, column.heading));
            table.text(&self.template.header(headings));
        }
        for mut row in rows {
            // Cells of unknown values are empty; other output has Go's words for them.
            for (key, value) in row.as_object_mut().into_iter().flatten() {
                if value.is_null() {
                    *value = "".into();
                } else if NAMES.contains(&key.as_str())
                    && let Some(name) = value.as_str().filter(|name| name.len() > NAME_WIDTH)
                {
                    *value = human::ellipsis(name, NAME_WIDTH).into();
                }
            }
            table.text(&self.template.render(&row)?);
        }
        table.write_to(out, self.window)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const COLUMNS: [Column; 6] = [
        Column::new("ID", "IMAGE"),
        Column::new("CreatedSince", "CREATED"),
        Column::new("CreatedAt", "CREATED AT"),
        Column::new("CreatedBy", "CREATED BY"),
        Column::new("Size", "SIZE"),
        Column::new("Comment", "COMMENT"),
    ];
    const DEFAULT: &str =
        r"table {{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";

    fn rows() -> [Value; 2] {
        [
            json!({
                "ID": "6e5f702b1450",
                "CreatedSince": "18 minutes ago",
                "CreatedAt": "2026-11-21T02:38:42Z",
                "CreatedBy": "/bin/sh -c #(nop)  CMD [\"-m\" \"http.server\"]",
                "Size": "0B",
                "Comment": ""
            }),
            json!({
                "ID": "e135c47c2ec0",
                "CreatedSince": "22 minutes ago",
                "CreatedAt": "2026-11-21T02:34:41Z",
                "CreatedBy": "",
                "Size": "164MB",
                "Comment": "minbase"
            }),
        ]
    }

    fn shown(format: &str) -> Result<String> {
        let mut out = Vec::new();
        Format::parse(format, DEFAULT)?.write(&mut out, Some(&COLUMNS), rows())?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }

    #[test]
    fn formats_give_what_docker_history_gave() {
        // Expected: output of docker 20.10 for these two layers, without the blanks for wider rows.
        for (format, expected) in [
            (
                r"table {{.ID}}\t{{.Size}}",
                "IMAGE          SIZE\n6e5f702b1450   0B\ne135c47c2ec0   164MB\n",
            ),
            ("table {{.ID}}", "IMAGE\n6e5f702b1450\ne135c47c2ec0\n"),
            ("  {{.ID}}  ", "6e5f702b1450\ne135c47c2ec0\n"),
            (
                r"table{{.ID}}\t{{lower .CreatedBy}}\tx",
                "IMAGE          CREATED BY                                    x\n\
                 6e5f702b1450   /bin/sh -c #(nop)  cmd [\"-m\" \"http.server\"]   x\n\
                 e135c47c2ec0                                                 x\n",
            ),
            (
                r"table {{upper .ID}}\t{{.Comment}}\t{{.Size}}",
                "IMAGE          COMMENT   SIZE\n6E5F702B1450             0B\nE135C47C2EC0   minbase   164MB\n",
            ),
            (
                r"table {{pad .ID 2 4}}|{{truncate .CreatedBy 5}}\t{{slice .ID 0 3}}",
                "  IMAGE    |CREATED BY     IMA\n  6e5f702b1450    |/bin/   6e5\n  e135c47c2ec0    |        e13\n",
            ),
            (
                r#"table {{.ID | printf "%.4s"}}\t{{.Size}}"#,
                "IMAG      SIZE\n6e5f      0B\ne135      164MB\n",
            ),
            (
                r"table {{len .ID}}\t{{index .ID 0}}\tz",
                "5         73        z\n12        54        z\n12        101       z\n",
            ),
            (
                r#"table {{.ID}}\t{{if eq .Comment ""}}none{{else}}{{.Comment}}{{end}}"#,
                "IMAGE          COMMENT\n6e5f702b1450   none\ne135c47c2ec0   minbase\n",
            ),
            (
                r"table {{.ID}}\n{{.Size}}\t{{.Comment}}|",
                "IMAGE\nSIZE      COMMENT|\n6e5f702b1450\n0B        |\ne135c47c2ec0\n164MB     minbase|\n",
            ),
            (
                r#"{{printf "%-20s|%5s" .ID .Size}}"#,
                "6e5f702b1450        |   0B\ne135c47c2ec0        |164MB\n",
            ),
            ("table ", "\n\n\n"),
            (r#"{{println "a\tb"}}"#, "a\tb\n\na\tb\n\n"),
            (
                "{{json .CreatedBy}}",
                "\"/bin/sh -c #(nop)  CMD [\\\"-m\\\" \\\"http.server\\\"]\"\n\"\"\n",
            ),
        ] {
            assert_eq!(shown(format).expect(format), expected, "{format}");
        }
    }

    #[test]
    fn json_rows_are_sorted_and_escaped_as_docker_marshals_them() {
        let mut out = Vec::new();
        let row = json!({"Tag": "1", "Digest": "<none>", "ID": "ab4453196e7e"});
        let format = Format::parse("json", DEFAULT).expect("format");
        assert_eq!(format.kind(), Kind::Json);
        format.write(&mut out, None, [row]).expect("write");
        assert_eq!(
            String::from_utf8_lossy(&out),
            "{\"Digest\":\"\\u003cnone\\u003e\",\"ID\":\"ab4453196e7e\",\"Tag\":\"1\"}\n"
        );
        // docker's header for this one is empty, because headings are no rows.
        let table = shown("table {{json .}}").expect("format");
        assert!(table.starts_with("\n{\"Comment\":\"\",\"CreatedAt\""));
        assert_eq!(
            shown("{{json .}}").expect("format"),
            shown("json").expect("format")
        );
    }

    #[test]
    fn the_default_is_the_table_of_the_listing() {
        let table = shown("table").expect("format");
        assert_eq!(table, shown("").expect("format"));
        let header = "IMAGE          CREATED          CREATED BY                                    SIZE      COMMENT\n";
        assert!(table.starts_with(header), "{table}");
    }

    #[test]
    fn bad_formats_are_usage_errors() {
        for (format, why) in [
            (
                "{{.Foo}}",
                "template: --format: no field 'Foo': there are Comment, CreatedAt, CreatedBy, CreatedSince, ID, Size",
            ),
            (
                "table {{nope .ID}}",
                "template: --format: function \"nope\" not defined",
            ),
            ("{{.ID", "template: --format:1:6: unclosed action"),
        ] {
            let error = shown(format).expect_err(format);
            assert!(matches!(error.fault(), crate::Fault::Usage(_)), "{error}");
            assert_eq!(error.to_string(), why);
        }
    }

    #[test]
    fn a_hostile_cell_stays_in_its_row_and_column() {
        let format = Format::parse(r"table {{.A}}\t{{.B}}", "").expect("format");
        let mut out = Vec::new();
        let row = json!({"A": "x\ty\nz\x1b[2J", "B": "\u{202e}"});
        format.write(&mut out, None, [row]).expect("write");
        assert_eq!(
            String::from_utf8_lossy(&out),
            "x\\ty\\nz\\x1b[2J   \\u{202e}\n"
        );
    }
}
