//! JSON as text: one line per record, or indented as docker inspect prints it.
//!
//! A hostile archive could send control sequences to the terminal in a JSON string. JSON itself escapes the C0 control
//! characters; here DEL, the C1 controls, the line and paragraph separators and the characters that change the
//! direction of text are also written as `\uXXXX`. Every parser reads the same string, so nothing is lost.
//!
//! Names that may be invalid UTF-8 are written by [`bytes_lossless`] in two keys: `Path` with U+FFFD for invalid bytes,
//! and `PathBytes` with the bytes in base64. The second key exists only for invalid UTF-8, and has precedence.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, PrettyFormatter, Serializer};

use crate::error::{Error, Result};

/// One record as compact JSON without a line end, for NDJSON.
///
/// # Errors
/// `Json` if the record cannot be JSON, as a map whose keys are no texts.
pub fn line<T: Serialize + ?Sized>(record: &T) -> Result<String> {
    written(record, Safe::new(CompactFormatter))
}

/// One line of JSON as Go's `json.Marshal` writes it: `<`, `>` and `&` as `\u003c`, `\u003e` and `\u0026`.
pub fn line_html<T: Serialize + ?Sized>(record: &T) -> Result<String> {
    let mut formatter = Safe::new(CompactFormatter);
    formatter.html = true;
    written(record, formatter)
}

/// JSON indented by four blanks as docker inspect prints it, without a line end; empty arrays and objects are `[]`
/// and `{}`.
pub fn pretty(value: &Value) -> String {
    // A `Value` has text keys only, so it is always JSON.
    written(value, Safe::new(PrettyFormatter::with_indent(b"    "))).unwrap_or_default()
}

/// The two halves of a name that need not be UTF-8: its text, and its bytes in base64 if the text is not all of it.
pub fn bytes_lossless(bytes: &[u8]) -> (String, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (
            String::from_utf8_lossy(bytes).into_owned(),
            Some(STANDARD.encode(bytes)),
        ),
    }
}

fn written<T: Serialize + ?Sized>(record: &T, formatter: impl Formatter) -> Result<String> {
    let mut out = Vec::new();
    record
        .serialize(&mut Serializer::with_formatter(&mut out, formatter))
        .map_err(|error| Error::json(error.to_string()))?;
    String::from_utf8(out).map_err(|error| Error::json(error.to_string()))
}

/// A formatter that lays out as another one does and writes strings that are safe on a terminal.
pub struct Safe<F> {
    layout: F,
    html: bool,
}

impl<F> Safe<F> {
    /// Strings made safe, the rest as `layout` has it.
    pub fn new(layout: F) -> Self {
        Safe {
            layout,
            html: false,
        }
    }

    fn is_plain(&self, c: char) -> bool {
        match c {
            '<' | '>' | '&' => !self.html,
            '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}' => false,
            '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => false,
            _ => true,
        }
    }
}

impl<F: Formatter> Formatter for Safe<F> {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|c| !self.is_plain(c)) {
            let (plain, tail) = rest.split_at(at);
            let mut chars = tail.chars();
            out.write_all(plain.as_bytes())?;
            // All of them are in the basic plane, so one escape is enough.
            if let Some(c) = chars.next() {
                write!(out, "\\u{:04x}", u32::from(c))?;
            }
            rest = chars.as_str();
        }
        out.write_all(rest.as_bytes())
    }

    fn write_char_escape<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        self.layout.write_char_escape(out, escape)
    }

    fn begin_array<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.layout.begin_array(out)
    }

    fn end_array<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.layout.end_array(out)
    }

    fn begin_array_value<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.layout.begin_array_value(out, first)
    }

    fn end_array_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.layout.end_array_value(out)
    }

    fn begin_object<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.layout.begin_object(out)
    }

    fn end_object<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.layout.end_object(out)
    }

    fn begin_object_key<W: io::Write + ?Sized>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.layout.begin_object_key(out, first)
    }

    fn end_object_key<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.layout.end_object_key(out)
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.layout.begin_object_value(out)
    }

    fn end_object_value<W: io::Write + ?Sized>(&mut self, out: &mut W) -> io::Result<()> {
        self.layout.end_object_value(out)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lines_are_compact_and_keep_their_order() {
        let record = json!({"Size": 1, "ID": "<a>&", "Tags": [], "None": null});
        assert_eq!(
            line(&record).expect("line"),
            r#"{"Size":1,"ID":"<a>&","Tags":[],"None":null}"#
        );
        assert_eq!(
            line_html(&json!({"<": "a>b&c"})).expect("line"),
            r#"{"\u003c":"a\u003eb\u0026c"}"#
        );
    }

    #[test]
    fn pretty_is_docker_inspect() {
        let value = json!([{
            "RepoTags": ["corpus/web:1"],
            "RepoDigests": [],
            "Comment": "",
            "ExposedPorts": {"80/tcp": {}},
            "Volumes": null,
            "Tty": false
        }]);
        let expected = r#"[
    {
        "RepoTags": [
            "corpus/web:1"
        ],
        "RepoDigests": [],
        "Comment": "",
        "ExposedPorts": {
            "80/tcp": {}
        },
        "Volumes": null,
        "Tty": false
    }
]"#;
        assert_eq!(pretty(&value), expected);
        assert_eq!(pretty(&json!({})), "{}");
        assert_eq!(pretty(&json!([[], {}])), "[\n    [],\n    {}\n]");
    }

    #[test]
    fn nothing_in_a_string_reaches_the_terminal_and_nothing_is_lost() {
        let hostile =
            "a\x1b[31m\0\r\n\t\x7f\u{9b}\u{85}\u{61c}\u{200f}\u{2028}\u{202e}\u{2066}é🐳\"\\";
        let text = line(hostile).expect("line");
        assert_eq!(
            text,
            r#""a\u001b[31m\u0000\r\n\t\u007f\u009b\u0085\u061c\u200f\u2028\u202e\u2066é🐳\"\\""#
        );
        assert_eq!(
            serde_json::from_str::<String>(&text).expect("JSON"),
            hostile
        );
        let value = json!({ hostile: hostile });
        let back: Value = serde_json::from_str(&pretty(&value)).expect("JSON");
        assert_eq!(back, value);
    }

    #[test]
    fn keys_that_are_no_texts_are_an_error_and_not_a_panic() {
        let map = std::collections::BTreeMap::from([(vec![1], 2)]);
        assert!(line(&map).is_err());
    }

    #[test]
    fn bytes_are_given_only_when_the_text_lost_some() {
        assert_eq!(bytes_lossless(b"etc/passwd"), ("etc/passwd".into(), None));
        assert_eq!(
            bytes_lossless(b"caf\xe9"),
            ("caf\u{fffd}".into(), Some("Y2Fm6Q==".into()))
        );
    }
}
