//! Unpacking of an export into a directory.
//!
//! A hostile image cannot write outside of the directory, because nothing is looked up by a path. Each directory is
//! opened from its parent, by one name that is neither `..` nor holds a `/`, without following a link; files are created,
//! linked and changed in an open directory by their last name. Existing files are refused, or with [`Existing::Replace`]
//! removed first, so that nothing is written through them. Directories are closed to other users until they are
//! complete; owners, modes and times of directories are set last, the deepest first.

mod directories;
mod fill;
mod new_entry;
mod options;
mod target;

pub use options::{Existing, NotApplied, Unpack, Unpacked};
