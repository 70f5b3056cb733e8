//! Patterns and options of a search.

use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, Searcher, SearcherBuilder};

use crate::error::{Error, Result};

/// Longest line that is searched, in bytes. A file with a longer one is told, not searched.
pub const LONGEST_LINE: usize = 64 << 20;

/// Largest file that is searched across lines, in bytes.
pub const LARGEST_WHOLE: u64 = 1 << 30;

/// Most patterns.
const PATTERNS: usize = 10_000;

/// Largest pattern, and largest automaton of all, in bytes.
const PATTERN_SIZE: usize = 10 << 20;
const AUTOMATON_SIZE: usize = 100 << 20;

/// Result that is wanted of contents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Want {
    /// Presence of a match. The search ends at the first.
    Presence,
    /// Number of lines with matches, and of matches.
    Count,
    /// The lines.
    #[default]
    Lines,
}

/// Options of a search, in ripgrep's meanings.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Patterns are texts, no regular expressions.
    pub fixed_strings: bool,
    /// Ignore case.
    pub ignore_case: bool,
    /// Ignore case if no pattern has an upper case letter.
    pub smart_case: bool,
    /// Matches begin and end at the borders of words.
    pub word: bool,
    /// Matches are whole lines.
    pub whole_line: bool,
    /// Lines without a match.
    pub invert: bool,
    /// Most lines of a file.
    pub max_count: Option<u64>,
    /// Search binary files as text.
    pub text: bool,
    /// Matches can reach across lines.
    pub multi_line: bool,
    /// Lines end with CR and LF, too.
    pub crlf: bool,
    /// Classes as `\w` are ASCII, and `.` is a byte.
    pub no_unicode: bool,
    /// Lines shown before each match.
    pub before: usize,
    /// Lines shown after each match.
    pub after: usize,
    /// Each match is a line.
    pub only_matching: bool,
    /// Without leading blanks.
    pub trim: bool,
    /// Longest line that is shown, in bytes.
    pub max_columns: Option<u64>,
    /// Lines have numbers.
    pub line_numbers: bool,
    /// Positions of the matches in each line are needed.
    pub positions: bool,
    /// Result that is wanted.
    pub want: Want,
}

impl Options {
    /// # Errors
    /// `Usage` for patterns that are invalid, too many or too large.
    pub(super) fn matcher(&self, patterns: &[String]) -> Result<RegexMatcher> {
        if patterns.len() > PATTERNS {
            return Err(Error::limit(
                "patterns",
                PATTERNS as u64,
                patterns.len() as u64,
            ));
        }
        if let Some(large) = patterns.iter().find(|pattern| pattern.len() > PATTERN_SIZE) {
            let (most, size) = (PATTERN_SIZE as u64, large.len() as u64);
            return Err(Error::limit("pattern in bytes", most, size));
        }
        let mut builder = RegexMatcherBuilder::new();
        builder
            .multi_line(true)
            .unicode(!self.no_unicode)
            .octal(false)
            .fixed_strings(self.fixed_strings)
            .case_insensitive(self.ignore_case)
            .case_smart(self.smart_case)
            .word(self.word)
            .whole_line(self.whole_line)
            .nest_limit(250)
            .size_limit(AUTOMATON_SIZE)
            .dfa_size_limit(AUTOMATON_SIZE);
        if self.crlf {
            builder.crlf(true);
        } else if !self.multi_line {
            builder.line_terminator(Some(b'\n'));
        }
        if !self.text {
            builder.ban_byte(Some(b'\0'));
        }
        builder
            .build_many(patterns)
            .map_err(|error| Error::usage(format!("-e: {}", self.explained(&error.to_string()))))
    }

    /// The engine's error, with the option that helps.
    fn explained(&self, error: &str) -> String {
        let help = match error {
            _ if error.contains(r#""\n""#) => "; -U searches across lines",
            _ if error.contains(r#""\0""#) => "; -a searches binary files as text",
            _ => "",
        };
        let lines = error.lines().map(str::trim_end);
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        match lines.as_slice() {
            [one] => format!("{one}{help}"),
            // A drawing of the place in the pattern is between the first and the last line.
            [.., last] => format!(
                "invalid pattern: {}{help}",
                last.trim_start_matches("error: ")
            ),
            [] => "invalid pattern".to_owned(),
        }
    }

    pub(super) fn searcher(&self) -> Searcher {
        let (binary, terminator) = (
            match self.text {
                true => BinaryDetection::none(),
                false => BinaryDetection::convert(b'\0'),
            },
            match self.crlf {
                true => grep_matcher::LineTerminator::crlf(),
                false => grep_matcher::LineTerminator::byte(b'\n'),
            },
        );
        let has_context = self.want == Want::Lines;
        let longest = match self.multi_line {
            true => usize::try_from(LARGEST_WHOLE).unwrap_or(usize::MAX),
            false => LONGEST_LINE,
        };
        SearcherBuilder::new()
            .line_terminator(terminator)
            .invert_match(self.invert)
            .line_number(self.line_numbers)
            .multi_line(self.multi_line)
            .before_context(if has_context { self.before } else { 0 })
            .after_context(if has_context { self.after } else { 0 })
            .heap_limit(Some(longest))
            .binary_detection(binary)
            .build()
    }
}
