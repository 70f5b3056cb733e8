//! The local store: an ordinary OCI image layout that several programs can use at once.
//!
//! Bundles are added, and the store is opened as an [`Archive`](crate::archive::Archive). Any OCI tool can read it:
//! names are in `org.opencontainers.image.ref.name` as typed, and in full in `io.containerd.image.name`; blobs are
//! stored by digest. Concurrent use is safe:
//! - a blob gets its name when it is complete and synced; `index.json` is replaced atomically, after the blobs that it
//!   lists;
//! - writers hold a shared lock, deletions an exclusive one, so no blob is deleted that is about to be listed;
//! - `index.json` is changed under a lock of its own, and read again before. Unknown fields stay;
//! - blobs that no image needs yet are protected by files below `ingest/`, see [`Store::protect`];
//! - a writer that fails removes the blobs that it wrote, unless other writers may rely on them. Then they stay as
//!   orphans, as those of a killed program do, until [`Store::collect`] deletes them.
//!
//! Other tools do not take these locks: two concurrent writers, one of them another tool, can lose an entry of
//! `index.json`.

mod add;
mod collect;
mod founding;
mod ids;
mod index;
mod ingest;
mod local;
mod lock;
mod remove;
#[cfg(test)]
mod tests;
mod trees;
mod upkeep;
mod volumes;

pub use add::Added;
pub use collect::Freed;
pub use founding::remove_unfinished;
pub use index::{NameResult, Policy, RemovalTarget};
pub use local::{DeletionLock, Store};
pub use remove::{Removal, Selection, remove};
pub use trees::{add_to_tree, check_tree, prune_tree, remove_from_tree};
pub use upkeep::{ImageUsage, PruneOptions, Usage, prune, usage};
