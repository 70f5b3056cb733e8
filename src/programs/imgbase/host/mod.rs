//! Packages of a running system, or of any tree with dpkg's database, as a base image: supermin's way.
//!
//! In come a root and the names of packages; into the [`Base`] go those packages with all that they need, every file as
//! it is there, with mode, owner and links. What programs made after the packages were installed (accounts, caches, the
//! store of certificates) stays behind and is made anew by the stand-ins, so that nothing local slips into an image.
//!
//! Files that are not what their package brought are found by their MD5 sums, and what is done about them is said by
//! [`Modified`]. A file that cannot be read is an error: it is never left out silently.
//!
//! Owners are taken by name: `104` of the system becomes whatever number the account has in the image, where it is made
//! if no package makes it.

mod collect;
mod files;
mod options;
mod owners;
mod pristine;

pub use collect::host;
pub use options::{Changed, Essential, HostOptions, HostReport, Modified};
