//! Patterns of a `.dockerignore`: which files of a folder are left out.
//!
//! As in docker's matcher: patterns are of whole paths from the top, `*` and `?` stop at a `/`, `**` does not, a
//! folder's match counts for all that is in it, `!` takes back, and the last pattern that matches decides. Matching
//! takes time linear in path and pattern, whatever they are.

use crate::error::{Fault, Result};

/// Patterns in their order.
#[derive(Debug, Clone, Default)]
pub struct Excludes {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    tokens: Vec<Token>,
    takes_back: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Byte(u8),
    /// `?`: one byte that is no `/`.
    One,
    /// `*`: any bytes but `/`.
    Part,
    /// `**`: any bytes.
    All,
    /// `**/`: any folders, or none.
    Folders,
    /// `[a-z]`, `[^a]`: one byte of a set.
    Set(Vec<(u8, u8)>, bool),
}

/// Which patterns match a folder, and so everything below it.
#[derive(Debug, Clone, Default)]
pub(super) struct Inherited(Vec<bool>);

impl Excludes {
    /// Reads patterns, one each. Blank ones and those that begin with `#` mean nothing.
    ///
    /// # Errors
    /// `Usage` for a pattern with a `[` that nothing closes or a `\` that nothing follows.
    pub fn new<T: AsRef<str>>(patterns: impl IntoIterator<Item = T>) -> Result<Self> {
        let mut excludes = Excludes::default();
        for text in patterns {
            let text = text.as_ref().trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let (takes_back, rest) = match text.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, text),
            };
            let clean = crate::layer::clean_path(rest.as_bytes()).path.into_owned();
            if clean.is_empty() {
                continue;
            }
            let tokens =
                tokens(&clean).ok_or_else(|| Fault::Usage(format!("not a pattern: '{text}'")))?;
            excludes.patterns.push(Pattern { tokens, takes_back });
        }
        Ok(excludes)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Whether something below a folder that is left out may be wanted all the same.
    pub(super) fn take_back(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.takes_back)
    }

    /// Whether a path is left out, by itself or by a folder above. Costs more than the walk's way, which asks once for
    /// each folder.
    pub fn leave_out(&self, path: &[u8]) -> bool {
        let mut above = Inherited::default();
        let mut result = false;
        if self.is_empty() {
            return result;
        }
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        for end in ends.map(|(at, _)| at).chain([path.len()]) {
            (result, above) = self.look(&path[..end], &above);
        }
        result
    }

    /// Whether a path is left out, and what it hands down. `above` is what its folder handed down.
    pub(super) fn look(&self, path: &[u8], above: &Inherited) -> (bool, Inherited) {
        let mut excluded = false;
        let mut own = Vec::with_capacity(self.patterns.len());
        for (i, pattern) in self.patterns.iter().enumerate() {
            let matches =
                above.0.get(i).copied().unwrap_or(false) || matches(&pattern.tokens, path);
            if matches {
                excluded = !pattern.takes_back;
            }
            own.push(matches);
        }
        (excluded, Inherited(own))
    }
}

fn tokens(text: &[u8]) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'*' if rest.starts_with(b"*") => {
                rest = &rest[rest.iter().take_while(|byte| **byte == b'*').count()..];
                match rest.strip_prefix(b"/") {
                    Some(after) => {
                        rest = after;
                        tokens.push(Token::Folders);
                    }
                    None => tokens.push(Token::All),
                }
            }
            b'*' => tokens.push(Token::Part),
            b'?' => tokens.push(Token::One),
            b'[' => {
                let (set, after) = set(rest)?;
                tokens.push(set);
                rest = after;
            }
            b'\\' => {
                let (&byte, after) = rest.split_first()?;
                rest = after;
                tokens.push(Token::Byte(byte));
            }
            byte => tokens.push(Token::Byte(byte)),
        }
    }
    Some(tokens)
}

