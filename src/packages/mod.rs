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
mod database;
mod dpkg;
mod language;
mod package;
mod rpm;
mod sqlite;
mod wanted;

pub use database::{MAX_PACKAGES, Packages};
pub use package::{Manager, Need, Package};
pub use wanted::{LIMIT, Wanted};
