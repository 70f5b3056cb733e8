//! Contents of files that imgfind looks into.

use super::room::Input;
use super::{Case, Kind};
use crate::common::build;
use crate::common::pack::Pack;

/// An ELF file of 64 bits with these segments (type, offset, length), and zeros or other bytes behind them.
fn elf(segments: &[(u32, u64, u64)], rest: &[u8]) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec();
    let count = u16::try_from(segments.len()).expect("few segments");
    for number in [0_u64, 64, 0] {
        file.extend(number.to_le_bytes());
    }
    file.extend([0, 0, 0, 0, 64, 0, 56, 0]);
    file.extend(count.to_le_bytes());
    file.extend([0; 6]);
    for &(kind, offset, length) in segments {
        file.extend(kind.to_le_bytes());
        file.extend(4_u32.to_le_bytes());
        for number in [offset, offset, offset, length, length, 1] {
            file.extend(number.to_le_bytes());
        }
    }
    file.extend_from_slice(rest);
    file
}

/// A dynamic section that needs libraries with names at these offsets.
fn needing(names: u64, strings: &[u8]) -> Vec<u8> {
    let at = 64 + 2 * 56;
    let entries = names + 3;
    let mut rest = Vec::new();
    let tags = [(5, at + entries * 16), (10, strings.len() as u64)];
    let needed = (0..names).map(|name| (1, name));
    for (tag, value) in tags.into_iter().chain(needed).chain([(0, 0)]) {
        rest.extend(u64::to_le_bytes(tag));
        rest.extend(u64::to_le_bytes(value));
    }
    rest.extend_from_slice(strings);
    let whole = at + rest.len() as u64;
    elf(&[(1, 0, whole), (2, at, entries * 16)], &rest)
}

pub(super) fn cases() -> Vec<Case> {
    let all = [headers(), databases(), sets(), nested()];
    all.into_iter().flatten().collect()
}

fn headers() -> Vec<Case> {
    let zeros = vec![0; 8 << 20];
    let segments = |kind: u32, length: u64| -> Vec<(u32, u64, u64)> {
        (0..60_000)
            .map(|at| (kind, 4_000_000 + at, length))
            .collect()
    };
    let files = [
        ("sound", needing(2, b"a\0b\0"), "*=0"),
        (
            "notes in 60,000 segments",
            elf(&segments(4, 4 << 20), &zeros),
            "*=0",
        ),
        (
            "interpreters in 60,000 segments",
            elf(&segments(3, 4096), &zeros),
            "*=0",
        ),
        (
            "dynamic sections in 60,000 segments",
            elf(&segments(2, 4 << 20), &zeros),
            "*=0",
        ),
        ("long names", needing(4000, &vec![b'a'; 24 << 20]), "*=0"),
        (
            "segments outside",
            elf(&[(2, u64::MAX - 8, 16), (3, 1 << 60, 9)], b""),
            "*=0",
        ),
        ("cut", needing(2, b"a\0b\0")[..70].to_vec(), "*=0"),
    ];
    let lines = [
        (Kind::Apply, "imgfind {} -type f -not -needed zzz"),
        (
            Kind::Apply,
            "imgfind -c -a -v -e zzz {} -elf -not -soname zzz",
        ),
    ];
    let files = files.into_iter().map(|(what, file, codes)| {
        let layer = super::tar::whole(&[super::tar::file(b"lib.so", &file)]);
        let image = build::image("demo:1").layer_bytes(layer);
        let tar = build::docker25(&[&image]).tar();
        Case::of("X1", what, Input::File(tar), &lines, codes, &[])
    });
    files.collect()
}

