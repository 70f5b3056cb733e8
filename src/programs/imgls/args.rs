//! Command line of imgls.

use super::places::Place;
use crate::cli::{Common, ImageArg, ListArg, ReceiptForm, TreeNames};

/// List images in archives, layouts or the local store
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Archives, layouts, directories of them, or - (default: local store)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<ImageArg>,
    /// Also list artifacts and missing manifests
    #[arg(short, long)]
    pub all: bool,
    /// Show manifest digests
    #[arg(long)]
    pub digests: bool,
    /// Do not truncate IDs
    #[arg(long)]
    pub no_trunc: bool,
    /// Print IDs only
    #[arg(short, long)]
    pub quiet: bool,
    /// Show only images that match KEY=VALUE; repeatable
    #[arg(short, long = "filter", value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Show platforms and attestations as a tree
    #[arg(long, conflicts_with_all = ["quiet", "digests", "format", "platform"])]
    pub tree: bool,
    /// Report images that LIST names and that are missing; repeatable
    ///
    /// LIST is a file, a chart, a directory of them, or -; see LISTS OF IMAGES in imgkit(7).
    #[arg(long, value_name = "LIST", conflicts_with_all = ["all", "digests", "no_trunc", "quiet", "filters", "tree"])]
    pub check: Vec<ListArg>,
    /// Show only images that LIST does not name; repeatable
    #[arg(long, value_name = "LIST", conflicts_with_all = ["check", "tree"])]
    pub unused_by: Vec<ListArg>,
    /// Take every string in LIST that is the name of a present image
    #[arg(long, hide_short_help = true)]
    pub any_string: bool,
    /// Print a receipt: the digests and sizes of all present blobs
    ///
    /// See BUNDLES in imgkit(7).
    #[arg(long, conflicts_with_all = ["all", "digests", "no_trunc", "quiet", "filters", "tree", "check", "unused_by", "any_string", "format", "platform"])]
    pub receipt: bool,
    #[command(flatten)]
    pub form: ReceiptForm,
    /// Show images whose names, labels or annotations contain TERM, as docker search does
    #[arg(long, value_name = "TERM", conflicts_with_all = ["digests", "tree", "check", "unused_by", "any_string", "receipt"])]
    pub search: Option<String>,
    /// Search in PLACES, too: env, cmd, history
    #[arg(
        long = "in",
        value_name = "PLACES",
        value_enum,
        value_delimiter = ',',
        requires = "search",
        hide_possible_values = true,
        hide_short_help = true
    )]
    pub places: Vec<Place>,
    /// Show at most N of the images that are found; 0 shows all
    #[arg(
        long,
        value_name = "N",
        default_value_t = 25,
        requires = "search",
        hide_short_help = true
    )]
    pub max_rows: usize,
    /// Output format: table, raw, json, or a Go template
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "table",
        hide_default_value = true
    )]
    pub format: String,
    #[command(flatten)]
    pub names: TreeNames,
    #[command(flatten)]
    pub common: Common,
}
