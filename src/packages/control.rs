//! Paragraphs of control data, `deb822(5)`: owned, or as ranges of the text.
//!
//! The index of a suite has 50 MB and 63,000 paragraphs, of which a base image needs a hundred. [`Paragraphs`] only finds
//! the start and end of each; a [`Paragraph`] looks up fields in the text.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use crate::error::{Error, Fault, Result, within};

/// Maximum number of fields of an owned paragraph: packages have about twenty.
const MAX_FIELDS: usize = 10_000;

/// Owned paragraph of `deb822(5)`: fields in their original order, with unchanged continuation lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Control {
    fields: Vec<(String, String)>,
}

impl Control {
    /// Parses the only paragraph of a text.
    ///
    /// # Errors
    /// `Deb822` for no paragraph, several, or a duplicate field, and as [`Paragraphs::new`]; `Limit` for too many fields.
    pub fn parse(text: &str) -> Result<Self> {
        let paragraphs = Paragraphs::new(text)?;
        let mut all = paragraphs.iter();
        let Some(first) = all.next() else {
            return Err(wrong(1, "missing field"));
        };
        if let Some(second) = all.next() {
            let line = text[..second.offset()].lines().count() + 1;
            return Err(wrong(line, "unexpected second paragraph"));
        }
        let mut control = Control::default();
        for (name, value) in first.fields() {
            // The check for duplicates is quadratic.
            if control.fields.len() >= MAX_FIELDS {
                let found = first.fields().count() as u64;
                within("fields of control data", MAX_FIELDS as u64, found)?;
            }
            if control.get(name).is_some() {
                let line = name.as_ptr() as usize - first.text.as_ptr() as usize + first.offset();
                let line = text[..line].lines().count() + 1;
                return Err(wrong(line, "duplicate field"));
            }
            control.push(name, value);
        }
        Ok(control)
    }

    /// Returns the fields with values as written: lines are separated by `\n` and keep their leading space.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        let fields = self.fields.iter();
        fields.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Returns the value of a field; names are case-insensitive.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields();
        fields.find_map(|(field, value)| field.eq_ignore_ascii_case(name).then_some(value))
    }

    /// Appends a field.
    pub fn push(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.fields.push((name.into(), value.into()));
    }
}

impl<'t> FromIterator<(&'t str, &'t str)> for Control {
    fn from_iter<I: IntoIterator<Item = (&'t str, &'t str)>>(fields: I) -> Self {
        let fields = fields.into_iter();
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Control {
            fields: fields.collect(),
        }
    }
}

impl fmt::Display for Control {
    /// Writes the paragraph, each line terminated, without the empty line that separates paragraphs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in self.fields() {
            let blank = match value.starts_with('\n') || value.is_empty() {
                true => "",
                false => " ",
            };
            writeln!(f, "{name}:{blank}{value}")?;
        }
        Ok(())
    }
}

/// Text of several paragraphs. Cheap to clone.
///
/// Memory: the text and eight bytes per paragraph.
#[derive(Debug, Clone)]
pub struct Paragraphs {
    text: Arc<str>,
    ranges: Arc<[Range<u32>]>,
}

impl Paragraphs {
    /// Finds the paragraphs of a text. Checks the syntax of every line, not the values.
    ///
    /// # Errors
    /// `Deb822` for a line that is neither a field, a continuation nor empty; `Limit` for 4 GiB and more.
    pub fn new(text: &str) -> Result<Self> {
        Paragraphs::of(Arc::from(text))
    }

    /// Finds the paragraphs of a shared text, without a copy.
    ///
    /// # Errors
    /// As [`Paragraphs::new`].
    pub fn of(text: Arc<str>) -> Result<Self> {
        let (limit, found) = (u64::from(u32::MAX), text.len() as u64);
        within("size of control data in bytes", limit, found)?;
        let mut ranges = Vec::new();
        let mut start: Option<u32> = None;
        let mut at = 0_u32;
        for (number, line) in text.split_inclusive('\n').enumerate() {
            // Shorter than the text, whose length is such a number.
            let next = at + u32::try_from(line.len()).unwrap_or_default();
            let bytes = line.as_bytes();
            let why = match bytes.first() {
                Some(b' ' | b'\t' | b'\n' | b'\r') if line.trim_ascii().is_empty() => {
                    ranges.extend(start.take().map(|start| start..at));
                    None
                }
                Some(b' ' | b'\t') if start.is_some() => None,
                Some(b' ' | b'\t') => Some("continuation line without a field"),
                _ if is_field(bytes) => {
                    start.get_or_insert(at);
                    None
                }
                _ => Some("neither a field nor a continuation line"),
            };
            if let Some(why) = why {
                return Err(wrong(number + 1, why));
            }
            at = next;
        }
        ranges.extend(start.map(|start| start..at));
        Ok(Paragraphs {
            text,
            ranges: ranges.into(),
        })
    }

