//! The packages that list a path, and the digests that they list for it.

use std::hash::{BuildHasher, RandomState};

use super::control::Paragraphs;
use super::package::text;
use super::{apk, dpkg, rpm};
use crate::error::{Result, within};
use crate::facts::ContentDigest;

/// Maximum number of paths that all packages of an image list, in all its layers.
const MAX_LISTED: u64 = 2_000_000;
/// Maximum number of diversions.
const MAX_DIVERSIONS: u64 = 1000;

/// Kind of a file in which packages list their files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnerKind {
    /// dpkg's diversions.
    Diversions,
    /// dpkg's status, which has the digests of configuration files.
    Status,
    /// Paths of a package of dpkg.
    List(String),
    /// MD5 digests of a package of dpkg.
    Sums(String),
    /// apk's database.
    Apk,
    /// An RPM database in SQLite.
    Rpm,
}

impl OwnerKind {
    /// Returns the kind of a file by its path from the root, without a leading `/`.
    pub fn of(path: &[u8]) -> Option<Self> {
        let path = std::str::from_utf8(path).ok()?;
        let (directory, name) = path.rsplit_once('/')?;
        // A package of several architectures has its own in the name.
        let package = |name: &str| name.split(':').next().unwrap_or_default().to_owned();
        Some(match (directory, name) {
            ("var/lib/dpkg", "diversions") => OwnerKind::Diversions,
            ("var/lib/dpkg", "status") => OwnerKind::Status,
            ("var/lib/dpkg/info", name) if name.ends_with(".list") => {
                OwnerKind::List(package(name.strip_suffix(".list")?))
            }
            ("var/lib/dpkg/info" | "var/lib/dpkg/status.d", name) => {
                OwnerKind::Sums(package(name.strip_suffix(".md5sums")?))
            }
            ("lib/apk/db" | "usr/lib/apk/db", "installed") => OwnerKind::Apk,
            ("var/lib/rpm" | "usr/lib/sysimage/rpm" | "usr/share/rpm", "rpmdb.sqlite") => {
                OwnerKind::Rpm
            }
            _ => return None,
        })
    }
}

/// The packages that list paths, by the lists that say so: those of all states of an image, of which a caller takes some.
///
/// Memory: some 50 bytes for each path of a list. Paths are told apart by a hash with a random key.
#[derive(Debug, Default)]
pub struct Owners {
    names: Vec<String>,
    files: Vec<Listed>,
    diversions: Vec<Diversion>,
    hasher: RandomState,
}

/// A path in a list.
#[derive(Debug)]
struct Listed {
    path: u64,
    list: u32,
    package: u32,
    digest: Option<ContentDigest>,
}

/// Files of all packages but one have another path.
#[derive(Debug)]
struct Diversion {
    list: u32,
    from: Vec<u8>,
    to: Vec<u8>,
    by: String,
}

/// A list that is being read.
struct Reading<'r> {
    number: u32,
    resolve: &'r mut dyn FnMut(&[u8]) -> Vec<u8>,
}

impl Owners {
    /// Reads a list, which the caller numbers. `resolve` returns a path with the symbolic links in its directories
    /// followed: packages list names below links, such as `/bin`.
    ///
    /// # Errors
    /// `Schema` and `Deb822` for a damaged list, `Limit` for more than 2,000,000 paths or 1000 diversions in all lists.
    pub fn add(
        &mut self,
        number: u32,
        kind: &OwnerKind,
        bytes: &[u8],
        resolve: &mut dyn FnMut(&[u8]) -> Vec<u8>,
    ) -> Result<()> {
        let mut reading = Reading { number, resolve };
        match kind {
            OwnerKind::Diversions => {
                for [from, to, by] in dpkg::diversions(bytes) {
                    let count = self.diversions.len() as u64 + 1;
                    within("diversions", MAX_DIVERSIONS, count)?;
                    self.diversions.push(Diversion {
                        list: number,
                        from: (reading.resolve)(&clean(from)),
                        to: (reading.resolve)(&clean(to)),
                        by: text(by),
                    });
                }
            }
            OwnerKind::Status => {
                for paragraph in Paragraphs::new(&text(bytes))?.iter() {
                    let name = paragraph.get("Package").unwrap_or_default();
                    for (path, sum) in dpkg::conffiles(paragraph) {
                        let digest = ContentDigest::parse(sum.as_bytes());
                        self.list(name, path.as_bytes(), digest, &mut reading)?;
                    }
                }
            }
            OwnerKind::List(name) => {
                for path in bytes.split(|byte| *byte == b'\n') {
                    self.list(name, path, None, &mut reading)?;
                }
            }
            OwnerKind::Sums(name) => {
                for (path, sum) in dpkg::sums(bytes) {
                    self.list(name, path, ContentDigest::parse(sum), &mut reading)?;
                }
            }
            OwnerKind::Apk => apk::files(bytes, |name, path, digest| {
                self.list(name, path, digest, &mut reading)
            })?,
            OwnerKind::Rpm => rpm::files(bytes, |name, path, digest| {
                self.list(name, path, digest, &mut reading)
            })?,
        }
        Ok(())
    }

