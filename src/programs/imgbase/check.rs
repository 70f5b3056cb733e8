//! Consistency check of a tree before it becomes an image.
//!
//! The parent of every path is a directory, the files that packages list exist and have the contents that md5sums states,
//! the loader's cache names existing files, and the account files are valid. A failure means a damaged input or a bug.

use super::Base;
use super::filters::Filters;
use crate::base::debian::Unpacked;
use crate::base::rootfs::{Contents, Kind, Rootfs};
use crate::error::{At, Error, Fault, Result};
use crate::layer::parent;
use crate::parallel::in_parallel;

/// Largest file that is read into memory, in bytes.
const FILE: u64 = 64 << 20;

/// Accepted differences between a tree and its packages.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// Filters of the files that were left out.
    pub filters: Filters,
    /// Accepts missing and changed files of packages, as on a host.
    pub changed: bool,
    /// Expects configuration files with the suffix `.dpkg-new`.
    pub unconfigured: bool,
    /// Limits the check to the structure of the tree, for one that was made elsewhere.
    pub ready: bool,
}

/// Checks a tree.
///
/// # Errors
/// `Entry` with the first wrong path as context; `Io` where a file cannot be read.
pub fn check(base: &Base, rules: &Rules) -> Result<()> {
    parents(&base.rootfs)?;
    if rules.ready {
        return Ok(());
    }
    if !rules.changed {
        for package in &base.packages {
            listed(&base.rootfs, package, rules).at(|| package.name().to_owned())?;
        }
        sums(base)?;
    }
    cache(&base.rootfs)?;
    accounts(&base.rootfs)
}

fn error_at(path: &[u8], why: &'static str) -> Error {
    Error::new(Fault::Entry { why }).at(String::from_utf8_lossy(path))
}

fn parents(rootfs: &Rootfs) -> Result<()> {
    for named in rootfs.walk().skip(1) {
        match rootfs.get(parent(named.path)).map(|node| &node.kind) {
            Some(Kind::Directory) => {}
            _ => return Err(error_at(named.path, "parent is not a directory")),
        }
    }
    Ok(())
}

fn listed(rootfs: &Rootfs, package: &Unpacked, rules: &Rules) -> Result<()> {
    for path in &package.paths {
        let resolved = rootfs.resolve(path)?;
        let unconfigured = [resolved.as_slice(), b".dpkg-new"].concat();
        let exists = rootfs.get(&resolved).is_some()
            || rules.unconfigured && rootfs.get(&unconfigured).is_some();
        if !exists && !rules.filters.leave_out(path) && !rules.filters.leave_out(&resolved) {
            return Err(error_at(path, "listed by the package, but missing"));
        }
    }
    Ok(())
}

/// Compares files with the MD5 sums of their packages, on all cores.
fn sums(base: &Base) -> Result<()> {
    let mut work: Vec<(&[u8], Vec<u8>, &Contents)> = Vec::new();
    for package in &base.packages {
        let Some(sums) = package.members.get("md5sums") else {
            continue;
        };
        for line in sums.bytes.split(|byte| *byte == b'\n') {
            let Some((sum, path)) = line.split_at_checked(32) else {
                continue;
            };
            let path = path.trim_ascii_start();
            let there = base.rootfs.resolve(path).at(|| package.name().to_owned())?;
            // A file that another origin replaced has no known sum.
            if let Some(node) = base.rootfs.get(&there)
                && node.origin == package.origin
                && let Some(contents) = node.contents()
            {
                work.push((sum, there, contents));
            }
        }
    }
    let results = in_parallel(&work, |(sum, path, contents)| {
        let found = contents.md5();
        let found = found.at(|| String::from_utf8_lossy(path).into_owned())?;
        match found.as_bytes() == *sum {
            true => Ok(()),
            false => Err(error_at(path, "contents differ from the package's md5sums")),
        }
    });
    results.into_iter().collect()
}

