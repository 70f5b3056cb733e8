//! imghistory
fn main() {}