fn set(text: &[u8]) -> Option<(Token, &[u8])> {
    let (negated, mut rest) = match text.strip_prefix(b"^") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    fn one(rest: &mut &[u8]) -> Option<u8> {
        let (&byte, after) = rest.split_first()?;
        *rest = after;
        match byte {
            b'\\' => {
                let (&byte, after) = rest.split_first()?;
                *rest = after;
                Some(byte)
            }
            byte => Some(byte),
        }
    }
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty()
            && let Some(after) = rest.strip_prefix(b"]")
        {
            return Some((Token::Set(ranges, negated), after));
        }
        let low = one(&mut rest)?;
        let high = match rest.strip_prefix(b"-") {
            Some(after) => {
                rest = after;
                one(&mut rest)?
            }
            None => low,
        };
        ranges.push((low, high));
    }
}

/// All ways through the pattern at once: which tokens could come next.
fn matches(tokens: &[Token], path: &[u8]) -> bool {
    let mut now = vec![false; tokens.len() + 1];
    let mut next = now.clone();
    now[0] = true;
    skip(tokens, &mut now, true);
    for (at, &byte) in path.iter().enumerate() {
        next.fill(false);
        for (i, token) in tokens.iter().enumerate() {
            if !now[i] {
                continue;
            }
            match token {
                Token::Byte(wanted) if *wanted == byte => next[i + 1] = true,
                Token::One if byte != b'/' => next[i + 1] = true,
                Token::Part if byte != b'/' => next[i] = true,
                Token::All => next[i] = true,
                // Stays until the end of a folder's name; the step past it is only open after a `/`.
                Token::Folders => next[i] = true,
                Token::Set(ranges, negated) if byte != b'/' => {
                    let within = ranges
                        .iter()
                        .any(|(low, high)| (*low..=*high).contains(&byte));
                    next[i + 1] |= within != *negated;
                }
                _ => {}
            }
        }
        std::mem::swap(&mut now, &mut next);
        let starts_part = path.get(at) == Some(&b'/');
        skip(tokens, &mut now, starts_part);
    }
    now[tokens.len()]
}

/// Opens the steps that need no byte.
fn skip(tokens: &[Token], open: &mut [bool], starts_part: bool) {
    for (i, token) in tokens.iter().enumerate() {
        let free = match token {
            Token::Part | Token::All => true,
            Token::Folders => starts_part,
            _ => false,
        };
        if open[i] && free {
            open[i + 1] = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded(patterns: &[&str], path: &str) -> bool {
        let excludes = Excludes::new(patterns).expect("patterns");
        excludes.leave_out(path.as_bytes())
    }

    #[test]
    fn patterns_match_as_dockers_do() {
        for (patterns, yes, no) in [
            (&["a"][..], &["a", "a/b", "a/b/c"][..], &["b/a", "ab"][..]),
            (&["/a/"], &["a", "a/b"], &["b/a"]),
            (&["*.c"], &["x.c", ".c"], &["a/x.c", "x.cc"]),
            (&["*/x.c"], &["a/x.c"], &["x.c", "a/b/x.c"]),
            (
                &["**/x.c"],
                &["x.c", "a/x.c", "a/b/x.c"],
                &["ax.c", "a/bx.c"],
            ),
            (&["a/**"], &["a/b", "a/b/c"], &["a", "ab"]),
            (&["a/**/z"], &["a/z", "a/b/z", "a/b/c/z/d"], &["az", "a/bz"]),
            (&["**"], &["a", "a/b"], &[]),
            (&["a?c"], &["abc"], &["a/c", "ac"]),
            (&["[a-c]x"], &["ax", "cx"], &["dx", "x"]),
            (&["[^a-c]x"], &["dx"], &["ax", "/x"]),
            (&["\\*"], &["*"], &["a"]),
            (&["*", "!keep"], &["a", "b/keep"], &["keep", "keep/x"]),
            (
                &["a", "!a/b", "a/b/c"],
                &["a", "a/x", "a/b/c"],
                &["a/b", "a/b/d"],
            ),
            (&["# no", "", "b"], &["b"], &["# no"]),
            (&["a**b"], &["ab", "a/x/b", "axb"], &["a/x"]),
        ] {
            for path in yes {
                assert!(excluded(patterns, path), "{patterns:?} {path}");
            }
            for path in no {
                assert!(!excluded(patterns, path), "{patterns:?} {path}");
            }
        }
        for bad in ["[", "[a", "a\\", "[]"] {
            assert!(Excludes::new([bad]).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        let pattern = "**/*a".repeat(2000) + "b";
        assert!(!excluded(&[&pattern], &"a".repeat(4000)));
    }
}
