//! Installed packages, read from the databases of package managers.
//!
//! The caller looks for files that [`DatabaseKind::of`] accepts, and passes their bytes to [`Packages::add`]. Nothing
//! is run and no file is opened here.
//!
//! | file | reads |
//! |---|---|
//! | `dpkg` | `var/lib/dpkg/status`, distroless's `status.d/`, opkg's `status` |
//! | `control` | `deb822(5)`: control data of Debian's packages, for `dpkg` and for the module `base` |
//! | `apk` | `lib/apk/db/installed` |
//! | `rpm` | the headers in an RPM database |
//! | `sqlite` | the table with the headers in `rpmdb.sqlite` |
//! | `owners` | the files that packages of dpkg, apk and RPM list, and their digests |
//! | `language` | `METADATA` of Python distributions, `package.json` of installed npm packages |
//!
//! Attacks and defences: databases of gigabytes ([`MAX_FILE_SIZE`]), millions of packages ([`MAX_PACKAGES`]), invalid
//! or circular references between pages and headers (checked, followed once). A file that cannot be read is reported as
//! a fault, and the others are read all the same.

mod apk;
mod control;
mod database;
mod dpkg;
mod kind;
mod language;
mod owners;
mod package;
mod rpm;
mod sqlite;

pub use control::{Control, Fields, Paragraph, Paragraphs};
pub use database::{MAX_PACKAGES, Packages};
pub use dpkg::{conffiles, diversions, sums};
pub use kind::{DatabaseKind, MAX_FILE_SIZE};
pub use owners::{OwnerKind, Owners};
pub use package::{Manager, Need, Package};
