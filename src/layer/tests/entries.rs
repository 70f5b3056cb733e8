//! Fields of entries from headers, PAX records and GNU extensions.

use super::super::testing::{Head, Tar, anomaly_codes, one, paths, record, walk};
use super::super::*;

const NONE: [&str; 0] = [];

#[test]
fn fields_are_read_from_the_header() {
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
fn records_override_the_header_of_one_entry() {
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
fn the_pax_size_takes_precedence() {
    let inner = Tar::default().file("hidden", b"").end();
    // The header states 0, PAX the size of the inner archive, whose names must not show. (CVE-2025-62518 class)
    let smuggle = Tar::default()
        .pax(&[("size", inner.len().to_string().as_bytes())])
        .head(Head::new("blob", b'0', 0))
        .data(&inner);
    assert_eq!(paths(&smuggle.file("after", b"x").end()), ["blob", "after"]);
    // The reverse case.
    let shown = Tar::default()
        .pax(&[("size", b"0")])
        .head(Head::new("blob", b'0', 1024))
        .file("after", b"x")
        .end();
    assert_eq!(paths(&shown), ["blob", "after"]);
    // The records apply to the next entry, not to the long name in between.
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
    assert_eq!(anomaly_codes(&tar), ["size-on-link"; 7]);
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
    assert_eq!(anomaly_codes(&tar), ["unknown-type"; 5]);
    let (entries, _) = walk(&tar).expect("readable");
    assert_eq!(entries[0].kind, EntryKind::Other(b'D'));
    assert_eq!((entries[5].kind, entries[5].size), (EntryKind::File, 8));
}

#[test]
fn the_last_of_several_names_applies_and_is_reported() {
    let twice = Tar::default()
        .entry(b'L', "L", b"first\0")
        .entry(b'K', "K", b"to\0")
        .entry(b'L', "L", b"second\0")
        .link(b'2', "short", "t")
        .end();
    assert_eq!(paths(&twice), ["second"]);
    assert_eq!(one(&twice).link_target, b"to");
    assert_eq!(
        anomaly_codes(&twice),
        ["duplicate-extension", "conflicting-names"]
    );

    // A second `x` header replaces all of the first.
    let records = Tar::default()
        .pax(&[("path", b"first"), ("uid", b"9")])
        .pax(&[("path", b"second")])
        .file("short", b"")
        .end();
    assert_eq!(
        (one(&records).metadata.uid, paths(&records)),
        (0, vec!["second".into()])
    );
    assert_eq!(
        anomaly_codes(&records),
        ["duplicate-extension", "conflicting-names"]
    );

    let long = |tar: Tar| tar.entry(b'L', "L", b"long\0");
    let pax = |tar: Tar| tar.pax(&[("path", b"pax")]);
    let pax_last = pax(long(Tar::default())).file("short", b"").end();
    let long_last = long(pax(Tar::default())).file("short", b"").end();
    assert_eq!(
        (paths(&pax_last), paths(&long_last)),
        (vec!["pax".into()], vec!["long".into()])
    );
    assert_eq!(
        (anomaly_codes(&pax_last), anomaly_codes(&long_last)),
        (vec!["conflicting-names"], vec!["conflicting-names"])
    );
    let agree = long(Tar::default())
        .pax(&[("path", b"long")])
        .file("short", b"");
    assert_eq!(anomaly_codes(&agree.end()), NONE);
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
