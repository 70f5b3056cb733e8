//! The integration tests: the real programs on images built in code and on archives that other tools wrote.

mod base;
mod cache;
mod cases;
mod common;
mod dockerfile;
mod docs;
mod every;
mod faults;
mod foreign;
#[path = "fuzz/src/lib.rs"]
mod fuzz;
mod hostile;
mod imgbase;
mod imgcommit;
mod imgconvert;
mod imgdiff;
mod imgexport;
mod imggraph;
mod imghistory;
mod imgimport;
mod imginspect;
mod imgload;
mod imgls;
mod imgsave;
mod imgverify;
mod multicall;
mod options;
mod outer;
mod properties;
mod regress;
mod rows;
mod sound;
mod structure;
mod tree;
mod trees;
mod upkeep;
