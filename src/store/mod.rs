//! The local store: an ordinary OCI image layout that several programs use at once.
//!
//! In come bundles, out goes an [`Archive`]. Nothing private is needed to understand it: names are kept as they were
//! typed in `org.opencontainers.image.ref.name` and in full in `io.containerd.image.name`, blobs under their digests.
//! What makes it safe:
//! - a blob gets its name when it is whole and synced; `index.json` is replaced as a whole, after the blobs it names;
//! - who adds holds a shared lock, who deletes an exclusive one, so nothing is deleted that is about to be named;
//! - who changes `index.json` holds a lock of its own and reads it anew. Fields that are not ours stay;
//! - who fails to add takes back the blobs that it wrote, unless others are adding, who may count on them: then they
//!   stay as orphans, as they do when a program is killed, until [`Store::collect`] finds them.
//!
//! Other tools do not take these locks: two writers of which one is not ours can lose an entry of `index.json`.

mod add;
mod collect;
mod founding;
mod ids;
mod index;
mod local;
mod lock;
mod remove;
#[cfg(test)]
mod tests;
mod upkeep;

pub use add::Added;
pub use collect::Freed;
pub use founding::abandon_begun;
pub use index::{Placed, Policy, Unwanted};
pub use local::{Held, Store};
pub use remove::{Removal, Wanted, remove};
pub use upkeep::{ImageUsage, PruneOptions, Usage, prune, usage};
