//! imgverify: is everything here, is it what it claims to be, and do all descriptions agree?
//!
//! Opening has checked every document; what is left is one pass over every blob and layer (on all cores, the largest
//! first, each stored byte read once), and the comparison of what describes the same thing twice.

mod agree;
mod apply;
mod blobs;
mod bundle;
mod checksums;
mod compare;
mod documents;
mod estargz;
mod finding;
mod labels;
mod loading;
mod members;
mod presence;
mod references;
mod report;
mod run;
mod slack;
mod tasks;
mod texts;
mod toc;
mod tree;
mod unreferenced;
mod volumes;

pub use finding::{Finding, Severity};
pub use loading::glance;
pub(crate) use references::path;
pub(crate) use report::key;
pub use report::{ReadBlob, TRACE, VerifyReport};
pub use run::{verify, workload};
pub use slack::{Region, RegionOf, VisitSlack, slack};
pub use unreferenced::{Unreferenced, unreferenced};
pub use volumes::{CheckedVolume, VolumeState, check_volumes, repair_parity, repair_volumes};
