//! Command line of imgpush.

use std::path::PathBuf;

use crate::cli::{ByList, Common, ImageArg, Packing, owner_arg};

/// Push images into the storage tree of a registry
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Images to push, and at last TREE: the storage directory of the registry, new or existing
    #[arg(value_name = "IMAGE", required_unless_present_all = ["lists", "tree_tar"])]
    pub images: Vec<ImageArg>,
    #[command(flatten)]
    pub by_list: ByList,
    /// Write the files as a tar to FILE instead, to be unpacked in the storage directory; - is standard output
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_clobber", "verify_existing", "owner", "dry_run"])]
    pub tree_tar: Option<PathBuf>,
    /// Push the image as NAME[:TAG]
    #[arg(long = "as", value_name = "NAME[:TAG]", conflicts_with_all = ["prefix", "keep_host"])]
    pub name: Option<String>,
    /// Put PREFIX/ in front of each name
    #[arg(long, value_name = "PREFIX")]
    pub prefix: Option<String>,
    /// Keep the host of a name as the first part of its repository
    #[arg(long, hide_short_help = true)]
    pub keep_host: bool,
    /// Push all tags of a name without a tag, not only latest
    #[arg(short, long, conflicts_with = "lists")]
    pub all_tags: bool,
    /// Leave out manifests that refer to the images: signatures, attestations, SBOMs
    #[arg(long, hide_short_help = true)]
    pub no_referrers: bool,
    /// Keep existing tags; do not overwrite them
    #[arg(long)]
    pub no_clobber: bool,
    /// Fail if an index lists a manifest that is missing
    #[arg(long, hide_short_help = true)]
    pub require_all_platforms: bool,
    /// Verify the digests of existing blobs, not only their sizes
    #[arg(long, hide_short_help = true)]
    pub verify_existing: bool,
    /// Hard link the blobs of layouts on the same file system instead of copying them
    #[arg(long, conflicts_with_all = ["owner", "tree_tar"], hide_short_help = true)]
    pub link: bool,
    /// Owner and group of new files and directories (default: those of the directory that they are in)
    #[arg(long, value_name = "UID:GID", value_parser = owner_arg, hide_short_help = true)]
    pub owner: Option<(u32, u32)>,
    /// Show what would be pushed without writing it
    #[arg(long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub packing: Packing,
    /// Suppress progress output
    #[arg(short, long)]
    pub quiet: bool,
    /// Output format: text or json
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"], default_value = "text", hide_default_value = true)]
    pub format: String,
    #[command(flatten)]
    pub common: Common,
}