/// Checks that the libraries of the loader's cache exist (glibc, `ld.so.cache` of format 1.1).
fn cache(rootfs: &Rootfs) -> Result<()> {
    const PATH: &[u8] = b"etc/ld.so.cache";
    const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
    let Some(bytes) = rootfs.read(PATH, FILE)? else {
        return Ok(());
    };
    // A cache of another loader, or one that starts with the old format, is not checked.
    if !bytes.starts_with(MAGIC) {
        return Ok(());
    }
    let short = || error_at(PATH, "truncated");
    let number = |at: usize| -> Option<usize> {
        let bytes = bytes.get(at..at.checked_add(4)?)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    let count = number(20).ok_or_else(short)?;
    for i in 0..count {
        let at = i.checked_mul(24).and_then(|at| at.checked_add(48 + 8));
        let text = at.and_then(number).and_then(|at| bytes.get(at..));
        let text = text.ok_or_else(short)?;
        let path = text.split(|byte| *byte == 0).next().unwrap_or_default();
        let there = rootfs.follow(path)?;
        if rootfs
            .get(&there)
            .and_then(|node| node.contents())
            .is_none()
        {
            return Err(error_at(path, "named by the loader's cache, but missing"));
        }
    }
    Ok(())
}

fn accounts(rootfs: &Rootfs) -> Result<()> {
    for (path, fields, numbers) in [
        (b"etc/passwd".as_slice(), 7, [2, 3].as_slice()),
        (b"etc/group", 4, &[2]),
        (b"etc/shadow", 9, &[]),
        (b"etc/gshadow", 4, &[]),
    ] {
        let text = rootfs.read(path, FILE)?.unwrap_or_default();
        for line in text.split(|byte| *byte == b'\n') {
            // `+` and `-` lines stand for other sources (`nsswitch.conf(5)`, compat).
            if line.is_empty() || matches!(line[0], b'+' | b'-' | b'#') {
                continue;
            }
            let parts: Vec<&[u8]> = line.split(|byte| *byte == b':').collect();
            let is_number = |field: &usize| {
                let text = parts
                    .get(*field)
                    .and_then(|text| std::str::from_utf8(text).ok());
                text.is_some_and(|text| text.parse::<u32>().is_ok())
            };
            if parts.len() != fields || parts[0].is_empty() || !numbers.iter().all(is_number) {
                return Err(error_at(path, "invalid line: expected an account"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::debian::Member;
    use crate::base::rootfs::Node;

    fn package(sums: &str, paths: &[&str]) -> Base {
        let mut base = Base::new(0);
        let origin = base.origin("p");
        base.rootfs
            .put(b"usr/bin/p", Node::file(0o755, *b"hello\n").from(origin))
            .expect("a file");
        let mut package = Unpacked {
            origin,
            paths: paths.iter().map(|path| path.as_bytes().to_vec()).collect(),
            ..Unpacked::default()
        };
        package.control.push("Package", "p");
        let bytes = sums.as_bytes().to_vec();
        package
            .members
            .insert("md5sums".to_owned(), Member { mode: 0o644, bytes });
        base.packages.push(package);
        base
    }

    fn error(base: &Base) -> String {
        match check(base, &Rules::default()) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn files_are_compared_with_their_packages() {
        let sum = "b1946ac92492d2347c6235b4d2611184  usr/bin/p\n";
        assert_eq!(error(&package(sum, &["/.", "/usr", "/usr/bin/p"])), "");
        let found = error(&package(sum, &["/usr/bin/q"]));
        assert_eq!(found, "p: /usr/bin/q: listed by the package, but missing");
        let other = sum.replace("b194", "c194");
        let found = error(&package(&other, &[]));
        assert_eq!(
            found,
            "usr/bin/p: contents differ from the package's md5sums"
        );
    }

    #[test]
    fn invalid_accounts_are_found() {
        let mut base = Base::new(0);
        let mut put = |text: &str| {
            let node = Node::file(0o644, text.as_bytes().to_vec());
            base.rootfs.put(b"etc/passwd", node).expect("a file");
            error(&base)
        };
        assert_eq!(put("root:x:0:0:root:/root:/bin/sh\n\n"), "");
        for bad in ["root:x:0:0:root:/root", "root:x:a:0::/:\n", ":x:0:0:::"] {
            assert_eq!(put(bad), "etc/passwd: invalid line: expected an account");
        }
    }
}
