//! Layers applied to one another, in one pass over their listings.
//!
//! The whiteouts of a layer come first: they concern only lower layers, wherever they are in the layer (image
//! specification, "Whiteouts"). Those below a symbolic link of the layer itself wait for that link. Then come the
//! entries in archive order. Nothing is ever removed from the tables: removed files are cut off by a number. Versions
//! are numbered in their order, so "everything below this path that is older" is one comparison, whatever its size and
//! number of repetitions.

mod follow;
mod layer;
mod markers;
mod run;
mod state;

pub(super) use run::is_metadata;
