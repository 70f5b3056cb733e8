//! Hand-built packages for tests.

use std::io::Write;

use crate::blob::FileRange;
use crate::layer::testing::{Head, Tar};

/// Builds a tar from a line of entries: `d NAME`, `f NAME TEXT`, `l NAME TARGET`, `h NAME TARGET`, `p NAME`, separated by
/// ` | `; a name may be followed by `=MODE`.
pub(crate) fn tar(entries: &str) -> Vec<u8> {
    let mut tar = Tar::default();
    for entry in entries.split(" | ").filter(|entry| !entry.is_empty()) {
        let mut words = entry.splitn(3, ' ');
        let (kind, name) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let rest = words.next().unwrap_or("");
        let (name, mode) = name.split_once('=').unwrap_or((name, ""));
        let (letter, data, target) = match kind {
            "d" => (b'5', "", ""),
            "f" => (b'0', rest, ""),
            "l" => (b'2', "", rest),
            "h" => (b'1', "", rest),
            "p" => (b'6', "", ""),
            other => panic!("unknown kind {other:?}"),
        };
        let default = if kind == "d" { "755" } else { "644" };
        let mode = if mode.is_empty() { default } else { mode };
        let head = Head::new(&format!("./{name}"), letter, data.len())
            .put(100, format!("{mode:0>7}\0").as_bytes())
            .put(157, target.as_bytes());
        tar = tar.head(head).data(data.as_bytes());
    }
    tar.end()
}

/// Builds an ar archive.
pub(crate) fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, data) in members {
        let size = data.len();
        writeln!(
            bytes,
            "{name:<16}0           0     0     100644  {size:<10}`"
        )
        .expect("memory");
        bytes.extend(*data);
        if size % 2 == 1 {
            bytes.push(b'\n');
        }
    }
    bytes
}

/// Builds a package from control data, and lines for [`tar`] of the other control files and of the data.
pub(crate) fn deb(control: &str, members: &str, data: &str) -> Vec<u8> {
    let control = control_tar(control, members);
    ar(&[
        ("debian-binary", b"2.0\n"),
        ("control.tar", &control),
        ("data.tar", &tar(data)),
    ])
}

/// Builds a control archive.
pub(crate) fn control_tar(control: &str, members: &str) -> Vec<u8> {
    let entries = Tar::default().entry(b'5', "./", b"");
    let entries = entries.file("./control", control.as_bytes());
    [&entries.0[..], &tar(members)].concat()
}

/// Writes bytes to an anonymous temporary file.
pub(crate) fn range(bytes: &[u8]) -> FileRange {
    let mut file = tempfile::tempfile().expect("a file");
    file.write_all(bytes).expect("a write");
    FileRange::whole(file).expect("its length")
}
