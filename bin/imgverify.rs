//! imgverify
fn main() {}
