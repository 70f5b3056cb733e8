use std::collections::HashMap;
use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::Value;

use super::toc::Annotations;
use super::write;
use crate::blob::sha256;
use crate::error::Fault;
use crate::layer::testing::{Head, Tar};

fn compress(tar: &[u8], level: Option<i32>) -> (Vec<u8>, Annotations) {
    let mut out = Vec::new();
    let annotations = write(tar, &mut out, level, 1000).expect("memory");
    (out, annotations)
}

fn unpack(blob: &[u8]) -> Vec<u8> {
    zstd::stream::decode_all(blob).expect("zstd")
}

/// Bytes that look like noise, none of them zero.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 24) as u8).max(1)
    };
    (0..length).map(|_| next()).collect()
}

/// CRC-64 as the ISO polynomial defines it, bit by bit.
fn checksum(bytes: &[u8]) -> [u8; 8] {
    let mut sum = u64::MAX;
    for &byte in bytes {
        sum ^= u64::from(byte);
        for _ in 0..8 {
            sum = (sum >> 1) ^ ((sum & 1) * 0xD800_0000_0000_0000);
        }
    }
    (!sum).to_be_bytes()
}

fn number(value: &Value, key: &str) -> usize {
    value[key].as_u64().unwrap_or(0) as usize
}

/// Reads a blob as for a partial pull, and rebuilds the tar from the table of contents, the tar-split and the frames
/// that they lead to. Returns the rows.
fn reassemble(blob: &[u8], annotations: &Annotations, tar: &[u8]) -> Vec<Value> {
    let annotations: HashMap<&str, &str> = annotations
        .iter()
        .map(|(key, text)| (*key, text.as_str()))
        .collect();
    let place = |key: &str| -> Vec<usize> {
        let numbers = annotations[key].split(':');
        numbers.map(|n| n.parse().expect("a number")).collect()
    };
    let prefix = "io.github.containers.zstd-chunked.";
    let toc = place(&format!("{prefix}manifest-position"));
    let split = place(&format!("{prefix}tarsplit-position"));
    let packed = &blob[toc[0]..toc[0] + toc[1]];
    let digest = sha256(packed).to_string();
    assert_eq!(annotations[&*format!("{prefix}manifest-checksum")], digest);
    let text = unpack(packed);
    assert_eq!((text.len(), toc[3]), (toc[2], 1));
    let packed_split = &blob[split[0]..split[0] + split[1]];
    let lines = unpack(packed_split);
    assert_eq!(lines.len(), split[2]);

    // The footer says the same, and each document has a frame of its own that is skipped.
    let footer = &blob[blob.len() - 64..];
    let mut numbers = vec![toc[0], toc[1], toc[2], 1, split[0], split[1], split[2]];
    numbers.push(u64::from_le_bytes(*b"GNUlInUx") as usize);
    let expected: Vec<u8> = numbers.iter().flat_map(|n| n.to_le_bytes()).collect();
    assert_eq!(footer, expected);
    for (at, length) in [
        (toc[0], toc[1]),
        (split[0], split[1]),
        (blob.len() - 64, 64),
    ] {
        assert_eq!(blob[at - 8..at - 4], [0x50, 0x2a, 0x4d, 0x18]);
        assert_eq!(blob[at - 4..at], (length as u32).to_le_bytes());
    }
    assert_eq!(split[0], toc[0] + toc[1] + 8);
    assert_eq!(blob.len(), split[0] + split[1] + 8 + 64);

    let document: Value = serde_json::from_slice(&text).expect("json");
    assert_eq!(document["version"], 1);
    let split_digest = sha256(packed_split).to_string();
    assert_eq!(document["tarSplitDigest"], *split_digest);
    let rows = document["entries"].as_array().expect("a list").clone();
    let mut files: HashMap<&str, Vec<u8>> = HashMap::new();
    for (i, row) in rows.iter().enumerate() {
        let name = row["name"].as_str().expect("a name");
        let chunks: Vec<&Value> = std::iter::once(row)
            .chain(
                rows[i + 1..]
                    .iter()
                    .take_while(|row| row["type"] == "chunk"),
            )
            .collect();
        if row["type"] == "chunk" || row["digest"].is_null() {
            assert!(row["type"] == "chunk" || number(row, "size") == 0 || row["type"] != "reg");
            continue;
        }
        let end = number(row, "endOffset");
        let whole = unpack(&blob[number(row, "offset")..end]);
        assert_eq!(whole.len(), number(row, "size"));
        assert_eq!(row["digest"], *sha256(&whole).to_string());
        let mut at = 0;
        for (n, chunk) in chunks.iter().enumerate().filter(|_| chunks.len() > 1) {
            let next = chunks.get(n + 1).map_or(end, |next| number(next, "offset"));
            let bytes = unpack(&blob[number(chunk, "offset")..next]);
            assert_eq!(bytes.len(), number(chunk, "chunkSize"));
            assert_eq!(number(chunk, "chunkOffset"), at);
            assert_eq!(chunk["chunkDigest"], *sha256(&bytes).to_string());
            assert_eq!(chunk["name"], name);
            let zeros = bytes.len() >= 1024 && bytes.iter().all(|&byte| byte == 0);
            assert_eq!(chunk["chunkType"] == "zeros", zeros);
            at += bytes.len();
        }
        assert!(chunks.len() == 1 || at == whole.len());
        files.insert(name, whole);
    }

    let mut made = Vec::new();
    let lines = String::from_utf8(lines).expect("text");
    for (i, line) in lines.lines().enumerate() {
        let line: Value = serde_json::from_str(line).expect("json");
        assert_eq!(number(&line, "position"), i);
        let payload = line["payload"].as_str();
        let payload = payload.map(|text| STANDARD.decode(text).expect("base64"));
        if line["type"] == 2 {
            made.extend(payload.expect("bytes"));
        } else if number(&line, "size") > 0 {
            let contents = &files[line["name"].as_str().expect("a name")];
            assert_eq!(contents.len(), number(&line, "size"));
            assert_eq!(payload, Some(checksum(contents).to_vec()));
            made.extend(contents);
        } else {
            assert_eq!(payload, None);
        }
    }
    assert!(made == tar, "the tar-split makes the tar");
    rows
}

