//! The subcommands of imgbase: what each takes, and how it is done.

mod ending;
mod pack;

pub use ending::Ending;
pub use pack::{PAGE as PACK, Pack};
