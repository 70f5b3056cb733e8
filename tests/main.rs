//! The integration tests: the real programs on images built in code and on archives that other tools wrote.

mod common;
mod docs;
mod every;
mod foreign;
mod hostile;
mod imgconvert;
mod imgdiff;
mod imghistory;
mod imginspect;
mod imgload;
mod imgls;
mod imgsave;
mod imgverify;
mod outer;
mod properties;
mod regress;
mod tree;
mod upkeep;
