//! What someone who checks a layer wants to know of its entries though nothing is wrong with them, and a record of the
//! entries short enough to keep, so that layers can be applied after all of them went by.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::hash::{BuildHasher, RandomState};

use unicode_normalization::UnicodeNormalization;

use super::entry::Entry;
use super::metadata::EntryKind;
use super::path::common_prefix;

/// What an entry is worth a note for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NoteKind {
    /// A file that runs as its owner.
    Setuid,
    /// A file that runs as its group.
    Setgid,
    /// A file with `security.capability`: it runs with more than its user has.
    Capability,
    /// Something with an access control list, which docker drops: the mode alone may give its group more.
    AccessList,
    /// A character or block device.
    Device,
    /// A symbolic link whose text climbs out of the root directory. Engines confine it, other programs may not.
    ClimbingLink,
    /// A name that is another one's but for upper and lower case or for how its characters are composed: on some file
    /// systems they are one file.
    Twin,
    /// A name with control characters.
    Control,
}

impl NoteKind {
    /// All of them.
    pub const ALL: [NoteKind; 8] = [
        NoteKind::Setuid,
        NoteKind::Setgid,
        NoteKind::Capability,
        NoteKind::AccessList,
        NoteKind::Device,
        NoteKind::ClimbingLink,
        NoteKind::Twin,
        NoteKind::Control,
    ];

    /// The stable name of the finding, in kebab case.
    pub fn code(self) -> &'static str {
        match self {
            NoteKind::Setuid => "setuid",
            NoteKind::Setgid => "setgid",
            NoteKind::Capability => "capability",
            NoteKind::AccessList => "access-list",
            NoteKind::Device => "device",
            NoteKind::ClimbingLink => "climbing-link",
            NoteKind::Twin => "name-twin",
            NoteKind::Control => "control-characters",
        }
    }
}

/// How many entries of one kind there are, and the clean paths of the first ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoteCount {
    /// How many.
    pub count: u64,
    /// The first [`Notes::FIRST`] of them, in the order of the tar.
    pub first: Vec<Vec<u8>>,
}

/// What is worth a note in one layer.
#[derive(Debug, Clone, Default)]
pub struct Notes([NoteCount; NoteKind::ALL.len()]);

impl Notes {
    /// How many names are kept of each kind.
    pub const FIRST: usize = 3;

    /// Those of one kind.
    pub fn of(&self, kind: NoteKind) -> Option<&NoteCount> {
        self.0.get(kind as usize).filter(|noted| noted.count > 0)
    }

    fn add(&mut self, kind: NoteKind, path: &[u8]) {
        let Some(noted) = self.0.get_mut(kind as usize) else {
            return;
        };
        noted.count += 1;
        if noted.first.len() < Self::FIRST {
            let path = path.get(..super::Anomalies::PATH).unwrap_or(path);
            noted.first.push(path.to_vec());
        }
    }
}

/// The entries of one layer, without contents, owners and times: kind, clean path, link target. Each name is kept by
/// what differs from the one before.
#[derive(Debug, Clone, Default)]
pub struct Trace(Vec<u8>);

impl Trace {
    /// The entries, in the order of the tar. Nothing but kind, path and link target is set.
    pub fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let mut rest = self.0.as_slice();
        let mut path = Vec::new();
        std::iter::from_fn(move || {
            let (&kind, after) = rest.split_first()?;
            rest = after;
            path.truncate(number(&mut rest));
            path.extend_from_slice(text(&mut rest));
            let mut entry = Entry::named(path.clone());
            entry.kind = kind_of(kind);
            if matches!(entry.kind, EntryKind::HardLink | EntryKind::Symlink) {
                entry.link_target = text(&mut rest).to_vec();
            }
            Some(entry)
        })
    }

    /// Bytes that it takes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Looks at the entries as they go by.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) notes: Notes,
    /// `None` once it would be longer than allowed, and where nobody wants to know.
    pub(crate) trace: Option<Trace>,
    most: usize,
    last: Vec<u8>,
    /// Folded names to names, by their hashes.
    names: HashMap<u64, u64>,
    hasher: RandomState,
    folded: Vec<u8>,
}

