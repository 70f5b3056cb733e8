//! Commit of a changed root filesystem as a new layer of an image, and merging of layers.

mod groups;
mod image;
mod layer;
mod options;
mod pair;
mod pairs;
mod plan;
mod side;

pub use image::{commit, squash};
pub use layer::{CommitLayer, commit_layer};
pub use options::{Changed, CommitOptions};
