//! Tests of whole tars: each rule on the smallest archive that shows it.

mod anomalies;
mod ends;
mod entries;
mod properties;
mod sparse;
mod summary;