/// Names that are compared for twins at most, which is 32 bytes each.
const MOST_NAMES: usize = 2_000_000;

impl Watch {
    /// Keeps a trace of at most `most` bytes; looks at nothing at all with 0.
    pub(crate) fn new(most: u64) -> Self {
        Watch {
            trace: (most > 0).then(Trace::default),
            most: usize::try_from(most).unwrap_or(usize::MAX),
            ..Watch::default()
        }
    }

    pub(crate) fn see(&mut self, entry: &Entry) {
        if self.most == 0 {
            return;
        }
        let path = entry.clean_path();
        let mut note = |kind, is: bool| {
            if is {
                self.notes.add(kind, path);
            }
        };
        let is_file = entry.kind == EntryKind::File;
        note(
            NoteKind::Setuid,
            is_file && entry.metadata.mode & 0o4000 != 0,
        );
        // Without leave to run for the group it was a lock once, and means nothing.
        note(
            NoteKind::Setgid,
            is_file && entry.metadata.mode & 0o2010 == 0o2010,
        );
        let mut xattrs = entry.metadata.xattrs.iter();
        note(
            NoteKind::Capability,
            xattrs.any(|xattr| xattr.name == b"security.capability"),
        );
        let mut xattrs = entry.metadata.xattrs.iter();
        note(
            NoteKind::AccessList,
            xattrs.any(|xattr| super::acl::is_acl(&xattr.name)),
        );
        note(
            NoteKind::Device,
            matches!(entry.kind, EntryKind::CharDevice | EntryKind::BlockDevice),
        );
        note(
            NoteKind::ClimbingLink,
            entry.kind == EntryKind::Symlink && climbs(path, &entry.link_target),
        );
        note(NoteKind::Control, has_controls(path));
        let is_twin = self.is_twin(path);
        if is_twin {
            self.notes.add(NoteKind::Twin, path);
        }
        self.keep(entry);
    }

    fn is_twin(&mut self, path: &[u8]) -> bool {
        self.folded.clear();
        match std::str::from_utf8(path) {
            Ok(text) if !text.is_ascii() => {
                let folded: String = text.nfd().flat_map(char::to_lowercase).nfc().collect();
                self.folded.extend_from_slice(folded.as_bytes());
            }
            _ => self
                .folded
                .extend(path.iter().map(|byte| byte.to_ascii_lowercase())),
        }
        let exact = self.hasher.hash_one(path);
        let full = self.names.len() >= MOST_NAMES;
        match self.names.entry(self.hasher.hash_one(&self.folded)) {
            Slot::Occupied(slot) => *slot.get() != exact,
            Slot::Vacant(slot) => {
                if !full {
                    slot.insert(exact);
                }
                false
            }
        }
    }

    fn keep(&mut self, entry: &Entry) {
        let Some(trace) = &mut self.trace else {
            return;
        };
        let path = entry.clean_path();
        let shared = common_prefix(path, &self.last);
        let own = path.get(shared..).unwrap_or_default();
        let out = &mut trace.0;
        out.push(letter(entry.kind));
        put(shared, out);
        put(own.len(), out);
        out.extend_from_slice(own);
        self.last.truncate(shared);
        self.last.extend_from_slice(own);
        if matches!(entry.kind, EntryKind::HardLink | EntryKind::Symlink) {
            put(entry.link_target.len(), out);
            out.extend_from_slice(&entry.link_target);
        }
        if out.len() > self.most {
            self.trace = None;
        }
    }
}

/// Whether a name holds control characters: those of ASCII, or those of Unicode where it is UTF-8.
fn has_controls(path: &[u8]) -> bool {
    if path.iter().any(u8::is_ascii_control) {
        return true;
    }
    !path.is_ascii()
        && std::str::from_utf8(path).is_ok_and(|text| text.chars().any(char::is_control))
}

