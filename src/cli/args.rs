//! Arguments that programs share, with their help texts and checks.

use std::path::PathBuf;

use crate::blob::Compression;
use crate::error::{Fault, Result};
use crate::limits::Limits;
use crate::spec::Platform;
use crate::write::Recode;

use super::image::platform_arg;

/// What every program takes.
#[derive(Debug, Clone, clap::Args)]
pub struct Common {
    /// Choose this platform in an index: os/architecture[/variant]
    ///
    /// Without it the host's platform is chosen, or the only one that is there.
    #[arg(long, value_name = "PLATFORM", value_parser = platform_arg, help_heading = "Common options")]
    pub platform: Option<Platform>,

    /// Folder of the local store, an OCI image layout
    ///
    /// By default $XDG_DATA_HOME/imgkit, or ~/.local/share/imgkit.
    #[arg(
        long,
        value_name = "DIR",
        env = "IMGKIT_STORE",
        hide_env_values = true,
        help_heading = "Common options"
    )]
    pub store: Option<PathBuf>,

    /// Use N threads; by default one for each core
    #[arg(short = 'j', long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024), help_heading = "Common options")]
    pub jobs: Option<u16>,

    /// How to show progress on standard error: a bar on terminals, plain lines, or nothing
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        default_value_t,
        help_heading = "Common options"
    )]
    pub progress: ProgressWhen,

    /// Raise or lower a resource limit (see LIMITS in --help); may be repeated
    ///
    /// Limits keep a hostile input from filling memory or disk. Exceeding one is exit status 2, and the error names
    /// it. K, M, G and T after a number are powers of 1024; none is for no limit, or the highest that there is.
    #[arg(
        long = "limit",
        value_name = "NAME=VALUE",
        value_parser = limit_arg,
        help_heading = "Common options"
    )]
    pub limit: Vec<String>,

    /// Print a man page or shell completions and exit; must be the only argument
    #[arg(
        long,
        value_name = "KIND",
        value_parser = ["man", "bash", "elvish", "fish", "powershell", "zsh"],
        exclusive = true,
        help_heading = "Common options"
    )]
    pub generate: Option<String>,
}

impl Common {
    /// What is accepted at most: the defaults, and what `--limit` moved, in the order in which it was typed.
    pub fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        self.move_limits(&mut limits);
        limits
    }

    /// Moves what `--limit` moves.
    pub fn move_limits(&self, limits: &mut Limits) {
        for text in &self.limit {
            // Was tried when it was taken in.
            let _ = limits.set(text);
        }
    }
}

/// Reads `--limit`.
fn limit_arg(text: &str) -> Result<String, String> {
    Limits::default().set(text).map(|()| text.to_owned())
}

impl AsRef<Common> for Common {
    fn as_ref(&self) -> &Common {
        self
    }
}

/// Colour, for programs that have it.
#[derive(Debug, Clone, clap::Args)]
pub struct Coloring {
    /// When to use colour
    #[arg(
        long,
        value_name = "WHEN",
        value_enum,
        default_value_t,
        help_heading = "Common options"
    )]
    pub color: ColorWhen,
}

/// How layers are to be packed.
#[derive(Debug, Clone, clap::Args)]
pub struct Packing {
    /// How layers are packed: as they are, plain, in gzip, in zstd, or in zstd:chunked
    ///
    /// zstd:chunked is zstd with a table of contents, from which podman and others fetch only the files, and parts of
    /// files, that they do not have. A layer that such a table cannot describe becomes plain zstd.
    ///
    /// Repacking changes the digests of layers and manifests; configs, image IDs and diff IDs stay.
    #[arg(long, value_name = "CODEC", value_enum, default_value_t)]
    pub compression: PackingWhen,

    /// The codec's level: 1 to 12 for gzip (5), 1 to 22 for zstd (3)
    #[arg(long, value_name = "N")]
    pub level: Option<i32>,
}

impl Packing {
    /// What is to be otherwise than it is.
    ///
    /// # Errors
    /// `Usage` for a level that the codec does not have.
    pub fn recode(&self, common: &Common) -> Result<Recode> {
        let highest = match self.compression {
            PackingWhen::Keep | PackingWhen::None => 0,
            PackingWhen::Gzip => 12,
            PackingWhen::Zstd | PackingWhen::ZstdChunked => 22,
        };
        match self.level {
            Some(_) if highest == 0 => {
                let why = "--level is for --compression gzip and zstd";
                return Err(Fault::Usage(why.into()).into());
            }
            Some(level) if !(1..=highest).contains(&level) => {
                let why = format!("--level is 1 to {highest} for this codec, not {level}");
                return Err(Fault::Usage(why).into());
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

/// How layers are packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum PackingWhen {
    /// As they are.
    #[default]
    Keep,
    /// Not at all.
    None,
    /// In gzip.
    Gzip,
    /// In zstd.
    Zstd,
    /// In zstd that can be fetched in parts.
    #[value(name = "zstd:chunked")]
    ZstdChunked,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Whatever standard output is.
    Always,
    /// Not at all.
    Never,
}

/// How to show progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ProgressWhen {
    /// A bar if standard error is a terminal and the job takes longer than half a second.
    #[default]
    Auto,
    /// A line now and then, for logs.
    Plain,
    /// Nothing.
    None,
}
