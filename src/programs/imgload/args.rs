//! Command line of imgload.

use std::path::PathBuf;

use crate::cli::{
    Common, ImageArg, ListArg, Packing, ReceiptForm, Reporting, TreeNames, rename_arg,
};
use crate::error::Result;
use crate::store::Store;

/// Load images from an archive into the local store
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Archives or directories of archives (default: -, stdin)
    #[arg(value_name = "ARCHIVE", conflicts_with = "input")]
    pub archives: Vec<ImageArg>,
    /// Archive, as in docker load; repeatable
    #[arg(short, long, value_name = "FILE")]
    pub input: Vec<ImageArg>,
    /// Load sets of volumes from directories, each of which may have some
    ///
    /// Volumes are kept in the store until all of their set were seen, for 30 days at most. See VOLUMES.
    #[arg(long, requires = "archives", conflicts_with = "input")]
    pub volumes: bool,
    /// Suppress progress
    #[arg(short, long)]
    pub quiet: bool,
    /// Load only this image; repeatable
    #[arg(long, value_name = "REF")]
    pub only: Vec<String>,
    /// Load only images that LIST names, all of which must be present; repeatable
    ///
    /// LIST is a file, a chart, a directory of them, or -; see LISTS OF IMAGES in imgkit(7).
    #[arg(long, value_name = "LIST", conflicts_with = "only")]
    pub only_list: Vec<ListArg>,
    /// Load the only image under this name
    #[arg(short, long, value_name = "NAME[:TAG]", conflicts_with = "rename")]
    pub tag: Option<String>,
    /// Load image OLD as NEW; repeatable
    #[arg(long, value_name = "OLD=NEW", value_parser = rename_arg)]
    pub rename: Vec<(String, String)>,
    /// Keep existing tags; do not overwrite them
    #[arg(long)]
    pub no_clobber: bool,
    /// Refuse an archive in which imgverify finds an error
    ///
    /// Nothing is loaded in that case. Without this option, errors that are detected while loading are warnings, see
    /// CHECKS.
    #[arg(long)]
    pub check: bool,
    #[command(flatten)]
    pub base: BaseArgs,
    #[command(flatten)]
    pub packing: Packing,
    /// Print what would be loaded; write nothing
    #[arg(long, conflicts_with_all = ["missing", "partial", "receipt", "id_file"])]
    pub dry_run: bool,
    /// Write the image IDs to FILE, one per line
    #[arg(long, value_name = "FILE", alias = "iidfile", hide_short_help = true)]
    pub id_file: Option<PathBuf>,
    #[command(flatten)]
    pub reporting: Reporting,
    #[command(flatten)]
    pub names: TreeNames,
    #[command(flatten)]
    pub common: Common,
}

impl Args {
    /// Returns the directory for the layers of a stream: that of their blobs, if they are to be stored.
    ///
    /// # Errors
    /// As [`Store::blob_directory`].
    pub(super) fn temp_dir(&self, store: &Store) -> Result<Option<PathBuf>> {
        match self.dry_run {
            true => Ok(None),
            false => store.blob_directory().map(Some),
        }
    }
}

/// Options for bundles.
#[derive(Debug, Clone, clap::Args)]
pub struct BaseArgs {
    /// Take blobs that a bundle omits from SOURCE, if the store lacks them; repeatable
    ///
    /// SOURCE is an archive, a layout, a tree or an image of the store. See BUNDLES in imgkit(7).
    #[arg(long, value_name = "SOURCE")]
    pub with: Vec<ImageArg>,
    /// Compare blobs of the store with their digests; replace damaged ones
    #[arg(long, hide_short_help = true)]
    pub verify_base: bool,
    /// Write a request for the blobs that are missing to FILE
    ///
    /// imgsave answers it. See VOLUMES for those in lost volumes.
    #[arg(long, value_name = "FILE")]
    pub missing: Option<PathBuf>,
    /// Keep the blobs of an incomplete bundle for 30 days
    #[arg(long, hide_short_help = true)]
    pub partial: bool,
    /// Write the receipt of the store afterwards to FILE
    #[arg(long, value_name = "FILE")]
    pub receipt: Option<PathBuf>,
    #[command(flatten)]
    pub form: ReceiptForm,
}
