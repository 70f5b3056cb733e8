//! The programs: each module is one of them, with its arguments, its page and its run.
//!
//! A program never uses another: what two of them need is further down in the house.

pub mod imgbase;
pub mod imgcommit;
pub mod imgconvert;
pub mod imgdf;
pub mod imgdiff;
pub mod imgexport;
pub mod imggraph;
pub mod imghistory;
pub mod imgimport;
pub mod imginspect;
pub mod imgload;
pub mod imgls;
pub mod imgprune;
pub mod imgrm;
pub mod imgsave;
pub mod imgtag;
pub mod imgverify;
