//! Anomalies: entries on which readers disagree.

use super::super::testing::{Head, Tar, anomaly_codes, paths, record, walk};
use super::super::*;

#[test]
fn unusual_names_are_reported() {
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
    assert_eq!(anomaly_codes(&tar), expected);
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

// The following cases are those on which tests/cross/opinions.py found readers to disagree, one archive for each.

type Case = (&'static str, Vec<u8>, &'static [&'static str]);

fn check(cases: Vec<Case>) {
    for (case, tar, expected) in cases {
        assert_eq!(anomaly_codes(&tar), expected, "{case}");
    }
}

fn head() -> Head {
    Head::new("name", b'0', 1)
}

fn file(head: Head) -> Vec<u8> {
    Tar::default().head(head).data(b"x").end()
}

fn pax(records: &[(&str, &[u8])], head: Head) -> Vec<u8> {
    Tar::default().pax(records).head(head).data(b"x").end()
}

fn global(records: &[(&str, &[u8])]) -> Vec<u8> {
    let records: Vec<u8> = records.iter().flat_map(|(k, v)| record(k, v)).collect();
    let tar = Tar::default().entry(b'g', "g", &records);
    tar.head(head()).data(b"x").end()
}

fn prefix(head: Head) -> Head {
    head.put(345, b"pre")
}

#[test]
fn differing_sizes_records_and_numbers_are_reported() {
    check(vec![
        ("no anomaly", file(head()), &[]),
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
    ]);
}

#[test]
fn differing_names_and_links_are_reported() {
    check(vec![
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
    ]);
}

#[test]
fn differing_ends_of_texts_and_maps_are_reported() {
    check(vec![
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
    ]);
}

#[test]
fn large_sizes_in_a_record_alone_are_not_reported() {
    // The header then states 0 or its maximum.
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
