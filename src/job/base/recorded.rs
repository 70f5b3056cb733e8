//! The packages of a ready tree, as the database of dpkg in it has them.
//!
//! In comes a tree that somebody else made; out of `var/lib/dpkg/status` and `info/*.list`, or of `status.d` as distroless
//! images have it, come its packages and whose each file is. Nothing is compared with what was installed: the tree is
//! taken as it is, and what the database says of paths that are not there counts for nothing.

use std::collections::BTreeSet;

use super::Base;
use crate::debian::{Paragraph, Paragraphs, Unpacked, database};
use crate::error::{At, Result};
use crate::rootfs::{Kind, Origin};

/// The most bytes of a file of the database.
const FILE: u64 = 64 << 20;

const STATUS: &str = "var/lib/dpkg/status";
const FOLDER: &str = "var/lib/dpkg/status.d";

/// Adds the packages to [`Base::packages`], each with an origin of its own, which its files have from now on; a path that
/// several list is of the first. Returns whether there is a database.
///
/// # Errors
/// `Deb822`, `Limit`, `BadLink`, `Io` for a database that cannot be read. The place is its file.
pub fn packages(base: &mut Base) -> Result<bool> {
    let mut is_there = false;
    // Whoever wrote the database could name the same long list in every paragraph.
    let mut listed = BTreeSet::new();
    if let Some(status) = read(base, STATUS)? {
        is_there = true;
        for paragraph in database::unpacked(&paragraphs(&status, STATUS)?) {
            // Before dpkg 1.16 the files of all packages were called by the name alone.
            let by_name = paragraph.get("Package").unwrap_or_default().to_owned();
            let mut list = Vec::new();
            for name in [database::file_name(paragraph), by_name] {
                let path = format!("var/lib/dpkg/info/{name}.list");
                if list.is_empty() && listed.insert(name) {
                    list = read(base, &path)?.unwrap_or_default();
                }
            }
            add(base, paragraph, list.split(|byte| *byte == b'\n'));
        }
    }
    for name in names(base) {
        let path = format!("{FOLDER}/{name}");
        let Some(text) = read(base, &path)? else {
            continue;
        };
        is_there = true;
        // Files are listed there with their sums alone.
        let sums = read(base, &format!("{path}.md5sums"))?.unwrap_or_default();
        let mut sums = Some(&sums[..]);
        for paragraph in database::unpacked(&paragraphs(&text, &path)?) {
            let sums = database::sums(sums.take().unwrap_or_default());
            add(base, paragraph, sums.map(|(path, _)| path));
        }
    }
    Ok(is_there)
}

fn add<'p>(base: &mut Base, paragraph: Paragraph<'_>, paths: impl Iterator<Item = &'p [u8]>) {
    let name = paragraph.get("Package").unwrap_or_default();
    if name.is_empty() {
        return;
    }
    let origin = base.origin(name);
    for path in paths.filter(|path| !path.is_empty()) {
        // Packages may list `/bin/x` for what is in `/usr/bin`.
        if let Ok(there) = base.rootfs.resolve(path)
            && let Some(node) = base.rootfs.get_mut(&there)
            && node.origin == Origin::default()
        {
            node.origin = origin;
        }
    }
    base.packages.push(Unpacked {
        control: database::control(paragraph),
        origin,
        ..Unpacked::default()
    });
}

/// The names of packages in `status.d`.
fn names(base: &Base) -> Vec<String> {
    let Ok(folder) = base.rootfs.follow(FOLDER.as_bytes()) else {
        return Vec::new();
    };
    let start = folder.len() + 1;
    let files = base.rootfs.children(&folder).filter_map(|named| {
        let is_file = matches!(named.node.kind, Kind::File(_));
        let name = String::from_utf8(named.path.get(start..)?.to_vec()).ok()?;
        (is_file && !name.ends_with(".md5sums")).then_some(name)
    });
    files.collect()
}

fn read(base: &Base, path: &str) -> Result<Option<Vec<u8>>> {
    base.rootfs.read(path.as_bytes(), FILE)
}

fn paragraphs(text: &[u8], path: &str) -> Result<Paragraphs> {
    Paragraphs::new(&String::from_utf8_lossy(text)).at(|| path.to_owned())
}
