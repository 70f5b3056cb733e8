//! Options of an export: layers, paths and patterns.

use std::ops::Range;

use crate::error::{Error, Result};
use crate::glob::{Dialect, Glob};

/// Selection and form of the files to export.
#[derive(Debug, Clone, Default)]
pub struct ExportOptions {
    /// Layers to export, from 0; all layers if `None`.
    pub layers: Option<Range<usize>>,
    /// Export the layers as changes to the layers below, with whiteouts; else apply them to an empty tree.
    pub raw: bool,
    /// Include the root directory, which docker export omits.
    pub top: bool,
    /// Paths to export, with everything below them; all paths if empty.
    pub paths: Vec<Vec<u8>>,
    /// Patterns that select paths.
    pub globs: Globs,
    /// Latest time in seconds since 1970; times become whole seconds, and user and group names are omitted.
    pub clamp: Option<i64>,
    /// Verify the diff IDs of uncompressed layers even if only some of their files are exported.
    pub verify: bool,
}

impl ExportOptions {
    /// Tests if all paths are selected, except for excluded ones, so that layers are read to their ends.
    pub(super) fn selects_all(&self) -> bool {
        self.paths.is_empty() && self.globs.include.is_empty()
    }
}

/// Patterns for paths, with a shell's syntax: `*` and `?` do not match `/`, `**` does; `[…]` and `{…,…}` are alternatives.
///
/// A pattern without `/` is compared with the last part of each path, any other with the whole path. A directory that
/// matches is selected with its contents.
#[derive(Debug, Clone, Default)]
pub struct Globs {
    pub(super) include: Vec<Glob>,
    pub(super) exclude: Vec<Glob>,
}

impl Globs {
    /// Parses patterns.
    ///
    /// # Errors
    /// `Usage` for an invalid pattern.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self> {
        Ok(Globs {
            include: parse_all(include)?,
            exclude: parse_all(exclude)?,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }
}

fn parse_all(patterns: &[String]) -> Result<Vec<Glob>> {
    let globs = patterns.iter().map(|pattern| {
        let clean = pattern.trim_start_matches("./").trim_matches('/');
        let anywhere = !pattern.trim_end_matches('/').contains('/');
        let text = if anywhere {
            format!("**/{clean}")
        } else {
            clean.to_owned()
        };
        Glob::new(&text, Dialect::Shell)
            .map_err(|why| Error::usage(format!("invalid pattern '{pattern}': {why}")))
    });
    globs.collect()
}
