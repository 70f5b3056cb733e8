//! Debian packages: `.deb` archives, control data, repositories, dependency resolution.
//!
//! No code of a package is executed. Sources: Debian Policy (control fields, relations, versions), `deb(5)`, `deb822(5)`,
//! and the Debian repository format.

mod archive;
mod clearsign;
pub mod database;
mod deb_files;
mod explain;
mod lock;
mod openpgp;
mod package;
pub mod relation;
mod release;
mod repository;
pub mod solver;
#[cfg(test)]
pub(crate) mod testing;
mod version;

pub use crate::packages::{Control, Fields, Paragraph, Paragraphs};
pub use archive::{ControlLimits, Data, Deb, DebCompression};
pub use deb_files::{DebFile, read_debs};
pub use explain::{Explanation, NotTaken, Step, explain};
pub use lock::{Lock, LockedPackage, LockedSource};
pub use openpgp::{Keyring, Signer};
pub use package::{Member, Unpacked};
pub use relation::Relation;
pub use release::{Listed, Release};
pub use repository::{
    IndexEntry, Note, PackageFile, Repository, RepositoryOptions, SourceKind, Trust,
};
pub use solver::{Request, Solution, Universe, Unsolvable, solve};
pub use version::Version;
