//! Options of a search for contents: ripgrep's names and meanings.

use std::ffi::OsString;

use clap::ArgGroup;

use super::documents::Where;
use crate::cli::ListArg;
use crate::error::{Error, Result, within};
use crate::grep::{Grep, Options, Want};
use crate::limits::{Limits, scaled};
use crate::nested::Nesting;

/// Patterns, and what is shown of their matches.
#[derive(Debug, Clone, clap::Args)]
#[command(group(ArgGroup::new("patterns").args(["regexp", "pattern_file"]).multiple(true)))]
#[command(next_help_heading = "Contents")]
pub struct PatternArgs {
    /// Search the contents of the files for PATTERN
    ///
    /// It is a regular expression in Rust's syntax, and matches within a line. With several patterns a line with any of
    /// them matches.
    #[arg(short = 'e', long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub regexp: Vec<OsString>,
    /// Search for the patterns in FILE, one on each line; - for standard input
    #[arg(
        short = 'f',
        long = "file",
        value_name = "FILE",
        hide_short_help = true
    )]
    pub pattern_file: Vec<ListArg>,
    /// Patterns are texts, not regular expressions
    #[arg(short = 'F', long, requires = "patterns", hide_short_help = true)]
    pub fixed_strings: bool,
    /// Ignore case
    #[arg(
        short = 'i',
        long,
        requires = "patterns",
        overrides_with = "smart_case"
    )]
    pub ignore_case: bool,
    /// Ignore case if the patterns have no upper case letter
    #[arg(short = 'S', long, requires = "patterns", hide_short_help = true)]
    pub smart_case: bool,
    /// Match whole words only
    #[arg(
        short = 'w',
        long,
        requires = "patterns",
        overrides_with = "line_regexp",
        hide_short_help = true
    )]
    pub word_regexp: bool,
    /// Match whole lines only
    #[arg(short = 'x', long, requires = "patterns", hide_short_help = true)]
    pub line_regexp: bool,
    /// Show lines that do not match
    #[arg(short = 'v', long, requires = "patterns")]
    pub invert_match: bool,
    /// Show only the matches, each on a line
    #[arg(short = 'o', long, requires = "patterns", hide_short_help = true)]
    pub only_matching: bool,
    /// Show line numbers; so by default on a terminal
    #[arg(
        short = 'n',
        long,
        requires = "patterns",
        overrides_with = "no_line_number"
    )]
    pub line_number: bool,
    /// Show no line numbers
    #[arg(short = 'N', long, requires = "patterns", hide_short_help = true)]
    pub no_line_number: bool,
    /// Show the column of the first match, in bytes
    #[arg(long, requires = "patterns", hide_short_help = true)]
    pub column: bool,
    /// Show the offset of each line in the file, in bytes
    #[arg(short = 'b', long, requires = "patterns", hide_short_help = true)]
    pub byte_offset: bool,
    /// Show the number of lines that match
    #[arg(short = 'c', long, requires = "patterns", conflicts_with_all = ["files_with_matches", "files_without_match"])]
    pub count: bool,
    /// Show the number of matches
    #[arg(long, requires = "patterns", conflicts_with_all = ["files_with_matches", "files_without_match"], hide_short_help = true)]
    pub count_matches: bool,
    /// Show only the paths of the files that match
    #[arg(
        short = 'l',
        long,
        requires = "patterns",
        conflicts_with = "files_without_match"
    )]
    pub files_with_matches: bool,
    /// Show only the paths of the files that do not match
    #[arg(long, requires = "patterns", hide_short_help = true)]
    pub files_without_match: bool,
    /// Show N lines after each match
    #[arg(
        short = 'A',
        long,
        value_name = "N",
        requires = "patterns",
        hide_short_help = true
    )]
    pub after_context: Option<usize>,
    /// Show N lines before each match
    #[arg(
        short = 'B',
        long,
        value_name = "N",
        requires = "patterns",
        hide_short_help = true
    )]
    pub before_context: Option<usize>,
    /// Show N lines before and after each match
    #[arg(short = 'C', long, value_name = "N", requires = "patterns")]
    pub context: Option<usize>,
    /// Stop after N lines of a file
    #[arg(
        short = 'm',
        long,
        value_name = "N",
        requires = "patterns",
        hide_short_help = true
    )]
    pub max_count: Option<u64>,
    /// Search inside compressed files and archives
    ///
    /// Files compressed by gzip, bzip2, xz, zstd and lz4, and the members of tar, zip and ar archives: jars, wheels, Debian's
    /// packages, gems. What is inside is written FILE!PATH.
    #[arg(short = 'z', long, alias = "compressed", requires = "patterns")]
    pub search_zip: bool,
    /// Search N levels of files inside files; 1 with -z
    #[arg(long, value_name = "N", requires = "patterns", hide_short_help = true)]
    pub nested: Option<u64>,
    /// Search binary files as text
    #[arg(short = 'a', long, requires = "patterns", hide_short_help = true)]
    pub text: bool,
    /// Let matches reach across lines
    #[arg(short = 'U', long, requires = "patterns", hide_short_help = true)]
    pub multiline: bool,
    /// Lines end with CR and LF, too
    #[arg(long, requires = "patterns", hide_short_help = true)]
    pub crlf: bool,
    /// Match bytes: . is any byte, and classes are ASCII
    #[arg(long, requires = "patterns", hide_short_help = true)]
    pub no_unicode: bool,
    /// Search no files above SIZE: a number, with K, M or G
    #[arg(long, value_name = "SIZE", value_parser = file_size_arg, requires = "patterns", hide_short_help = true)]
    pub max_filesize: Option<u64>,
    /// Show no lines above N bytes, but that they match
    #[arg(long, value_name = "N", requires = "patterns", hide_short_help = true)]
    pub max_columns: Option<u64>,
    /// Show the path on a line of its own above the matches; so by default on a terminal
    #[arg(
        long,
        requires = "patterns",
        overrides_with = "no_heading",
        hide_short_help = true
    )]
    pub heading: bool,
    /// Show the path in front of each match
    #[arg(long, requires = "patterns", hide_short_help = true)]
    pub no_heading: bool,
    /// Search names, documents or slack instead of files
    ///
    /// LIST is a comma-separated list of files, names, config, history, env, labels, annotations,
    /// slack (what imgverify writes of bytes that no image shows), or all. A place in a document is written DOCUMENT:POINTER,
    /// as in config:/config/Env/3.
    #[arg(
        long = "in",
        value_name = "LIST",
        value_enum,
        value_delimiter = ',',
        default_value = "files",
        hide_default_value = true,
        hide_possible_values = true,
        requires = "patterns",
        hide_short_help = true
    )]
    pub places: Vec<Where>,
    /// Show lines without leading blanks
    #[arg(long, requires = "patterns", hide_short_help = true)]
    pub trim: bool,
}

