//! Installations that files of an image record: logs of dpkg and apt, and RPM's database.

use std::io::Read;

use crate::error::Result;
use crate::layer::Mtime;
use crate::packages::{DatabaseKind, MAX_FILE_SIZE, Packages};
use crate::timeline::{Installed, installed_by_log};
use crate::tree::{EntryVersion, Tree};

/// Size in bytes up to which a log is read.
const MAX_LOG: u64 = 64 << 20;

/// A log: its path, and a test of what its file begins with.
type Log = (&'static [u8], fn(&[u8]) -> bool);

/// Logs that record installations.
const LOGS: [Log; 2] = [
    (b"var/log/dpkg.log", begins_with_date),
    (b"var/log/apt/history.log", begins_with_start),
];

fn begins_with_date(head: &[u8]) -> bool {
    let pattern = b"0000-00-00 00:00:00 ";
    let mut pairs = head.iter().zip(pattern);
    let fits = |(byte, wanted): (&u8, &u8)| match wanted {
        b'0' => byte.is_ascii_digit(),
        wanted => byte == wanted,
    };
    head.len() >= pattern.len() && pairs.all(fits)
}

fn begins_with_start(head: &[u8]) -> bool {
    head.trim_ascii_start().starts_with(b"Start-Date: ")
}

/// Reads a file of `size` bytes if it begins as one that records installations, whatever its path.
pub(super) fn read(file: &mut impl Read, size: u64) -> Result<Vec<Installed>> {
    let mut bytes = Vec::new();
    let mut read = |most: u64, bytes: &mut Vec<u8>| {
        // The error is kept, and stays that of the layer.
        file.take(most).read_to_end(bytes).is_ok()
    };
    if size > MAX_FILE_SIZE || !read(32, &mut bytes) {
        return Ok(Vec::new());
    }
    let log = LOGS.iter().find(|(_, is_log)| is_log(&bytes));
    let is_database = bytes.starts_with(b"SQLite format 3\0");
    let is_wanted = is_database || log.is_some() && size <= MAX_LOG;
    if !is_wanted || !read(MAX_FILE_SIZE, &mut bytes) {
        return Ok(Vec::new());
    }
    match log {
        Some((path, _)) => Ok(installed_by_log(path, &bytes)),
        None => by_rpm(&bytes),
    }
}

/// Installations in a database of RPM; nothing for any other.
fn by_rpm(bytes: &[u8]) -> Result<Vec<Installed>> {
    let mut packages = Packages::default();
    packages.add(DatabaseKind::RpmSqlite, b"rpmdb.sqlite", bytes)?;
    let packages = packages.sorted().list.into_iter();
    let installed = packages.filter_map(|package| {
        let seconds = i64::try_from(package.installed?).ok()?;
        let (name, version) = (package.name, package.version);
        Some(Installed {
            time: Mtime::from_seconds(seconds),
            text: format!("rpm: install {name}-{version}.{}", package.architecture),
        })
    });
    Ok(installed.collect())
}

/// Tests if a path is that of a file that records installations.
fn is_record(path: &[u8]) -> bool {
    DatabaseKind::of(path) == Some(DatabaseKind::RpmSqlite)
        || LOGS.iter().any(|(log, _)| *log == path)
}

/// Versions of such files, by layer.
pub(super) fn records(tree: &Tree) -> Vec<EntryVersion<'_>> {
    // Names first: a path is put together.
    let has_name = |version: &EntryVersion<'_>| {
        [&b"dpkg.log"[..], b"history.log", b"rpmdb.sqlite"].contains(&version.name())
    };
    let versions = tree.versions().filter(has_name);
    let mut found: Vec<_> = versions
        .filter(|version| is_record(&version.path()))
        .collect();
    found.sort_by_key(|version| (version.layer(), version.entry()));
    found
}
