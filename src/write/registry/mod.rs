//! Images written to the storage tree of a registry, so that its server serves them.
//!
//! | file | knows |
//! |---|---|
//! | `plan` | the links that the images of a bundle need, by repository |
//! | `pushed` | what was written |
//! | `referrers` | fallback tags: indexes of the manifests about another one |
//! | `remove` | tags, and what no tag needs |
//! | `repository` | links and tags of one repository |
//! | `tar` | the same files as a tar |
//! | `tree` | directories, blobs and links of a tree, and the order in which they are written |

mod plan;
mod pushed;
mod referrers;
mod remove;
mod repository;
mod tar;
mod tree;

pub use plan::{Plan, below, each_image, place_of};
pub use pushed::{BlobState, LayerState, Pushed, PushedTag};
pub use remove::Pruned;
pub use repository::PlannedTag;
pub(super) use tar::members;
pub use tree::{PushOptions, RegistryTree, check};
