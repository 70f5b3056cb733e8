//! Notes on entries that are valid, for programs that check layers.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::hash::{BuildHasher, RandomState};

use strum::VariantArray;
use unicode_normalization::UnicodeNormalization;

use super::acl::is_acl;
use super::anomaly::Anomalies;
use super::entry::Entry;
use super::metadata::EntryKind;

/// Property of an entry that is valid but worth a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum NoteKind {
    /// A file that runs as its owner (set-user-ID).
    Setuid,
    /// A file that runs as its group (set-group-ID).
    Setgid,
    /// A file with `security.capability`: it runs with privileges that its user lacks.
    Capability,
    /// An entry with an access control list, which docker drops: the mode alone may give its group more permissions.
    AccessList,
    /// A character or block device.
    Device,
    /// A symbolic link whose target climbs above the root directory. Engines confine it, other programs may not.
    ClimbingLink,
    /// A name that differs from another one only in case or in the composition of its characters: on some file systems they
    /// are one file.
    #[strum(serialize = "name-twin")]
    Twin,
    /// A name with control characters.
    #[strum(serialize = "control-characters")]
    Control,
}

impl NoteKind {
    /// The stable name of the finding, in kebab case.
    pub fn code(self) -> &'static str {
        self.into()
    }
}

/// Number of entries with notes of one kind, and the clean paths of the first ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NoteCount {
    /// Number of entries.
    pub count: u64,
    /// Paths of the first [`Notes::FIRST`] entries, in the order of the tar.
    pub first: Vec<Vec<u8>>,
}

/// Notes on the entries of one layer.
#[derive(Debug, Clone, Default)]
pub struct Notes([NoteCount; NoteKind::VARIANTS.len()]);

impl Notes {
    /// Number of paths kept for each kind.
    pub const FIRST: usize = 3;

    /// Notes of one kind; `None` if there are none.
    pub fn of(&self, kind: NoteKind) -> Option<&NoteCount> {
        self.0.get(kind as usize).filter(|noted| noted.count > 0)
    }

    fn add(&mut self, kind: NoteKind, path: &[u8]) {
        let Some(noted) = self.0.get_mut(kind as usize) else {
            return;
        };
        noted.count += 1;
        if noted.first.len() < Self::FIRST {
            let path = path.get(..Anomalies::PATH).unwrap_or(path);
            noted.first.push(path.to_vec());
        }
    }
}

/// Collects notes entry by entry.
#[derive(Debug, Default)]
pub(crate) struct NoteCollector {
    pub(crate) notes: Notes,
    /// Hashes of names by the hashes of their folded forms.
    names: HashMap<u64, u64>,
    hasher: RandomState,
    folded: Vec<u8>,
}

/// Maximum number of names that are compared for twins, which takes 32 bytes each.
const MAX_NAMES: usize = 2_000_000;

impl NoteCollector {
    /// Adds the notes of an entry.
    pub(crate) fn add(&mut self, entry: &Entry) {
        let path = entry.clean_path();
        let metadata = &entry.metadata;
        let mut note = |kind, applies: bool| {
            if applies {
                self.notes.add(kind, path);
            }
        };
        let is_file = entry.kind == EntryKind::File;
        note(NoteKind::Setuid, is_file && metadata.mode & 0o4000 != 0);
        // Without execute permission for the group, the bit once marked mandatory locks, and has no effect now.
        note(
            NoteKind::Setgid,
            is_file && metadata.mode & 0o2010 == 0o2010,
        );
        let mut xattrs = metadata.xattrs.iter();
        note(
            NoteKind::Capability,
            xattrs.any(|xattr| xattr.name == b"security.capability"),
        );
        let mut xattrs = metadata.xattrs.iter();
        note(
            NoteKind::AccessList,
            xattrs.any(|xattr| is_acl(&xattr.name)),
        );
        note(NoteKind::Device, entry.kind.is_device());
        note(
            NoteKind::ClimbingLink,
            entry.kind == EntryKind::Symlink && climbs(path, &entry.link_target),
        );
        note(NoteKind::Control, has_controls(path));
        if self.is_twin(path) {
            self.notes.add(NoteKind::Twin, path);
        }
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
        let full = self.names.len() >= MAX_NAMES;
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
}

/// Reports whether a name holds control characters: of ASCII, or of Unicode if it is UTF-8.
fn has_controls(path: &[u8]) -> bool {
    if path.iter().any(u8::is_ascii_control) {
        return true;
    }
    !path.is_ascii()
        && std::str::from_utf8(path).is_ok_and(|text| text.chars().any(char::is_control))
}

/// Reports whether a symbolic link's target leads above the root directory, read as text: other links are not followed.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_above_the_root_are_found() {
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
    fn twins_by_case_and_composition_are_found() {
        let mut collector = NoteCollector::default();
        for path in ["a/B", "a/c", "a/b", "a/c", "caf\u{e9}", "cafe\u{301}"] {
            collector.add(&Entry::named(path.as_bytes().to_vec()));
        }
        let twins = collector.notes.of(NoteKind::Twin).expect("twins");
        assert_eq!(twins.count, 2);
        assert_eq!(twins.first, [b"a/b".to_vec(), "cafe\u{301}".into()]);
    }
}
