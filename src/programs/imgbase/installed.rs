//! The packages of a ready tree, read from its dpkg database.
//!
//! The input is a tree that was made elsewhere. `var/lib/dpkg/status` and `info/*.list`, or `status.d` as in distroless
//! images, state its packages and the owner of each file. Files are not compared with the packages, and listed paths that
//! are missing are ignored.

use std::collections::HashSet;

use super::Base;
use super::dpkg_files::{self, INFO, ReadFile, paragraphs};
use crate::base::debian::{Paragraph, Unpacked, database};
use crate::base::rootfs::{Inode, Kind, Origin};
use crate::error::Result;

const DIRECTORY: &str = "var/lib/dpkg/status.d";

/// Adds the packages to [`Base::packages`], each with an origin of its own, and sets the origin of its files; a path that
/// several packages list belongs to the first. Returns whether there is a database.
///
/// # Errors
/// `Deb822`, `Limit`, `BadLink`, `Io` for a database that cannot be read. The context is its file.
pub fn packages(base: &mut Base) -> Result<bool> {
    let mut found = false;
    let mut lists = Lists::default();
    if let Some(status) = dpkg_files::status(&base.rootfs)? {
        found = true;
        for paragraph in database::unpacked(&status) {
            let name = database::file_name(paragraph);
            let mut list = lists.read(base, &format!("{INFO}/{name}.list"))?;
            if list.is_empty() {
                // Before dpkg 1.16 the file name had no architecture.
                let name = paragraph.get("Package").unwrap_or_default();
                list = lists.read(base, &format!("{INFO}/{name}.list"))?;
            }
            add(base, paragraph, list.split(|byte| *byte == b'\n'));
        }
    }
    for name in names(base) {
        let path = format!("{DIRECTORY}/{name}");
        let text = lists.read(base, &path)?;
        found = true;
        // Files are listed only with their sums.
        let sums = lists.read(base, &format!("{path}.md5sums"))?;
        let mut sums = Some(&sums[..]);
        for paragraph in database::unpacked(&paragraphs(&text, &path)?) {
            let sums = database::sums(sums.take().unwrap_or_default());
            add(base, paragraph, sums.map(|(path, _)| path));
        }
    }
    Ok(found)
}

/// Files of the database that were read. Each inode is read once: a hostile tree could give one long list to all of its
/// packages by hard links.
#[derive(Default)]
struct Lists(HashSet<Inode>);

impl Lists {
    /// Reads a file; empty if it is missing or was read before.
    fn read(&mut self, base: &Base, path: &str) -> Result<Vec<u8>> {
        let resolved = base.rootfs.follow(path.as_bytes());
        let named = resolved
            .as_ref()
            .ok()
            .and_then(|path| base.rootfs.named(path));
        match named.is_some_and(|named| self.0.insert(named.inode)) {
            true => Ok(base.rootfs.read_file(path)?.unwrap_or_default()),
            false => Ok(Vec::new()),
        }
    }
}

fn add<'p>(base: &mut Base, paragraph: Paragraph<'_>, paths: impl Iterator<Item = &'p [u8]>) {
    let name = paragraph.get("Package").unwrap_or_default();
    if name.is_empty() {
        return;
    }
    let origin = base.origin(name);
    for path in paths.filter(|path| !path.is_empty()) {
        // Packages may list `/bin/x` for a file in `/usr/bin`.
        if let Ok(resolved) = base.rootfs.resolve(path)
            && let Some(node) = base.rootfs.get_mut(&resolved)
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

/// Returns the names of the packages in `status.d`.
fn names(base: &Base) -> Vec<String> {
    let Ok(directory) = base.rootfs.follow(DIRECTORY.as_bytes()) else {
        return Vec::new();
    };
    let start = directory.len() + 1;
    let files = base.rootfs.children(&directory).filter_map(|named| {
        let is_file = matches!(named.node.kind, Kind::File(_));
        let name = String::from_utf8(named.path.get(start..)?.to_vec()).ok()?;
        (is_file && !name.ends_with(".md5sums")).then_some(name)
    });
    files.collect()
}

#[cfg(test)]
mod tests {
    use super::super::dpkg_files::STATUS;
    use super::*;
    use crate::base::rootfs::Node;

    #[test]
    fn a_list_counts_once_whatever_its_names() {
        let mut base = Base::new(1);
        let status = "Package: a\nVersion: 1\n\nPackage: b\nVersion: 1\n\nPackage: c\nVersion: 1\n";
        for (path, text) in [
            (STATUS, status),
            ("var/lib/dpkg/info/a.list", "/x\n"),
            ("x", ""),
        ] {
            let file = Node::file(0o644, text);
            base.rootfs.put(path.as_bytes(), file).expect("a file");
        }
        let link = b"var/lib/dpkg/info/b.list";
        base.rootfs
            .link(link, b"var/lib/dpkg/info/a.list")
            .expect("a link");
        let link = b"var/lib/dpkg/info/c.list";
        base.rootfs
            .put(link, Node::symlink("a.list"))
            .expect("a link");
        assert!(packages(&mut base).expect("a database"));
        let names: Vec<&str> = base.packages.iter().map(Unpacked::name).collect();
        assert_eq!(names, ["a", "b", "c"]);
        let origin = base.rootfs.get(b"x").map(|node| node.origin);
        assert_eq!(origin, Some(base.packages[0].origin));
        let mut lists = Lists::default();
        let mut read = |path| lists.read(&base, path).expect("a list");
        assert_eq!(read("var/lib/dpkg/info/b.list"), b"/x\n");
        assert!(read("var/lib/dpkg/info/a.list").is_empty());
    }
}
