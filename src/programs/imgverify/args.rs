//! Arguments of imgverify.

use std::path::{Path, PathBuf};

use crate::archive::Open;
use crate::blob::Meter;
use crate::cli::{Coloring, Common, CustodyArgs, ImageArg, ReceiptForm, Reporting, no_effect};
use crate::error::Result;
use crate::layer::Limits;
use crate::verify;

/// Verify the integrity and consistency of image archives
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Images, archives, layouts or directories of them (default: store)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<ImageArg>,
    /// Suppress output; report by exit status only
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub reporting: Reporting,
    /// Older spelling of --limit ratio=RATIO, with 0 for no limit
    #[arg(long, value_name = "RATIO", hide = true)]
    pub max_expansion: Option<u64>,
    /// Older spelling of --limit layer-size=BYTES, with 0 for no limit
    #[arg(long, value_name = "BYTES", hide = true)]
    pub max_size: Option<u64>,
    /// Check that IMAGE still matches the record in FILE
    #[arg(long, value_name = "FILE", conflicts_with_all = ["custody", "format", "max_expansion", "max_size"])]
    pub check_custody: Option<PathBuf>,
    /// Write a receipt of all verified blobs to FILE
    ///
    /// See BUNDLES in imgkit(7).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["custody", "check_custody"])]
    pub receipt: Option<PathBuf>,
    /// Write bytes that no image shows to a new directory DIR
    ///
    /// Each region is a file, and a line of slack.ndjson with its place and digest. See SLACK.
    #[arg(long, value_name = "DIR", requires = "images", conflicts_with_all = ["custody", "check_custody", "volumes", "repair"])]
    pub slack: Option<PathBuf>,
    #[command(flatten)]
    pub form: ReceiptForm,
    #[command(flatten)]
    pub record: CustodyArgs,
    /// Check the volumes of each IMAGE, a file of a set or directories
    ///
    /// Each chunk of each volume is compared with its digest. See VOLUMES.
    #[arg(long, requires = "images", conflicts_with_all = ["custody", "check_custody"])]
    pub volumes: bool,
    /// Write damaged and missing volumes again from the parity
    #[arg(long, requires = "images", conflicts_with_all = ["custody", "check_custody"])]
    pub repair: bool,
    #[command(flatten)]
    _coloring: Coloring,
    #[command(flatten)]
    pub common: Common,
}

impl Args {
    /// Refuses options that do nothing beside others.
    pub fn check(&self) -> Result<()> {
        let json = ("--format json", self.reporting.is_json());
        if self.quiet {
            no_effect("with --quiet", &[json])?;
        }
        if self.record.custody.as_deref() == Some(Path::new("-")) {
            no_effect("with --custody -, which has standard output", &[json])?;
        }
        let platform = ("--platform", self.common.platform.is_some());
        if self.volumes || self.repair {
            no_effect("on volumes, which are whole files", &[platform])?;
        }
        match self.record.custody.is_some() || self.check_custody.is_some() {
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
        // The error for an exceeded limit gives the --limit option to type, so that one has precedence.
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
            // What is in a stream is read again.
            temp_dir: self.slack.as_ref().map(|_| std::env::temp_dir()),
            ..Open::default()
        }
    }
}
