//! Untrusted input of imgbase: packages as files, and archives of files.

mod control;
mod cpio;
mod entries;
mod package;

use std::io::Write;

use super::room::Input;
use super::tar::{file, whole};
use super::{Case, Kind};

const DEB: [(Kind, &str); 2] = [
    (
        Kind::Root,
        "imgbase deb --debs in --arch amd64 --variant none --include a -o out",
    ),
    (Kind::Look, "imgbase explain --debs in --arch amd64 a"),
];

const CONTROL: &str = "Package: a\nVersion: 1\nArchitecture: all\nDescription: x\n";

/// Exit statuses where both commands fail.
const BOTH: &str = "*=2";

/// Exit statuses where the data archive is refused, which explain does not read.
const DATA: &str = "root=2";

/// A path that leads out of the test's directory.
const OUTSIDE: &[u8] = b"/proc/self/cwd/../outside";

/// An ar archive of members.
fn ar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = b"!<arch>\n".to_vec();
    for (name, data) in members {
        let size = data.len();
        writeln!(
            bytes,
            "{name:<16}0           0     0     100644  {size:<10}`"
        )
        .expect("memory");
        bytes.extend(*data);
        bytes.resize(bytes.len().next_multiple_of(2), b'\n');
    }
    bytes
}

/// A package of two archives with their names.
fn packed(control: (&str, &[u8]), data: (&str, &[u8])) -> Vec<u8> {
    ar(&[("debian-binary", b"2.0\n"), control, data])
}

/// A control archive with this control file and further members.
fn control(text: &str, more: &[Vec<u8>]) -> Vec<u8> {
    whole(&[vec![file(b"./control", text.as_bytes())], more.to_vec()].concat())
}

/// A package with these entries.
fn of(entries: &[Vec<u8>]) -> Vec<u8> {
    packed(
        ("control.tar", &control(CONTROL, &[])),
        ("data.tar", &whole(entries)),
    )
}

/// A package with this control file, and further members of the control archive.
fn with(text: &str, more: &[Vec<u8>]) -> Vec<u8> {
    packed(
        ("control.tar", &control(text, more)),
        ("data.tar", &whole(&[file(b"./usr/a", b"x")])),
    )
}

fn xz(write: impl FnOnce(&mut dyn Write)) -> Vec<u8> {
    let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 1);
    write(&mut xz);
    xz.finish().expect("memory")
}

fn zstd(write: impl FnOnce(&mut dyn Write)) -> Vec<u8> {
    let mut zstd = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("zstd");
    write(&mut zstd);
    zstd.finish().expect("memory")
}

fn gzip(write: impl FnOnce(&mut dyn Write)) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(9));
    write(&mut gzip);
    gzip.finish().expect("memory")
}

/// A repository of a single package.
fn one(bytes: Vec<u8>) -> [(&'static str, Vec<u8>); 1] {
    [("a.deb", bytes)]
}

/// A valid package.
fn good() -> Vec<u8> {
    of(&[file(b"./usr/bin/a", b"x")])
}

/// Rows of packages.
struct Rows(Vec<Case>);

impl Rows {
    /// Adds a row: package files in a directory, expected exit statuses, and texts of which the error has one.
    fn add(
        &mut self,
        row: &'static str,
        what: &str,
        packages: &[(&str, Vec<u8>)],
        codes: &'static str,
        says: &[&str],
    ) {
        let files = packages.iter();
        let files = files.map(|(name, bytes)| (format!("in/{name}"), bytes.clone()));
        let input = Input::Files("in/", files.collect());
        self.0.push(Case::of(row, what, input, &DEB, codes, says));
    }
}

/// Returns the rows D1 to D6.
pub fn cases() -> Vec<Case> {
    let mut rows = Rows(Vec::new());
    package::archives(&mut rows);
    entries::refused(&mut rows);
    entries::accepted(&mut rows);
    package::conflicts(&mut rows);
    control::fields(&mut rows);
    control::members(&mut rows);
    package::sizes(&mut rows);
    control::essential_names(&mut rows);
    cpio::archives(&mut rows);
    rows.0
}
