//! Arguments that programs share, with their help texts and checks.

use std::path::PathBuf;

use crate::blob::Compression;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::spec::{Platform, Reference};
use crate::write::Recode;

use super::image::platform_arg;

/// Options of all programs.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Select a platform: os/architecture[/variant]
    ///
    /// Default: the host's platform, or the only one of the index.
    #[arg(long, value_name = "PLATFORM", value_parser = platform_arg)]
    pub platform: Option<Platform>,

    /// Local store directory, an OCI image layout
    ///
    /// Default: $XDG_DATA_HOME/imgkit, or ~/.local/share/imgkit.
    #[arg(long, value_name = "DIR", env = "IMGKIT_STORE", hide_env_values = true)]
    pub store: Option<PathBuf>,

    /// Number of threads (default: one for each core)
    #[arg(short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub jobs: Option<u16>,

    /// Progress on stderr: bar on a terminal, plain lines, or none
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    pub progress: ProgressWhen,

    /// Raise or lower a resource limit (see LIMITS in --help); repeatable
    ///
    /// Limits keep hostile input from filling memory or disk. Exceeding one is an error that names it, with exit
    /// status 2. K, M, G and T after a number are powers of 1024; none is no limit, or the maximum.
    #[arg(
        long = "limit",
        value_name = "NAME=VALUE",
        value_parser = limit_arg
    )]
    pub limit: Vec<String>,

    #[command(flatten)]
    _generate: Generate,
}

/// Option for documentation.
#[derive(Debug, Clone, clap::Args)]
pub struct Generate {
    /// Print a man page or shell completions and exit; must be the only argument
    #[arg(
        long,
        value_name = "KIND",
        value_parser = ["man", "bash", "elvish", "fish", "powershell", "zsh"],
        exclusive = true
    )]
    pub generate: Option<String>,
}

impl Common {
    /// Returns the default limits, changed by each `--limit` in order.
    pub fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        self.change_limits(&mut limits);
        limits
    }

    /// Changes limits by each `--limit` in order.
    pub fn change_limits(&self, limits: &mut Limits) {
        for text in &self.limit {
            // Valid, because `limit_arg` has checked it.
            let _ = limits.set(text);
        }
    }
}

/// Checks a value of `--limit`.
fn limit_arg(text: &str) -> Result<String, String> {
    Limits::default().set(text).map(|()| text.to_owned())
}

/// Option of programs with colour.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Common options")]
pub struct Coloring {
    /// Colorize output: auto, always or never
    #[arg(long, value_name = "WHEN", value_enum, default_value_t)]
    pub color: ColorWhen,
}

/// Option of programs that show or keep the names of a tree of repositories.
#[derive(Debug, Clone, clap::Args)]
pub struct TreeNames {
    /// Registry of a tree of repositories, which its names get in front
    #[arg(long, value_name = "HOST[/PATH]", value_parser = registry_arg, hide_short_help = true)]
    pub registry: Option<String>,
}

/// Checks the host of a registry, with a path or without.
fn registry_arg(text: &str) -> Result<String, String> {
    let text = text.trim_end_matches('/');
    match Reference::parse(&format!("{text}/a")) {
        Ok(name) if name.repository() == format!("{text}/a") => Ok(text.to_owned()),
        Ok(_) => Err("expected a host: with a dot or a port, or localhost".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Option of programs that report what they did.
#[derive(Debug, Clone, clap::Args)]
pub struct Reporting {
    /// Output format: text or json
    #[arg(
        long,
        value_name = "FORMAT",
        value_parser = ["text", "json"],
        default_value = "text",
        hide_default_value = true,
        hide_possible_values = true
    )]
    pub format: String,
}

impl Reporting {
    /// Tests if JSON is printed.
    pub fn is_json(&self) -> bool {
        self.format == "json"
    }
}

/// Options for the compression of layers.
#[derive(Debug, Clone, clap::Args)]
pub struct Packing {
    /// Layers: keep, none, gzip, zstd, zstd:chunked
    ///
    /// zstd:chunked is zstd with a table of contents, which lets podman and others fetch only missing files and parts
    /// of files. A layer that such a table cannot describe is compressed with zstd.
    ///
    /// Recompression changes the digests of layers and manifests; configs, image IDs and diff IDs stay the same.
    #[arg(long, value_name = "CODEC", value_enum, default_value_t)]
    pub compression: PackingWhen,

    /// Compression level: 1 to 12 for gzip (default: 5), 1 to 22 for zstd (default: 3)
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub level: Option<i32>,
}

impl Packing {
    /// Tests if layers may have to be rewritten.
    pub fn changes_layers(&self) -> bool {
        self.compression != PackingWhen::Keep
    }

    /// Returns the requested changes to layers.
    ///
    /// # Errors
    /// `Usage` for an invalid level.
    pub fn recode(&self, common: &Common) -> Result<Recode> {
        let highest = match self.compression {
            PackingWhen::Keep | PackingWhen::None => 0,
            PackingWhen::Gzip => 12,
            PackingWhen::Zstd | PackingWhen::ZstdChunked => 22,
        };
        match self.level {
            Some(_) if highest == 0 => {
                return Err(Error::usage("--level requires --compression gzip or zstd"));
            }
            Some(level) if !(1..=highest).contains(&level) => {
                let why = format!("invalid --level: expected 1 to {highest}, found {level}");
                return Err(Error::usage(why));
            }
            _ => {}
        }
        let compression = match self.compression {
            PackingWhen::Keep => None,
            PackingWhen::None => Some(Compression::None),
            PackingWhen::Gzip => Some(Compression::Gzip),
            PackingWhen::Zstd | PackingWhen::ZstdChunked => Some(Compression::Zstd),
        };
        Ok(Recode {
            compression,
            chunked: self.compression == PackingWhen::ZstdChunked,
            level: self.level,
            limits: common.limits(),
            ..Recode::default()
        })
    }
}

/// Compression of layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum PackingWhen {
    /// Unchanged.
    #[default]
    Keep,
    /// Uncompressed.
    None,
    /// gzip.
    Gzip,
    /// zstd.
    Zstd,
    /// zstd with a table of contents.
    #[value(name = "zstd:chunked")]
    ZstdChunked,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorWhen {
    /// If standard output is a terminal and NO_COLOR is not set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Form of progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ProgressWhen {
    /// A bar if standard error is a terminal and the operation takes longer than half a second.
    #[default]
    Auto,
    /// A line every five seconds, for logs.
    Plain,
    /// No progress.
    None,
}

/// Reads a size: bytes, or a number with a unit as docker or as dive writes it.
///
/// # Errors
/// A message for the user.
pub fn size_arg(text: &str) -> std::result::Result<u64, String> {
    let text = text.trim();
    let unit = text
        .find(|c: char| c.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let factor: f64 = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1024.0 * 1024.0,
        "gib" => 1024.0 * 1024.0 * 1024.0,
        "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err("no size: write it as 1500, 50MB or 1.5GiB".into()),
    };
    match number.trim().parse::<f64>() {
        Ok(number) if number.is_finite() && number >= 0.0 => Ok((number * factor) as u64),
        _ => Err("no size: write it as 1500, 50MB or 1.5GiB".into()),
    }
}