/// Databases of package managers.
fn databases() -> Vec<Case> {
    let many = b"/a/b/c\n".repeat(2_200_000);
    let diverted = b"/a\n/b\n:\n".repeat(2000);
    let looped = "l a b | l b a | l usr/x /usr/x/y";
    let mut sqlite = b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20".to_vec();
    sqlite.resize(8192, 0xff);
    let cases: [(&str, &str, &[u8], &str); 9] = [
        (
            "links in a circle",
            "var/lib/dpkg/info/a.list",
            b"/a/x\n/usr/x/y/z\n/../../x\n",
            "*=0",
        ),
        (
            "two million paths",
            "var/lib/dpkg/info/a.list",
            &many,
            "*=2",
        ),
        ("diversions", "var/lib/dpkg/diversions", &diverted, "*=2"),
        (
            "no paragraphs",
            "var/lib/dpkg/status",
            b"\x7fELF\x02\n no field\n",
            "*=2",
        ),
        (
            "sums of nothing",
            "var/lib/dpkg/info/a.md5sums",
            &[b'0'; 100_000],
            "*=0",
        ),
        (
            "files before packages",
            "lib/apk/db/installed",
            b"R:x\nZ:Q1\nF:\n\xff\nR:\nZ:Q1=\n",
            "*=0",
        ),
        (
            "pages of nothing",
            "var/lib/rpm/rpmdb.sqlite",
            &sqlite,
            "*=2",
        ),
        (
            "no database",
            "usr/lib/sysimage/rpm/rpmdb.sqlite",
            b"",
            "*=2",
        ),
        ("sound", "var/lib/dpkg/info/a.list", b"/.\n/good\n", "*=0"),
    ];
    let lines = [(
        Kind::Apply,
        "imgfind --format json {} -altered -o -unowned -o -package x",
    )];
    let cases = cases.into_iter().map(|(what, path, bytes, codes)| {
        let layer = super::tar::whole(&[super::tar::file(path.as_bytes(), bytes)]);
        let image = build::image("demo:1").layer_bytes(layer).layer(looped);
        let tar = build::docker25(&[&image]).tar();
        Case::of("X2", what, Input::File(tar), &lines, codes, &[])
    });
    cases.collect()
}

/// Sets of digests.
fn sets() -> Vec<Case> {
    let digest = b"d41d8cd98f00b204e9800998ecf8427e\n";
    let bomb = zstd::encode_all(&vec![b'\n'; 200 << 20][..], 1).expect("zstd");
    let packed = zstd::encode_all(&digest.repeat(100_000)[..], 1).expect("zstd");
    let cases: [(&str, Vec<u8>, &str); 8] = [
        ("sound", digest.to_vec(), "*=1"),
        ("empty", Vec::new(), "*=2"),
        ("a long line", vec![b'a'; 1 << 20], "*=2"),
        ("another line", [&digest[..], b"\x1b[2J\n"].concat(), "*=2"),
        (
            "a heading only",
            b"%%%% HASHDEEP-1.0\n%%%% size,md5,filename\n".to_vec(),
            "*=2",
        ),
        ("a bomb", bomb, "*=2"),
        ("a cut stream", packed[..packed.len() / 2].to_vec(), "*=2"),
        ("quotes", b"\"md5\",\"x\n\"\",\"\"\"\"\"\n".to_vec(), "*=2"),
    ];
    let lines = [(Kind::Carried, "imgfind good.tar -hashset {}")];
    let cases = cases
        .into_iter()
        .map(|(what, set, codes)| Case::of("X3", what, Input::File(set), &lines, codes, &[]));
    cases.collect()
}

/// Compressed files and archives inside files.
fn nested() -> Vec<Case> {
    let gzip = |bytes: &[u8]| Pack::Gzip.pack(bytes);
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).expect("zstd");
    let deep = (0..40).fold(b"a\n".to_vec(), |inner, _| gzip(&inner));
    let members: Vec<Vec<u8>> = (0..20_000)
        .map(|n| super::tar::file(format!("{n}").as_bytes(), b"a\n"))
        .collect();
    let members: Vec<_> = members.concat();
    let tars = (0..40).fold(super::tar::file(b"a", b"a\n"), |inner, n| {
        super::tar::file(format!("{n}.tar").as_bytes(), &super::tar::whole(&[inner]))
    });
    let cases: [(&str, &str, Vec<u8>, &str); 8] = [
        ("sound", "x.gz", gzip(b"a\n"), "*=0"),
        (
            "a line above the limit",
            "x.zst",
            zstd(&vec![b'a'; 80 << 20]),
            "*=1",
        ),
        ("zeros", "x.zst", zstd(&zstd(&vec![0; 200 << 20])), "*=1"),
        ("short lines", "x.gz", gzip(&b"b\n".repeat(8 << 20)), "*=1"),
        ("levels", "x.gz", deep, "*=1"),
        ("tars in tars", "x.tar", super::tar::whole(&[tars]), "*=1"),
        ("many members", "x.tar.gz", gzip(&members), "*=0"),
        (
            "one stream a byte",
            "x.gz",
            gzip(b"b").repeat(50_000),
            "*=1",
        ),
    ];
    let lines = [(Kind::Apply, "imgfind -c -a --nested 3 -e ^a$ {}")];
    let cases = cases.into_iter().map(|(what, path, bytes, codes)| {
        let layer = super::tar::whole(&[super::tar::file(path.as_bytes(), &bytes)]);
        let image = build::image("demo:1").layer_bytes(layer);
        let tar = build::docker25(&[&image]).tar();
        Case::of("X4", what, Input::File(tar), &lines, codes, &[])
    });
    cases.collect()
}
