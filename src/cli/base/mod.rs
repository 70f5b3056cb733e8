//! The subcommands of imgbase: what each takes, and how it is done.

mod chosen;
mod deb;
mod ending;
mod explain;
mod host;
mod pack;
mod report;
mod scratch;
mod selection;
mod sources;

pub use deb::{Deb, PAGE as DEB};
pub use ending::Ending;
pub use explain::{Explain, PAGE as EXPLAIN};
pub use host::{Host, PAGE as HOST};
pub use pack::{PAGE as PACK, Pack};
pub use scratch::{PAGE as SCRATCH, Scratch};
pub use selection::{Selection, Variant};
