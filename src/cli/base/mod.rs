//! The subcommands of imgbase: what each takes, and how it is done.

mod ending;
mod host;
mod pack;
mod scratch;

pub use ending::Ending;
pub use host::{Host, PAGE as HOST};
pub use pack::{PAGE as PACK, Pack};
pub use scratch::{PAGE as SCRATCH, Scratch};
