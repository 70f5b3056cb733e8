//! Tables of contents of zstd:chunked layers against their tars.

use std::io::Write;

use super::*;
use crate::layer::testing::{Head, Tar};
use crate::spec::{Digest, MediaType};
use crate::write::chunked::toc::Annotations;
use crate::write::chunked::write;

fn tar() -> Vec<u8> {
    let mut long = vec![7; 3000];
    long.extend(vec![0; 2000]);
    long.extend(vec![8; 3000]);
    Tar::default()
        .head(Head::new("etc/", b'5', 0).put(100, b"0040755\0"))
        .file("etc/passwd", b"root")
        .file("long", &long)
        .link(b'2', "link", "etc/passwd")
        .pax(&[("mtime", b"1.5"), ("SCHILY.xattr.user.a", b"b")])
        .file("fine", b"x")
        .file("empty", b"")
        .end()
}

fn findings(blob: &[u8], annotations: &[(String, String)]) -> Vec<String> {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(blob).expect("written");
    let content = Content::Range(FileRange::whole(file).expect("a range"));
    let descriptor = Descriptor {
        media_type: MediaType::new("application/vnd.oci.image.layer.v1.tar+zstd"),
        digest: Digest::from_hex("sha256", &"0".repeat(64)).expect("a digest"),
        size: blob.len() as u64,
        urls: Vec::new(),
        annotations: annotations.to_vec(),
        data: None,
        artifact_type: None,
        platform: None,
    };
    let mut found = Found::default();
    let place = ["layer".to_owned()];
    check(
        &content,
        &[&descriptor],
        &Limits::default(),
        &mut found,
        &place,
    );
    assert!(found.trouble.is_empty(), "{:?}", found.trouble);
    let shown = |finding: &crate::verify::Finding| format!("{}: {finding}", finding.code);
    found.findings.iter().map(shown).collect()
}

fn packed(tar: &[u8]) -> (Vec<u8>, Vec<(String, String)>) {
    let mut blob = Vec::new();
    let annotations: Annotations = write(tar, &mut blob, None, 1000).expect("memory");
    assert_eq!(annotations.len(), 3);
    let owned = |(key, text): (&str, String)| (key.to_owned(), text);
    (blob, annotations.into_iter().map(owned).collect())
}

/// The layer with other documents behind its frames, all digests and places right.
fn edited(edit: impl Fn(&mut String, &mut String)) -> Vec<String> {
    let (blob, annotations) = packed(&tar());
    let numbers = |i: usize| -> Vec<usize> {
        let parts = annotations[i].1.split(':');
        parts.map(|part| part.parse().expect("a number")).collect()
    };
    let text = |place: &[usize]| {
        let part = &blob[place[0]..place[0] + place[1]];
        let text = zstd::stream::decode_all(part).expect("zstd");
        String::from_utf8(text).expect("text")
    };
    let (mut toc, mut split) = (text(&numbers(1)), text(&numbers(2)));
    let old_split = crate::blob::sha256(&blob[numbers(2)[0]..][..numbers(2)[1]]).to_string();
    edit(&mut toc, &mut split);
    let pack = |text: &str| zstd::stream::encode_all(text.as_bytes(), 1).expect("memory");
    let packed_split = pack(&split);
    let toc = toc.replace(&old_split, crate::blob::sha256(&packed_split).as_str());
    let packed_toc = pack(&toc);
    let toc_at = numbers(1)[0];
    let split_at = toc_at + packed_toc.len() + 8;
    let annotation =
        |key: &str, text: String| (format!("io.github.containers.zstd-chunked.{key}"), text);
    // Without the footer: annotations come first.
    let frames = [
        annotation(
            "manifest-checksum",
            crate::blob::sha256(&packed_toc).to_string(),
        ),
        annotation(
            "manifest-position",
            format!("{}:{}:{}:1", toc_at, packed_toc.len(), toc.len()),
        ),
        annotation(
            "tarsplit-position",
            format!("{}:{}:{}", split_at, packed_split.len(), split.len()),
        ),
    ];
    let mut framed = blob[..numbers(1)[0] - 8].to_vec();
    for document in [&packed_toc, &packed_split] {
        framed.extend([0x50, 0x2a, 0x4d, 0x18]);
        framed.extend((document.len() as u32).to_le_bytes());
        framed.extend(document);
    }
    findings(&framed, &frames)
}

#[test]
fn a_layer_that_agrees_has_no_findings() {
    let (blob, annotations) = packed(&tar());
    assert_eq!(findings(&blob, &annotations), [""; 0]);
    assert_eq!(findings(&blob, &[]), [""; 0], "by the footer");
    assert_eq!(edited(|_, _| ()), [""; 0]);
    // As other writers have it: cleaner names, no file types in modes, whole seconds, Go's zero time.
    let other = edited(|toc, _| {
        *toc = toc
            .replace("\"etc/\"", "\"./etc\"")
            .replace("\"mode\":16877", "\"mode\":493")
            .replace("1970-01-01T00:00:01.5Z", "1970-01-01T00:00:01Z")
            .replace(
                "\"size\":4,",
                "\"size\":4,\"accesstime\":\"0001-01-01T00:00:00Z\",",
            );
    });
    assert_eq!(other, [""; 0]);
    let plain = zstd::stream::encode_all(&tar()[..], 1).expect("memory");
    assert_eq!(findings(&plain, &[]), [""; 0], "no table at all");
}

