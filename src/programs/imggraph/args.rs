//! Command line of imggraph.

use clap::ValueEnum;

use crate::Result;
use crate::cli::{Coloring, Common, ImageArg, no_effect};

/// Graph image dependencies and shared layers
#[derive(clap::Parser)]
#[command(version)]
pub struct Args {
    /// Images, archives, directories of them, or - (default: local store)
    #[arg(value_name = "IMAGE")]
    pub images: Vec<ImageArg>,
    /// View: layers (default), images, blobs or packages
    #[arg(long, value_name = "VIEW", value_enum, default_value_t)]
    pub view: ViewArg,
    /// Output format: tree, dot, mermaid, json, svg, html
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        hide_possible_values = true
    )]
    pub format: FormatArg,
    /// Sizes to show: compressed (default) or raw
    #[arg(long, value_name = "WHICH", value_enum)]
    pub size: Option<SizeArg>,
    /// Only IMAGE and its ancestors
    #[arg(long, value_name = "IMAGE")]
    pub up: Option<String>,
    /// Only IMAGE and its descendants
    #[arg(long, value_name = "IMAGE")]
    pub down: Option<String>,
    /// Show only images that match KEY=VALUE; repeatable
    #[arg(short, long = "filter", value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Limit depth to N
    #[arg(long, value_name = "N")]
    pub depth: Option<usize>,
    /// Draw each layer of a run of layers of one image
    #[arg(long)]
    pub unfold: bool,
    /// Direction of the drawing: LR (default), RL, TB or BT
    #[arg(
        long,
        value_name = "DIR",
        value_enum,
        ignore_case = true,
        hide_possible_values = true,
        hide_short_help = true
    )]
    pub rankdir: Option<RankArg>,
    /// Draw the tree in ASCII characters
    #[arg(long, hide_short_help = true)]
    pub ascii: bool,
    /// Do not truncate commands and digests
    #[arg(long)]
    pub no_trunc: bool,
    /// Truncate lines to N columns (default: terminal width)
    #[arg(long, value_name = "N", hide_short_help = true)]
    pub width: Option<usize>,
    #[command(flatten)]
    _coloring: Coloring,
    #[command(flatten)]
    pub common: Common,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ViewArg {
    #[default]
    Layers,
    Images,
    Blobs,
    Packages,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum FormatArg {
    #[default]
    Tree,
    Dot,
    Mermaid,
    Json,
    Svg,
    Html,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum SizeArg {
    #[default]
    Compressed,
    Raw,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum RankArg {
    #[default]
    Lr,
    Rl,
    Tb,
    Bt,
}

impl Args {
    /// Refuses options without effect in the selected view or format.
    ///
    /// # Errors
    /// `Usage`.
    pub fn check(&self) -> Result<()> {
        if self.view != ViewArg::Layers {
            no_effect("without --view layers", &[("--unfold", self.unfold)])?;
        }
        let size = ("--size", self.size.is_some());
        match self.view {
            ViewArg::Layers | ViewArg::Images => {}
            ViewArg::Blobs => {
                no_effect("with --view blobs, whose sizes are those stored", &[size])?
            }
            ViewArg::Packages => no_effect("with --view packages", &[size])?,
        }
        let rankdir = ("--rankdir", self.rankdir.is_some());
        if matches!(self.format, FormatArg::Tree | FormatArg::Json) {
            no_effect("without --format dot, mermaid, svg or html", &[rankdir])?;
        }
        if self.format != FormatArg::Tree {
            let (ascii, no_trunc) = (("--ascii", self.ascii), ("--no-trunc", self.no_trunc));
            let width = ("--width", self.width.is_some());
            no_effect("without --format tree", &[ascii, no_trunc, width])?;
        }
        Ok(())
    }
}
