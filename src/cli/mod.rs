//! What all programs share: arguments, streams, the way an image is named, errors and exit codes.
//!
//! This room alone knows standard input and output, the environment and exit codes. A main is `cli::run` with a page
//! of documentation and a closure: parse, open, call a job, print what it returns.

mod args;
mod beside;
mod caching;
mod complete;
mod image;
mod interrupt;
mod making;
mod man;
mod new_file;
mod opened;
mod page;
mod progress;
mod prose;
mod run;
mod search;
mod streams;
mod transport;

pub use args::{ColorWhen, Coloring, Common, Packing, ProgressWhen};
pub use beside::no_effect;
pub use caching::{Caching, warn_of_cache};
pub use image::{ImageArg, LayerRange, platform_arg};
pub use making::{Making, Selecting, note_sockets, option_file, owner_arg};
pub use new_file::write_file;
pub use opened::{Opened, Openings, Takes, open_store, store, store_path};
pub use page::{Images, Page, Subcommand, Uses};
pub use progress::Progress;
pub use run::{Verdict, run, run_commands};
pub use search::Each;
pub use streams::{Io, apart, is_root, is_stdout, landing, now, source_date_epoch};
pub use transport::refuse_online;
