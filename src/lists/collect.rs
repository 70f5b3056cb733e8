//! References of a list, collected with their lines.

use std::collections::HashSet;
use std::sync::Arc;

use crate::error::{Result, within};
use crate::limits::Limits;
use crate::spec::Reference;

/// The most references of one list.
pub(super) const MAX_REFERENCES: u64 = 1_000_000;
/// Length in bytes of the longest reference: 255 of a name, 128 of a tag, and a digest.
const LONGEST: usize = 1000;
/// Length in characters up to which the text of an invalid reference is kept.
const KEPT: usize = 300;

/// Options of reading lists.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// Limits on size, aliases and items.
    pub limits: &'a Limits,
    /// If given, every string that is a reference for which it returns true is listed too.
    pub any_string: Option<&'a dyn Fn(&Reference) -> bool>,
}

/// One reference of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Path of the file as typed; for a file in a chart, the chart's path and the path in it.
    pub file: Arc<str>,
    /// Number of the line, from 1.
    pub line: usize,
    /// The reference as written; parts that are written apart are joined.
    pub text: String,
    /// The reference with its tag, or the reason that there is none.
    pub meaning: Result<Reference, Unresolved>,
    /// True if nothing says that the string is an image, see [`Reading::any_string`].
    pub is_string: bool,
}

/// Reasons that a value names no image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unresolved {
    /// A template expression, which is not rendered.
    Template,
    /// A variable.
    Variable,
    /// A repository whose tag is set elsewhere.
    NoTag,
    /// An alias of a node that is no list of images.
    Alias,
    /// A key that its mapping has twice.
    Repeated,
    /// Text that is no reference.
    Invalid,
}

impl Unresolved {
    /// Returns the reason as text.
    pub fn why(self) -> &'static str {
        match self {
            Unresolved::Template => "template, not rendered",
            Unresolved::Variable => "variable",
            Unresolved::NoTag => "no tag",
            Unresolved::Alias => "alias",
            Unresolved::Repeated => "repeated key",
            Unresolved::Invalid => "not an image reference",
        }
    }
}

/// Collector of the references of one file.
pub(super) struct Collector<'a> {
    file: Arc<str>,
    pub(super) reading: Reading<'a>,
    found: Vec<Listed>,
}

impl<'a> Collector<'a> {
    pub(super) fn new(file: &str, reading: Reading<'a>) -> Self {
        Collector {
            file: file.into(),
            reading,
            found: Vec::new(),
        }
    }

    /// Number of references so far.
    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// Removes all references.
    pub(super) fn clear(&mut self) {
        self.found.clear();
    }

    /// Places all references after the first ones in one line.
    pub(super) fn move_to(&mut self, line: usize, after: usize) {
        for listed in self.found.iter_mut().skip(after) {
            listed.line = line;
        }
    }

    /// Adds the value of a key that names an image; an empty one is none.
    ///
    /// # Errors
    /// `Limit`.
    pub(super) fn image(&mut self, text: &str, line: usize) -> Result<()> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        let meaning = meaning(text);
        self.add(text, line, meaning, false)
    }

    /// Adds the value of a key that may name an image, if it is a reference with a tag or digest, or a template.
    ///
    /// # Errors
    /// `Limit`.
    pub(super) fn perhaps(&mut self, text: &str, line: usize) -> Result<()> {
        let text = text.trim();
        let base = text.rsplit('/').next().unwrap_or_default();
        match meaning(text) {
            Ok(_) if !base.contains([':', '@']) => Ok(()),
            Err(Unresolved::Template) | Ok(_) => self.image(text, line),
            Err(_) => Ok(()),
        }
    }

    /// Adds a value that names no image.
    ///
    /// # Errors
    /// `Limit`.
    pub(super) fn unresolved(&mut self, text: &str, line: usize, why: Unresolved) -> Result<()> {
        self.add(text.trim(), line, Err(why), false)
    }

    /// Adds the references in any text that are wanted: the text itself, and its parts between blanks, commas, quotes
    /// and equals signs. `line` is that of its first line, each line end counts if `has_lines`.
    ///
    /// # Errors
    /// `Limit`.
    pub(super) fn string(&mut self, text: &str, line: usize, has_lines: bool) -> Result<()> {
        let Some(wants) = self.reading.any_string else {
            return Ok(());
        };
        for (number, part) in text.lines().enumerate() {
            let parts = part.split(|c: char| c.is_whitespace() || ",='\"`;()<>".contains(c));
            for part in parts.filter(|part| !part.is_empty()) {
                if let Some(reference) = parsed(part).filter(wants) {
                    let line = line + if has_lines { number } else { 0 };
                    self.add(part, line, Ok(reference), true)?;
                }
            }
        }
        Ok(())
    }

    fn add(
        &mut self,
        text: &str,
        line: usize,
        meaning: Result<Reference, Unresolved>,
        is_string: bool,
    ) -> Result<()> {
        within(
            "references of a list",
            MAX_REFERENCES,
            self.found.len() as u64 + 1,
        )?;
        self.found.push(Listed {
            file: Arc::clone(&self.file),
            line,
            text: text.chars().take(KEPT).collect(),
            meaning,
            is_string,
        });
        Ok(())
    }

    /// Returns the references in the order of their lines, in each of them images first, without strings that are listed as
    /// images there.
    pub(super) fn finish(self) -> Vec<Listed> {
        let mut found = self.found;
        found.sort_by_key(|listed| (listed.line, listed.is_string));
        let images = found.iter().filter(|listed| !listed.is_string);
        let images = images.map(|listed| (listed.line, listed.meaning.clone()));
        let mut seen: HashSet<(usize, Result<Reference, Unresolved>)> = images.collect();
        found.retain(|listed| {
            !listed.is_string || seen.insert((listed.line, listed.meaning.clone()))
        });
        found
    }
}

/// Returns what the value of a key that names an image means.
fn meaning(text: &str) -> Result<Reference, Unresolved> {
    if text.len() > LONGEST {
        return Err(Unresolved::Invalid);
    }
    if text.contains("{{") {
        return Err(Unresolved::Template);
    }
    if text.contains('$') {
        return Err(Unresolved::Variable);
    }
    parsed(text).ok_or(Unresolved::Invalid)
}

/// Parses a reference, with docker's transport in front of it or not.
fn parsed(text: &str) -> Option<Reference> {
    if text.len() > LONGEST {
        return None;
    }
    let text = text.strip_prefix("docker://").unwrap_or(text);
    Reference::parse(text).ok().map(Reference::tagged)
}