/// Form in which files that match are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Lines,
    Counts,
    Files,
    /// Those that do not match.
    Others,
}

/// Size for `--max-filesize`.
fn file_size_arg(text: &str) -> std::result::Result<u64, String> {
    scaled(text).ok_or_else(|| "expected a number, optionally with K, M or G".into())
}

impl PatternArgs {
    /// Tests if contents are searched.
    pub(super) fn is_used(&self) -> bool {
        !self.regexp.is_empty() || !self.pattern_file.is_empty()
    }

    pub(super) fn searches(&self, place: Where) -> bool {
        place.is_in(&self.places)
    }

    /// Tests if files are opened.
    pub(super) fn opens(&self) -> bool {
        self.nested.unwrap_or(self.search_zip.into()) > 0
    }

    /// Options of opening files; `None` if they are not opened.
    ///
    /// # Errors
    /// `Limit` for too many levels.
    pub(super) fn nesting<'l>(&self, limits: &'l Limits) -> Result<Option<Nesting<'l>>> {
        let depth = self.nested.unwrap_or(1);
        within("levels of files inside a file", limits.nested_depth, depth)?;
        Ok(self.opens().then(|| Nesting {
            depth,
            limits,
            directory: std::env::temp_dir(),
        }))
    }

    pub(super) fn shown(&self) -> Shown {
        match self {
            _ if self.files_with_matches => Shown::Files,
            _ if self.files_without_match => Shown::Others,
            _ if self.count || self.count_matches => Shown::Counts,
            _ => Shown::Lines,
        }
    }

    /// Counts are of matches, not of lines.
    pub(super) fn counts_matches(&self) -> bool {
        (self.count_matches || self.count && self.only_matching) && !self.invert_match
    }

    pub(super) fn has_context(&self) -> bool {
        self.before() + self.after() > 0
    }

    fn before(&self) -> usize {
        self.before_context.or(self.context).unwrap_or(0)
    }

    fn after(&self) -> usize {
        self.after_context.or(self.context).unwrap_or(0)
    }

    /// Compiles the patterns. `numbers` and `positions` of lines are needed for the output; `is_quiet` if there is none.
    ///
    /// # Errors
    /// `Usage` for an invalid pattern, `Io` for a file of patterns, `Limit`.
    pub(super) fn grep(&self, numbers: bool, positions: bool, is_quiet: bool) -> Result<Grep> {
        let want = match self.shown() {
            _ if is_quiet => Want::Presence,
            Shown::Lines => Want::Lines,
            Shown::Counts => Want::Count,
            Shown::Files | Shown::Others => Want::Presence,
        };
        let options = Options {
            fixed_strings: self.fixed_strings,
            ignore_case: self.ignore_case,
            smart_case: self.smart_case,
            word: self.word_regexp,
            whole_line: self.line_regexp,
            invert: self.invert_match,
            max_count: self.max_count,
            text: self.text,
            multi_line: self.multiline,
            crlf: self.crlf,
            no_unicode: self.no_unicode,
            before: self.before(),
            after: self.after(),
            only_matching: self.only_matching,
            trim: self.trim,
            max_columns: self.max_columns.filter(|most| *most > 0),
            line_numbers: numbers,
            positions: positions || self.column || self.counts_matches(),
            want,
        };
        Grep::new(&self.patterns()?, options)
    }

    fn patterns(&self) -> Result<Vec<String>> {
        let mut patterns = Vec::new();
        for pattern in &self.regexp {
            let text = pattern.to_str().ok_or_else(|| {
                Error::usage("-e: the pattern is not UTF-8: write its bytes as \\xNN")
            })?;
            // As ripgrep: lines are patterns.
            patterns.extend(text.split('\n').map(str::to_owned));
        }
        for file in &self.pattern_file {
            patterns.extend(file.text()?.lines().map(str::to_owned));
        }
        Ok(patterns)
    }
}
