//! Normalised paths of entries.

use std::borrow::Cow;

/// A normalised path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanPath<'a> {
    /// Components joined by single `/`, none of them empty or `.`; empty for the root itself. `..` is kept.
    pub path: Cow<'a, [u8]>,
    /// True if the path started with `/`.
    pub absolute: bool,
    /// True if a component is `..`.
    pub climbs: bool,
}

/// Length in bytes of the longest common prefix of two paths.
pub(crate) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    // Consecutive paths of a tar differ late: eight bytes at a time.
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    let done = 8 * words.take_while(|(a, b)| a == b).count();
    let rest = a.iter().zip(b).skip(done);
    done + rest.take_while(|(a, b)| a == b).count()
}

/// Length in bytes of the leading components that two clean paths have in common.
pub(crate) fn common_components(a: &[u8], b: &[u8]) -> usize {
    let same = common_prefix(a, b);
    let ends = |path: &[u8]| path.get(same).is_none_or(|&byte| byte == b'/');
    if ends(a) && ends(b) {
        return same;
    }
    let slash = a.iter().take(same).rposition(|&byte| byte == b'/');
    slash.unwrap_or_default()
}

/// Normalises a name or a hard link's target: drops `./`, `/.`, and leading, doubled and trailing `/`.
///
/// Allocates only to drop bytes in the middle; prefixes and suffixes are cut off.
///
/// ```
/// use imgkit::layer::clean_path;
/// assert_eq!(&*clean_path(b"./etc//passwd").path, b"etc/passwd");
/// assert_eq!(&*clean_path(b"./").path, b"");
/// assert!(clean_path(b"/etc").absolute && clean_path(b"a/../b").climbs);
/// ```
pub fn clean_path(path: &[u8]) -> CleanPath<'_> {
    let span = CleanSpan::of(path);
    CleanPath {
        path: match span.rewritten {
            Some(rewritten) => Cow::Owned(rewritten),
            None => Cow::Borrowed(path.get(span.start..span.end).unwrap_or_default()),
        },
        absolute: span.absolute,
        climbs: span.climbs,
    }
}

/// Returns the parent directory of a clean path; the root for the root.
pub(crate) fn parent(path: &[u8]) -> &[u8] {
    let cut = path.iter().rposition(|byte| *byte == b'/');
    &path[..cut.unwrap_or(0)]
}

/// The clean form of a path, as a range of it where possible.
#[derive(Debug, Clone, Default)]
pub(crate) struct CleanSpan {
    start: usize,
    end: usize,
    rewritten: Option<Vec<u8>>,
    pub(super) absolute: bool,
    pub(super) climbs: bool,
}

impl CleanSpan {
    /// Normalises a path.
    pub(crate) fn of(path: &[u8]) -> Self {
        let absolute = path.first() == Some(&b'/');
        let mut span = CleanSpan {
            absolute,
            ..CleanSpan::default()
        };
        let mut start = None;
        let mut end = 0;
        // Set after bytes to drop; a component after them means that the clean path is no range of the path.
        let mut gap = false;
        let mut at = 0;
        for part in path.split(|&byte| byte == b'/') {
            let next = at + part.len();
            if matches!(part, b"" | b".") {
                gap = start.is_some();
            } else {
                span.climbs |= part == b"..";
                if gap {
                    span.rewritten = Some(without_empty_components(path));
                }
                start = start.or(Some(at));
                end = next;
            }
            if span.rewritten.is_some() {
                span.climbs = path.split(|&byte| byte == b'/').any(|part| part == b"..");
                return span;
            }
            at = next + 1;
        }
        span.start = start.unwrap_or_default();
        span.end = end;
        span
    }

    /// Returns the clean path of `path`, of which this was made.
    pub(super) fn resolve<'a>(&'a self, path: &'a [u8]) -> &'a [u8] {
        match &self.rewritten {
            Some(rewritten) => rewritten,
            None => path.get(self.start..self.end).unwrap_or_default(),
        }
    }
}

fn without_empty_components(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(path.len());
    let parts = path.split(|&byte| byte == b'/');
    for part in parts.filter(|part| !matches!(*part, b"" | b".")) {
        if !out.is_empty() {
            out.push(b'/');
        }
        out.extend_from_slice(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_components_are_whole_components() {
        for (a, b, same) in [
            ("", "", 0),
            ("", "usr", 0),
            ("usr", "usr", 3),
            ("usr", "usr/bin", 3),
            ("usr", "usr-x", 0),
            ("usr/bin", "usr/bind", 3),
            ("usr/bin/a", "usr/bin/b", 7),
            ("usr/bin/a", "usr/bin", 7),
            ("usr/bin", "var", 0),
        ] {
            for (a, b) in [(a, b), (b, a)] {
                assert_eq!(
                    common_components(a.as_bytes(), b.as_bytes()),
                    same,
                    "{a:?} {b:?}"
                );
            }
        }
    }

    #[test]
    fn common_prefixes_are_exact() {
        let path = b"usr/share/doc/adduser/copyright";
        for (a, b) in (0..=path.len()).flat_map(|a| (0..=path.len()).map(move |b| (a, b))) {
            assert_eq!(common_prefix(&path[..a], &path[..b]), a.min(b));
        }
        for differs in 0..path.len() {
            let mut other = *path;
            other[differs] ^= 1;
            assert_eq!(common_prefix(path, &other), differs);
        }
    }

    #[test]
    fn paths_are_normalised_and_mostly_borrowed() {
        for (path, clean, absolute, climbs, borrowed) in [
            ("etc/passwd", "etc/passwd", false, false, true),
            ("./etc/passwd", "etc/passwd", false, false, true),
            ("././/etc/", "etc", false, false, true),
            ("/etc/", "etc", true, false, true),
            ("//etc", "etc", true, false, true),
            ("etc//passwd", "etc/passwd", false, false, false),
            ("etc/./passwd/.", "etc/passwd", false, false, false),
            ("a/.//./", "a", false, false, true),
            ("", "", false, false, true),
            (".", "", false, false, true),
            ("./", "", false, false, true),
            ("/", "", true, false, true),
            ("..", "..", false, true, true),
            ("a/../b", "a/../b", false, true, true),
            ("a//b/..", "a/b/..", false, true, false),
            ("../a//b", "../a/b", false, true, false),
            (".hidden/...", ".hidden/...", false, false, true),
        ] {
            let cleaned = clean_path(path.as_bytes());
            assert_eq!(cleaned.path, clean.as_bytes(), "{path}");
            assert_eq!(
                (cleaned.absolute, cleaned.climbs),
                (absolute, climbs),
                "{path}"
            );
            assert_eq!(matches!(cleaned.path, Cow::Borrowed(_)), borrowed, "{path}");
        }
    }
}
