//! Exclusion patterns with the rules of `.dockerignore`.
//!
//! As in docker's matcher: patterns match whole paths from the root, `*` and `?` stop at a `/`, `**` does not, a match of
//! a directory includes its contents, `!` marks an exception, and the last pattern that matches decides.

use crate::error::{Error, Result};
use crate::glob::{Dialect, Glob};

/// Exclusion patterns, in order.
#[derive(Debug, Clone, Default)]
pub struct Excludes {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    glob: Glob,
    is_exception: bool,
}

/// Result of each pattern for a directory, which its contents inherit.
#[derive(Debug, Clone, Default)]
pub(super) struct Inherited(Vec<bool>);

impl Excludes {
    /// Parses patterns, one each. Blank patterns and those that begin with `#` are ignored.
    ///
    /// # Errors
    /// `Usage` for a pattern with an unclosed `[` or a trailing `\`.
    pub fn new<T: AsRef<str>>(patterns: impl IntoIterator<Item = T>) -> Result<Self> {
        let mut excludes = Excludes::default();
        for text in patterns {
            let text = text.as_ref().trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let (is_exception, rest) = match text.strip_prefix('!') {
                Some(rest) => (true, rest.trim()),
                None => (false, text),
            };
            let clean = crate::layer::clean_path(rest.as_bytes()).path;
            let clean = String::from_utf8_lossy(&clean);
            if clean.is_empty() {
                continue;
            }
            let glob = Glob::new(&clean, Dialect::Dockerignore)
                .map_err(|why| Error::usage(format!("invalid pattern: '{text}': {why}")))?;
            excludes.patterns.push(Pattern { glob, is_exception });
        }
        Ok(excludes)
    }

    /// Reports whether there are no patterns.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Reports whether files below an excluded directory may be included.
    pub(super) fn has_exceptions(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_exception)
    }

    /// Reports whether a path or a directory above it is excluded. Slower than the walk, which evaluates each
    /// directory once.
    pub fn is_excluded(&self, path: &[u8]) -> bool {
        let mut above = Inherited::default();
        let mut result = false;
        if self.is_empty() {
            return result;
        }
        let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        for end in ends.map(|(at, _)| at).chain([path.len()]) {
            (result, above) = self.evaluate(&path[..end], &above);
        }
        result
    }

    /// Reports whether a path is excluded, and returns the results that its contents inherit. `above` are those of its
    /// directory.
    pub(super) fn evaluate(&self, path: &[u8], above: &Inherited) -> (bool, Inherited) {
        let mut excluded = false;
        let mut own = Vec::with_capacity(self.patterns.len());
        for (i, pattern) in self.patterns.iter().enumerate() {
            let matches = above.0.get(i).copied().unwrap_or(false) || pattern.glob.is_match(path);
            if matches {
                excluded = !pattern.is_exception;
            }
            own.push(matches);
        }
        (excluded, Inherited(own))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn excluded(patterns: &[&str], path: &str) -> bool {
        let excludes = Excludes::new(patterns).expect("patterns");
        excludes.is_excluded(path.as_bytes())
    }

    #[test]
    fn patterns_match_as_in_docker() {
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
}
