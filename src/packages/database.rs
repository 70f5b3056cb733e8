//! The packages of an image, read file by file.

use super::kind::DatabaseKind;
use super::package::{Manager, Package};
use super::{apk, dpkg, language, rpm};
use crate::error::{At, Error, Result, within};

/// Maximum number of packages of one image.
pub const MAX_PACKAGES: usize = 100_000;
/// Maximum number of dependencies and provided names of all packages.
const MAX_RELATIONS: usize = 4_000_000;

/// The installed packages, sorted by manager, name, version, architecture and file.
#[derive(Debug, Default)]
pub struct Packages {
    /// The packages.
    pub list: Vec<Package>,
    /// Errors of unreadable databases, placed at the file.
    pub faults: Vec<Error>,
    relations: usize,
}

impl Packages {
    /// Reads one file of a kind that [`DatabaseKind::of`] returned.
    ///
    /// # Errors
    /// `Limit` for more packages or dependencies than one image may have. Errors of the file itself are in
    /// [`Packages::faults`].
    pub fn add(&mut self, kind: DatabaseKind, path: &[u8], bytes: &[u8]) -> Result<()> {
        let place = crate::escape::bytes(path).into_owned();
        let read = match kind {
            DatabaseKind::Dpkg => dpkg::read(bytes),
            DatabaseKind::Apk => apk::read(bytes),
            DatabaseKind::RpmSqlite => rpm::read(bytes),
            DatabaseKind::RpmOther => {
                Err(Error::unsupported("an RPM database that is not in SQLite"))
            }
            DatabaseKind::Python => language::python(bytes),
            DatabaseKind::Npm => language::npm(bytes),
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
                within(what, limit as u64, found as u64).at(|| place.clone())?;
            }
            self.list.push(Package {
                place: place.clone(),
                ..package
            });
        }
        Ok(())
    }

    /// Sorts the packages, so that the order of the files does not matter.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        fn key(one: &Package) -> (Manager, [&str; 4]) {
            let texts = [&one.name, &one.version, &one.architecture, &one.place];
            (one.manager, texts.map(String::as_str))
        }
        self.list.sort_by(|a, b| key(a).cmp(&key(b)));
        self
    }
}
