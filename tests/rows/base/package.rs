//! Package files: the archive, its compression, conflicts of two packages.

use std::io::Write;

use super::super::packed::{bomb, zstd_window};
use super::super::tar::{file, link, whole};
use super::{BOTH, CONTROL, DATA, Rows, ar, control, good, gzip, one, packed, xz, zstd};

/// D1: package files that are no valid archives.
pub fn archives(rows: &mut Rows) {
    rows.add("D1", "good", &one(good()), "", &[]);
    let tar = control(CONTROL, &[]);
    let files = whole(&[file(b"./a", b"x")]);
    let version = ("debian-binary", &b"2.0\n"[..]);
    let (c, d) = (("control.tar", &tar[..]), ("data.tar", &files[..]));
    for (what, bytes) in [
        ("empty", Vec::new()),
        ("no ar archive", b"PK\x03\x04".to_vec()),
        ("nothing in it", b"!<arch>\n".to_vec()),
        ("no version", ar(&[c, d])),
        ("another version", ar(&[("debian-binary", b"3.0\n"), c, d])),
        ("no control archive", ar(&[version, d])),
        ("no data archive", ar(&[version, c])),
        ("data first", ar(&[version, d, c])),
        ("two control archives", ar(&[version, c, c, d])),
        ("two data archives", ar(&[version, c, d, d])),
        (
            "a second data archive in another packing",
            ar(&[version, c, d, ("data.tar.gz", b"x")]),
        ),
        (
            "a member that is not known",
            ar(&[version, ("x", b"y"), c, d]),
        ),
        (
            "a packing that is not known",
            ar(&[version, ("control.tar.br", &tar), d]),
        ),
        (
            "control that is not what its name says",
            ar(&[version, ("control.tar.xz", &tar), d]),
        ),
        ("a member longer than the file", {
            let mut bytes = good();
            bytes[8 + 48..8 + 58].copy_from_slice(b"9999999999");
            bytes
        }),
        ("a negative size", {
            let mut bytes = good();
            bytes[8 + 48..8 + 58].copy_from_slice(b"-4        ");
            bytes
        }),
        ("a header that is none", {
            let mut bytes = good();
            bytes[8 + 58] = b'x';
            bytes
        }),
    ] {
        rows.add(
            "D1",
            what,
            &one(bytes),
            BOTH,
            &["not a Debian package", "package", "damaged"],
        );
    }
    let whole_file = good();
    for at in [3, 30, 70, 100, 130, 400, 700, 2500, 3500] {
        let mut bytes = whole_file.clone();
        bytes.truncate(at.min(bytes.len() - 700));
        rows.add("D1", &format!("cut at {at}"), &one(bytes), BOTH, &[]);
    }
    for (what, name, bytes) in [
        (
            "data that is not what its name says",
            "data.tar.xz",
            files.clone(),
        ),
        ("a cut data archive", "data.tar.xz", {
            let mut bytes = xz(|out| out.write_all(&files).expect("memory"));
            bytes.truncate(bytes.len() - 20);
            bytes
        }),
        ("bytes behind the data archive", "data.tar.zst", {
            let mut bytes = zstd(|out| out.write_all(&files).expect("memory"));
            bytes.extend(b"more");
            bytes
        }),
        ("no tar", "data.tar", b"no tar at all".repeat(99)),
    ] {
        rows.add("D1", what, &one(packed(c, (name, &bytes))), DATA, &[]);
    }
}

/// D3: files of two packages.
pub fn conflicts(rows: &mut Rows) {
    let named = |name: &str, more: &str| {
        let text = CONTROL.replace("Package: a\n", &format!("Package: {name}\n{more}"));
        packed(
            ("control.tar", &control(&text, &[])),
            ("data.tar", &whole(&[file(b"./usr/x", name.as_bytes())])),
        )
    };
    let depends = "Depends: b\n";
    rows.add(
        "D3",
        "one file of two packages",
        &[("a.deb", named("a", depends)), ("b.deb", named("b", ""))],
        DATA,
        &["neither replaces the other"],
    );
    rows.add(
        "D3",
        "one file of two packages, replaced",
        &[
            ("a.deb", named("a", "Depends: b\nReplaces: b\n")),
            ("b.deb", named("b", "")),
        ],
        "",
        &[],
    );
    let crowd = |name: &str, more: &str, suffix: &str| {
        let text = CONTROL.replace("Package: a\n", &format!("Package: {name}\n{more}"));
        let entries: Vec<Vec<u8>> = (0..20_000)
            .map(|i| file(format!("./{i}{suffix}").as_bytes(), b""))
            .collect();
        let data = zstd(|out| out.write_all(&whole(&entries)).expect("memory"));
        packed(
            ("control.tar", &control(&text, &[])),
            ("data.tar.zst", &data),
        )
    };
    let others: String = (0..20_000).map(|i| format!("n{i}, ")).collect();
    rows.add(
        "D3",
        "20,000 files replaced by a package that replaces 20,000 packages",
        &[
            (
                "a.deb",
                crowd("a", &format!("Depends: b\nReplaces: {others}b\n"), ""),
            ),
            ("b.deb", crowd("b", "", "")),
        ],
        "",
        &[],
    );
    rows.add(
        "D3",
        "a link of one package that another is below",
        &[
            ("a.deb", {
                let text = CONTROL.replace("Version", "Depends: b\nVersion");
                packed(
                    ("control.tar", &control(&text, &[])),
                    ("data.tar", &whole(&[file(b"./lib/x", b"1")])),
                )
            }),
            ("b.deb", {
                let text = CONTROL.replace("Package: a", "Package: b");
                packed(
                    ("control.tar", &control(&text, &[])),
                    ("data.tar", &whole(&[link(b"./lib", b"nowhere")])),
                )
            }),
        ],
        DATA,
        &[],
    );
}

/// D5: archives that are larger than the limits.
pub fn sizes(rows: &mut Rows) {
    let tar = control(CONTROL, &[]);
    let files = whole(&[file(b"./a", b"x")]);
    let version = ("debian-binary", &b"2.0\n"[..]);
    let (c, d) = (("control.tar", &tar[..]), ("data.tar", &files[..]));
    let huge = |out: &mut dyn Write| {
        bomb(160 << 20, out);
    };
    for (what, suffix, bytes) in [
        ("xz", ".xz", xz(huge)),
        ("zstd", ".zst", zstd(huge)),
        ("gzip", ".gz", gzip(huge)),
        ("a window", ".zst", zstd_window(31)),
    ] {
        let name = format!("control.tar{suffix}");
        rows.add(
            "D5",
            &format!("{what}, control"),
            &one(packed((&name, &bytes), d)),
            BOTH,
            &["limit exceeded"],
        );
        let name = format!("data.tar{suffix}");
        rows.add(
            "D5",
            &format!("{what}, data"),
            &one(packed(c, (&name, &bytes))),
            DATA,
            &["limit exceeded"],
        );
    }
    let stored = vec![0; 17 << 20];
    rows.add(
        "D5",
        "a control archive of 17 MiB",
        &one(ar(&[version, ("control.tar", &stored), d])),
        BOTH,
        &["limit exceeded"],
    );
}
