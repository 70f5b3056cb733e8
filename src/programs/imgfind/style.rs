//! Form of the matches in contents.

use super::patterns::{PatternArgs, Shown};
use crate::grep::Matches;

/// Form of the lines.
pub(super) struct Style {
    pub(super) shown: Shown,
    is_used: bool,
    counts_matches: bool,
    pub(super) has_numbers: bool,
    pub(super) has_columns: bool,
    pub(super) has_offsets: bool,
    pub(super) has_heading: bool,
    pub(super) has_context: bool,
    /// NUL behind each path.
    pub(super) is_null: bool,
}

impl Style {
    pub(super) fn new(args: &PatternArgs, is_null: bool, is_terminal: bool) -> Self {
        let has_lines = args.shown() == Shown::Lines;
        Style {
            shown: args.shown(),
            is_used: args.is_used(),
            counts_matches: args.counts_matches(),
            has_numbers: (args.line_number || args.column || is_terminal) && !args.no_line_number,
            has_columns: args.column,
            has_offsets: args.byte_offset,
            has_heading: (args.heading || is_terminal) && !args.no_heading && has_lines,
            has_context: args.has_context(),
            is_null,
        }
    }

    /// Paths alone are not all that is shown.
    pub(super) fn has_lines(&self) -> bool {
        self.is_used && matches!(self.shown, Shown::Lines | Shown::Counts)
    }

    /// Columns of tables that matches have.
    pub(super) fn extra_columns(&self) -> Option<&'static str> {
        match self.shown {
            _ if !self.is_used => None,
            Shown::Lines => Some(r"{{.Line}}\t{{.Text}}"),
            Shown::Counts => Some("{{.Count}}"),
            Shown::Files | Shown::Others => None,
        }
    }

    /// The number that is shown of a result.
    pub(super) fn count(&self, matches: &Matches) -> u64 {
        match self.counts_matches {
            true => matches.matches,
            false => matches.count,
        }
    }
}
