//! Sets of digests: lists of known or wanted files, in the forms that other programs write.
//!
//! | form | recognised by | digests |
//! |---|---|---|
//! | hashdeep 1.0 | `%%%% HASHDEEP-1.0` | the columns `md5`, `sha1`, `sha256` |
//! | CSV with a heading: NSRL RDS 2, HashKeeper | a first line that begins with `"` | the columns with these names, or `hash` |
//! | coreutils, BSD, bare digests | anything else | by the number of digits |
//!
//! Lists may be compressed. They are told by their content, read once, forward, and held as sorted digests.
//!
//! A hostile list: lines are bounded ([`MAX_LINE`]), and so are all digests together; what is no digest is an error that
//! names the line.

mod forms;
mod set;

use std::io::{BufRead, BufReader, Read};

use crate::blob::{Compression, DecodeLimits, Decoder};
use crate::error::{At, During, Error, Result, within};
use forms::Form;
use set::no_list;

pub use set::DigestSet;

/// Maximum size in bytes of a line.
pub const MAX_LINE: u64 = 64 << 10;

/// Reads a list. Its digests may have `most` bytes together.
///
/// # Errors
/// `Schema` for what is no list of digests, with the line; `Unsupported` for a database; `Limit` for a line or
/// digests that are too many; errors of decompression, `Io`.
pub fn read(input: impl Read, most: u64, limits: DecodeLimits) -> Result<DigestSet> {
    let mut input = BufReader::new(input);
    let head = input.fill_buf().during("read")?;
    let compression = Compression::sniff(head);
    let mut input = BufReader::new(Decoder::new(input, compression, limits)?);
    let head = input.fill_buf().during("read")?;
    if head.starts_with(b"SQLite format 3\0") {
        return Err(Error::unsupported("a set of digests in SQLite"));
    }
    if head.starts_with(b"PK\x03\x04") {
        return Err(Error::unsupported("a set of digests in zip"));
    }
    if head.starts_with(b"{") {
        return Err(Error::unsupported("a set of digests in JSON"));
    }
    let mut set = DigestSet::default();
    let mut form = None;
    let (mut line, mut number) = (Vec::new(), 0u64);
    loop {
        line.clear();
        let read = (&mut input).take(MAX_LINE + 1).read_until(b'\n', &mut line);
        if read.during("read")? == 0 {
            break;
        }
        number += 1;
        let place = || format!("line {number}");
        within("bytes of a line", MAX_LINE, line.len() as u64).at(place)?;
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        let known = form.get_or_insert_with(|| Form::of(text));
        known.take(text, &mut set).at(place)?;
        within("bytes of digests", most, set.size()).at(place)?;
    }
    if set.size() == 0 {
        return Err(no_list("nothing of the kind"));
    }
    Ok(set.sorted())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Digests;

    const MD5: &str = "900150983cd24fb0d6963f7d28e17f72";
    const SHA1: &str = "a9993e364706816aba3e25717850c26c9cd0d89d";
    const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn read_text(text: &str) -> Result<DigestSet> {
        read(text.as_bytes(), 1 << 20, DecodeLimits::default())
    }

    /// Which of the digests of `abc` a set has.
    fn has(text: &str) -> String {
        let set = read_text(text).expect(text);
        fn bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
            hex::decode(digits).expect("digits").try_into().ok()
        }
        let (md5, sha1, sha256) = (bytes(MD5), bytes(SHA1), bytes(SHA256));
        let none = Digests::default();
        let each = [
            ("5", Digests { md5, ..none }),
            ("1", Digests { sha1, ..none }),
            ("2", Digests { sha256, ..none }),
        ];
        let found = each.iter().filter(|(_, digests)| set.contains(digests));
        found.map(|(name, _)| *name).collect()
    }

    #[test]
    fn forms_of_other_programs_are_read() {
        for (text, expected) in [
            (format!("{MD5}\n"), "5"),
            (format!("{SHA1}  a b\r\n\n{SHA256} *c"), "12"),
            (format!("\\{SHA256}  a\\nb\n"), "2"),
            (
                format!("SHA256 (a) = {SHA256}\nMD5 (a (b)) = {MD5}\n"),
                "52",
            ),
            (format!("# comment\n{}\n", SHA256.to_uppercase()), "2"),
            (format!("{0}{0}  a\n{MD5}  b\n", SHA256), "5"),
            (
                format!(
                    "%%%% HASHDEEP-1.0\n%%%% size,md5,sha256,filename\n## Invoked\n## $ x\n3,{MD5},{SHA256},/a,b\n"
                ),
                "52",
            ),
            (
                format!("%%%% HASHDEEP-1.0\n%%%% size,sha1,tiger,filename\n3,{SHA1},00,/a\n"),
                "1",
            ),
            (
                format!(
                    "\"SHA-1\",\"MD5\",\"CRC32\",\"FileName\",\"FileSize\"\n\"{}\",\"{}\",\"352441C2\",\"a,\"\"b\"\"\",3\n",
                    SHA1.to_uppercase(),
                    MD5.to_uppercase()
                ),
                "51",
            ),
            (
                format!(
                    "\"file_id\",\"hashset_id\",\"file_name\",\"directory\",\"hash\"\n1,2,\"a, b\",\"c\",\"{MD5}\"\n"
                ),
                "5",
            ),
        ] {
            assert_eq!(has(&text), expected, "{text}");
        }
    }

    #[test]
    fn compressed_lists_are_read() {
        let compressed = zstd::encode_all(format!("{MD5}\n").as_bytes(), 1).expect("zstd");
        let set = read(&compressed[..], 100, DecodeLimits::default()).expect("a set");
        assert_eq!((set.kinds(), set.size()), ((true, false), 16));
    }

    #[test]
    fn other_files_are_refused() {
        for (text, says) in [
            (
                "",
                "expected lines with MD5, SHA-1 or SHA-256 digests, found nothing",
            ),
            ("hello world\n", "line 1: "),
            ("d41d8cd98f00b204e9800998ecf8427e\nxyz\n", "line 2: "),
            ("%%%% HASHDEEP-1.0\n3,abc\n", "line 2: "),
            ("\"a\",\"b\"\n", "line 1: "),
            ("SQLite format 3\0xxxx", "SQLite"),
            ("{\"a\": 1}", "JSON"),
        ] {
            let error = read_text(text).expect_err(text).to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
        let long = vec![b'a'; 70_000];
        assert!(read(&long[..], 1 << 20, DecodeLimits::default()).is_err());
        let many = format!("{MD5}\n{MD5}\n");
        assert!(read(many.as_bytes(), 16, DecodeLimits::default()).is_err());
    }
}
