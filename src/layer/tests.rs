//! Whole tars through the walker: each rule on the smallest archive that shows it.

use std::sync::Arc;

use proptest::prelude::*;

use super::testing::{Head, Tar, fault, odd, one, paths, record, walk};
use super::*;
use crate::error::{Error, Fault};

const NONE: [&str; 0] = [];

#[test]
fn fields_come_from_the_header() {
    let head = Head::new("dev/null", b'3', 0)
        .put(100, b"0106755\0")
        .put(108, b"\x80\0\0\0\xff\xff\xff\xfe")
        .put(136, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfb")
        .put(265, b"root\0")
        .put(297, &[b'g'; 32])
        .put(329, b"0000001\0")
        .put(337, b"0000003\0")
        .put(345, b"./a\0");
    let entry = one(&Tar::default().head(head).end());
    assert_eq!(entry.clean_path(), b"a/dev/null");
    assert_eq!((entry.kind, entry.device), (EntryKind::CharDevice, (1, 3)));
    assert_eq!(
        (entry.metadata.mode, entry.metadata.uid),
        (0o6755, 4_294_967_294)
    );
    assert_eq!(
        (entry.metadata.mtime.seconds, entry.metadata.mtime.nanos),
        (-5, 0)
    );
    assert_eq!(
        (&*entry.user_name, entry.group_name.len()),
        (&b"root"[..], 32)
    );
}

#[test]
fn records_beat_the_header_and_end_with_the_entry() {
    let tar = Tar::default()
        .pax(&[
            ("path", b"a\nb=c/./d"),
            ("uid", b"5000000000"),
            ("gid", b"7"),
            ("uname", b"u"),
            ("mtime", b"-1.25"),
            ("SCHILY.xattr.user.k", b"\0v"),
            ("VENDOR.key", b"kept out"),
        ])
        .file("short", b"")
        .file("next", b"")
        .end();
    let (entries, anomalies) = walk(&tar).expect("readable");
    assert!(anomalies.is_empty());
    assert_eq!(entries[0].clean_path(), b"a\nb=c/d");
    assert_eq!(
        (entries[0].metadata.uid, entries[0].metadata.gid),
        (5_000_000_000, 7)
    );
    assert_eq!(entries[0].metadata.mtime.nanos, 750_000_000);
    assert_eq!(entries[0].metadata.xattrs[0].value, b"\0v");
    assert_eq!(
        (entries[1].metadata.uid, entries[1].user_name.len()),
        (0, 0)
    );
    assert_eq!(
        (entries[1].clean_path(), entries[1].metadata.xattrs.len()),
        (&b"next"[..], 0)
    );
}

#[test]
fn the_pax_size_always_wins() {
    let inner = Tar::default().file("hidden", b"").end();
    // Header says nothing, PAX says the inner archive: its names must not show. (CVE-2025-62518 class)
    let smuggle = Tar::default()
        .pax(&[("size", inner.len().to_string().as_bytes())])
        .head(Head::new("blob", b'0', 0))
        .data(&inner);
    assert_eq!(paths(&smuggle.file("after", b"x").end()), ["blob", "after"]);
    // And the other way round.
    let shown = Tar::default()
        .pax(&[("size", b"0")])
        .head(Head::new("blob", b'0', 1024))
        .file("after", b"x")
        .end();
    assert_eq!(paths(&shown), ["blob", "after"]);
    // The records are the next real entry's, not the long name's that comes between.
    let between = Tar::default()
        .pax(&[("size", b"1024")])
        .entry(b'L', "L", b"long\0")
        .head(Head::new("blob", b'0', 0).gnu())
        .data(&[b'x'; 1024])
        .end();
    assert_eq!(paths(&between), ["long"]);
}

#[test]
fn links_devices_and_directories_have_no_contents() {
    let mut tar = Tar::default();
    for type_flag in b"123456" {
        tar = tar.head(Head::new("x", *type_flag, 5).put(157, b"target"));
    }
    let tar = tar.head(Head::new("old/", 0, 5)).file("last", b"x").end();
    assert_eq!(paths(&tar).len(), 8);
    assert_eq!(odd(&tar), ["size-on-link"; 7]);
    let (entries, _) = walk(&tar).expect("readable");
    assert_eq!(
        (entries[6].kind, entries[6].size),
        (EntryKind::Directory, 0)
    );
    let pax = Tar::default()
        .pax(&[("size", b"700")])
        .link(b'1', "b", "a")
        .file("last", b"x");
    assert_eq!(paths(&pax.end()), ["b", "last"]);
}

#[test]
fn other_types_keep_their_contents() {
    let mut tar = Tar::default();
    for type_flag in b"DVMNZ" {
        tar = tar.entry(*type_flag, "x", b"contents");
    }
    let tar = tar.entry(b'7', "seven", b"contents").end();
    assert_eq!(paths(&tar).len(), 6);
    assert_eq!(odd(&tar), ["unknown-type"; 5]);
    let (entries, _) = walk(&tar).expect("readable");
    assert_eq!(entries[0].kind, EntryKind::Other(b'D'));
    assert_eq!((entries[5].kind, entries[5].size), (EntryKind::File, 8));
}

#[test]
fn the_last_of_several_names_wins_and_is_reported() {
    let twice = Tar::default()
        .entry(b'L', "L", b"first\0")
        .entry(b'K', "K", b"to\0")
        .entry(b'L', "L", b"second\0")
        .link(b'2', "short", "t")
        .end();
    assert_eq!(paths(&twice), ["second"]);
    assert_eq!(one(&twice).link_target, b"to");
    assert_eq!(odd(&twice), ["duplicate-extension", "conflicting-names"]);

    // A second `x` replaces the first as a whole.
    let records = Tar::default()
        .pax(&[("path", b"first"), ("uid", b"9")])
        .pax(&[("path", b"second")])
        .file("short", b"")
        .end();
    assert_eq!(
        (one(&records).metadata.uid, paths(&records)),
        (0, vec!["second".into()])
    );
    assert_eq!(odd(&records), ["duplicate-extension", "conflicting-names"]);

    let long = |tar: Tar| tar.entry(b'L', "L", b"long\0");
    let pax = |tar: Tar| tar.pax(&[("path", b"pax")]);
    let pax_last = pax(long(Tar::default())).file("short", b"").end();
    let long_last = long(pax(Tar::default())).file("short", b"").end();
    assert_eq!(
        (paths(&pax_last), paths(&long_last)),
        (vec!["pax".into()], vec!["long".into()])
    );
    assert_eq!(
        (odd(&pax_last), odd(&long_last)),
        (vec!["conflicting-names"], vec!["conflicting-names"])
    );
    let agree = long(Tar::default())
        .pax(&[("path", b"long")])
        .file("short", b"");
    assert_eq!(odd(&agree.end()), NONE);
}

#[test]
fn global_records_last_until_changed() {
    let global = |records: &[u8]| Head::new("g", b'g', records.len());
    let set = [record("uid", b"7"), record("path", b"all")].concat();
    let delete = [record("uid", b""), record("path", b"")].concat();
    let tar = Tar::default()
        .head(global(&set))
        .data(&set)
        .file("a", b"")
        .pax(&[("path", b"b"), ("uid", b"")])
        .file("x", b"")
        .file("c", b"")
        .head(global(&delete))
        .data(&delete)
        .file("d", b"")
        .end();
    assert_eq!(paths(&tar), ["all", "b", "all", "d"]);
    let (entries, anomalies) = walk(&tar).expect("readable");
    assert_eq!(
        entries.iter().map(|e| e.metadata.uid).collect::<Vec<_>>(),
        [7, 0, 7, 0]
    );
    assert_eq!(anomalies.count(AnomalyKind::GlobalPax), 2);
}

#[test]
fn names_that_people_should_know_of() {
    let tar = Tar::default()
        .file("/etc/x", b"")
        .file("a/../b", b"")
        .file("", b"")
        .entry(b'5', "./", b"")
        .file("a/.wh.", b"")
        .file("a/.wh.b", b"")
        .entry(b'L', "L", b"cut\0off\0")
        .file("x", b"")
        .end();
    let expected = [
        "absolute-path",
        "climbing-path",
        "empty-name",
        "root-not-directory",
        "invalid-whiteout",
        "nul-in-name",
    ];
    assert_eq!(odd(&tar), expected);
    assert_eq!(paths(&tar).last().map(String::as_str), Some("cut"));
}

#[test]
fn anomalies_are_bounded_and_counted() {
    let mut tar = Tar::default();
    for _ in 0..100 {
        tar = tar.file("/x", b"");
    }
    let (_, anomalies) = walk(&tar.file("..", b"").end()).expect("readable");
    assert_eq!(anomalies.iter().count(), 9);
    assert_eq!(anomalies.count(AnomalyKind::AbsolutePath), 100);
    assert_eq!(anomalies.count(AnomalyKind::ClimbingPath), 1);
    assert_eq!(anomalies.total(), 101);
}

#[test]
fn ends_of_all_kinds() {
    let tar = Tar::default().file("a", b"x");
    let body = tar.0.len();
    let full = tar.end();
    let cases = [
        (&b""[..], 2, body + 1024, 0, None),
        (&[0; 9000], 2, body + 1024, 9000, None),
        (b"\0\0more", 2, body + 1024, 6, Some(2)),
        (b"0", 0, body, 0, None),
        (b"1", 1, body + 512, 0, None),
        (b"2", 1, body + 512, 512, Some(3)),
    ];
    for (tail, zero_blocks, offset, length, first) in cases {
        let bytes = match tail {
            b"0" => full[..body].to_vec(),
            b"1" => full[..body + 512].to_vec(),
            b"2" => {
                let mut dirty = full.clone();
                dirty[body + 515] = 1;
                dirty
            }
            tail => [&full, tail].concat(),
        };
        let mut walker = Walker::new(StreamInput::new(&bytes[..]));
        while walker.next_entry().expect("readable").is_some() {}
        assert!(walker.next_entry().expect("still at the end").is_none());
        let end = walker.end().expect("at the end");
        assert_eq!((end.zero_blocks, end.offset), (zero_blocks, offset as u64));
        let expected = Tail {
            length,
            first_nonzero: first.map(|first| offset as u64 + first as u64),
            is_header: false,
        };
        assert_eq!(walker.check_tail().expect("readable"), expected);
        assert_eq!(walker.check_tail().expect("remembered"), expected);
        let expected: &[_] = match zero_blocks {
            0 => &["missing-end-marker"],
            1 => &["one-end-block"],
            _ => &[],
        };
        assert_eq!(odd(&bytes), expected);
    }
}

#[test]
fn what_stops_a_walk() {
    let file = || Tar::default().file("a", b"x");
    let pax = |records: &[u8]| file().entry(b'x', "pax", records).file("b", b"").end();
    let full = file().end();
    for (tar, expected) in [
        (b"short".to_vec(), "0 NotATar"),
        (vec![b'x'; 2048], "0 NotATar"),
        // Only padding is missing: umoci insert leaves it out.
        (full[..1000].to_vec(), "no fault in 1 entries"),
        (full[..513].to_vec(), "no fault in 1 entries"),
        (full[..512].to_vec(), "0 UnexpectedEnd { missing: 512 }"),
        (full[..1500].to_vec(), "1024 UnexpectedEnd { missing: 36 }"),
        // The end marker has begun, so nothing of worth can be missing.
        (full[..1700].to_vec(), "no fault in 1 entries"),
        (
            [&full[..1024], &full[..100]].concat(),
            "1024 UnexpectedEnd { missing: 412 }",
        ),
        ([&full[..1024], &[b'x'; 512]].concat(), "1024 Checksum"),
        (
            file().pax(&[("path", b"b")]).end(),
            "1024 DanglingExtension",
        ),
        (file().pax(&[]).0, "1024 DanglingExtension"),
        (
            pax(b"8 path=b\n"),
            "1024 PaxRecord { why: \"it does not end with a line feed\" }",
        ),
        (
            pax(b"9 path=b\n\0"),
            "1024 PaxRecord { why: \"no blank after the length\" }",
        ),
        (
            file().head(Head::new("big", b'0', 1 << 32)).0,
            "1024 UnexpectedEnd { missing: 4294967296 }",
        ),
        (
            file().head(Head::new("n", b'0', 0).put(124, &[0xff; 12])).0,
            "1024 Number { field: \"size\" }",
        ),
        (
            file()
                .head(
                    Head::new("n", b'0', 0).put(124, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"),
                )
                .0,
            "1024 Number { field: \"size\" }",
        ),
        (
            file().head(Head::new("n", b'0', 0).put(108, b"12x")).0,
            "1024 Number { field: \"uid\" }",
        ),
        (
            file().head(Head::new("x", b'x', 2 << 20)).0,
            "Limit { what: \"extension headers of one entry\", limit: 1048576, found: 2097152 }",
        ),
        (
            Tar::default()
                .entry(b'L', "L", &vec![b'n'; 65_537])
                .file("x", b"")
                .end(),
            "Limit { what: \"name\", limit: 65536, found: 65537 }",
        ),
    ] {
        assert_eq!(fault(&tar), expected);
    }
}

#[test]
fn an_archive_that_stops_after_its_last_contents_is_odd_and_whole() {
    let full = Tar::default().file("a", b"x").end();
    assert_eq!(odd(&full[..513]), ["missing-padding", "missing-end-marker"]);
}

#[test]
fn a_walk_that_failed_stays_failed() {
    let tar = [&Tar::default().file("a", b"x").0[..], &[b'x'; 512]].concat();
    let mut walker = Walker::new(StreamInput::new(&tar[..]));
    assert!(walker.next_entry().expect("readable").is_some());
    assert!(walker.next_entry().is_err());
    let again = walker.next_entry().err();
    assert!(matches!(
        again.as_ref().map(Error::fault),
        Some(Fault::StreamConsumed)
    ));
    assert!(walker.end().is_none() && walker.check_tail().is_err());
}

#[test]
fn entries_are_limited() {
    let tar = Tar::default().file("a", b"").file("b", b"").end();
    let mut walker = Walker::new(StreamInput::new(&tar[..])).max_entries(1);
    assert!(walker.next_entry().is_ok_and(|entry| entry.is_some()));
    let error = walker.next_entry().err();
    assert!(matches!(
        error.as_ref().map(Error::fault),
        Some(Fault::Limit { limit: 1, .. })
    ));
}

#[test]
fn data_can_be_read_in_part_or_skipped() {
    let long = [b'c'; 1300];
    let tar = Tar::default()
        .file("a", b"12345")
        .file("b", b"")
        .file("c", &long)
        .end();
    let mut walker = Walker::new(StreamInput::new(&tar[..]));
    assert_eq!(walker.read_data(&mut [0; 9]).expect("nothing yet"), 0);
    walker.next_entry().expect("readable");
    let mut buf = [0; 3];
    assert_eq!(walker.read_data(&mut buf).expect("read"), 3);
    assert_eq!(&buf, b"123");
    walker.next_entry().expect("readable");
    assert_eq!(walker.read_data(&mut buf).expect("read"), 0);
    walker.next_entry().expect("readable");
    let mut all = [0; 2000];
    assert_eq!(walker.read_data(&mut all).expect("read"), 1300);
    assert_eq!(all[..1300], long);
    assert!(walker.next_entry().expect("readable").is_none());
}

fn segments(entry: &Entry) -> Vec<(u64, u64)> {
    let segments = entry.sparse.as_deref().unwrap_or_default();
    segments.iter().map(|s| (s.offset, s.length)).collect()
}

/// A GNU sparse header of a file with 10,000 bytes.
fn gnu_sparse(pairs: &[(u64, u64)], stored: usize, more: bool) -> Head {
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
fn four_spellings_of_a_sparse_file() {
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
fn sparse_maps_that_cannot_be() {
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
    let differ = "1024 Sparse { why: \"segments and stored bytes differ\" }";
    let outside = "1024 Sparse { why: \"a segment lies outside the file\" }";
    let backwards = "1024 Sparse { why: \"segments overlap or run backwards\" }";
    assert_eq!(map(b"0,2,4,1"), differ);
    assert_eq!(map(b"4,2,0,2"), backwards);
    assert_eq!(map(b"0,3,2,1"), backwards);
    assert_eq!(map(b"8,4"), outside);
    assert_eq!(map(b"9223372036854775807,9223372036854775807"), outside);
    assert_eq!(
        map(b"0,2,4"),
        "1024 Sparse { why: \"an offset without a length\" }"
    );
    let version = [("GNU.sparse.major", &b"2"[..]), ("GNU.sparse.minor", b"0")];
    assert_eq!(
        sparse(&version, b""),
        "1024 Sparse { why: \"unknown version\" }"
    );
    let text = [("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", b"0")];
    let long = "1024 Sparse { why: \"the map is longer than what is stored\" }";
    assert_eq!(sparse(&text, b"1\n"), long);
    let number = "1024 Sparse { why: \"an offset or length is no number\" }";
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
    // GNU tar stops at the end of the list and Go reads on: they would not find the same contents.
    let mut endless = Tar::default().head(gnu_sparse(&[], 0, true));
    endless.0.extend([1; 512]);
    assert_eq!(
        fault(&endless.0),
        "0 Sparse { why: \"the map goes on after its end\" }"
    );
}

fn content_size(tar: Tar) -> (u64, u64) {
    let tar = tar.end();
    let mut walker = Walker::new(StreamInput::new(&tar[..]));
    let summary = LayerSummary::of(&mut walker).expect("readable");
    (summary.content_size, summary.repeated)
}

#[test]
fn the_content_size_is_that_of_the_unpacked_layer() {
    let base = || Tar::default().entry(b'5', "d/", b"").file("d/a", b"12345");
    assert_eq!(content_size(base()), (5, 0));
    assert_eq!(content_size(base().link(b'2', "l", "d/a")), (8, 0));
    // Links share; a link to what another layer has brings nothing.
    assert_eq!(content_size(base().link(b'1', "b", "./d/a")), (5, 0));
    assert_eq!(content_size(base().link(b'1', "b", "usr/bin/x")), (5, 0));
    // Whiteouts, devices and directories are nothing, whatever is in them.
    let none = base()
        .file("d/.wh.x", b"zz")
        .file(".wh..wh..opq", b"zz")
        .entry(b'3', "n", b"");
    assert_eq!(content_size(none), (5, 0));
    // The last entry of a path counts, also when it is spelled otherwise.
    assert_eq!(content_size(base().file("./d//a", b"12")), (2, 1));
    assert_eq!(content_size(base().entry(b'5', "d", b"")), (5, 1));
    assert_eq!(content_size(base().entry(b'5', "d/a", b"")), (0, 1));
    // Another name keeps what its first name lost.
    let kept = base().link(b'1', "b", "d/a").file("d/a", b"12");
    assert_eq!(content_size(kept), (7, 1));
    // A directory that gives way takes all below along, but not what comes there later.
    let gone = base().file("d/x/y", b"123").file("d", b"1");
    assert_eq!(content_size(gone), (1, 1));
    let again = base()
        .file("d/x/y", b"123")
        .file("d", b"1")
        .entry(b'5', "d", b"")
        .file("d/x/z", b"12");
    assert_eq!(content_size(again), (2, 2));
}

#[test]
fn a_summary_counts_each_entry_once() {
    let tar = Tar::default()
        .entry(b'5', "d/", b"")
        .file("d/a", b"12345")
        .link(b'1', "b", "d/a")
        .link(b'2', "l", "d/a")
        .entry(b'6', "fifo", b"")
        .file("d/.wh.x", b"")
        .file("d/.wh..wh..opq", b"")
        .file(".wh..wh.plnk/1.2", b"123")
        .end();
    let mut walker = Walker::new(StreamInput::new(&tar[..]));
    let expected = LayerSummary {
        entries: 8,
        files: 1,
        directories: 1,
        symlinks: 1,
        hard_links: 1,
        specials: 1,
        whiteouts: 1,
        opaque_whiteouts: 1,
        ignored: 1,
        repeated: 0,
        content_size: 8,
        file_size: 5,
        tar_size: tar.len() as u64,
    };
    assert_eq!(LayerSummary::of(&mut walker).expect("readable"), expected);
}

#[test]
fn many_paths_are_told_apart() {
    let mut tar = Tar::default();
    for n in 0..3000 {
        tar = tar.file(&format!("d{}/{n}", n % 7), b"1");
    }
    assert_eq!(content_size(tar), (3000, 0));
}

/// What tests/cross/opinions.py found readers to disagree on, one archive for each way.
#[test]
fn what_readers_take_differently_is_told() {
    let file = |head: Head| Tar::default().head(head).data(b"x").end();
    let head = || Head::new("name", b'0', 1);
    let pax = |records: &[(&str, &[u8])], head: Head| {
        Tar::default().pax(records).head(head).data(b"x").end()
    };
    let global = |records: &[(&str, &[u8])]| {
        let records: Vec<u8> = records.iter().flat_map(|(k, v)| record(k, v)).collect();
        let tar = Tar::default().entry(b'g', "g", &records);
        tar.head(head()).data(b"x").end()
    };
    let prefix = |head: Head| head.put(345, b"pre");
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        ("a sound one", file(head()), &[]),
        (
            "larger in the record",
            pax(&[("size", b"1")], Head::new("a", b'0', 0)),
            &["size-desync"],
        ),
        (
            "smaller in the record",
            pax(&[("size", b"1")], Head::new("a", b'0', 700)),
            &["size-desync"],
        ),
        ("the same size", pax(&[("size", b"1")], head()), &[]),
        (
            "a size with holes",
            pax(&[("SCHILY.realsize", b"9")], head()),
            &["size-desync"],
        ),
        (
            "GNU's size with holes",
            file(head().gnu().put(483, b"00000000007\0")),
            &["size-desync"],
        ),
        (
            "a global comment",
            global(&[("comment", b"c")]),
            &["global-pax"],
        ),
        (
            "a global name",
            global(&[("path", b"g")]),
            &["global-pax", "global-override"],
        ),
        (
            "a global attribute",
            global(&[("SCHILY.xattr.user.a", b"b")]),
            &["global-pax", "global-override"],
        ),
        ("no path", pax(&[("path", b"")], head()), &["empty-record"]),
        ("no size", pax(&[("size", b"")], head()), &["empty-record"]),
        (
            "junk behind a number",
            file(head().put(100, b"644\0junk")),
            &["odd-number"],
        ),
        (
            "a blank mode",
            file(head().put(100, b"        ")),
            &["odd-number"],
        ),
        (
            "junk where no device is",
            file(head().put(329, b"+0000644")),
            &["odd-number"],
        ),
        ("a prefix of POSIX", file(prefix(head())), &[]),
        (
            "a prefix with GNU's magic",
            file(prefix(head().gnu())),
            &["prefix-in-doubt"],
        ),
        (
            "a prefix without a magic",
            file(prefix(head()).put(257, b"USTAR")),
            &["prefix-in-doubt"],
        ),
        (
            "a slash",
            file(Head::new("a/", b'0', 1)),
            &["slash-on-file"],
        ),
        (
            "a slash in the header alone",
            pax(&[("path", b"a")], Head::new("a/", 0, 1)),
            &["slash-on-file"],
        ),
        (
            "a name cut at a slash",
            pax(&[("path", b"a/b")], Head::new("a/", b'0', 1)),
            &[],
        ),
        (
            "no target",
            Tar::default().link(b'2', "l", "").end(),
            &["empty-link"],
        ),
        (
            "a long target alone",
            Tar::default()
                .entry(b'K', "K", b"long\0")
                .link(b'1', "l", "")
                .end(),
            &["empty-link"],
        ),
        (
            "behind the name",
            file(head().put(10, b"evil")),
            &["hidden-bytes"],
        ),
        (
            "behind the last field",
            file(head().put(505, b"evil")),
            &["hidden-bytes"],
        ),
        (
            "a long name that does not end",
            {
                let mut tar = Tar::default().entry(b'L', "L", b"long").file("a", b"");
                tar.0[512 + 4] = b'e';
                tar.end()
            },
            &["nul-in-name", "padding-data"],
        ),
        (
            "a count after the map",
            pax(
                &[
                    ("GNU.sparse.offset", b"0"),
                    ("GNU.sparse.numbytes", b"1"),
                    ("GNU.sparse.size", b"5"),
                ],
                head(),
            ),
            &["odd-sparse"],
        ),
        (
            "padding of contents",
            {
                let mut tar = file(head());
                tar[1023] = 1;
                tar
            },
            &["padding-data"],
        ),
    ];
    for (what, tar, expected) in cases {
        assert_eq!(odd(&tar), expected, "{what}");
    }
    // Sizes that no header holds are in a record alone, and the header says 0 or all that it can.
    let large: &[u8] = b"8589934592";
    for stated in ["00000000000\0", "77777777777\0"] {
        let tar = Tar::default().pax(&[("size", large)]);
        let tar = tar.head(head().put(124, stated.as_bytes())).0;
        let mut walker = Walker::new(StreamInput::new(&tar[..]));
        assert_eq!(
            walker
                .next_entry()
                .expect("readable")
                .expect("an entry")
                .size,
            1 << 33
        );
        assert!(walker.anomalies().is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// What the `tar` crate writes comes out again, from a stream and from a file.
    #[test]
    fn another_writer_is_understood(
        files in prop::collection::vec(("[a-z]{1,9}(/[a-zé]{1,40}){0,9}", 0..3000_usize, any::<u32>(), 0..1_u64 << 40), 0..8),
    ) {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, size, uid, mtime) in &files {
            let mut header = tar::Header::new_gnu();
            header.set_size(*size as u64);
            header.set_uid(u64::from(*uid));
            header.set_mtime(*mtime);
            header.set_mode(0o755);
            // Without a type, a long name that is cut right behind a slash makes a directory for Python: that is odd.
            header.set_entry_type(tar::EntryType::Regular);
            builder.append_data(&mut header, path, &vec![b'x'; *size][..]).expect("written");
        }
        let tar = builder.into_inner().expect("written");
        let mut file = tempfile::tempfile().expect("a temporary file");
        std::io::Write::write_all(&mut file, &tar).expect("written");
        let mut from_file = Walker::new(FileInput::new(Arc::new(file), 0, tar.len() as u64));
        let (entries, anomalies) = walk(&tar).expect("readable");
        prop_assert!(anomalies.is_empty());
        prop_assert_eq!(entries.len(), files.len());
        for (entry, (path, size, uid, mtime)) in entries.iter().zip(&files) {
            prop_assert_eq!(&*entry.path, path.as_bytes());
            prop_assert_eq!((entry.size, entry.metadata.uid), (*size as u64, u64::from(*uid)));
            prop_assert_eq!((entry.metadata.mtime.seconds, entry.metadata.mode), (*mtime as i64, 0o755));
            let other = from_file.next_entry().expect("readable").expect("as many");
            prop_assert_eq!((&other.path, other.data_offset), (&entry.path, entry.data_offset));
        }
        prop_assert!(from_file.next_entry().expect("readable").is_none());
    }

    /// Damage never panics and never hangs, and a walk that ends saw no more than there was.
    #[test]
    fn damage_is_survived(
        hits in prop::collection::vec((0..4096_usize, any::<u8>()), 1..6),
        length in 0..5000_usize,
        fix in any::<bool>(),
    ) {
        let mut tar = Tar::default()
            .pax(&[("path", b"long/name"), ("size", b"3"), ("SCHILY.xattr.user.a", b"b")])
            .file("x", b"123")
            .head(gnu_sparse(&[(0, 512)], 512, false))
            .data(&[b's'; 512])
            .entry(b'L', "L", b"name\0")
            .link(b'2', "l", "target")
            .end();
        for (at, byte) in hits {
            if let Some(hit) = tar.get_mut(at) {
                *hit = byte;
            }
        }
        if fix {
            for at in (0..tar.len()).step_by(512) {
                let block: [u8; 512] = tar[at..at + 512].try_into().expect("whole blocks");
                if block[257..262] == *b"ustar" {
                    tar[at..at + 512].copy_from_slice(&Head(block).done());
                }
            }
        }
        tar.truncate(length.max(1));
        let mut walker = Walker::new(StreamInput::new(&tar[..]));
        let walked = LayerSummary::of(&mut walker);
        if let Ok(summary) = walked {
            prop_assert!(summary.tar_size <= tar.len() as u64);
        }
    }
}
