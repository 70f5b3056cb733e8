//! Patterns for paths, as in a `.gitignore`: of all programs, for paths to include, exclude or ignore.
//!
//! A pattern with a `/` is a path from the root, one without is a name in any directory; a `/` at the end counts for
//! neither. `*` and `?` stop at a `/`, `**` does not, `[…]` and `{…,…}` are alternatives. A directory that matches has
//! all its contents matched, `!` marks an exception, and the last pattern that matches decides.

use crate::error::{Error, Result};
use crate::glob::{Dialect, Glob};

/// Patterns for paths, in order.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
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

impl Patterns {
    /// Parses patterns, one each. Blank patterns and those that begin with `#` are ignored.
    ///
    /// # Errors
    /// `Usage` for a pattern with an unclosed `[` or a trailing `\`.
    pub fn new<T: AsRef<str>>(patterns: impl IntoIterator<Item = T>) -> Result<Self> {
        let mut excludes = Patterns::default();
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
            let pattern = match rest.trim_end_matches('/').contains('/') {
                true => clean.into_owned(),
                false => format!("**/{clean}"),
            };
            let glob = Glob::new(&pattern, Dialect::Shell)
                .map_err(|why| Error::usage(format!("invalid pattern '{text}': {why}")))?;
            excludes.patterns.push(Pattern { glob, is_exception });
        }
        Ok(excludes)
    }

    /// Tests if there are no patterns.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Tests if files below a directory that matches may be exceptions.
    pub(super) fn has_exceptions(&self) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_exception)
    }

    /// Tests if a path, without a leading `/`, or a directory above it matches. Slower than the walk, which evaluates
    /// each directory once.
    pub fn matches(&self, path: &[u8]) -> bool {
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

    /// Tests if a path matches, and returns the results that its contents inherit. `above` are those of its directory.
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
        let excludes = Patterns::new(patterns).expect("patterns");
        excludes.matches(path.as_bytes())
    }

    #[test]
    fn patterns_match_as_in_gitignore() {
        for (patterns, yes, no) in [
            (
                &["a"][..],
                &["a", "a/b", "a/b/c", "b/a", "b/a/c"][..],
                &["ab"][..],
            ),
            (&["a/"], &["a", "a/b", "b/a"], &["ab"]),
            (&["/a/"], &["a", "a/b"], &["b/a"]),
            (&["./a"], &["a", "a/b"], &["b/a"]),
            (&["*.c"], &["x.c", ".c", "a/x.c"], &["x.cc"]),
            (&["/*.c"], &["x.c"], &["a/x.c"]),
            (&["*.{c,h}"], &["x.c", "a/x.h"], &["x.d"]),
            (&["[!a]x"], &["bx"], &["ax"]),
            (&["*/x.c"], &["a/x.c"], &["x.c", "a/b/x.c"]),
            (
                &["**/x.c"],
                &["x.c", "a/x.c", "a/b/x.c"],
                &["ax.c", "a/bx.c"],
            ),
            (&["a/**"], &["a/b", "a/b/c"], &["a", "ab"]),
            (&["a/**/z"], &["a/z", "a/b/z", "a/b/c/z/d"], &["az", "a/bz"]),
            (&["**"], &["a", "a/b"], &[]),
            (&["/a?c"], &["abc"], &["a/c", "ac"]),
            (&["[a-c]x"], &["ax", "cx"], &["dx", "x"]),
            (&["[^a-c]x"], &["dx"], &["ax"]),
            (&["\\*"], &["*"], &["a"]),
            (
                &["*", "!keep"],
                &["a", "b/x"],
                &["keep", "keep/x", "b/keep"],
            ),
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
            assert!(Patterns::new([bad]).is_err(), "{bad}");
        }
    }
}
