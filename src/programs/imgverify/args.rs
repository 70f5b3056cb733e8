//! Arguments of imgverify.

use std::path::{Path, PathBuf};

use crate::archive::Open;
use crate::blob::Meter;
use crate::cli::{Coloring, Common, ImageArg, no_effect};
use crate::error::Result;
use crate::layer::Limits;
use crate::verify;

/// Verify the integrity and consistency of images
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Archives, layouts, directories of them, and images in them (default: the local store)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<ImageArg>,
    /// Suppress output; report by exit status only
    #[arg(short, long)]
    pub quiet: bool,
    /// Output format: text, or json (findings and summaries, one per line)
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"], default_value = "text", hide_default_value = true)]
    pub format: String,
    /// Short for --format json
    #[arg(long, conflicts_with_all = ["quiet", "format"])]
    pub json: bool,
    /// Decompress a layer or archive to at most RATIO times its stored size (1000); 0 for no limit
    ///
    /// The first 100 MiB do not count. Input beyond the limit is not verified: exit status 2.
    #[arg(long, value_name = "RATIO")]
    pub max_expansion: Option<u64>,
    /// Decompress a layer or archive to at most BYTES (64 GiB); 0 for no limit
    ///
    /// --limit layer-size overrides this option, and --limit ratio overrides --max-expansion.
    #[arg(long, value_name = "BYTES")]
    pub max_size: Option<u64>,
    /// Write a custody record of the input and all findings to FILE, as JSON; - for standard output
    ///
    /// The record is written for every verdict, and the whole input is verified. See CUSTODY.
    #[arg(long, value_name = "FILE")]
    pub custody: Option<PathBuf>,
    /// Check IMAGE against the custody record in FILE, byte for byte
    #[arg(long, value_name = "FILE", conflicts_with_all = ["custody", "json", "format", "max_expansion", "max_size"])]
    pub check_custody: Option<PathBuf>,
    #[command(flatten)]
    _coloring: Coloring,
    #[command(flatten)]
    pub common: Common,
}

impl Args {
    /// Tests if JSON is to be printed, by either option.
    pub fn is_json(&self) -> bool {
        self.json || self.format == "json"
    }

    /// Refuses options that do nothing beside others.
    pub fn check(&self) -> Result<()> {
        let json = ("--format json", self.is_json());
        if self.quiet {
            no_effect("with --quiet", &[json])?;
        }
        if self.custody.as_deref() == Some(Path::new("-")) {
            no_effect("with --custody -, which has standard output", &[json])?;
        }
        let platform = ("--platform", self.common.platform.is_some());
        match self.custody.is_some() || self.check_custody.is_some() {
            true => no_effect("on a record, which is of a whole input", &[platform]),
            false => Ok(()),
        }
    }

    /// Limits of the options.
    pub fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        let given = |value: Option<u64>, limit: &mut u64| match value {
            None => {}
            Some(0) => *limit = u64::MAX,
            Some(value) => *limit = value,
        };
        given(self.max_expansion, &mut limits.decode.ratio);
        given(self.max_size, &mut limits.decode.size);
        // The error for an exceeded limit gives the --limit option to type, so that one takes precedence.
        self.common.change_limits(&mut limits);
        limits.trace = verify::TRACE;
        limits
    }

    /// Options for opening an input; bytes read are counted by `meter`.
    pub fn open(&self, meter: &Meter) -> Open {
        Open {
            limits: self.limits(),
            meter: meter.clone(),
            examine: true,
            ..Open::default()
        }
    }
}
