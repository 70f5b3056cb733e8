//! Regular expressions of POSIX, basic and extended, with the additions of GNU, as those of Rust.
//!
//! Every literal byte is written as `\xNN`, so that nothing of the one syntax has a meaning in the other.

use std::fmt::Write;

use crate::glob;

/// Largest number of repetitions, as in glibc.
const MAX_REPEAT: u32 = 0x7fff;

/// Most repetitions of the same part.
const MAX_NESTED: usize = 50;

/// Rest of a pattern, and its translation so far.
struct Translation<'a> {
    rest: &'a [u8],
    is_extended: bool,
    out: String,
    /// Starts of the open groups.
    groups: Vec<usize>,
    /// Start of the part that a repetition would apply to; `None` at the start of a group or alternative.
    atom: Option<usize>,
    /// Repetitions of that part.
    repeats: usize,
}

/// Translates a pattern to Rust's syntax without Unicode.
///
/// # Errors
/// The syntax error as text.
pub(super) fn translate(pattern: &[u8], is_extended: bool) -> Result<String, &'static str> {
    let mut work = Translation {
        rest: pattern,
        is_extended,
        out: String::new(),
        groups: Vec::new(),
        atom: None,
        repeats: 0,
    };
    while let Some((&byte, after)) = work.rest.split_first() {
        work.rest = after;
        match byte {
            b'\\' => {
                let (&byte, after) = after.split_first().ok_or("trailing \\")?;
                work.rest = after;
                work.escaped(byte)?;
            }
            byte => work.plain(byte)?,
        }
    }
    match work.groups.is_empty() {
        true => Ok(work.out),
        false => Err("unclosed group"),
    }
}

