//! The packages of an image, read file by file.

use super::package::Package;
use super::wanted::Wanted;
use super::{apk, dpkg, language, rpm};
use crate::error::{At, Error, Fault, Result};

/// The most packages of one image.
pub const MAX_PACKAGES: usize = 100_000;
/// The most names that all packages together may depend on or provide.
const MAX_RELATIONS: usize = 4_000_000;

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
