//! Tars as entries: the members of an archive, and the files of a layer.
//!
//! In comes a [`TarInput`]: part of a file, or a stream that may come out of a decoder. Out go [`Entry`]s in archive
//! order, and the [`Anomalies`] of the whole. Left to others: decompressing, hashing, applying layers to one another,
//! and any rule about which names an image must have.
//!
//! What a hostile archive could try here, and what stops it:
//! - show different entries to different readers: numbers, PAX records and sparse maps that common readers do not
//!   agree on are errors; what they resolve differently but safely is an [`Anomaly`];
//! - smuggle an archive inside a file by two sizes: a PAX size always beats the header's;
//! - make the reader allocate: nothing is sized by a number in the archive, and [`limits`] bound what is kept;
//! - make it jump: offsets are checked sums, and going forward is the only direction;
//! - hide entries after the end marker: [`Walker::check_tail`] finds the bytes, and they are listed by nobody.

pub(crate) mod acl;
mod anomaly;
pub mod cpio;
mod entry;
mod extension;
mod fields;
mod header;
mod input;
mod lint;
mod metadata;
mod names;
mod notes;
mod observer;
mod path;
mod pax;
mod scan;
mod sparse;
mod summary;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod trace;
mod walk;
mod whiteout;

pub use crate::limits;
pub use crate::limits::Limits;

pub use anomaly::{Anomalies, Anomaly, AnomalyKind};
pub use entry::{Entry, Segment};
pub(crate) use input::Recorder;
pub use input::{FileInput, StreamInput, TarInput};
pub use metadata::{EntryKind, Metadata, Mtime, Xattr};
pub use notes::{NoteCount, NoteKind, Notes};
pub use path::{CleanPath, clean_path};
pub(crate) use path::{common_components, common_prefix};
pub use scan::{GzipHeader, Scan, scan, sniffable};
pub use summary::LayerSummary;
pub use trace::Trace;
pub(crate) use walk::HeaderDetails;
pub use walk::{Tail, WalkEnd, Walker};
pub use whiteout::Whiteout;