/// Whether a symbolic link's text leads above the root directory, read as text: what other links make of it is not
/// looked at.
fn climbs(path: &[u8], target: &[u8]) -> bool {
    let mut depth = match target.first() {
        Some(b'/') => 0,
        _ => path.iter().filter(|&&byte| byte == b'/').count(),
    };
    for part in target.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match depth.checked_sub(1) {
                Some(above) => depth = above,
                None => return true,
            },
            _ => depth += 1,
        }
    }
    false
}

fn letter(kind: EntryKind) -> u8 {
    match kind {
        EntryKind::File => b'0',
        EntryKind::HardLink => b'1',
        EntryKind::Symlink => b'2',
        EntryKind::CharDevice => b'3',
        EntryKind::BlockDevice => b'4',
        EntryKind::Directory => b'5',
        EntryKind::Fifo => b'6',
        EntryKind::Other(letter) => letter,
    }
}

fn kind_of(letter: u8) -> EntryKind {
    match letter {
        b'0' => EntryKind::File,
        b'1' => EntryKind::HardLink,
        b'2' => EntryKind::Symlink,
        b'3' => EntryKind::CharDevice,
        b'4' => EntryKind::BlockDevice,
        b'5' => EntryKind::Directory,
        b'6' => EntryKind::Fifo,
        other => EntryKind::Other(other),
    }
}

/// Seven bits a byte, the lowest first.
fn put(mut number: usize, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn number(bytes: &mut &[u8]) -> usize {
    let mut number = 0;
    let mut shift = 0;
    while let Some((&byte, rest)) = bytes.split_first() {
        *bytes = rest;
        number |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 || shift > 56 {
            break;
        }
    }
    number
}

fn text<'a>(bytes: &mut &'a [u8]) -> &'a [u8] {
    let length = number(bytes);
    let (text, rest) = bytes.split_at(length.min(bytes.len()));
    *bytes = rest;
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: EntryKind, path: &str, target: &str) -> Entry {
        let mut entry = Entry::named(path.as_bytes().to_vec());
        entry.kind = kind;
        entry.link_target = target.as_bytes().to_vec();
        entry
    }

    #[test]
    fn a_trace_gives_back_what_was_seen() {
        let long = "l".repeat(300);
        let seen = [
            entry(EntryKind::Directory, "usr", ""),
            entry(EntryKind::File, "usr/bin/a", ""),
            entry(EntryKind::HardLink, "usr/bin/b", "usr/bin/a"),
            entry(EntryKind::Symlink, "u", &long),
            entry(EntryKind::Fifo, &long, ""),
        ];
        let mut watch = Watch::new(10_000);
        for entry in &seen {
            watch.see(entry);
        }
        let trace = watch.trace.expect("a trace");
        let same = |entry: &Entry| (entry.kind, entry.path.clone(), entry.link_target.clone());
        let back: Vec<_> = trace.entries().map(|entry| same(&entry)).collect();
        assert_eq!(back, seen.iter().map(same).collect::<Vec<_>>());
        let mut short = Watch::new(5);
        short.see(&seen[1]);
        assert!(short.trace.is_none());
    }

    #[test]
    fn links_that_climb_out() {
        for (path, target, expected) in [
            ("a/b", "../c", false),
            ("a/b", "../../c", true),
            ("b", "..", true),
            ("b", "x/..", false),
            ("b", "x/../..", true),
            ("a/b", "/..", true),
            ("a/b", "/etc", false),
            ("a/b", "././../.", false),
        ] {
            assert_eq!(climbs(path.as_bytes(), target.as_bytes()), expected);
        }
    }

    #[test]
    fn names_that_are_one_on_some_file_systems() {
        let mut watch = Watch::new(10_000);
        for path in ["a/B", "a/c", "a/b", "a/c", "caf\u{e9}", "cafe\u{301}"] {
            watch.see(&entry(EntryKind::File, path, ""));
        }
        let twins = watch.notes.of(NoteKind::Twin).expect("twins");
        assert_eq!(twins.count, 2);
        assert_eq!(twins.first, [b"a/b".to_vec(), "cafe\u{301}".into()]);
    }
}
