//! Debian's packages as files: `.deb` archives, their control data, repositories of them, and what depends on what.
//!
//! Nothing of a package is ever run. Sources are Debian's policy manual (control fields, relations, versions), `deb(5)`,
//! `deb822(5)`, and the repository format.

mod archive;
mod clearsign;
mod control;
pub mod database;
mod explain;
mod heap;
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

pub use archive::{ControlLimits, Data, Deb, Packing};
pub use control::{Control, Fields, Paragraph, Paragraphs};
pub use explain::{Explanation, Step, WhyNot, explain};
pub use heap::{Given, given};
pub use lock::{Lock, LockedPackage, LockedSource};
pub use openpgp::{Keyring, Signer};
pub use package::{Member, Unpacked};
pub use relation::Relation;
pub use release::{Listed, Release};
pub use repository::{IndexEntry, Note, Opening, PackageFile, Repository, SourceKind, Trust};
pub use solver::{Request, Solution, Universe, Unsolvable, solve};
pub use version::Version;
