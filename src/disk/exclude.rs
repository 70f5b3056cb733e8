//! Patterns of a `.dockerignore`: which files of a folder are left out.
//!
//! As in docker's matcher: patterns are of whole paths from the top, `*` and `?` stop at a `/`, `**` does not, a
//! folder's match counts for all that is in it, `!` takes back, and the last pattern that matches decides.

use crate::error::{Fault, Result};
use crate::glob::{Dialect, Glob};

/// Patterns in their order.
#[derive(Debug, Clone, Default)]
pub struct Excludes {
    patterns: Vec<Pattern>,
}

#[derive(Debug, Clone)]
struct Pattern {
    glob: Glob,
    takes_back: bool,
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
            let clean = crate::layer::clean_path(rest.as_bytes()).path;
            let clean = String::from_utf8_lossy(&clean);
            if clean.is_empty() {
                continue;
            }
            let glob = Glob::new(&clean, Dialect::Dockerignore)
                .map_err(|why| Fault::Usage(format!("not a pattern: '{text}': {why}")))?;
            excludes.patterns.push(Pattern { glob, takes_back });
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
    pub fn is_excluded(&self, path: &[u8]) -> bool {
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
            let matches = above.0.get(i).copied().unwrap_or(false) || pattern.glob.is_match(path);
            if matches {
                excluded = !pattern.takes_back;
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
}
