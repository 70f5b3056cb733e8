//! Ends of tars, errors that stop a walk, and contents.

use super::super::testing::{Head, Tar, anomaly_codes, fault};
use super::super::*;
use crate::error::{Error, Fault};

#[test]
fn end_markers_and_tails_are_read() {
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
        assert_eq!(anomaly_codes(&bytes), expected);
    }
}

#[test]
fn damage_stops_a_walk() {
    let file = || Tar::default().file("a", b"x");
    let pax = |records: &[u8]| file().entry(b'x', "pax", records).file("b", b"").end();
    let full = file().end();
    for (tar, expected) in [
        (b"short".to_vec(), "0 NotATar"),
        (vec![b'x'; 2048], "0 NotATar"),
        // umoci insert omits the last padding.
        (full[..1000].to_vec(), "no fault in 1 entries"),
        (full[..513].to_vec(), "no fault in 1 entries"),
        (full[..512].to_vec(), "0 UnexpectedEnd { missing: 512 }"),
        (full[..1500].to_vec(), "1024 UnexpectedEnd { missing: 36 }"),
        // The end marker has begun, so no entry can be missing.
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
            "1024 PaxRecord { why: \"missing line feed at the end\" }",
        ),
        (
            pax(b"9 path=b\n\0"),
            "1024 PaxRecord { why: \"missing blank after the length\" }",
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
fn missing_padding_at_the_end_is_an_anomaly() {
    let full = Tar::default().file("a", b"x").end();
    assert_eq!(
        anomaly_codes(&full[..513]),
        ["missing-padding", "missing-end-marker"]
    );
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
