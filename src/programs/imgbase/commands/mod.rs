//! The subcommands of imgbase: what each takes, and how it is done.

mod answers;
mod chosen;
mod deb;
mod ending;
mod explain;
mod filtering;
mod host;
mod pack;
mod records;
mod report;
mod scratch;
mod selection;
mod sources;

pub use answers::{Changes, Recipes};
pub use deb::{Deb, PAGE as DEB};
pub use ending::Ending;
pub use explain::{Explain, PAGE as EXPLAIN};
pub use filtering::Filtering;
pub use host::{Host, PAGE as HOST};
pub use pack::{PAGE as PACK, Pack};
pub use records::{Bill, Records};
pub use scratch::{PAGE as SCRATCH, Scratch};
pub use selection::{Selection, Variant};
