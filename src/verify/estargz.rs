//! eStargz layers: the table of contents compared with the tar.
//!
//! The table is a file of its own in the tar, `stargz.index.json`, in the last gzip member with contents; the 51 bytes
//! after it, an empty member, say where that begins (stargz-snapshotter, `docs/estargz.md`, "Footer"). Lazy
//! snapshotters mount the contents of the table; everybody else unpacks the tar. The comparison is that of zstd:chunked.

use std::io::{BufReader, Read};

use super::finding::Found;
use super::toc::{self, ESTARGZ_NAME, Style, Wrong};
use crate::archive::Content;
use crate::blob::{CHUNK, Compression, Decoder, FileRange, sha256};
use crate::error::During;
use crate::layer::{Limits, StreamInput, Walker};
use crate::spec::Descriptor;
use crate::write::chunked::toc::MAX_SIZE;

/// Bytes of the footer.
const FOOTER: u64 = 51;

/// Annotation that states the digest of the table.
const DIGEST: &str = "containerd.io/snapshot/stargz/toc.digest";

/// Compares a gzip layer that was found sound with its table of contents, if it has one that can be read again.
pub(super) fn check(
    content: &Content,
    descriptors: &[&Descriptor],
    limits: &Limits,
    found: &mut Found,
    at: &[String],
) {
    let range = match content.range() {
        Ok(Some(range)) => range,
        Ok(None) => return,
        Err(error) => return found.error_within(&error, at),
    };
    let digest = descriptors
        .iter()
        .find_map(|descriptor| descriptor.annotation(DIGEST));
    toc::report(compare(&range, digest, limits), found, at);
}

/// Offset of the table's member, from the footer: an empty gzip member with an extra field `SG` of 22 bytes, 16
/// hexadecimal digits and `STARGZ`.
fn offset(footer: &[u8]) -> Option<u64> {
    let rest = footer.strip_prefix(&[0x1f, 0x8b, 8, 4])?;
    let field = rest.get(6..)?.strip_prefix(&[26, 0, b'S', b'G', 22, 0])?;
    let (digits, magic) = field.split_at_checked(16)?;
    let digits = std::str::from_utf8(digits).ok()?;
    let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let offset = u64::from_str_radix(digits, 16).ok()?;
    (is_hex && magic.starts_with(b"STARGZ")).then_some(offset)
}

fn compare(range: &FileRange, digest: Option<&str>, limits: &Limits) -> Result<(), Wrong> {
    let end = range.len().saturating_sub(FOOTER);
    let footer = range.slice(end, FOOTER).bytes(FOOTER)?;
    let Some(offset) = offset(&footer) else {
        // Without a footer nobody finds a table, whatever the descriptor says of one: it is in a blob of its own.
        return Ok(());
    };
    if offset >= end {
        let message = format!("no table of contents can be at {offset}");
        return Err(Wrong::Damaged(message));
    }
    let table = table(range, offset, end, limits)?;
    let found = sha256(&table);
    if let Some(expected) = digest.filter(|expected| *expected != found.as_str()) {
        let message = format!("the table of contents' digest: expected {expected}, found {found}");
        return Err(Wrong::Damaged(message));
    }
    let stored = BufReader::with_capacity(CHUNK, range.reader());
    let plain = Decoder::new(stored, Compression::Gzip, limits.decode)?;
    toc::compare_rows(plain, None, &table[..], Style::Stargz, limits)
}

