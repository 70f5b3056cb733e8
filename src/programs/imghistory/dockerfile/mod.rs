//! Reconstruction of a Dockerfile: the history has the order, the config the values, the layers the content.
//!
//! Each stage turns the result of the one before into its own:
//!
//! | file | stage |
//! |---|---|
//! | `history` | `History`: history entries read back, by `read` |
//! | `base` | `Based`: the base image; the history is read again with its settings |
//! | `place` | `Placed`: each step with its layer, by `shares`; facts about the layers, by `layer_facts` |
//! | `complete` | `Completed`: missing parts from layers and later entries, by `copies`, `build_args`, `mounts`, `checks` |
//! | `write` | `Written`: the text of each line, by `draft` |
//! | `reconcile` | [`Dockerfile`]: lines for settings that only the config has; `secrets` |
//!
//! `line` and `settings` hold the types that all stages use. [`extract`](fn@extract) makes a build context of the result,
//! with `context`.

mod base;
mod build_args;
mod checks;
mod complete;
mod context;
mod copies;
mod draft;
mod extract;
mod history;
mod layer_facts;
mod line;
mod mounts;
mod place;
mod read;
mod reconcile;
mod secrets;
mod settings;
mod shares;
mod write;

pub use base::{Candidate, is_image_name};
pub use extract::extract;
pub use line::{Certainty, Dockerfile, Files, Finding, Line, LineEntry, LineLayer, Statement};

use crate::archive::Image;
use crate::blob::Meter;
use crate::error::Result;
use crate::layer::Limits;

/// Reconstructs the Dockerfile of an image. `candidates` are images that may be its base.
///
/// All layers are walked once, on all cores: headers of uncompressed ones; compressed ones are decoded and verified.
///
/// # Errors
/// `Limit` for a history or config of excessive length; the fault of a damaged layer: `DigestMismatch`,
/// `DiffIdMismatch`, `Tar`, `Codec`, `Limit` or `Io`.
pub fn dockerfile(
    image: &Image,
    candidates: &[Candidate<'_>],
    limits: &Limits,
    meter: &Meter,
) -> Result<Dockerfile> {
    let known = settings::Settings::of(image.config.config());
    let history = history::History::read(image, &known)?;
    let based = history.find_base(candidates);
    let placed = based.place_layers(limits, meter)?;
    let completed = placed.complete(&known);
    let written = completed.write();
    Ok(written.reconcile(&known))
}