impl Translation<'_> {
    /// A byte without a backslash before it.
    fn plain(&mut self, byte: u8) -> Result<(), &'static str> {
        match byte {
            b'.' => self.atom("."),
            b'[' => return self.set(),
            b'*' if self.is_extended || self.atom.is_some() => return self.repeat("*"),
            b'^' if self.is_extended || self.atom.is_none() => self.out.push('^'),
            b'$' if self.is_extended || self.ends_here() => self.out.push('$'),
            b'+' | b'?' | b'{' | b'|' | b'(' if self.is_extended => return self.operator(byte),
            // An extended pattern's `)` without a `(` is literal, by POSIX undefined.
            b')' if self.is_extended && !self.groups.is_empty() => return self.operator(byte),
            byte => self.literal(byte),
        }
        Ok(())
    }

    /// A byte after a backslash.
    fn escaped(&mut self, byte: u8) -> Result<(), &'static str> {
        match byte {
            b'+' | b'?' | b'{' | b'|' | b'(' | b')' if !self.is_extended => {
                return self.operator(byte);
            }
            b'1'..=b'9' => return Err("back-references are not supported"),
            b'w' => self.atom("[0-9A-Za-z_]"),
            b'W' => self.atom("[^0-9A-Za-z_]"),
            b's' => self.atom("[\\t-\\r ]"),
            b'S' => self.atom("[^\\t-\\r ]"),
            b'b' => self.out.push_str("\\b"),
            b'B' => self.out.push_str("\\B"),
            b'<' => self.out.push_str("\\b{start}"),
            b'>' => self.out.push_str("\\b{end}"),
            b'`' => self.out.push_str("\\A"),
            b'\'' => self.out.push_str("\\z"),
            byte => self.literal(byte),
        }
        Ok(())
    }

    fn operator(&mut self, byte: u8) -> Result<(), &'static str> {
        match byte {
            b'+' => return self.repeat("+"),
            b'?' => return self.repeat("?"),
            b'{' => return self.interval(),
            b'(' => {
                self.groups.push(self.out.len());
                self.out.push_str("(?:");
                self.atom = None;
            }
            b')' => {
                let start = self.groups.pop().ok_or("unmatched )")?;
                self.out.push(')');
                (self.atom, self.repeats) = (Some(start), 0);
            }
            _ => {
                self.out.push('|');
                self.atom = None;
            }
        }
        Ok(())
    }

    fn atom(&mut self, text: &str) {
        (self.atom, self.repeats) = (Some(self.out.len()), 0);
        self.out.push_str(text);
    }

    fn literal(&mut self, byte: u8) {
        self.atom(&format!("\\x{byte:02x}"));
    }

    fn repeat(&mut self, text: &str) -> Result<(), &'static str> {
        let Some(start) = self.atom else {
            return Err("nothing to repeat");
        };
        // In Rust's syntax a `?` after another repetition would make that one match as little as it can.
        if self.repeats > 0 {
            self.out.insert_str(start, "(?:");
            self.out.push(')');
        }
        self.repeats += 1;
        if self.repeats > MAX_NESTED {
            return Err("too many repetitions of one part");
        }
        self.out.push_str(text);
        Ok(())
    }

    /// `{m,n}` after its brace.
    fn interval(&mut self) -> Result<(), &'static str> {
        let end: &[u8] = match self.is_extended {
            true => b"}",
            false => b"\\}",
        };
        let at = self.rest.windows(end.len()).position(|part| part == end);
        let at = at.ok_or("unclosed {")?;
        let (text, after) = self.rest.split_at_checked(at).ok_or("unclosed {")?;
        self.rest = after.strip_prefix(end).ok_or("unclosed {")?;
        let text = std::str::from_utf8(text).map_err(|_| "invalid repetition")?;
        let number = |text: &str| match text.bytes().all(|byte| byte.is_ascii_digit()) {
            true => text.parse::<u32>().ok().filter(|n| *n <= MAX_REPEAT),
            false => None,
        };
        let invalid = "invalid repetition";
        let text = match text.split_once(',') {
            None => format!("{{{}}}", number(text).ok_or(invalid)?),
            Some((from, to)) => {
                let from = match from {
                    "" => 0,
                    from => number(from).ok_or(invalid)?,
                };
                match to {
                    "" => format!("{{{from},}}"),
                    to => {
                        let to = number(to).filter(|to| *to >= from).ok_or(invalid)?;
                        format!("{{{from},{to}}}")
                    }
                }
            }
        };
        self.repeat(&text)
    }

    /// Tests if a `$` of a basic pattern is at its end or at that of a group or alternative.
    fn ends_here(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with(b"\\)") || self.rest.starts_with(b"\\|")
    }

    /// A set after its `[`; a backslash has no meaning in it.
    fn set(&mut self) -> Result<(), &'static str> {
        let mut rest = self.rest;
        let mut text = String::from("[");
        if let Some(after) = rest.strip_prefix(b"^") {
            text.push('^');
            rest = after;
        }
        let mut add = |low: u8, high: u8| {
            let _ = write!(text, "\\x{low:02x}-\\x{high:02x}");
        };
        let mut is_first = true;
        loop {
            let (&byte, after) = rest.split_first().ok_or("unclosed [")?;
            if byte == b']' && !is_first {
                rest = after;
                break;
            }
            is_first = false;
            if let Some(after) = rest.strip_prefix(b"[:") {
                let (class, after) = glob::named_class(after).ok_or("unclosed [:")?;
                let ranges = glob::class(class).ok_or("unknown class in [")?;
                ranges.iter().for_each(|(low, high)| add(*low, *high));
                rest = after;
                continue;
            }
            let (low, after) = one(rest)?;
            rest = after;
            let range = rest
                .strip_prefix(b"-")
                .filter(|after| !after.starts_with(b"]"));
            let high = match range {
                Some(after) => {
                    let (high, after) = one(after)?;
                    rest = after;
                    high
                }
                None => low,
            };
            if high < low {
                return Err("invalid range in [");
            }
            add(low, high);
        }
        text.push(']');
        self.rest = rest;
        self.atom(&text);
        Ok(())
    }
}

/// One byte of a set: itself, or in `[.x.]` or `[=x=]`.
fn one(text: &[u8]) -> Result<(u8, &[u8]), &'static str> {
    for mark in [b'.', b'='] {
        if let [b'[', open, byte, close, b']', after @ ..] = text
            && *open == mark
            && *close == mark
        {
            return Ok((*byte, after));
        }
    }
    if text.starts_with(b"[.") || text.starts_with(b"[=") {
        return Err("unknown collating element in [");
    }
    let (&byte, after) = text.split_first().ok_or("unclosed [")?;
    Ok((byte, after))
}
