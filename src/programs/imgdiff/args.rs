//! The command line of imgdiff.

use crate::cli::{Caching, Coloring, Common, ImageArg, Selecting, no_effect, size_arg};
use crate::error::{Error, Result};
use crate::programs::imgdiff::compare::{Field, Fields};

/// Compare images: files, metadata, configuration, packages
#[derive(clap::Parser)]
#[command(version)]
#[command(group = clap::ArgGroup::new("view").multiple(false))]
pub struct Args {
    /// Images, layers (IMAGE@2, IMAGE@2..5), tars of files, directories
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<ImageArg>,
    /// Compare only these comma-separated fields
    #[arg(long, value_name = "LIST", conflicts_with_all = ["strict", "semantic"], help_heading = "Comparison", hide_short_help = true)]
    pub fields: Option<String>,
    /// Ignore a field; repeatable
    #[arg(
        long,
        value_name = "FIELD",
        help_heading = "Comparison",
        hide_short_help = true
    )]
    pub ignore: Vec<String>,
    #[command(flatten, next_help_heading = "Comparison")]
    pub selecting: Selecting,
    /// Compare only these layers of each image, as in IMAGE@LAYERS: N, A..B (from 1), or a digest
    #[arg(
        long,
        value_name = "LAYERS",
        help_heading = "Comparison",
        hide_short_help = true
    )]
    pub layer: Option<String>,
    /// Compare everything, to the byte
    ///
    /// Also times, names, the order of entries, the tar dialect and the compression.
    #[arg(long, conflicts_with = "semantic", help_heading = "Comparison")]
    pub strict: bool,
    /// Ignore build and compression differences
    #[arg(long, help_heading = "Comparison", hide_short_help = true)]
    pub semantic: bool,
    /// Compare layer by layer, aligned
    ///
    /// Layers are aligned by diff ID, then by command and paths.
    #[arg(long, group = "view", help_heading = "Views")]
    pub layers: bool,
    /// Compare the configs, key by key
    #[arg(long, group = "view", help_heading = "Views")]
    pub config: bool,
    /// Show steps that only one image has
    #[arg(long, group = "view", help_heading = "Views")]
    pub history: bool,
    /// Compare packages: dpkg, apk, RPM, pip, npm
    #[arg(long, group = "view", help_heading = "Views")]
    pub packages: bool,
    /// Count files and bytes per top directory
    #[arg(long, group = "view", help_heading = "Views", hide_short_help = true)]
    pub stat: bool,
    /// Compare text files line by line, below PATH
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, default_missing_value = "",
          group = "view", help_heading = "Views")]
    pub text: Option<String>,
    /// Show the layer and command of each change
    ///
    /// With PATH, of the changes at or below it, or the history of PATH in one image. The path may also be an argument of
    /// its own before the images: --blame PATH IMAGE, --blame PATH A B.
    #[arg(long, value_name = "PATH", num_args = 0..=1, require_equals = true, default_missing_value = "",
          group = "view", help_heading = "Views")]
    pub blame: Option<String>,
    /// Report wasted space of one image
    #[arg(long, group = "view", help_heading = "Views")]
    pub waste: bool,
    /// Fail above SIZE of waste, as 50MB
    ///
    /// The exit status is 1. Units are those of docker, or of 1024 as in 1.5GiB. Implies --waste.
    #[arg(long, value_name = "SIZE", value_parser = size_arg, conflicts_with_all = NO_WASTE, help_heading = "Views")]
    pub max_waste: Option<u64>,
    /// Fail below SCORE, from 0 to 1
    ///
    /// The exit status is 1. Implies --waste.
    #[arg(long, value_name = "SCORE", value_parser = score_arg, conflicts_with_all = NO_WASTE, help_heading = "Views", hide_short_help = true)]
    pub min_score: Option<f64>,
    /// Formula of the score: bytes (default) or dive
    ///
    /// Implies --waste.
    #[arg(
        long,
        value_name = "WHOSE",
        value_enum,
        conflicts_with_all = NO_WASTE,
        help_heading = "Views"
    , hide_short_help = true)]
    pub score: Option<ScoreArg>,
    /// Show texts of up to SIZE with --text
    #[arg(long, value_name = "SIZE", value_parser = size_arg, default_value = "1MB", requires = "text",
          conflicts_with_all = NO_TEXT, help_heading = "Views", hide_short_help = true)]
    pub max_text: u64,
    /// Report directories as docker diff does: as changed if an entry in them is, and as deleted without their contents
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub parents: bool,
    /// Detect renames
    #[arg(short = 'M', long, help_heading = "Output")]
    pub renames: bool,
    /// Sort changes: path (default) or size
    #[arg(
        long,
        value_name = "ORDER",
        value_enum,
        help_heading = "Output",
        hide_short_help = true
    )]
    pub sort: Option<SortArg>,
    /// Output format: text, json, html, or a Go template
    #[arg(
        long,
        value_name = "FORMAT",
        default_value = "text",
        hide_default_value = true,
        help_heading = "Output"
    )]
    pub format: String,
    /// Do not truncate lists
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    pub all: bool,
    /// Suppress output; report by exit status only
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
    /// Verify all layers against manifests and configs first; use no cache
    #[arg(long, help_heading = "Comparison", hide_short_help = true)]
    pub verify: bool,
    #[command(flatten)]
    pub caching: Caching,
    #[command(flatten)]
    pub _coloring: Coloring,
    #[command(flatten)]
    pub common: Common,
}

/// Views without waste. clap does not report an option as missing that a view excludes, so naming the required one is
/// not enough.
const NO_WASTE: [&str; 7] = [
    "layers", "config", "history", "packages", "stat", "text", "blame",
];
/// Views without texts.
const NO_TEXT: [&str; 7] = [
    "layers", "config", "history", "packages", "stat", "waste", "blame",
];

