//! One entry of a tar, all extensions applied.

use std::borrow::Cow;

use super::sparse::Segment;

/// What an entry makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum EntryKind {
    /// A regular file, sparse or not.
    #[default]
    File,
    /// Another name of an entry, given by its path from the top.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A FIFO.
    Fifo,
    /// A type that is none of these, by its letter: GNU dump directories (`D`), volume labels (`V`), vendor types.
    Other(u8),
}

/// A modification time: `seconds` since 1970 (before it: negative) and `nanos` more, always forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mtime {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// 0 to 999,999,999; 0 wherever only a plain header gave the time.
    pub nanos: u32,
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Xattr {
    /// With its namespace, as in `security.capability`.
    pub name: Vec<u8>,
    /// Raw, and often not text.
    pub value: Vec<u8>,
}

/// One entry as the archive states it. Sizes and offsets are in bytes, offsets from the start of the tar.
///
/// Names are bytes: they need not be UTF-8 and may hold anything but NUL. Nothing here was compared with a file
/// system, and nothing is safe to use as a path before [`Entry::clean_path`] and its two flags were looked at.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The name as written.
    pub path: Vec<u8>,
    /// What the entry makes.
    pub kind: EntryKind,
    /// Permission bits with setuid, setgid and sticky: 12 bits.
    pub mode: u16,
    /// Owner, which rules over [`user_name`](Self::user_name).
    pub uid: u64,
    /// Group, which rules over [`group_name`](Self::group_name).
    pub gid: u64,
    /// Owner's name as a hint; often empty.
    pub user_name: Vec<u8>,
    /// Group's name as a hint; often empty.
    pub group_name: Vec<u8>,
    /// Modification time.
    pub mtime: Mtime,
    /// Size of the contents with their holes; 0 where the kind has no contents.
    pub size: u64,
    /// Bytes of contents in the archive, without padding; less than `size` in a sparse file.
    pub stored_size: u64,
    /// Where the entry's own header starts, after its extension headers.
    pub header_offset: u64,
    /// Where the stored contents start, after any sparse map.
    pub data_offset: u64,
    /// Target of a hard link (a path from the top) or of a symlink (any text); empty otherwise.
    pub link_target: Vec<u8>,
    /// Major and minor number of a device; 0 otherwise.
    pub device: (u64, u64),
    /// Extended attributes, each name once, in the order of their first mention.
    pub xattrs: Vec<Xattr>,
    /// The stored parts of a sparse file, in order; `None` for an ordinary one.
    pub sparse: Option<Vec<Segment>>,
    pub(crate) clean: CleanSpan,
}

impl Entry {
    /// An entry of that name that says nothing else yet.
    pub fn named(path: Vec<u8>) -> Self {
        Entry {
            clean: CleanSpan::of(&path),
            path,
            ..Entry::default()
        }
    }

    /// The path as every comparison should see it, see [`clean_path`]. Worked out once, when the entry was read.
    pub fn clean_path(&self) -> &[u8] {
        match &self.clean.rewritten {
            Some(path) => path,
            None => self
                .path
                .get(self.clean.start..self.clean.end)
                .unwrap_or_default(),
        }
    }

    /// Whether the name starts with `/`.
    pub fn is_absolute(&self) -> bool {
        self.clean.absolute
    }

    /// Whether a part of the name is `..`.
    pub fn climbs(&self) -> bool {
        self.clean.climbs
    }

    /// Whether a size is stated for this kind and stands for contents in the archive.
    pub fn has_contents(&self) -> bool {
        matches!(self.kind, EntryKind::File | EntryKind::Other(_))
    }
}

/// A path without what does not change where it leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CleanPath<'a> {
    /// Parts joined by single `/`, none of them empty or `.`; empty for the top itself. `..` stays.
    pub path: Cow<'a, [u8]>,
    /// Whether it started with `/`.
    pub absolute: bool,
    /// Whether a part is `..`.
    pub climbs: bool,
}

/// How many bytes two paths begin with that are the same.
pub(crate) fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    // Paths that follow one another in a tar differ late: eight bytes at a time.
    let words = a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0);
    let done = 8 * words.take_while(|(a, b)| a == b).count();
    let rest = a.iter().zip(b).skip(done);
    done + rest.take_while(|(a, b)| a == b).count()
}

/// How many bytes the parts are long that two clean paths begin with and that are the same.
pub(crate) fn common_components(a: &[u8], b: &[u8]) -> usize {
    let same = common_prefix(a, b);
    let ends = |path: &[u8]| path.get(same).is_none_or(|&byte| byte == b'/');
    if ends(a) && ends(b) {
        return same;
    }
    let slash = a.iter().take(same).rposition(|&byte| byte == b'/');
    slash.unwrap_or_default()
}

/// Cleans a name or a hard link's target: drops `./`, `/.`, leading, doubled and closing `/`.
///
/// Allocates only when something inside has to go; a prefix or a suffix is cut without that.
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

/// The clean form of a path, as a part of it where that is possible.
#[derive(Debug, Clone, Default)]
pub(crate) struct CleanSpan {
    start: usize,
    end: usize,
    rewritten: Option<Vec<u8>>,
    absolute: bool,
    climbs: bool,
}

impl CleanSpan {
    pub(crate) fn of(path: &[u8]) -> Self {
        let absolute = path.first() == Some(&b'/');
        let mut span = CleanSpan {
            absolute,
            ..CleanSpan::default()
        };
        let mut start = None;
        let mut end = 0;
        // Set as soon as dirt was passed; a part after it means the clean path is not one piece.
        let mut gap = false;
        let mut at = 0;
        for part in path.split(|&byte| byte == b'/') {
            let next = at + part.len();
            if matches!(part, b"" | b".") {
                gap = start.is_some();
            } else {
                span.climbs |= part == b"..";
                if gap {
                    span.rewritten = Some(joined(path));
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
}

fn joined(path: &[u8]) -> Vec<u8> {
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
    fn only_whole_parts_are_shared_parts() {
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
    fn what_two_paths_share_is_counted_to_the_byte() {
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
    fn paths_are_cleaned_and_mostly_borrowed() {
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
