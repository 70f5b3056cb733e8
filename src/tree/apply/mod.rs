//! Layers applied to one another, in one pass over their listings.
//!
//! Of each layer first the markers: they speak of lower layers only, wherever they stand (image specification,
//! "Whiteouts"); those below a symbolic link of the layer itself wait for that link. Then its entries in archive order. Nothing is ever taken out: what goes away is cut off by a number.
//! Versions are numbered in the order in which they come, so "all that is in here and older than that" is one
//! comparison, however much it is and however often it is said.

mod follow;
mod layer;
mod markers;
mod run;
mod state;
