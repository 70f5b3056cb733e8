//! Facts of the contents of a layer, in a file beside its index.
//!
//! | bytes | contents |
//! |---|---|
//! | 0 to 15 | `imgkit facts`, zeros, and the format version in the last byte |
//! | 16 to 47 | BLAKE3 hash of the following bytes |
//! | from 48 | identity of the layer, as in its index; then JSON: a list of digests with their facts |

use std::collections::BTreeMap;
use std::io::Write;

use super::index::CacheKey;
use crate::facts::{Asked, ContentFacts, Magic};

const MAGIC: &[u8; 16] = b"imgkit facts\0\0\0\x01";
/// Suffix of files of facts.
pub(super) const SUFFIX: &str = "facts";
/// Most contents of a layer whose facts are kept. All of a larger one are read each time.
const MOST: usize = 2_000_000;
/// Largest file that is read, in bytes.
const LARGEST: usize = 1 << 30;
/// Size of the header in bytes.
const HEADER: usize = 48;

/// Facts of distinct contents, by their SHA-256 digests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownFacts {
    facts: BTreeMap<[u8; 32], (ContentFacts, bool)>,
    /// Facts were added after it was read.
    is_changed: bool,
}

impl KnownFacts {
    /// Returns the facts of contents, if all that is asked for is known.
    pub fn get(&self, digest: &[u8; 32], asked: Asked) -> Option<&ContentFacts> {
        let (facts, has_elf) = self.facts.get(digest)?;
        let is_whole = (!asked.elf || *has_elf || facts.magic != Some(Magic::Elf))
            && (!asked.md5 || facts.md5.is_some())
            && (!asked.sha1 || facts.sha1.is_some());
        is_whole.then_some(facts)
    }

    /// Adds facts of contents to what is known of them, up to a bounded number of contents.
    pub fn add(&mut self, digest: [u8; 32], asked: Asked, mut facts: ContentFacts) {
        let mut has_elf = asked.elf;
        if let Some((old, had_elf)) = self.facts.remove(&digest) {
            facts.elf = facts.elf.or(old.elf);
            facts.md5 = facts.md5.or(old.md5);
            facts.sha1 = facts.sha1.or(old.sha1);
            has_elf |= had_elf;
        }
        if self.facts.len() < MOST {
            self.facts.insert(digest, (facts, has_elf));
            self.is_changed = true;
        }
    }

    /// Tests if there is something to save.
    pub(super) fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Writes the facts of the layer with that key.
    pub(super) fn write(&self, key: &CacheKey, out: &mut dyn Write) -> std::io::Result<()> {
        let mut bytes = Vec::new();
        key.put(&mut bytes);
        let list: Vec<_> = self.facts.iter().collect();
        serde_json::to_writer(&mut bytes, &list)?;
        out.write_all(MAGIC)?;
        out.write_all(blake3::hash(&bytes).as_bytes())?;
        out.write_all(&bytes)
    }

    /// Reads the facts of the layer with that key. `None` if they are damaged, of another version, of another layer, or too
    /// large.
    pub(super) fn read(file: &[u8], key: &CacheKey) -> Option<Self> {
        let (head, bytes) = file.split_at_checked(HEADER)?;
        let (magic, hash) = head.split_at_checked(16)?;
        if file.len() > LARGEST || magic != MAGIC || blake3::hash(bytes).as_bytes() != hash {
            return None;
        }
        let mut own = Vec::new();
        key.put(&mut own);
        let list: Vec<_> = serde_json::from_slice(bytes.strip_prefix(&own[..])?).ok()?;
        Some(KnownFacts {
            facts: list.into_iter().collect(),
            is_changed: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blob::sha256;

    fn key(size: u64) -> CacheKey {
        CacheKey {
            diff_id: sha256(b"uncompressed"),
            stored: None,
            size,
        }
    }

    fn facts(contents: &[u8], asked: Asked) -> ContentFacts {
        let size = contents.len() as u64;
        let directory = std::env::temp_dir();
        let read = ContentFacts::read(&mut &*contents, size, asked, false, &directory);
        read.expect("facts").0
    }

    fn asked(elf: bool, md5: bool) -> Asked {
        Asked {
            elf,
            md5,
            sha1: false,
        }
    }

    #[test]
    fn facts_are_read_as_written_and_not_if_damaged() {
        let own = std::fs::read("/proc/self/exe").expect("this program");
        let mut known = KnownFacts::default();
        known.add([1; 32], asked(true, true), facts(&own, asked(true, true)));
        known.add(
            [2; 32],
            asked(false, false),
            facts(b"text", asked(false, false)),
        );
        let mut file = Vec::new();
        known.write(&key(9), &mut file).expect("memory");
        let read = KnownFacts::read(&file, &key(9)).expect("read");
        assert_eq!(read.facts, known.facts);
        assert!(known.is_changed() && !read.is_changed());
        assert!(KnownFacts::read(&file, &key(8)).is_none());
        for at in 0..file.len() {
            let mut other = file.clone();
            other[at] ^= 0x20;
            assert!(KnownFacts::read(&other, &key(9)).is_none(), "{at}");
            assert!(KnownFacts::read(&file[..at], &key(9)).is_none(), "{at}");
        }
    }

    #[test]
    fn facts_that_were_not_asked_for_are_unknown() {
        let mut known = KnownFacts::default();
        let own = std::fs::read("/proc/self/exe").expect("this program");
        let digest = [3; 32];
        known.add(
            digest,
            asked(false, false),
            facts(&own, asked(false, false)),
        );
        assert!(known.get(&digest, asked(false, false)).is_some());
        assert!(known.get(&digest, asked(true, false)).is_none());
        assert!(known.get(&digest, asked(false, true)).is_none());
        known.add(digest, asked(false, true), facts(&own, asked(false, true)));
        assert!(known.get(&digest, asked(false, true)).is_some());
        known.add(digest, asked(true, false), facts(&own, asked(true, false)));
        let all = known.get(&digest, asked(true, true)).expect("all");
        assert!(all.elf.is_some() && all.md5.is_some());
        // What is no ELF file has no headers to ask for.
        known.add(
            [4; 32],
            asked(false, false),
            facts(b"text", asked(false, false)),
        );
        assert!(known.get(&[4; 32], asked(true, false)).is_some());
        assert!(known.get(&[5; 32], asked(false, false)).is_none());
    }
}
