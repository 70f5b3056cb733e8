//! The search of one file's contents.

use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use grep_matcher::{Match, Matcher};
use grep_regex::RegexMatcher;
use grep_searcher::{Searcher, Sink, SinkContext, SinkMatch};

use super::options::{LARGEST_WHOLE, LONGEST_LINE, Options, Want};
use super::store::{Line, LineKind, Lines, Store, Writer};
use crate::error::{Error, Result};

/// Bytes behind a match across lines that its patterns may look at.
const LOOK_AHEAD: usize = 128;

/// Largest file after which a buffer has its first size, in bytes.
const REUSED: u64 = 64 << 10;

/// Patterns and options of a search. Shared between threads.
#[derive(Debug)]
pub struct Grep {
    options: Options,
    matcher: RegexMatcher,
    /// Searchers that are not in use: each has a buffer.
    searchers: Mutex<Vec<(Searcher, RegexMatcher)>>,
}

/// Result of a search.
#[derive(Debug, Default)]
pub struct Matches {
    /// Lines with a match; without one with [`Options::invert`]. Across lines, matches.
    pub count: u64,
    /// Matches.
    pub matches: u64,
    /// Approximate offset of the first zero byte, of a file that is binary for it. Its lines end there.
    pub binary: Option<u64>,
    /// Lines to show.
    pub lines: Lines,
    /// Reason why the contents were not searched to their end.
    pub refused: Option<Error>,
}

/// Reads that are as long as they can be, as those of a file are: what is binary is decided by them.
struct Full<'r>(&'r mut dyn Read);

impl Read for Full<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.0.read(rest) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

struct Collect<'g> {
    options: &'g Options,
    matcher: &'g RegexMatcher,
    out: Writer<'g>,
    count: u64,
    matches: u64,
    binary: Option<u64>,
    /// Lines of context that are left after the last match that counts.
    after: Option<usize>,
    /// Positions of matches in the current lines.
    found: Vec<Match>,
    /// Error of the output.
    error: Option<Error>,
}

impl Grep {
    /// # Errors
    /// `Usage` for an invalid pattern, `Limit` for too many or too large ones.
    pub fn new(patterns: &[String], options: Options) -> Result<Self> {
        Ok(Grep {
            matcher: options.matcher(patterns)?,
            options,
            searchers: Mutex::default(),
        })
    }

    /// Searches contents of a size in bytes, if that is known before they are read. `None` if nothing matches.
    ///
    /// Contents that cannot be searched, for a line that is too long, have the reason in [`Matches::refused`].
    ///
    /// # Errors
    /// `Io` if the contents cannot be read, or lines not be stored.
    pub fn search(
        &self,
        contents: &mut dyn Read,
        size: Option<u64>,
        store: &Store,
    ) -> Result<Option<Matches>> {
        let size = size.unwrap_or(LARGEST_WHOLE);
        if self.options.multi_line && size > LARGEST_WHOLE {
            let error = Error::limit("bytes of a file for -U", LARGEST_WHOLE, size);
            return Ok(Some(Matches {
                refused: Some(error),
                ..Matches::default()
            }));
        }
        let free = || {
            self.searchers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let (mut searcher, matcher) = free()
            .pop()
            .unwrap_or_else(|| (self.options.searcher(), self.matcher.clone()));
        let mut collect = Collect {
            options: &self.options,
            matcher: &matcher,
            out: store.writer(),
            count: 0,
            matches: 0,
            binary: None,
            after: None,
            found: Vec::new(),
            error: None,
        };
        let searched = searcher.search_reader(&matcher, Full(contents), &mut collect);
        let Collect {
            out,
            count,
            matches,
            binary,
            error,
            ..
        } = collect;
        if let Some(error) = error {
            return Err(error);
        }
        let refused = match searched {
            Ok(()) => None,
            Err(error) if error.to_string().contains("allocation limit") => {
                let (what, longest) = match self.options.multi_line {
                    true => ("bytes of a file for -U", LARGEST_WHOLE),
                    false => ("bytes of a line", LONGEST_LINE as u64),
                };
                Some(Error::limit(what, longest, longest + 1))
            }
            Err(error) => return Err(Error::io("read", error)),
        };
        let lines = out.finish()?;
        // A buffer that a long line made larger would find zero bytes earlier in the next file.
        if size <= REUSED {
            free().push((searcher, matcher));
        }
        let has_result = count > 0 || refused.is_some();
        Ok(has_result.then_some(Matches {
            count,
            matches,
            binary,
            lines,
            refused,
        }))
    }
}

impl Collect<'_> {
    /// Finds the matches in a range of a buffer, whole lines.
    fn find(&mut self, searcher: &Searcher, buffer: &[u8], range: Range<usize>) -> io::Result<()> {
        let (found, matcher) = (&mut self.found, self.matcher);
        found.clear();
        let end = match searcher.multi_line_with_matcher(matcher) {
            true => buffer.len().min(range.end.saturating_add(LOOK_AHEAD)),
            // An end of line must not be seen by what looks around.
            false => {
                let line = buffer.get(range.clone()).unwrap_or_default();
                range.start + self.options.without_end(line).len()
            }
        };
        let haystack = buffer.get(..end).unwrap_or_default();
        matcher
            .find_iter_at(haystack, range.start, |one| {
                let is_inside = one.start() < range.end;
                if is_inside {
                    let offset = |at: usize| at.saturating_sub(range.start);
                    found.push(Match::new(offset(one.start()), offset(one.end())));
                }
                is_inside
            })
            .map_err(io::Error::other)
    }