fn check(tar: &[u8]) -> Vec<Value> {
    let (blob, annotations) = compress(tar, None);
    assert!(unpack(&blob) == tar);
    reassemble(&blob, &annotations, tar)
}

#[test]
fn the_checksum_matches_go() {
    // The check value of CRC-64/GO-ISO in the catalogue of CRCs.
    assert_eq!(
        checksum(b"123456789"),
        0xB909_56C7_75A4_1001_u64.to_be_bytes()
    );
}

#[test]
fn all_kinds_of_entries_have_rows() {
    let mut long = noise(300_000);
    long.extend(vec![0; 70_000]);
    long.extend(noise(200_000));
    let tar = Tar::default()
        .entry(b'5', "./", b"")
        .head(Head::new("etc/", b'5', 0).put(100, b"0040755\0"))
        .file("etc/passwd", b"root")
        .file("etc/empty", b"")
        .file("long", &long)
        .file("zeros", &[0; 5000])
        .file("block", &noise(512))
        .link(b'1', "hard", "etc/passwd")
        .link(b'2', "soft", "../<a&b>")
        .head(
            Head::new("null", b'3', 0)
                .put(329, b"0000001\0")
                .put(337, b"0000003\0"),
        )
        .entry(b'6', "pipe", b"")
        .pax(&[
            ("path", "ümlaut\n\u{2028}".as_bytes()),
            ("mtime", b"1350244992.023960108"),
            ("atime", b"-1.5"),
            ("ctime", b"1"),
            ("uid", b"4294967294"),
            ("SCHILY.xattr.user.b", b"\0\xff"),
            ("SCHILY.xattr.user.a", b""),
        ])
        .file("ignored", b"x")
        .end();
    let rows = check(&tar);
    let shown: Vec<String> = rows
        .iter()
        .filter(|row| row["type"] != "chunk")
        .map(|row| {
            let mut row = row.clone();
            for key in ["digest", "offset", "endOffset", "chunkSize", "chunkDigest"] {
                row.as_object_mut().expect("a map").shift_remove(key);
            }
            row.to_string()
        })
        .collect();
    let time = r#""modtime":"1970-01-01T00:00:01Z""#;
    let expected = [
        format!(r#"{{"type":"dir","name":"./","mode":420,{time}}}"#),
        format!(r#"{{"type":"dir","name":"etc/","mode":16877,{time}}}"#),
        format!(r#"{{"type":"reg","name":"etc/passwd","mode":420,"size":4,{time}}}"#),
        format!(r#"{{"type":"reg","name":"etc/empty","mode":420,{time}}}"#),
        format!(r#"{{"type":"reg","name":"long","mode":420,"size":570000,{time}}}"#),
        format!(r#"{{"type":"reg","name":"zeros","mode":420,"size":5000,{time}}}"#),
        format!(r#"{{"type":"reg","name":"block","mode":420,"size":512,{time}}}"#),
        format!(r#"{{"type":"hardlink","name":"hard","linkName":"etc/passwd","mode":420,{time}}}"#),
        format!(r#"{{"type":"symlink","name":"soft","linkName":"../<a&b>","mode":420,{time}}}"#),
        format!(r#"{{"type":"char","name":"null","mode":420,{time},"devMajor":1,"devMinor":3}}"#),
        format!(r#"{{"type":"fifo","name":"pipe","mode":420,{time}}}"#),
        concat!(
            r#"{"type":"reg","name":"ümlaut\n"#,
            "\u{2028}",
            r#"","mode":420,"size":1,"uid":4294967294,"modtime":"2012-10-14T20:03:12.023960108Z","#,
            r#""accesstime":"1969-12-31T23:59:58.5Z","changetime":"1970-01-01T00:00:01Z","#,
            r#""xattrs":{"user.a":"","user.b":"AP8="}}"#
        )
        .to_owned(),
    ];
    assert_eq!(shown, expected);
    let chunks = rows.iter().filter(|row| row["name"] == "long").count();
    assert!(chunks > 3, "{chunks} chunks");
    assert!(rows.iter().any(|row| row["chunkType"] == "zeros"));
}

#[test]
fn gnu_headers_have_access_and_change_times() {
    let head = Head::new("a", b'0', 0).gnu().put(345, b"00000000002\0");
    let rows = check(&Tar::default().head(head).end());
    assert_eq!(rows[0]["accesstime"], "1970-01-01T00:00:02Z");
    assert!(rows[0]["changetime"].is_null());
}

/// A tar with one good file, to which a bad part is added.
fn good() -> Tar {
    Tar::default().file("before", &noise(3000))
}

#[test]
fn unsupported_entries_give_ordinary_zstd() {
    let sparse = good().pax(&[
        ("GNU.sparse.major", b"0"),
        ("GNU.sparse.minor", b"1"),
        ("GNU.sparse.size", b"10"),
        ("GNU.sparse.map", b"0,1"),
    ]);
    let xattr: &[(&str, &[u8])] = &[("LIBARCHIVE.xattr.user.a", b"YQ")];
    let cases = [
        ("a name twice", good().file("./before", b"x").end()),
        (
            "no text",
            good()
                .file("caf", b"x")
                .head(Head::new("", b'0', 0).put(0, b"\xe9"))
                .end(),
        ),
        (
            "a link to no text",
            good().head(Head::new("l", b'2', 0).put(157, b"\xe9")).end(),
        ),
        ("sparse", sparse.file("s", b"x").end()),
        ("unknown type", good().entry(b'V', "label", b"data").end()),
        (
            "global records",
            good()
                .entry(b'g', "g", b"13 comment=hi\n")
                .file("a", b"")
                .end(),
        ),
        (
            "a link with a size",
            good()
                .entry(b'1', "l", b"")
                .head(Head::new("m", b'1', 5))
                .end(),
        ),
        (
            "two sizes",
            good()
                .pax(&[("size", b"1")])
                .file("a", b"")
                .data(b"x")
                .end(),
        ),
        (
            "a prefix or none",
            good()
                .head(Head::new("a", b'0', 0).gnu().put(345, b"prefix"))
                .end(),
        ),
        (
            "a prefix without a magic",
            good()
                .head(
                    Head::new("a", b'0', 0)
                        .put(257, &[0; 8])
                        .put(345, b"prefix"),
                )
                .end(),
        ),
        (
            "a file name that ends with a slash",
            good().entry(b'0', "a/", b"").end(),
        ),
        (
            "a number in an odd spelling",
            good()
                .head(Head::new("a", b'0', 0).put(108, b"-0000001"))
                .end(),
        ),
        ("a link to nothing", good().entry(b'2', "l", b"").end()),
        (
            "a record taken back",
            good().pax(&[("path", b"")]).file("a", b"").end(),
        ),
        ("climbing", good().file("../a", b"x").end()),
        (
            "libarchive's attributes",
            good().pax(xattr).file("a", b"x").end(),
        ),
        (
            "a time that is none",
            good().pax(&[("atime", b"soon")]).file("a", b"x").end(),
        ),
        (
            "a year of five digits",
            good()
                .pax(&[("mtime", b"253402300800")])
                .file("a", b"x")
                .end(),
        ),
    ];
    for (name, tar) in cases {
        assert_ordinary(name, &tar);
    }
}

#[test]
fn damaged_tars_give_ordinary_zstd() {
    let mut cut = good().file("cut", &noise(5 << 18)).0;
    cut.truncate(cut.len() - 100_000);
    let mut dirty = good().file("a", b"x").0;
    dirty.extend([7; 5000]);
    let many: Vec<u8> = (0..1001)
        .fold(Tar::default(), |tar, n| tar.file(&n.to_string(), b"x"))
        .end();
    let mut zeros_cut = good().file("cut", &[0; 4096]).0;
    zeros_cut.truncate(zeros_cut.len() - 10);
    let cases = [
        ("cut", cut),
        ("cut in zeros", zeros_cut),
        ("no header", dirty),
        ("too many", many),
        ("no tar", noise(2000)),
        ("short", b"x".to_vec()),
        ("nothing", Vec::new()),
        ("only an end", vec![0; 1024]),
    ];
    for (name, tar) in cases {
        assert_ordinary(name, &tar);
    }
}

/// The tar becomes zstd without a table of contents.
fn assert_ordinary(name: &str, tar: &[u8]) {
    let (blob, annotations) = compress(tar, None);
    assert_eq!(annotations, [], "{name}");
    assert!(unpack(&blob) == tar, "{name}");
    assert_eq!(blob[..4], [0x28, 0xb5, 0x2f, 0xfd], "{name}");
    let magic = blob.windows(8).any(|bytes| bytes == b"GNUlInUx");
    assert!(!magic, "{name}");
}

#[test]
fn odd_ends_are_kept() {
    let tar = || Tar::default().file("a", b"x");
    let with = |tail: &[u8]| [tar().0, tail.to_vec()].concat();
    let mut unpadded = tar().0;
    unpadded.truncate(513);
    for tar in [
        with(b""),
        with(&[0; 512]),
        with(&[0; 10_240]),
        with(&[[0; 1024], [9; 1024]].concat()),
        with(&[vec![0; 1024], noise(5 << 18)].concat()),
        unpadded,
    ] {
        check(&tar);
    }
}

#[test]
fn only_the_level_changes_the_output() {
    let mut tar = Tar::default();
    for n in 0..60 {
        tar = tar
            .file(&format!("f{n}"), &noise(n * 5000))
            .file(&format!("e{n}"), b"");
    }
    let tar = tar.end();
    let expected = compress(&tar, None);
    let pool = |n| {
        let builder = rayon::ThreadPoolBuilder::new().num_threads(n);
        builder.build().expect("a pool")
    };
    for n in [1, 3, 8] {
        assert!(pool(n).install(|| compress(&tar, None)) == expected);
    }
    let mut out = Vec::new();
    let slow = std::io::BufReader::with_capacity(77, &tar[..]);
    let annotations = write(slow, &mut out, Some(3), 1000).expect("memory");
    assert!((out, annotations) == expected);
    let (best, annotations) = compress(&tar, Some(19));
    assert!(best != expected.0);
    reassemble(&best, &annotations, &tar);
    for level in [0, 23, -1] {
        assert!(write(&tar[..], &mut Vec::new(), Some(level), 1000).is_err());
    }
}

#[test]
fn errors_of_reader_and_writer_are_returned() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let tar = Tar::default().file("a", &noise(4 << 20)).end();
    let error = write(&tar[..], &mut Full, None, 1000).expect_err("full");
    assert!(matches!(error.fault(), Fault::Io { .. }), "{error}");
    struct Broken<'a>(&'a [u8]);
    impl std::io::Read for Broken<'_> {
        fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
            match self.0.read(buf)? {
                0 => Err(std::io::Error::other("broken")),
                n => Ok(n),
            }
        }
    }
    let broken = std::io::BufReader::new(Broken(&tar[..3 << 20]));
    let error = write(broken, &mut Vec::new(), None, 1000).expect_err("broken");
    assert!(error.to_string().contains("broken"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_tar_is_rebuilt(
        files in prop::collection::vec((0..6_u8, prop::collection::vec((any::<u8>(), 0..40_000_usize), 0..4)), 0..8),
        tail in prop::collection::vec(any::<u8>(), 0..3000),
        end in 0..3_usize,
    ) {
        let mut tar = Tar::default();
        for (n, (kind, runs)) in files.iter().enumerate() {
            let contents: Vec<u8> = runs.iter().flat_map(|&(byte, length)| match byte % 3 {
                0 => vec![0; length],
                1 => noise(length),
                _ => vec![byte; length / 8],
            }).collect();
            let name = format!("d/{n}");
            tar = match kind {
                0 => tar.entry(b'5', &format!("{name}/"), b""),
                1 => tar.link(b'2', &name, "target"),
                2 => tar.pax(&[("path", name.repeat(60).as_bytes())]).file("short", &contents),
                _ => tar.file(&name, &contents),
            };
        }
        let mut tar = tar.0;
        tar.extend(vec![0; end * 512]);
        if end == 2 {
            tar.extend(tail);
        }
        let (blob, annotations) = compress(&tar, Some(1));
        prop_assert!(unpack(&blob) == tar);
        if files.is_empty() {
            prop_assert!(annotations.is_empty());
        } else {
            reassemble(&blob, &annotations, &tar);
        }
    }

    #[test]
    fn damaged_tars_are_kept(
        places in prop::collection::vec((0..6000_usize, any::<u8>()), 1..6),
        length in 1..6000_usize,
    ) {
        let mut tar = Tar::default()
            .pax(&[("path", b"long/name")]).file("a", &noise(700))
            .link(b'1', "b", "long/name").file("c", &[0; 1500]).end();
        for (at, byte) in places {
            if let Some(old) = tar.get_mut(at) {
                *old = byte;
            }
        }
        tar.truncate(length);
        let (blob, annotations) = compress(&tar, None);
        prop_assert!(unpack(&blob) == tar);
        if !annotations.is_empty() {
            reassemble(&blob, &annotations, &tar);
        }
    }
}
