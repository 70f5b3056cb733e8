//! Volumes: their options, and the command after each.

use std::path::Path;
use std::process::Command;

use crate::cli::{self, no_effect};
use crate::error::{At, Error, Result};
use crate::limits::scaled;
use crate::write::volumes::{Cuts, Existing, MIN_VOLUME, ParityAmount, SplitOptions, Written};

/// Options for volumes.
#[derive(Debug, clap::Args)]
pub struct SplitArgs {
    /// Write volumes of at most SIZE: 4G, fat32, dvd
    ///
    /// Or cd, dvd-dl, bd. FILE.001 and so on; cat joins them, and sha256sum -c checks them. See VOLUMES.
    #[arg(long, value_name = "SIZE", value_parser = size_arg, requires = "output")]
    pub split: Option<Size>,
    /// Cut volumes at equal sizes
    #[arg(long, requires = "split", hide_short_help = true)]
    pub equal: bool,
    /// Cut only between blobs; fail if one does not fit
    #[arg(long, requires = "split", conflicts_with_all = ["equal", "parity"], hide_short_help = true)]
    pub no_blob_cut: bool,
    /// Allow volumes over 4 GiB
    #[arg(long, requires = "split", hide_short_help = true)]
    pub big_files: bool,
    /// Replace volumes of the same name
    #[arg(long, requires = "split", hide_short_help = true)]
    pub replace: bool,
    /// Keep volumes that are whole and write the others
    #[arg(
        long,
        requires = "split",
        conflicts_with = "replace",
        hide_short_help = true
    )]
    pub resume: bool,
    /// Run a shell command after each volume
    ///
    /// IMGKIT_VOLUME is its path, IMGKIT_VOLUME_NUMBER its number, IMGKIT_VOLUME_LAST 1 for the last one and else 0. If
    /// the command fails, imgsave stops.
    #[arg(long, value_name = "CMD", requires = "split", hide_short_help = true)]
    pub on_volume: Option<String>,
    /// Add parity that repairs damage: 10%, or a number of columns
    ///
    /// See VOLUMES.
    #[arg(long, value_name = "AMOUNT", value_parser = parity_arg, requires = "output", hide_short_help = true)]
    pub parity: Option<ParityAmount>,
}

/// Size of volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Bytes that one medium holds.
    capacity: u64,
}

/// Largest file in bytes of FAT32 and of many programs.
const MAX_SMALL: u64 = (1 << 32) - 1;

/// Space in bytes that a file system takes of a disc, with the tables of its volumes.
const FILE_SYSTEM: u64 = 1 << 20;

impl Size {
    /// Returns the length in bytes of volumes of which some fill the medium.
    fn limit(self, big_files: bool) -> u64 {
        match big_files {
            true => self.capacity,
            false => self.capacity / self.capacity.div_ceil(MAX_SMALL),
        }
    }
}

/// Parses `--split`.
fn size_arg(text: &str) -> std::result::Result<Size, String> {
    let disc = |capacity: u64| capacity - FILE_SYSTEM;
    let capacity = match text {
        "fat32" => MAX_SMALL,
        "cd" => disc(737_280_000),
        "dvd" => disc(4_700_372_992),
        "dvd-dl" => disc(8_543_666_176),
        "bd" => disc(25_025_314_816),
        _ => {
            let capacity = scaled(text);
            let capacity = capacity.filter(|capacity| i64::try_from(*capacity).is_ok());
            let expected = "expected a number with K, M or G, or fat32, cd, dvd, dvd-dl, bd";
            capacity.ok_or(expected)?
        }
    };
    match capacity < MIN_VOLUME {
        true => Err("expected 1M at least".into()),
        false => Ok(Size { capacity }),
    }
}

/// Parses `--parity`.
fn parity_arg(text: &str) -> std::result::Result<ParityAmount, String> {
    let number = |digits: &str, most: u64| {
        let number = digits.parse::<u64>().ok();
        number.filter(|number| (1..=most).contains(number))
    };
    let amount = match text.strip_suffix('%') {
        Some(percent) => number(percent, 100).map(ParityAmount::Percent),
        None => number(text, 32768).map(ParityAmount::Columns),
    };
    amount.ok_or_else(|| "expected 1% to 100%, or a number of columns".into())
}

impl SplitArgs {
    /// Returns the options for volumes; `None` for one file.
    pub fn options(&self) -> Option<SplitOptions> {
        let size = self.split?;
        Some(SplitOptions {
            limit: size.limit(self.big_files),
            cuts: match (self.equal, self.no_blob_cut) {
                (true, _) => Cuts::Equal,
                (_, true) => Cuts::Whole,
                _ => Cuts::Members,
            },
            parity: self.parity,
            existing: match (self.replace, self.resume) {
                (true, _) => Existing::Replace,
                (_, true) => Existing::Resume,
                _ => Existing::Refuse,
            },
        })
    }

    /// Runs the command of a volume.
    ///
    /// # Errors
    /// `Usage` if it fails.
    pub fn after(&self, volume: &Written<'_>) -> Result<()> {
        let Some(command) = &self.on_volume else {
            return Ok(());
        };
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(command);
        shell.env("IMGKIT_VOLUME", volume.path);
        shell.env("IMGKIT_VOLUME_NUMBER", volume.number.to_string());
        shell.env("IMGKIT_VOLUME_LAST", u8::from(volume.is_last).to_string());
        let status = shell.status();
        let place = || volume.path.to_string_lossy().into_owned();
        let status =
            status.map_err(|error| Error::io("run the command after", error).at(place()))?;
        match status.success() {
            true => Ok(()),
            false => Err(Error::usage(format!(
                "--on-volume: the command failed: {status}"
            )))
            .at(place),
        }
    }
}

/// Refuses options that do nothing, and standard output.
///
/// # Errors
/// `Usage`.
pub(super) fn check(options: &SplitArgs, output: Option<&Path>, is_archive: bool) -> Result<()> {
    let given = [
        ("--split", options.split.is_some()),
        ("--parity", options.parity.is_some()),
    ];
    if output.is_some_and(cli::is_stdout) {
        no_effect("on standard output: name a file with -o", &given)?;
    }
    match is_archive {
        true => Ok(()),
        false => no_effect("for a directory", &given),
    }
}
