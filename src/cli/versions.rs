//! Choice of versions: the options of programs that look at all that layers hold.

use std::ops::Range;

use super::image::ImageArg;
use super::layers::{layer_range, layers_since};
use crate::archive::Image;
use crate::error::Result;
use crate::tree::{EntryVersion, VersionState};

/// Versions that a program looks at.
#[derive(Debug, Clone, clap::Args)]
pub struct VersionArgs {
    /// Look at all versions, or only at final or past ones
    ///
    /// Final ones are what the image shows, past ones all others.
    #[arg(long, value_name = "SCOPE", value_enum, default_value_t)]
    pub scope: Scope,

    /// Look only at these layers: N, A..B or a digest
    ///
    /// Numbers count from 1, the base layer; the start of a digest is enough. The other layers still decide what became
    /// of an entry.
    #[arg(long, value_name = "LAYERS", conflicts_with = "since")]
    pub layer: Option<String>,

    /// Look only at the layers above base IMAGE
    #[arg(long, value_name = "IMAGE")]
    pub since: Option<ImageArg>,
}

/// States of versions that a program looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Scope {
    /// All versions.
    #[default]
    All,
    /// Versions that the image shows.
    Final,
    /// All other versions.
    Past,
}

/// The versions of one image that a program looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionChoice {
    scope: Scope,
    /// Numbers of the layers, from 0.
    layers: Range<usize>,
}

impl VersionArgs {
    /// Returns the choice for one image; `base` is the image of `--since`, opened.
    ///
    /// # Errors
    /// As [`layer_range`] and [`layers_since`].
    pub fn choice(&self, image: &Image, base: Option<&Image>) -> Result<VersionChoice> {
        let layers = match (&self.layer, base) {
            (Some(text), _) => layer_range(image, text)?,
            (None, Some(base)) => layers_since(image, base)?,
            (None, None) => 0..image.layers.len(),
        };
        Ok(VersionChoice {
            scope: self.scope,
            layers,
        })
    }
}

impl Scope {
    /// Returns true if versions of this state are looked at.
    pub fn includes(self, state: VersionState) -> bool {
        match self {
            Scope::All => true,
            Scope::Final => state == VersionState::Final,
            Scope::Past => state != VersionState::Final,
        }
    }
}

impl VersionChoice {
    /// Numbers of the layers whose entries are looked at, from 0.
    pub fn layers(&self) -> Range<usize> {
        self.layers.clone()
    }

    /// Returns true if a version of a tree of all the image's layers is looked at.
    pub fn includes(&self, version: &EntryVersion<'_>) -> bool {
        self.layers.contains(&version.layer()) && self.scope.includes(version.state())
    }
}
