//! imginspect
fn main() {}
