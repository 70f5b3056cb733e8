//! What is installed: the databases of package managers, read as files.
//!
//! In come the files that [`Wanted::of`] names, whoever found them; out go [`Package`]s. Nothing is run and nothing is
//! opened: who has a tree of files asks for those that are wanted and hands their bytes over.
//!
//! | file | what it reads |
//! |---|---|
//! | `dpkg` | `var/lib/dpkg/status`, distroless's `status.d/`, opkg's `status` |
//! | `apk` | `lib/apk/db/installed` |
//! | `rpm` | the headers of an RPM database |
//! | `sqlite` | the one table of `rpmdb.sqlite` that holds them |
//! | `language` | `METADATA` of Python distributions, `package.json` of installed npm packages |
//!
//! What a hostile image could try: databases of gigabytes ([`LIMIT`]), more packages than anybody has
//! ([`MAX_PACKAGES`]), page and header references that lead nowhere or in circles (checked, visited once). A file that
//! cannot be read is a fault of its own, and the others are read all the same.

mod apk;
mod dpkg;
mod language;
mod rpm;
mod sqlite;

use crate::error::{At, Error, Fault, Result};

/// The most bytes of one database or metadata file.
pub const LIMIT: u64 = 256 << 20;
/// The most packages of one image.
pub const MAX_PACKAGES: usize = 100_000;
/// The most names that all packages together may depend on or provide.
const MAX_RELATIONS: usize = 4_000_000;

/// Something that is installed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// Who manages it.
    pub manager: Manager,
    /// Its name; npm's with their scope.
    pub name: String,
    /// Its version, as its manager writes it; of an RPM package `[epoch:]version-release`.
    pub version: String,
    /// What machine it is for; empty where the manager does not say.
    pub architecture: String,
    /// What it was built from, where that is told.
    pub source: String,
    /// Bytes that it takes, where that is told.
    pub size: Option<u64>,
    /// What it needs: each item is satisfied by one of its alternatives.
    pub depends: Vec<Vec<Need>>,
    /// Further names that satisfy what others need: virtual packages, libraries, commands, files.
    pub provides: Vec<String>,
    /// The file that tells of it.
    pub place: String,
}

/// A name that is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Need {
    /// The name, or for RPM also a file.
    pub name: String,
    /// What its version must satisfy, as `>= 2.36`; empty for any.
    pub version: String,
}

/// A package manager.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Manager {
    /// Debian's, and opkg.
    #[default]
    Dpkg,
    /// Alpine's.
    Apk,
    /// Red Hat's and SUSE's.
    Rpm,
    /// Python's.
    Pip,
    /// JavaScript's.
    Npm,
}

impl Manager {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Manager::Dpkg => "dpkg",
            Manager::Apk => "apk",
            Manager::Rpm => "rpm",
            Manager::Pip => "pip",
            Manager::Npm => "npm",
        }
    }
}

/// A kind of file that tells of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Paragraphs of installed packages, one or many.
    Dpkg,
    /// apk's database.
    Apk,
    /// An RPM database in SQLite.
    RpmSqlite,
    /// An RPM database of another kind, which is not read.
    RpmOther,
    /// The metadata of a Python distribution.
    Python,
    /// The description of an npm package.
    Npm,
}

impl Wanted {
    /// Whether a file of that path tells of packages. Paths are from the top, without `/` before them.
    pub fn of(path: &[u8]) -> Option<Self> {
        let path = std::str::from_utf8(path).ok()?;
        let (folder, name) = path.rsplit_once('/')?;
        match folder {
            "var/lib/dpkg" | "usr/lib/opkg" | "var/lib/opkg" if name == "status" => {
                return Some(Wanted::Dpkg);
            }
            "var/lib/dpkg/status.d" if !name.ends_with(".md5sums") && !name.starts_with('.') => {
                return Some(Wanted::Dpkg);
            }
            "lib/apk/db" | "usr/lib/apk/db" if name == "installed" => return Some(Wanted::Apk),
            "var/lib/rpm" | "usr/lib/sysimage/rpm" | "usr/share/rpm" => {
                return match name {
                    "rpmdb.sqlite" => Some(Wanted::RpmSqlite),
                    "Packages" | "Packages.db" => Some(Wanted::RpmOther),
                    _ => None,
                };
            }
            _ => {}
        }
        let parent = folder.rsplit('/').next().unwrap_or(folder);
        let is_python = match name {
            "METADATA" => parent.ends_with(".dist-info"),
            "PKG-INFO" => parent.ends_with(".egg-info") || parent == "EGG-INFO",
            _ => name.ends_with(".egg-info"),
        };
        if is_python {
            return Some(Wanted::Python);
        }
        if name == "package.json" {
            let mut parts = folder.rsplit('/').skip(1);
            let above = parts.next().unwrap_or_default();
            let scoped = above.starts_with('@') && parts.next() == Some("node_modules");
            if above == "node_modules" || scoped {
                return Some(Wanted::Npm);
            }
        }
        None
    }
}