#[test]
fn every_lie_is_found() {
    let root = crate::blob::sha256(b"root").to_string();
    let evil = crate::blob::sha256(b"evil").to_string();
    let chunk = crate::blob::sha256(&[7; 3000]).to_string();
    let cases: Vec<(&str, String, String)> = vec![
        ("etc/passwd", root, evil.clone()),
        ("the chunk at 0", chunk, evil),
        ("size", "\"size\":4,".into(), "\"size\":5,".into()),
        ("mode", "\"mode\":16877".into(), "\"mode\":17389".into()),
        (
            "owner",
            "\"size\":4,".into(),
            "\"size\":4,\"uid\":1,".into(),
        ),
        ("type", "\"symlink\"".into(), "\"hardlink\"".into()),
        (
            "link target",
            "\"linkName\":\"etc/passwd\"".into(),
            "\"linkName\":\"etc/shadow\"".into(),
        ),
        (
            "name",
            "\"name\":\"empty\"".into(),
            "\"name\":\"full\"".into(),
        ),
        ("time", "00:00:01.5Z".into(), "00:00:02.5Z".into()),
        ("attributes", "\"user.a\"".into(), "\"user.b\"".into()),
        (
            "device",
            "\"size\":4,".into(),
            "\"size\":4,\"devMajor\":1,".into(),
        ),
        (
            "only",
            "],\"tarSplit".into(),
            ",{\"type\":\"reg\",\"name\":\"more\"}],\"tarSplit".into(),
        ),
        (
            "only",
            ",{\"type\":\"chunk\"".into(),
            ",{\"type\":\"reg\"".into(),
        ),
    ];
    for (what, from, to) in cases {
        let found = edited(|toc, _| {
            assert!(toc.contains(&from), "{from}");
            *toc = toc.replacen(&from, &to, 1);
        });
        assert_eq!(found.len(), 1, "{what}: {found:?}");
        let expected = found[0].starts_with("toc-mismatch: layer: ");
        assert!(
            expected && (found[0].contains(what) || what == "only"),
            "{what}: {found:?}"
        );
    }
    let missing = edited(|toc, _| {
        let last = toc.rfind(",{").expect("a row");
        let end = toc.rfind(']').expect("an end");
        toc.replace_range(last..end, "");
    });
    assert!(
        missing[0].contains("'empty' is not in the table"),
        "{missing:?}"
    );
}

#[test]
fn a_tar_split_that_lies_is_found() {
    let line = |split: &str, n: usize| split.lines().nth(n).expect("a line").to_owned();
    type Edit = fn(&str) -> String;
    let cases: [(&str, usize, Edit); 4] = [
        ("other bytes", 0, |line| line.replacen("AAAA", "AAAB", 1)),
        ("checksum", 3, |line| {
            line.replacen("\"payload\":\"", "\"payload\":\"A", 1)
                .replacen("=\"", "\"", 1)
        }),
        ("ends", 0, |_| String::new()),
        ("does not", 0, |line| line.to_owned()),
    ];
    for (what, n, edit) in cases {
        let found = edited(|_, split| {
            let old = line(split, n);
            *split = match what {
                "ends" => split
                    .lines()
                    .take(3)
                    .map(|line| format!("{line}\n"))
                    .collect(),
                "does not" => format!("{split}{old}\n"),
                _ => split.replacen(&old, &edit(&old), 1),
            };
        });
        assert_eq!(found.len(), 1, "{what}");
        assert!(
            found[0].starts_with("toc-mismatch: ") && found[0].contains(what),
            "{what}: {found:?}"
        );
    }
}

#[test]
fn documents_that_cannot_be_read_are_damage() {
    let garbage = [
        edited(|toc, _| toc.truncate(100)),
        edited(|toc, _| *toc = toc.replacen('{', "[", 1)),
        edited(|toc, _| *toc = toc.replacen("\"size\":4", "\"size\":-4", 1)),
        edited(|_, split| split.insert(0, 'x')),
        edited(|_, split| *split = split.replacen("\"type\":2", "\"type\":3", 1)),
    ];
    for found in garbage {
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("toc-damaged: "), "{found:?}");
    }
    let (blob, annotations) = packed(&tar());
    for (n, to) in [
        (0, "sha256:00"),
        (1, "5:5:5:1"),
        (1, "x"),
        (1, "18446744073709551615:9:9:1"),
        (2, "1:2"),
        (2, "9:9:9"),
    ] {
        let mut annotations = annotations.clone();
        annotations[n].1 = to.to_owned();
        let found = findings(&blob, &annotations);
        assert_eq!(found.len(), 1, "{to}: {found:?}");
        assert!(found[0].starts_with("toc-damaged: "), "{found:?}");
    }
}
