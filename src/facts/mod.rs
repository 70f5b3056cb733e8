//! Facts of contents: whether they are text, what kind of file they begin as, and what an ELF file states.
//!
//! They depend on the bytes alone, so that one reading serves all versions and images that have them. Hostile contents:
//! the kind is told by a few bytes at fixed places, and headers of ELF files are read by [`crate::elf`], of files up to
//! [`LARGEST_ELF`].

mod digest;
mod magic;
mod summed;

use std::io::{self, Read, Seek, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use tempfile::SpooledTempFile;

use crate::elf::Elf;
use crate::error::{During, Result};

pub use digest::{ContentDigest, Digests};
pub use magic::Magic;
pub use summed::Summed;

/// Largest ELF file whose headers are read, in bytes.
pub const LARGEST_ELF: u64 = 256 << 20;

/// Bytes at the start that decide whether contents are text, as git does.
const HEAD: u64 = 8000;

/// Bytes of an ELF file that are held in memory; larger ones are kept in a file.
const IN_MEMORY: usize = 8 << 20;

/// Facts of contents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContentFacts {
    /// Not empty, and without a zero byte in the first 8000, as git decides. UTF-16 is no text.
    pub is_text: bool,
    /// Kind, by the first bytes.
    pub magic: Option<Magic>,
    /// Headers of an ELF file that is not damaged, if they were asked for.
    pub elf: Option<Box<Elf>>,
    /// MD5, if it was asked for.
    pub md5: Option<[u8; 16]>,
    /// SHA-1, if it was asked for.
    pub sha1: Option<[u8; 20]>,
}

/// Facts that are asked for beside kind and text, and for which contents are read to their end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// Headers of ELF files.
    pub elf: bool,
    /// MD5.
    pub md5: bool,
    /// SHA-1.
    pub sha1: bool,
}

impl ContentFacts {
    /// Reads the facts of contents of a size in bytes: their start, and to their end what is asked for. Returns the bytes
    /// that were read as well if they are `kept`, in a file without a name in `directory` if they are many.
    ///
    /// # Errors
    /// `Io`. A damaged ELF file has no headers.
    pub fn read(
        contents: &mut dyn Read,
        size: u64,
        asked: Asked,
        kept: bool,
        directory: &Path,
    ) -> Result<(Self, impl Read + use<>)> {
        let mut contents = Summed::new(contents, asked);
        let mut head = Vec::new();
        (&mut contents)
            .take(HEAD)
            .read_to_end(&mut head)
            .during("read")?;
        let mut facts = ContentFacts {
            is_text: !head.is_empty() && !head.contains(&0),
            magic: Magic::of(&head),
            ..ContentFacts::default()
        };
        let mut taken = SpooledTempFile::new_in(IN_MEMORY, directory);
        taken.write_all(&head).during("write")?;
        let is_elf = asked.elf && facts.magic == Some(Magic::Elf) && size <= LARGEST_ELF;
        let is_summed = asked.md5 || asked.sha1;
        if is_elf || is_summed && kept {
            io::copy(&mut contents, &mut taken).during("read")?;
        } else if is_summed {
            io::copy(&mut contents, &mut io::sink()).during("read")?;
        }
        if is_elf {
            taken.rewind().during("read")?;
            let elf = Elf::read(&mut taken);
            facts.elf = elf.ok().flatten().map(Box::new);
        }
        let digests = contents.digests();
        (facts.md5, facts.sha1) = (digests.md5, digests.sha1);
        taken.rewind().during("read")?;
        Ok((facts, taken))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(contents: &[u8], elf: bool) -> ContentFacts {
        let asked = Asked {
            elf,
            ..Asked::default()
        };
        facts_of(contents, asked)
    }

    fn facts_of(contents: &[u8], asked: Asked) -> ContentFacts {
        let size = contents.len() as u64;
        let mut reader = contents;
        let read = ContentFacts::read(&mut reader, size, asked, true, &std::env::temp_dir());
        let (facts, mut taken) = read.expect("facts");
        let mut all = Vec::new();
        taken.read_to_end(&mut all).expect("bytes");
        all.extend_from_slice(reader);
        assert_eq!(all, contents, "nothing is lost");
        facts
    }

    #[test]
    fn text_has_no_zero_at_its_start() {
        assert!(facts(b"a", false).is_text);
        assert!(!facts(b"", false).is_text);
        assert!(!facts(b"a\0", false).is_text);
        assert!(!facts(b"\xff\xfea\0", false).is_text);
        let mut late = vec![b'a'; 8000];
        late.push(0);
        assert!(facts(&late, false).is_text);
        late.swap(7999, 8000);
        assert!(!facts(&late, false).is_text);
    }

    #[test]
    fn sums_are_of_all_contents() {
        let asked = Asked {
            md5: true,
            sha1: true,
            ..Asked::default()
        };
        let large = vec![b'a'; 1_000_000];
        // As md5sum(1) and sha1sum(1) say.
        for (contents, md5, sha1) in [
            (
                &b""[..],
                "d41d8cd98f00b204e9800998ecf8427e",
                "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            ),
            (
                b"abc",
                "900150983cd24fb0d6963f7d28e17f72",
                "a9993e364706816aba3e25717850c26c9cd0d89d",
            ),
            (
                &large,
                "7707d6ae4e027c70eea2a935c2296f21",
                "34aa973cd4c4daa4f61eeb2bdbad27316534016f",
            ),
        ] {
            let found = facts_of(contents, asked);
            assert_eq!(found.md5.map(hex::encode).as_deref(), Some(md5));
            assert_eq!(found.sha1.map(hex::encode).as_deref(), Some(sha1));
        }
        assert_eq!(facts(b"abc", true).md5, None);
    }

    #[test]
    fn headers_of_elf_files_are_read_when_asked_for() {
        let own = std::fs::read("/proc/self/exe").expect("this program");
        assert_eq!(facts(&own, false).elf, None);
        let elf = facts(&own, true).elf.expect("headers");
        assert!(elf.is_dynamic && elf.needed.iter().any(|name| name.starts_with(b"libc.so")));
        let cut = facts(&own[..70], true);
        assert_eq!((cut.magic, cut.elf), (Some(Magic::Elf), None));
    }
}
