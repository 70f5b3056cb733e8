//! Command line of all programs: common options, streams, names of images, errors and exit statuses.
//!
//! Only this module uses standard input and output, the environment and exit statuses. A program is [`run()`] with a page
//! of documentation and a closure: parse, open, call the operation, print its result.

mod args;
mod caching;
mod call;
mod complete;
mod conflicts;
mod custody;
mod digest_map;
mod evidence;
mod image;
mod interrupt;
mod layers;
mod life;
mod list_arg;
mod lists;
mod man;
mod manual;
mod named;
mod new_file;
mod open;
mod output;
mod page;
mod progress;
mod prose;
mod receipts;
mod record;
mod run;
mod search;
mod streams;
mod transport;
mod versions;

pub use args::{
    ColorWhen, Coloring, Common, Generate, Packing, ProgressWhen, Reporting, TreeNames, size_arg,
};
pub use caching::{Caching, warn_of_cache};
pub use call::{Call, Description, own_path};
pub use conflicts::no_effect;
pub use custody::{CustodyArgs, CustodyRecord, identity};
pub use digest_map::digest_map;
pub use evidence::{Input, State};
pub use image::{ImageArg, LayerRange, platform_arg, rename_arg};
pub use layers::{layer_range, layers_since, range_of};
pub use life::{LifeLayer, did, has_made, kind_name, life_row};
pub use list_arg::ListArg;
pub use lists::{ByList, read_lists};
pub use man::{shared_text, write_shared};
pub use manual::open_manual;
pub use named::Named;
pub use new_file::write_file;
pub use open::{Opened, Openings, Takes, open_store, store, store_path};
pub use output::{OutputArgs, Selecting, made, note_sockets, option_file, owner_arg, report};
pub use page::{Images, Page, Subcommand, Uses};
pub use progress::Progress;
pub use prose::Terms;
pub use receipts::{
    ReceiptForm, label_arg, parse_receipt, read_receipt, read_request, write_receipt,
};
pub use record::{FileKeys, VersionRecords, type_name, version_type};
pub use run::{Verdict, run, run_commands};
pub use search::Each;
pub use streams::{
    Io, is_root, is_stdout, now, reject_same_file, source_date_epoch, temporary_directory,
};
pub use transport::refuse_online;
pub use versions::{Scope, VersionArgs, VersionChoice};
