//! Sparse files.

use super::super::testing::{Head, Tar, fault, paths, walk};
use super::super::*;

fn segments(entry: &Entry) -> Vec<(u64, u64)> {
    let segments = entry.sparse.as_deref().unwrap_or_default();
    segments.iter().map(|s| (s.offset, s.length)).collect()
}

/// A GNU sparse header of a file with 10,000 bytes.
pub(super) fn gnu_sparse(pairs: &[(u64, u64)], stored: usize, more: bool) -> Head {
    let mut head = Head::new("s", b'S', stored)
        .gnu()
        .put(483, b"00000023420\0");
    for (n, (offset, length)) in pairs.iter().enumerate() {
        head = head.put(
            386 + n * 24,
            format!("{offset:011o}\0{length:011o}\0").as_bytes(),
        );
    }
    head.put(482, &[u8::from(more)])
}

#[test]
fn sparse_files_in_four_formats_are_read() {
    let data = [b'd'; 700];
    let map = [(512, 600), (9000, 100), (10_000, 0)];
    let old = Tar::default()
        .head(gnu_sparse(&map, 700, false))
        .data(&data);
    let mut block = [0; 512];
    block[..24].copy_from_slice(b"00000023420\x0000000000000\0");
    let extended = Tar::default()
        .head(gnu_sparse(
            &[(0, 0), (512, 600), (600 + 512, 0), (9000, 100)],
            700,
            true,
        ))
        .data(&block)
        .data(&data);
    let pairs: [(&str, &[u8]); 7] = [
        ("GNU.sparse.size", b"10000"),
        ("GNU.sparse.offset", b"512"),
        ("GNU.sparse.numbytes", b"600"),
        ("GNU.sparse.offset", b"9000"),
        ("GNU.sparse.numbytes", b"100"),
        ("GNU.sparse.offset", b"10000"),
        ("GNU.sparse.numbytes", b"0"),
    ];
    let form_00 = Tar::default().pax(&pairs).file("s", &data);
    let form_01 = Tar::default()
        .pax(&[
            ("GNU.sparse.size", b"10000"),
            ("GNU.sparse.numblocks", b"3"),
            ("GNU.sparse.name", b"s"),
            ("GNU.sparse.map", b"512,600,9000,100,10000,0"),
        ])
        .file("GNUSparseFile.1/s", &data);
    let mut text = b"3\n512\n600\n9000\n100\n10000\n0\n".to_vec();
    text.resize(512, 0);
    text.extend(data);
    let form_10 = Tar::default()
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"s"),
            ("GNU.sparse.realsize", b"10000"),
        ])
        .file("GNUSparseFile.1/s", &text);
    for (tar, blocks) in [
        (old, 1),
        (extended, 2),
        (form_00, 3),
        (form_01, 3),
        (form_10, 4),
    ] {
        let tar = tar.file("next", b"").end();
        assert_eq!(paths(&tar), ["s", "next"]);
        let (entries, anomalies) = walk(&tar).expect("readable");
        assert!(anomalies.is_empty());
        let entry = &entries[0];
        assert_eq!(
            (entry.kind, entry.size, entry.stored_size),
            (EntryKind::File, 10_000, 700)
        );
        assert_eq!(entry.data_offset, blocks * 512);
        let parts: Vec<_> = segments(entry)
            .into_iter()
            .filter(|part| part.1 > 0)
            .collect();
        assert_eq!(parts, map[..2]);
        assert!(entries[1].sparse.is_none());
    }
}

#[test]
fn invalid_sparse_maps_are_refused() {
    let sparse = |records: &[(&str, &[u8])], data: &[u8]| {
        fault(&Tar::default().pax(records).file("s", data).end())
    };
    let map = |map: &[u8]| {
        sparse(
            &[("GNU.sparse.size", b"10"), ("GNU.sparse.map", map)],
            b"1234",
        )
    };
    assert_eq!(map(b"0,2,4,2"), "no fault in 1 entries");
    let differ = "1024 Sparse { why: \"the segments do not add up to the stored bytes\" }";
    let outside = "1024 Sparse { why: \"a segment lies outside the file\" }";
    let backwards = "1024 Sparse { why: \"segments overlap or run backwards\" }";
    assert_eq!(map(b"0,2,4,1"), differ);
    assert_eq!(map(b"4,2,0,2"), backwards);
    assert_eq!(map(b"0,3,2,1"), backwards);
    assert_eq!(map(b"8,4"), outside);
    assert_eq!(map(b"9223372036854775807,9223372036854775807"), outside);
    assert_eq!(
        map(b"0,2,4"),
        "1024 Sparse { why: \"missing length of the last segment\" }"
    );
    let version = [("GNU.sparse.major", &b"2"[..]), ("GNU.sparse.minor", b"0")];
    assert_eq!(
        sparse(&version, b""),
        "1024 Sparse { why: \"unknown version\" }"
    );
    let text = [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", b"0")];
    let long = "1024 Sparse { why: \"the map is longer than the stored contents\" }";
    assert_eq!(sparse(&text, b"1\n"), long);
    let number = "1024 Sparse { why: \"invalid offset or length\" }";
    assert_eq!(sparse(&text, &[b'x'; 512]), number);
    assert_eq!(sparse(&text, &[b'9'; 512]), number);
    let mut many = b"100001\n".to_vec();
    many.resize(512, b'0');
    assert_eq!(
        sparse(&text, &many),
        "Limit { what: \"sparse segments\", limit: 100000, found: 100001 }"
    );
    let zeros = [&b"9\n"[..], &vec![b'0'; 2 << 20]].concat();
    assert_eq!(
        sparse(&text, &zeros),
        "Limit { what: \"sparse map size\", limit: 1048576, found: 1049088 }"
    );
    let many = "0,0,".repeat(100_001) + "0,0";
    assert_eq!(
        map(many.as_bytes()),
        "Limit { what: \"sparse segments\", limit: 100000, found: 100001 }"
    );
    let on_directory = Tar::default()
        .pax(&[("GNU.sparse.size", b"0"), ("GNU.sparse.map", b"0,0")])
        .entry(b'5', "d", b"");
    assert_eq!(
        fault(&on_directory.end()),
        "1024 Sparse { why: \"only a file can be sparse\" }"
    );
    // GNU tar stops at the end of the list and Go reads on: they would find different contents.
    let mut endless = Tar::default().head(gnu_sparse(&[], 0, true));
    endless.0.extend([1; 512]);
    assert_eq!(
        fault(&endless.0),
        "0 Sparse { why: \"the map continues after its end\" }"
    );
}