/// The table, out of the little tar in its member.
fn table(range: &FileRange, offset: u64, end: u64, limits: &Limits) -> Result<Vec<u8>, Wrong> {
    let damaged =
        |why: &str| Wrong::Damaged(format!("the table of contents cannot be read: {why}"));
    let part = range.slice(offset, end - offset);
    let stored = BufReader::with_capacity(CHUNK, part.reader());
    let plain = Decoder::new(stored, Compression::Gzip, limits.decode)?;
    let mut walker = Walker::new(StreamInput::new(BufReader::with_capacity(CHUNK, plain)));
    let size = match walker.next_entry() {
        Ok(Some(entry)) if entry.clean_path() == ESTARGZ_NAME => entry.stored_size,
        Ok(_) => return Err(damaged("it is not where the footer says")),
        Err(error) => return Err(damaged(&error.fault().to_string())),
    };
    if size > MAX_SIZE {
        return Err(damaged("it is too large"));
    }
    let mut table = Vec::new();
    let mut data = walker.into_parts().0.into_inner().take(size);
    data.read_to_end(&mut table).during("read")?;
    if table.len() as u64 != size {
        return Err(damaged("it ends early"));
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::layer::testing::Tar;

    /// An eStargz layer: the entries, the table, the footer, each in a gzip member of its own.
    fn layer(tar: &[u8], table: &str, offset: Option<u64>) -> Vec<u8> {
        let member = |bytes: &[u8]| {
            let level = flate2::Compression::new(6);
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes).expect("memory");
            encoder.finish().expect("memory")
        };
        let mut blob = member(tar);
        let at = offset.unwrap_or(blob.len() as u64);
        let own = Tar::default().file("stargz.index.json", table.as_bytes());
        blob.extend(member(&own.end()));
        let mut footer = vec![
            0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 26, 0, b'S', b'G', 22, 0,
        ];
        footer.extend(format!("{at:016x}STARGZ").bytes());
        footer.extend([1, 0, 0, 0xff, 0xff]);
        footer.extend([0; 8]);
        assert_eq!(footer.len() as u64, FOOTER);
        blob.extend(footer);
        blob
    }

    fn findings(blob: &[u8]) -> Vec<String> {
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(blob).expect("written");
        let content = Content::Range(FileRange::whole(file).expect("a range"));
        let mut found = Found::default();
        check(
            &content,
            &[],
            &Limits::default(),
            &mut found,
            &["layer".into()],
        );
        assert!(found.trouble.is_empty(), "{:?}", found.trouble);
        let shown = |finding: &super::super::Finding| format!("{}: {finding}", finding.code);
        found.findings.iter().map(shown).collect()
    }

    #[test]
    fn a_table_is_compared_with_the_tar() {
        let tar = Tar::default().file("a", b"root").link(b'2', "l", "a").0;
        let row = |digest: &[u8]| {
            let digest = sha256(digest);
            format!(
                "{{\"version\":1,\"entries\":[\
                 {{\"name\":\"a\",\"type\":\"reg\",\"size\":4,\"mode\":420,\
                 \"modtime\":\"1970-01-01T00:00:01Z\",\"digest\":\"{digest}\",\"NumLink\":0}},\
                 {{\"name\":\"l\",\"type\":\"symlink\",\"linkName\":\"a\",\"mode\":420,\
                 \"modtime\":\"1970-01-01T00:00:01Z\"}}]}}"
            )
        };
        let good = row(b"root");
        assert_eq!(findings(&layer(&tar, &good, None)), [""; 0]);
        let evil = findings(&layer(&tar, &row(b"evil"), None));
        assert!(
            evil[0].starts_with("toc-mismatch: layer: 'a': contents "),
            "{evil:?}"
        );
        let link = good.replace("\"linkName\":\"a\"", "\"linkName\":\"b\"");
        let link = findings(&layer(&tar, &link, None));
        assert!(
            link[0].starts_with("toc-mismatch: layer: 'l': link target"),
            "{link:?}"
        );
        let less = good.replace("\"name\":\"l\"", "\"name\":\"m\"");
        assert!(findings(&layer(&tar, &less, None))[0].starts_with("toc-mismatch: "));
        for broken in [
            layer(&tar, "{", None),
            layer(&tar, &good, Some(0)),
            layer(&tar, &good, Some(1 << 40)),
        ] {
            let broken = findings(&broken);
            assert!(broken[0].starts_with("toc-damaged: "), "{broken:?}");
        }
        let plain = layer(&tar, &good, None);
        assert_eq!(findings(&plain[..plain.len() - 51]), [""; 0]);
    }
}