/// What is installed, sorted by manager, name, version, architecture and place.
#[derive(Debug, Default)]
pub struct Packages {
    /// The packages.
    pub list: Vec<Package>,
    /// What could not be read, placed at the file.
    pub faults: Vec<Error>,
    relations: usize,
}

impl Packages {
    /// Reads one file of a kind that [`Wanted::of`] told.
    ///
    /// # Errors
    /// `Limit` if there are more packages or relations than one image can have. What is wrong with the file itself is
    /// in [`Packages::faults`].
    pub fn add(&mut self, wanted: Wanted, path: &[u8], bytes: &[u8]) -> Result<()> {
        let place = crate::escape::bytes(path).into_owned();
        let read = match wanted {
            Wanted::Dpkg => dpkg::read(bytes),
            Wanted::Apk => apk::read(bytes),
            Wanted::RpmSqlite => rpm::read(bytes),
            Wanted::RpmOther => Err(Fault::Unsupported {
                what: "an RPM database that is not in SQLite".into(),
            }
            .into()),
            Wanted::Python => language::python(bytes),
            Wanted::Npm => language::npm(bytes),
        };
        let read = match read.at(|| place.clone()) {
            Ok(read) => read,
            Err(error) => {
                self.faults.push(error);
                return Ok(());
            }
        };
        for package in read {
            self.relations += package.provides.len() + package.depends.len();
            for (what, limit, found) in [
                ("packages", MAX_PACKAGES, self.list.len() + 1),
                ("relations of packages", MAX_RELATIONS, self.relations),
            ] {
                if found > limit {
                    let (limit, found) = (limit as u64, found as u64);
                    return Err(Error::new(Fault::Limit { what, limit, found }).at(place));
                }
            }
            self.list.push(Package {
                place: place.clone(),
                ..package
            });
        }
        Ok(())
    }

    /// Sorts what was read, so that the order of the files does not matter.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.list.sort_by(|a, b| {
            let key = |one: &Package| {
                let names = (one.name.clone(), one.version.clone());
                (
                    one.manager,
                    names,
                    one.architecture.clone(),
                    one.place.clone(),
                )
            };
            key(a).cmp(&key(b))
        });
        self
    }
}

/// Text that need not be UTF-8.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A database that is not what it should be.
fn damaged(what: &'static str, found: impl Into<String>) -> Error {
    Error::new(Fault::Schema {
        field: "package database".into(),
        expected: what,
        found: found.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wanted_files() {
        for (path, wanted) in [
            ("var/lib/dpkg/status", Some(Wanted::Dpkg)),
            ("var/lib/dpkg/status-old", None),
            ("var/lib/dpkg/status.d/base-files", Some(Wanted::Dpkg)),
            ("var/lib/dpkg/status.d/base-files.md5sums", None),
            ("lib/apk/db/installed", Some(Wanted::Apk)),
            ("usr/lib/apk/db/installed", Some(Wanted::Apk)),
            ("var/lib/rpm/rpmdb.sqlite", Some(Wanted::RpmSqlite)),
            ("usr/lib/sysimage/rpm/Packages.db", Some(Wanted::RpmOther)),
            (
                "usr/lib/python3/dist-packages/six-1.16.0.dist-info/METADATA",
                Some(Wanted::Python),
            ),
            (
                "usr/lib/python3/dist-packages/six-1.16.0.egg-info",
                Some(Wanted::Python),
            ),
            ("x/METADATA", None),
            ("app/node_modules/left-pad/package.json", Some(Wanted::Npm)),
            (
                "app/node_modules/@babel/core/package.json",
                Some(Wanted::Npm),
            ),
            ("app/node_modules/left-pad/lib/package.json", None),
            ("app/package.json", None),
        ] {
            assert_eq!(Wanted::of(path.as_bytes()), wanted, "{path}");
        }
    }
}
