//! Commands to which a maintainer script evaluates.

/// Prefix of the path that stands for a temporary file of mktemp: such a file exists only while the script runs.
pub(crate) const TEMPORARY: &str = "/tmp/made-by-mktemp.";

/// A command that a script would run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effect {
    /// Line number, from 1.
    pub line: usize,
    /// Words of the command; `None` for an unknown one.
    pub words: Vec<Option<String>>,
    /// Paths of files that it writes, and whether it appends to them.
    pub outputs: Vec<(Option<String>, bool)>,
    /// Text of its here-document.
    pub input: Option<String>,
    /// True if the command is certain to be reached.
    pub certain: bool,
    /// Permission bits that new files do not get.
    pub umask: u16,
}

impl Effect {
    /// Returns the words; `None` if one is unknown.
    pub fn literal(&self) -> Option<Vec<&str>> {
        self.words.iter().map(Option::as_deref).collect()
    }

    /// Returns the first word; empty if it is unknown.
    pub fn name(&self) -> &str {
        let first = self.words.first().and_then(Option::as_deref);
        first.unwrap_or_default()
    }
}
