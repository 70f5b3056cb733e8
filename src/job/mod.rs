//! What each program does, as functions from images to reports.
//!
//! Jobs return plain data and never print; a report carries a "no" (damage, a difference), an error is trouble. Units:
//! sizes are bytes, times are texts as the archive wrote them.

pub mod base;
mod commit;
pub mod diff;
pub mod dockerfile;
pub mod export;
pub mod graph;
mod history;
mod import;
mod inspect;
mod installed;
mod list;
mod load;
mod measure;
mod remove;
mod save;
mod upkeep;
pub mod verify;

pub use commit::{Changed, CommitLayer, CommitOptions, commit, commit_layer, squash};
pub use history::{HistoryReport, HistoryRow, history};
pub use import::{ImportOptions, Imported, Packer, import, import_folder};
pub use inspect::{Raw, inspect, raw, raw_index, raw_of};
pub use installed::installed;
pub use list::{Ages, Filter, ListRow, RowKind, list, tree};
pub use load::{LoadOptions, Loaded, load};
pub use measure::{LayerSize, Sizes, measure};
pub use remove::{Removal, Wanted, remove};
pub use save::save;
pub use upkeep::{ImageUsage, PruneOptions, Usage, prune, usage};
