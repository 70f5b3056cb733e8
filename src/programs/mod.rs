//! The programs: each module holds one, with its arguments, its man page, its operation and its output.
//!
//! A program never uses another: code that two of them need is in a module below.

#[cfg(feature = "base")]
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
