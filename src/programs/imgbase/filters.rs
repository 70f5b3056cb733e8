//! Filters of packages' files, with dpkg's rules (`dpkg(1)`, `--path-exclude`): later patterns win. The rules are stored
//! in the image as a configuration file of dpkg, so that they also apply to packages that are installed later.

use crate::base::rootfs::{Kind, Node, Rootfs};
use crate::error::{Fault, Result};

/// Path of the file with the rules.
const CONFIG: &[u8] = b"etc/dpkg/dpkg.cfg.d/imgbase";

/// Rules of a slim image: no documentation except licences, no manual pages, no translations.
const SLIM: [(bool, &str); 10] = [
    (false, "/usr/share/doc/*"),
    (true, "/usr/share/doc/*/copyright"),
    (true, "/usr/share/doc/*/copyright.*"),
    (false, "/usr/share/doc-base/*"),
    (false, "/usr/share/groff/*"),
    (false, "/usr/share/info/*"),
    (false, "/usr/share/lintian/*"),
    (false, "/usr/share/linda/*"),
    (false, "/usr/share/locale/*"),
    (false, "/usr/share/man/*"),
];

/// Rules in their order: whether the pattern includes, and the pattern.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    rules: Vec<(bool, Vec<u8>)>,
}

impl Filters {
    /// Combines the rules of a slim image, if requested, with excluding and then including patterns.
    ///
    /// # Errors
    /// `Usage` for a pattern that does not begin with `/` or `*`, or contains a newline.
    pub fn new(slim: bool, excludes: &[String], includes: &[String]) -> Result<Self> {
        let slim = SLIM.iter().filter(|_| slim);
        let slim = slim.map(|(include, pattern)| (*include, (*pattern).to_owned()));
        let excludes = excludes.iter().map(|pattern| (false, pattern.clone()));
        let includes = includes.iter().map(|pattern| (true, pattern.clone()));
        let mut rules = Vec::new();
        for (include, pattern) in slim.chain(excludes).chain(includes) {
            if !pattern.starts_with(['/', '*']) || pattern.contains('\n') {
                let why =
                    format!("invalid pattern '{pattern}': expected a path that begins with / or *");
                return Err(Fault::Usage(why).into());
            }
            rules.push((include, pattern.into_bytes()));
        }
        Ok(Filters { rules })
    }

    /// Returns whether there are no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns whether a path, with or without a leading `/`, is left out.
    pub fn leave_out(&self, path: &[u8]) -> bool {
        if self.is_empty() {
            return false;
        }
        let path = match path.first() {
            Some(b'/') => path.to_vec(),
            _ => [b"/", path].concat(),
        };
        let mut rules = self.rules.iter().rev();
        rules
            .find(|(_, pattern)| matches(pattern, &path))
            .is_some_and(|(include, _)| !include)
    }

    /// Removes the excluded paths from a tree; a directory only if it becomes empty. Returns the number of removed paths.
    pub fn apply(&self, rootfs: &mut Rootfs) -> usize {
        if self.is_empty() {
            return 0;
        }
        let before = rootfs.len();
        let out: Vec<(Vec<u8>, bool)> = rootfs
            .walk()
            .filter(|named| !named.path.is_empty() && self.leave_out(named.path))
            .map(|named| (named.path.to_vec(), named.node.kind == Kind::Directory))
            .collect();
        // Entries of a directory come after it.
        for (path, is_directory) in out.into_iter().rev() {
            if !is_directory || rootfs.children(&path).next().is_none() {
                rootfs.remove(&path);
            }
        }
        before - rootfs.len()
    }

    /// Writes the rules to dpkg's configuration, if dpkg is installed.
    ///
    /// # Errors
    /// As [`Rootfs::put`].
    pub fn write_config(&self, rootfs: &mut Rootfs, epoch: i64) -> Result<()> {
        if self.is_empty() || rootfs.get(b"etc/dpkg/dpkg.cfg.d").is_none() {
            return Ok(());
        }
        let mut text = b"# Left out when the image was made.\n".to_vec();
        for (include, pattern) in &self.rules {
            text.extend(match include {
                true => b"path-include=".as_slice(),
                false => b"path-exclude=".as_slice(),
            });
            text.extend(pattern);
            text.push(b'\n');
        }
        rootfs.put(CONFIG, Node::file(0o644, text).at(epoch))?;
        Ok(())
    }
}

