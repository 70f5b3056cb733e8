//! Tars as entries: members of an archive, and files of a layer.
//!
//! In comes a [`TarInput`]: a range of a file, or a stream, such as the output of a decoder. Out go [`Entry`]s in archive
//! order, and the [`Anomalies`] of the tar. Left to others: decompression, hashing, applying layers to one another, and
//! rules about the names in an image.
//!
//! Attacks by a hostile archive, and their countermeasures:
//! - different entries for different readers: numbers, PAX records and sparse maps on which the common readers disagree
//!   are errors; safe differences are [`Anomalies`];
//! - an archive hidden inside a file by two sizes: a PAX size always takes precedence over the header's;
//! - exhausting memory: no allocation is sized by a number in the archive, and [`limits`] bound the memory in use;
//! - jumps: offsets are checked sums, and reading only goes forward;
//! - entries after the end marker: [`Walker::check_tail`] finds the bytes, and they are not listed.

pub(crate) mod acl;
mod anomaly;
pub(crate) mod ar;
mod capability;
pub mod cpio;
mod entry;
mod expanded;
mod extension;
mod fields;
mod header;
mod hidden;
mod input;
mod links;
mod lint;
mod metadata;
mod names;
mod notes;
mod observer;
mod path;
mod pax;
mod pax_value;
mod salvage;
mod scan;
mod sparse;
mod summary;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod trace;
pub(crate) mod varint;
mod walk;
mod whiteout;

pub use crate::limits;
pub use crate::limits::Limits;

pub use anomaly::{Anomalies, Anomaly, AnomalyKind};
pub use capability::capabilities;
pub(crate) use capability::is_capability;
pub use entry::{Entry, Segment};
pub(crate) use expanded::{EntryData, Expanded};
pub(crate) use header::is_header;
pub(crate) use hidden::{HiddenPlace, hidden_bytes};
pub(crate) use input::Recorder;
pub use input::{FileInput, StreamInput, TarInput};
#[cfg(feature = "base")]
pub(crate) use links::components;
pub use links::{MAX_LINKS, resolve_links};
pub use metadata::{EntryKind, Metadata, Mtime, OtherTimes, Xattr, permissions};
pub use notes::{NoteCount, NoteKind, Notes};
#[cfg(feature = "base")]
pub(crate) use path::parent;
pub use path::{CleanPath, clean_path};
pub(crate) use path::{common_components, common_prefix};
pub use salvage::salvaged_entries;
pub use scan::{GzipHeader, Scan, scan, sniffable};
pub use summary::LayerSummary;
pub use trace::Trace;
pub(crate) use walk::HeaderDetails;
pub use walk::{Tail, WalkEnd, Walker};
pub use whiteout::Whiteout;