    /// Ends the reading of lists.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.files.sort_unstable_by_key(|listed| listed.path);
        self
    }

    /// The packages that list a path, by their names, each with its digest if it lists one, as some of the lists say. A
    /// package may be told several times.
    pub fn of(
        &self,
        path: &[u8],
        is_there: impl Fn(u32) -> bool,
    ) -> Vec<(&str, Option<ContentDigest>)> {
        let mut found = Vec::new();
        self.listed(path, &is_there, |_| true, &mut found);
        for one in self.diversions.iter().filter(|one| is_there(one.list)) {
            if one.from == path {
                found.retain(|(name, _)| *name == one.by);
            } else if one.to == path {
                self.listed(&one.from, &is_there, |name| name != one.by, &mut found);
            }
        }
        found
    }

    fn listed<'o>(
        &'o self,
        path: &[u8],
        is_there: impl Fn(u32) -> bool,
        is_meant: impl Fn(&str) -> bool,
        found: &mut Vec<(&'o str, Option<ContentDigest>)>,
    ) {
        let hash = self.hasher.hash_one(path);
        let start = self.files.partition_point(|listed| listed.path < hash);
        let files = self.files.get(start..).unwrap_or_default().iter();
        let files = files.take_while(|listed| listed.path == hash);
        for listed in files.filter(|listed| is_there(listed.list)) {
            let name = self.names.get(listed.package as usize);
            let name = name.map_or("", String::as_str);
            if is_meant(name) {
                found.push((name, listed.digest));
            }
        }
    }

    /// Adds a path. Those of one package come after each other.
    fn list(
        &mut self,
        name: &str,
        path: &[u8],
        digest: Option<ContentDigest>,
        reading: &mut Reading<'_>,
    ) -> Result<()> {
        let path = clean(path);
        if path.is_empty() {
            return Ok(());
        }
        within("paths of packages", MAX_LISTED, self.files.len() as u64 + 1)?;
        if self.names.last().is_none_or(|last| last != name) {
            self.names.push(name.to_owned());
        }
        let package = u32::try_from(self.names.len().saturating_sub(1)).unwrap_or(u32::MAX);
        self.files.push(Listed {
            path: self.hasher.hash_one(&(reading.resolve)(&path)[..]),
            list: reading.number,
            package,
            digest,
        });
        Ok(())
    }
}

/// A path without the `/` or `./` at its start.
fn clean(path: &[u8]) -> Vec<u8> {
    crate::layer::clean_path(path).path.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owners(files: &[(&str, &str)]) -> Owners {
        let mut owners = Owners::default();
        let mut resolve = |path: &[u8]| match path.strip_prefix(b"bin/") {
            Some(name) => [b"usr/bin/", name].concat(),
            None => path.to_vec(),
        };
        for (number, (path, text)) in (0..).zip(files) {
            let kind = OwnerKind::of(path.as_bytes()).expect("a kind");
            let added = owners.add(number, &kind, text.as_bytes(), &mut resolve);
            added.expect("a list");
        }
        owners.sorted()
    }

    fn of<'o>(owners: &'o Owners, path: &str) -> Vec<(&'o str, bool)> {
        let of = owners.of(path.as_bytes(), |_| true).into_iter();
        let mut of: Vec<_> = of.map(|(name, digest)| (name, digest.is_some())).collect();
        of.sort_unstable();
        of
    }

    #[test]
    fn lists_of_dpkg_name_the_owners() {
        let sum = "d41d8cd98f00b204e9800998ecf8427e";
        let owners = owners(&[
            (
                "var/lib/dpkg/status",
                &format!(
                    "Package: a\nStatus: install ok installed\nConffiles:\n /etc/a {sum}\n /etc/new newconffile\n\n"
                ),
            ),
            (
                "var/lib/dpkg/info/a.list",
                "/.\n/bin\n/bin/a\n/etc/a\n/usr/share/d\n",
            ),
            ("var/lib/dpkg/info/b:amd64.list", "/bin\n/usr/share/d\n"),
            (
                "var/lib/dpkg/info/b:amd64.md5sums",
                &format!("{sum}  usr/share/d\n"),
            ),
            (
                "var/lib/dpkg/diversions",
                "/usr/share/d\n/usr/share/d.b\na\n",
            ),
        ]);
        assert_eq!(of(&owners, "bin"), [("a", false), ("b", false)]);
        assert_eq!(of(&owners, "usr/bin/a"), [("a", false)]);
        assert_eq!(of(&owners, "etc/a"), [("a", false), ("a", true)]);
        assert_eq!(of(&owners, "usr/share/d"), [("a", false)]);
        assert_eq!(of(&owners, "usr/share/d.b"), [("b", false), ("b", true)]);
        assert_eq!(of(&owners, "etc/new"), []);
        assert_eq!(of(&owners, ""), []);
        let without = owners.of(b"usr/share/d", |list| list != 4);
        assert_eq!(without.len(), 3, "without the diversion");
    }

    #[test]
    fn lists_of_apk_have_sha1() {
        let installed = "P:musl\nV:1\nF:lib\nR:ld.so\na:0:0:755\nZ:Q1C6KxhGe4cZKyTkOe/SW7EZqRsDU=\nR:link\n\nP:b\nF:\nF:etc\nR:b\n\n";
        let owners = owners(&[("lib/apk/db/installed", installed)]);
        assert_eq!(of(&owners, "lib"), [("musl", false)]);
        assert_eq!(of(&owners, "lib/ld.so"), [("musl", true)]);
        assert_eq!(of(&owners, "lib/link"), [("musl", false)]);
        assert_eq!(of(&owners, "etc/b"), [("b", false)]);
        assert_eq!(of(&owners, "b"), []);
    }
}