    fn push(&mut self, line: &Line) -> io::Result<()> {
        self.out.push(line).map_err(|error| {
            self.error = Some(error);
            io::Error::other("lines cannot be stored")
        })
    }

    /// Passes a line on, or what is shown instead of it.
    fn line(&mut self, mut line: Line, bytes: &[u8], trims: bool) -> io::Result<()> {
        let bytes = match trims {
            true => bytes.trim_ascii_start(),
            false => bytes,
        };
        let is_long = |most| bytes.len() as u64 > most;
        line.text = match self.options.max_columns.is_some_and(is_long) {
            false => self.options.without_end(bytes).to_vec(),
            true => self.omitted(line.kind).into_bytes(),
        };
        self.push(&line)
    }

    fn omitted(&self, kind: LineKind) -> String {
        match (self.found.len(), kind) {
            (0, LineKind::Context) => "[Omitted long context line]".to_owned(),
            (0, _) => "[Omitted long matching line]".to_owned(),
            (_, _) if self.options.only_matching => "[Omitted long matching line]".to_owned(),
            (count, _) => format!("[Omitted long line with {count} matches]"),
        }
    }

    /// Nothing more is wanted. The searcher goes on with the next part of a file, whatever a match answers, if it looks for
    /// lines that do not match.
    fn is_over(&self) -> bool {
        self.after == Some(0)
    }

    /// Counts down the lines after the last match that counts. Returns false if there are no more.
    fn has_more(&mut self, is_last: bool) -> bool {
        self.after = match self.after {
            Some(left) => Some(left.saturating_sub(1)),
            None => is_last.then_some(self.options.after),
        };
        !self.is_over()
    }

    /// Lines with matches: one, or several with a match across them.
    fn lines(&mut self, first: Place, bytes: &[u8]) -> io::Result<()> {
        let column = self.found.first().map_or(0, |one| one.start() as u64 + 1);
        let mut start = 0;
        // Matches are in order and do not overlap: those before this one end before the line.
        let mut next = 0;
        for (number, line) in (first.number..).zip(bytes.split_inclusive(|byte| *byte == b'\n')) {
            let end = start + line.len();
            let rest = self.found.get(next..).unwrap_or_default();
            let inside = rest.iter().take_while(|one| one.start() < end);
            let positions = inside.map(|one| {
                let own = |at: usize| at.clamp(start, end).saturating_sub(start) as u64;
                (own(one.start()), own(one.end()))
            });
            let positions = positions.collect();
            next += rest.iter().take_while(|one| one.end() <= end).count();
            let shown = Line {
                kind: first.kind,
                number: if first.number == 0 { 0 } else { number },
                offset: first.offset + start as u64,
                column,
                text: Vec::new(),
                positions,
            };
            self.line(shown, line, self.options.trim)?;
            start = end;
        }
        Ok(())
    }

