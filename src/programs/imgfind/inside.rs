//! Matches in a file, or in what is inside it.

use std::io::Read;

use super::patterns::{PatternArgs, Shown};
use crate::error::Result;
use crate::grep::{Grep, Matches, Store};
use crate::nested::{Nesting, Notes, Step};

/// Patterns that contents are searched for.
#[derive(Clone, Copy)]
pub(super) struct Patterns<'a> {
    pub(super) grep: &'a Grep,
    pub(super) args: &'a PatternArgs,
    /// Options of opening files, if they are opened.
    pub(super) nesting: Option<&'a Nesting<'a>>,
}

/// Result of the search of one file.
#[derive(Debug, Default)]
pub(super) struct FileMatches {
    /// In the file itself, which was not searched if it was opened.
    pub(super) own: Option<Matches>,
    pub(super) is_opened: bool,
    /// Inside it; with `--files-without-match`, of all that is inside.
    pub(super) inside: Vec<(Vec<Step>, Matches)>,
    /// Places inside that could not be read.
    pub(super) notes: Notes,
}

impl FileMatches {
    /// Tests if the file, or one inside it, was searched and has a match.
    pub(super) fn is_match(&self) -> bool {
        let inside = self.inside.iter().map(|(_, matches)| matches);
        let mut all = inside.chain(&self.own);
        all.any(|matches| matches.count > 0 && matches.refused.is_none())
    }
}

/// Searches a file of a size in bytes. `None` if there is nothing to tell.
///
/// # Errors
/// `Io` if lines, or a temporary file, cannot be written; errors of `file` where it is not opened.
pub(super) fn search(
    patterns: Patterns<'_>,
    store: &Store,
    file: &mut dyn Read,
    size: u64,
) -> Result<Option<FileMatches>> {
    let mut all = FileMatches::default();
    let Patterns {
        grep,
        args,
        nesting,
    } = patterns;
    let has_all = args.shown() == Shown::Others;
    let Some(nesting) = nesting else {
        let own = grep.search(file, Some(size), store)?;
        return Ok(own.map(|own| FileMatches {
            own: Some(own),
            ..all
        }));
    };
    all.is_opened = true;
    let (own, inside) = (&mut all.own, &mut all.inside);
    let is_opened = &mut all.is_opened;
    all.notes = nesting.each(file, size, &mut |steps, size, contents| {
        let found = grep.search(contents, size, store)?;
        if steps.is_empty() {
            (*own, *is_opened) = (found, false);
        } else if let Some(matches) = found.or_else(|| has_all.then(Matches::default)) {
            inside.push((steps.to_vec(), matches));
        }
        Ok(())
    })?;
    let is_told = all.own.is_some() || !all.inside.is_empty() || !all.notes.list.is_empty();
    Ok((is_told || all.is_opened && has_all).then_some(all))
}
