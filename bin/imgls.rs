//! imgls
fn main() {}