    /// Returns the number of paragraphs.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }

    /// Returns whether there are no paragraphs.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Returns a paragraph by index, from 0.
    pub fn get(&self, index: usize) -> Option<Paragraph<'_>> {
        self.ranges.get(index).map(|range| self.at(range))
    }

    /// Returns all paragraphs, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = Paragraph<'_>> {
        self.ranges.iter().map(|range| self.at(range))
    }

    fn at(&self, range: &Range<u32>) -> Paragraph<'_> {
        Paragraph {
            text: &self.text[range.start as usize..range.end as usize],
            offset: range.start as usize,
        }
    }
}

/// Borrowed paragraph, for fields that are looked up once.
#[derive(Debug, Clone, Copy)]
pub struct Paragraph<'t> {
    text: &'t str,
    offset: usize,
}

impl<'t> Paragraph<'t> {
    /// Returns the byte offset in the text.
    pub fn offset(self) -> usize {
        self.offset
    }

    /// Returns the fields in order, with values as in [`Control::fields`].
    pub fn fields(self) -> Fields<'t> {
        Fields { rest: self.text }
    }

    /// Returns the value of the first field of a name; names are case-insensitive.
    pub fn get(self, name: &str) -> Option<&'t str> {
        let mut fields = self.fields();
        fields.find_map(|(field, value)| field.eq_ignore_ascii_case(name).then_some(value))
    }

    /// Returns an owned copy.
    pub fn to_control(self) -> Control {
        self.fields().collect()
    }
}

/// Iterator over the fields of a [`Paragraph`].
#[derive(Debug, Clone)]
pub struct Fields<'t> {
    rest: &'t str,
}

impl<'t> Iterator for Fields<'t> {
    type Item = (&'t str, &'t str);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, after) = self.rest.split_once(':')?;
        let mut end = 0;
        let value = loop {
            let line = after[end..].find('\n').map_or(after.len(), |at| end + at);
            end = (line + 1).min(after.len());
            if !matches!(after.as_bytes().get(line + 1), Some(b' ' | b'\t')) {
                break &after[..line];
            }
        };
        self.rest = &after[end..];
        let value = value.trim_start_matches([' ', '\t']).trim_ascii_end();
        Some((name, value))
    }
}

/// Returns whether a line begins with a field name and a colon.
fn is_field(line: &[u8]) -> bool {
    let end = line.iter().position(|byte| *byte == b':');
    let name = &line[..end.unwrap_or_default()];
    !matches!(name.first(), None | Some(b'#' | b'-'))
        && name.iter().all(|byte| matches!(byte, b'!'..=b'~'))
}

fn wrong(line: usize, why: &'static str) -> Error {
    Error::new(Fault::Deb822 { line, why })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_case_and_lines() {
        let text = "Package: a\nVERSION:1\t \nConffiles:\n /etc/a 00\n /etc/b 11\nDescription: x\n y: z\n .\n\t# w\nEmpty:\n";
        let control = Control::parse(text).expect("a paragraph");
        let fields: Vec<_> = control.fields().collect();
        assert_eq!(
            fields,
            [
                ("Package", "a"),
                ("VERSION", "1"),
                ("Conffiles", "\n /etc/a 00\n /etc/b 11"),
                ("Description", "x\n y: z\n .\n\t# w"),
                ("Empty", ""),
            ]
        );
        assert_eq!(control.get("version"), Some("1"));
        let written = control.to_string();
        assert_eq!(written, text.replace("VERSION:1\t ", "VERSION: 1"));
        assert_eq!(Control::parse(&written).expect("a paragraph"), control);
    }

    #[test]
    fn blank_lines_separate_paragraphs() {
        let text = "\n\nA: 1\nB: 2\n \t\nA: 3\n\n\r\nA: 4";
        let all = Paragraphs::new(text).expect("paragraphs");
        let values: Vec<_> = all.iter().map(|one| one.get("a")).collect();
        assert_eq!(values, [Some("1"), Some("3"), Some("4")]);
        assert_eq!(
            all.get(0).map(|one| one.to_control().fields().count()),
            Some(2)
        );
        assert!(Paragraphs::new("\n\n").expect("none").is_empty());
    }

    #[test]
    fn invalid_paragraphs_are_refused_with_line_number() {
        for (text, line) in [
            ("", 1),
            ("A: 1\n\nB: 2\n", 3),
            ("A: 1\na: 2\n", 2),
            (" x\n", 1),
            ("A: 1\nnothing\n", 2),
            ("A: 1\n: x\n", 2),
            ("A: 1\nB C: x\n", 2),
            ("A: 1\n# x: y\n", 2),
            ("A: 1\n\n x\n", 3),
        ] {
            let error = Control::parse(text).expect_err(text);
            assert!(
                matches!(error.fault(), Fault::Deb822 { line: at, .. } if *at == line),
                "{text:?}: {error}"
            );
        }
    }
}
