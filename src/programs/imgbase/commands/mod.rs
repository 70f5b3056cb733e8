//! The subcommands of imgbase: arguments and run function of each.

mod change_args;
mod deb;
mod explain;
mod filter_args;
mod host;
mod image_args;
mod lock_args;
mod pack;
mod report;
mod report_args;
mod scratch;
mod selection;
mod sources;

pub use change_args::{ChangeArgs, RecipeArgs};
pub use deb::{Deb, PAGE as DEB};
pub use explain::{Explain, PAGE as EXPLAIN};
pub use filter_args::FilterArgs;
pub use host::{Host, PAGE as HOST};
pub use image_args::ImageArgs;
pub use pack::{PAGE as PACK, Pack};
pub use report_args::{ReportArgs, SbomArgs};
pub use scratch::{PAGE as SCRATCH, Scratch};
pub use selection::{Selection, Variant};