/// Matches a pattern of `fnmatch(3)` without flags: `*` and `?` match `/`, too.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Position after the last `*`, and the end of the text that it matches.
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, t));
                p += 1;
                continue;
            }
            None if t == text.len() => return true,
            None => None,
            Some(_) if t == text.len() => return false,
            Some(_) => one(pattern, p, text[t]),
        };
        match (step, star) {
            (Some(next), _) => {
                p = next;
                t += 1;
            }
            (None, Some((after, taken))) if taken < text.len() => {
                star = Some((after, taken + 1));
                p = after;
                t = taken + 1;
            }
            (None, _) => return false,
        }
    }
}

/// Matches one character of a pattern. Returns the position of the next one.
fn one(pattern: &[u8], at: usize, byte: u8) -> Option<usize> {
    match pattern.get(at)? {
        b'?' => Some(at + 1),
        b'\\' => {
            let quoted = pattern.get(at + 1).unwrap_or(&b'\\');
            (*quoted == byte).then_some((at + 2).min(pattern.len()))
        }
        b'[' => match set(pattern, at + 1, byte) {
            Some((end, found)) => found.then_some(end),
            // Without a closing bracket it is literal.
            None => (byte == b'[').then_some(at + 1),
        },
        other => (*other == byte).then_some(at + 1),
    }
}

/// Matches a set in brackets. Returns its end, and whether it contains the byte.
fn set(pattern: &[u8], start: usize, byte: u8) -> Option<(usize, bool)> {
    let negated = matches!(pattern.get(start)?, b'!' | b'^');
    let first = start + usize::from(negated);
    let mut at = first;
    let mut found = false;
    loop {
        let low = *pattern.get(at)?;
        if low == b']' && at > first {
            return Some((at + 1, found != negated));
        }
        match (pattern.get(at + 1), pattern.get(at + 2)) {
            (Some(b'-'), Some(high)) if *high != b']' => {
                found |= (low..=*high).contains(&byte);
                at += 3;
            }
            _ => {
                found |= low == byte;
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_fnmatch_does() {
        for (pattern, text, expected) in [
            ("/usr/share/doc/*", "/usr/share/doc/a/b", true),
            ("/usr/share/doc/*", "/usr/share/doc", false),
            ("/a/*/copyright", "/a/b/c/copyright", true),
            ("/a/*/copyright", "/a/b/copyright.x", false),
            ("*.pyc", "/x/y.pyc", true),
            ("/[a-c]?[!x]", "/b/y", true),
            ("/[a-c]?[!x]", "/b/x", false),
            ("/\\*", "/*", true),
            ("/\\*", "/a", false),
            ("/[", "/[", true),
            ("/**b", "/aab", true),
            ("", "", true),
        ] {
            let found = matches(pattern.as_bytes(), text.as_bytes());
            assert_eq!(found, expected, "{pattern} {text}");
        }
    }

    #[test]
    fn licences_are_kept_and_empty_directories_removed() {
        let mut tree = Rootfs::default();
        for path in [
            "usr/share/doc/a/copyright",
            "usr/share/doc/a/changelog",
            "usr/share/doc/b/changelog",
            "usr/share/man/man1/a.1",
            "usr/bin/a",
        ] {
            tree.put(path.as_bytes(), Node::file(0o644, *b""))
                .expect("a file");
        }
        let filters = Filters::new(true, &[], &[]).expect("patterns");
        filters.apply(&mut tree);
        let names: Vec<String> = tree
            .walk()
            .filter(|named| named.node.contents().is_some())
            .map(|named| String::from_utf8_lossy(named.path).into_owned())
            .collect();
        assert_eq!(names, ["usr/bin/a", "usr/share/doc/a/copyright"]);
        assert!(tree.get(b"usr/share/doc/b").is_none());
        assert!(
            tree.get(b"usr/share/man").is_some(),
            "the pattern is of what is in it"
        );
    }
}