impl Args {
    /// Tests if waste is asked for, by its view or by a limit.
    pub fn is_about_waste(&self) -> bool {
        self.waste || self.max_waste.is_some() || self.min_score.is_some() || self.score.is_some()
    }

    /// Refuses options that do nothing in the view that was chosen, `many` for more than two images.
    ///
    /// # Errors
    /// `Usage`.
    pub fn check(&self, many: bool) -> Result<()> {
        let fields = ("--fields", self.fields.is_some());
        let ignore = ("--ignore", !self.ignore.is_empty());
        let path = ("--exclude", !self.selecting.exclude.is_empty());
        let from = ("--exclude-from", !self.selecting.exclude_from.is_empty());
        let strict = ("--strict", self.strict);
        let semantic = ("--semantic", self.semantic);
        let parents = ("--parents", self.parents);
        let renames = ("--renames", self.renames);
        let sort = ("--sort", self.sort.is_some());
        let all = ("--all", self.all);
        if !self.is_about_waste() {
            no_effect("without --waste", &[all])?;
        }
        self.check_format()?;
        if many {
            no_effect(
                "with more than two images",
                &[strict, parents, renames, sort],
            )?;
        }
        match () {
            () if self.is_about_waste() => {
                let none = [fields, ignore, strict, semantic, parents, renames, sort];
                no_effect("with --waste", &none)
            }
            () if self.packages => {
                let none = [fields, ignore, path, from, strict, semantic];
                no_effect("with --packages", &none)?;
                no_effect("with --packages", &[parents, renames, sort])
            }
            () if self.config => no_effect(
                "with --config",
                &[path, from, semantic, parents, renames, sort],
            ),
            () if self.history => no_effect(
                "with --history",
                &[path, from, semantic, parents, renames, sort],
            ),
            () if self.layers => no_effect("with --layers", &[semantic, parents, renames]),
            () if self.stat => no_effect("with --stat", &[sort]),
            // Its page has the whole comparison beside the texts.
            () if self.text.is_some() && self.format != "html" => {
                no_effect("with --text", &[strict, semantic, parents])
            }
            () => Ok(()),
        }
    }

    /// Refuses options that do nothing for the life of one path.
    ///
    /// # Errors
    /// `Usage`.
    pub fn check_life(&self) -> Result<()> {
        let none = [
            ("--fields", self.fields.is_some()),
            ("--ignore", !self.ignore.is_empty()),
            ("--exclude", !self.selecting.exclude.is_empty()),
            ("--exclude-from", !self.selecting.exclude_from.is_empty()),
            ("--strict", self.strict),
            ("--semantic", self.semantic),
            ("--parents", self.parents),
            ("--renames", self.renames),
            ("--sort", self.sort.is_some()),
        ];
        no_effect("with --blame and a path of one image", &none)
    }

    /// Refuses a choice of fields that the chosen view does not look at, or that leaves nothing of it.
    ///
    /// # Errors
    /// `Usage`.
    pub fn check_fields(&self, chosen: Fields) -> Result<()> {
        let (view, field) = match (self.config, self.history) {
            (true, _) => ("--config", Field::Config),
            (_, true) => ("--history", Field::History),
            _ => return Ok(()),
        };
        if !chosen.has(field) {
            let why = format!("nothing is left to compare with {view}");
            return Err(Error::usage(why));
        }
        let mut counts = false;
        for ignored in &self.ignore {
            counts |= Fields::parse(ignored)?.has(Field::Mtime);
        }
        let ignore = ("--ignore", !self.ignore.is_empty() && !counts);
        no_effect(&format!("with {view}, but for mtime"), &[ignore])
    }
}

impl Args {
    /// Refuses options that do nothing in the format that was chosen.
    fn check_format(&self) -> Result<()> {
        let views = [
            ("--layers", self.layers),
            ("--config", self.config),
            ("--history", self.history),
            ("--packages", self.packages),
            ("--stat", self.stat),
            ("--blame", self.blame.is_some()),
        ];
        match self.format.as_str() {
            "text" => Ok(()),
            "html" if self.is_about_waste() => {
                let place = "with --format html, which has all of it";
                no_effect(place, &[("--all", self.all)])
            }
            // The only page of one image is that of --waste.
            "html" if self.images.len() < 2 => Ok(()),
            "html" => no_effect(
                "with --format html, which is a page of the whole comparison",
                &views,
            ),
            _ => {
                let has_limit = self.max_waste.is_some() || self.min_score.is_some();
                let score = ("--score", self.score.is_some() && !has_limit);
                let place = "with --format json or a template, which have all of it";
                no_effect(place, &[("--all", self.all), score])
            }
        }
    }

    /// Refuses `--blame` without a path where rows are printed: each has its layer anyway.
    ///
    /// # Errors
    /// `Usage`.
    pub fn check_blame(&self, has_path: bool) -> Result<()> {
        let has_rows = !matches!(self.format.as_str(), "text" | "html");
        let is_blame = self.blame.is_some() && has_rows && !has_path;
        let place = "without a path with --format json or a template, which have the layer in By";
        no_effect(place, &[("--blame", is_blame)])
    }
}

#[derive(Clone, Copy, Default, clap::ValueEnum)]
pub enum SortArg {
    /// By the bytes of the paths
    #[default]
    Path,
    /// The largest first
    Size,
}

#[derive(Clone, Copy, Default, PartialEq, clap::ValueEnum)]
pub enum ScoreArg {
    /// Each file once
    #[default]
    Bytes,
    /// As dive counts
    Dive,
}

fn score_arg(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(score) if (0.0..=1.0).contains(&score) => Ok(score),
        _ => Err("a score is a number from 0 to 1".into()),
    }
}
