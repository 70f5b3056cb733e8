//! Base images of packages of a running system, or of any tree with a dpkg database, as supermin makes them.
//!
//! The input is a root directory and names of packages. The packages and their dependencies are copied with the current
//! contents, mode, owner and links of every file. Files that programs generated after the installation (accounts, caches,
//! the certificate store) are not copied but generated anew by the emulation, so that no local data gets into an image.
//!
//! Files that differ from those of their package are detected by their MD5 sums; [`Modified`] selects the action. A file
//! that cannot be read is an error: it is never left out silently.
//!
//! Owners are mapped by name: uid 104 of the system becomes the number that the account has in the image, where it is
//! created if no package creates it.

mod collect;
mod files;
mod options;
mod owners;
mod pristine;

pub use collect::host;
pub use options::{Essential, HostOptions, Modified};