    /// Matches, each as a line; one across lines as its part of each.
    fn each_match(&mut self, first: Place, bytes: &[u8], is_multi: bool) -> io::Result<()> {
        let (mut number, mut counted) = (first.number, 0);
        // Only blanks are between the start of the line and the match.
        let mut is_blank = true;
        for at in 0..self.found.len() {
            let Some(&one) = self.found.get(at) else {
                break;
            };
            if is_multi {
                let before = bytes.get(counted..one.start()).unwrap_or_default();
                let ends = before.iter().filter(|byte| **byte == b'\n').count() as u64;
                let line = before.rsplit(|byte| *byte == b'\n').next();
                let own = line.unwrap_or_default().trim_ascii_start().is_empty();
                is_blank = own && (ends > 0 || is_blank);
                number += if number > 0 { ends } else { 0 };
                counted = one.start();
            }
            let matched = bytes.get(one.start()..one.end()).unwrap_or_default();
            let parts = matched.split_inclusive(|byte| *byte == b'\n');
            let is_empty = matched.is_empty() && !is_multi;
            for (i, part) in parts.chain(is_empty.then_some(matched)).enumerate() {
                let text = self.options.without_end(part);
                // Across lines, it is the line whose leading blanks are trimmed.
                let trims = self.options.trim && (is_blank || i > 0);
                let shown = if trims { text.trim_ascii_start() } else { text };
                if shown.is_empty() && is_multi {
                    continue;
                }
                let shown = Line {
                    kind: first.kind,
                    number: if number == 0 { 0 } else { number + i as u64 },
                    offset: first.offset + one.start() as u64,
                    column: one.start() as u64 + 1,
                    text: Vec::new(),
                    positions: vec![(0, text.len() as u64)],
                };
                self.line(shown, text, trims)?;
            }
        }
        Ok(())
    }
}

/// Start of lines.
struct Place {
    kind: LineKind,
    number: u64,
    offset: u64,
}

impl Sink for Collect<'_> {
    type Error = io::Error;

    fn matched(&mut self, searcher: &Searcher, found: &SinkMatch<'_>) -> io::Result<bool> {
        if self.is_over() {
            return Ok(false);
        }
        let is_multi = searcher.multi_line_with_matcher(self.matcher);
        let needs = self.options.positions || self.options.only_matching || is_multi;
        if needs && self.options.want != Want::Presence {
            self.find(searcher, found.buffer(), found.bytes_range_in_buffer())?;
        }
        // Matches in the lines after the last one that counts are shown, as ripgrep does.
        if self.after.is_none() {
            self.matches += self.found.len() as u64;
            self.count += match is_multi && self.options.want == Want::Count {
                true => self.found.len() as u64,
                false => 1,
            };
        }
        let is_last = self
            .options
            .max_count
            .is_some_and(|most| self.count >= most);
        if self.options.want != Want::Lines || self.binary.is_some() {
            let has_more = self.options.want == Want::Count && !is_last;
            self.after = (!has_more).then_some(0);
            return Ok(has_more);
        }
        let first = Place {
            kind: LineKind::Match,
            number: found.line_number().unwrap_or(0),
            offset: found.absolute_byte_offset(),
        };
        match self.options.only_matching && !self.found.is_empty() {
            true => self.each_match(first, found.bytes(), is_multi)?,
            false => {
                if !self.options.positions {
                    self.found.clear();
                }
                self.lines(first, found.bytes())?;
            }
        }
        Ok(self.has_more(is_last))
    }

    fn context(&mut self, searcher: &Searcher, context: &SinkContext<'_>) -> io::Result<bool> {
        self.found.clear();
        if self.binary.is_some() || self.is_over() {
            return Ok(false);
        }
        if searcher.invert_match() && (self.options.positions || self.options.only_matching) {
            self.find(searcher, context.bytes(), 0..context.bytes().len())?;
        }
        let first = Place {
            kind: LineKind::Context,
            number: context.line_number().unwrap_or(0),
            offset: context.absolute_byte_offset(),
        };
        match self.options.only_matching && !self.found.is_empty() {
            true => self.each_match(first, context.bytes(), false)?,
            false => self.lines(first, context.bytes())?,
        }
        Ok(self.has_more(false))
    }

    fn context_break(&mut self, _: &Searcher) -> io::Result<bool> {
        if self.is_over() {
            return Ok(false);
        }
        let line = Line {
            kind: LineKind::Break,
            number: 0,
            offset: 0,
            column: 0,
            text: Vec::new(),
            positions: Vec::new(),
        };
        self.push(&line)?;
        Ok(true)
    }

    fn binary_data(&mut self, _: &Searcher, offset: u64) -> io::Result<bool> {
        if !self.is_over() {
            self.binary = Some(offset);
        }
        Ok(!self.is_over())
    }
}

impl Options {
    /// A line without its end.
    fn without_end<'l>(&self, line: &'l [u8]) -> &'l [u8] {
        let Some(text) = line.strip_suffix(b"\n") else {
            return line;
        };
        match self.crlf {
            true => text.strip_suffix(b"\r").unwrap_or(text),
            false => text,
        }
    }
}
