//! Third stage: each step with its layer, and facts about the layers.

use std::collections::HashMap;

use super::base::{Base, Based};
use super::history::{ReadStep, unrecorded};
use super::layer_facts::{self, LayerFacts, Request};
use super::line::Statement;
use super::mounts;
use super::read::Producer;
use super::settings::Settings;
use super::shares::{Share, share_layers};
use crate::archive::Image;
use crate::blob::Meter;
use crate::error::Result;
use crate::layer::Limits;
use crate::spec::instruction::Instruction;

/// Limit on the paths that are searched for in layers.
const SEARCHED: usize = 10_000;

/// Result of the third stage.
#[derive(Debug)]
pub struct Placed<'a> {
    /// The image.
    pub image: &'a Image,
    /// True for an image for Windows.
    pub windows: bool,
    /// The base image.
    pub base: Base<'a>,
    /// Steps after those of the base.
    pub steps: Vec<PlacedStep<'a>>,
    /// Facts about each layer; `None` for one that is not in the archive.
    pub facts: Vec<Option<LayerFacts>>,
    /// Settings of the base.
    pub start: Settings,
    /// Settings that the history makes.
    pub recorded: Settings,
    /// True if a commit wrote one of the entries.
    pub committed: bool,
    /// True if buildah made some of the entries.
    pub buildah: bool,
}

/// A step with its layer.
#[derive(Debug)]
pub struct PlacedStep<'a> {
    /// The step; its layer is the one that is shown for it.
    pub step: ReadStep<'a>,
    /// Number of the history entry, 1 = oldest entry.
    pub entry: Option<usize>,
    /// Relation to a layer made by several steps.
    pub share: Share,
    /// Paths that a RUN mentions and no layer has, each with a leading `/`.
    pub missing: Vec<String>,
}

impl<'a> Based<'a> {
    /// Gives each step its layer and reads the layers, on all cores: headers of uncompressed ones; compressed ones are
    /// decoded and verified.
    ///
    /// # Errors
    /// The fault of the first damaged layer: `DigestMismatch`, `DiffIdMismatch`, `Tar`, `Codec`, `Limit` or `Io`.
    pub fn place_layers(mut self, limits: &Limits, meter: &Meter) -> Result<Placed<'a>> {
        let shares = share_layers(&mut self.steps, self.base.steps, self.buildah);
        let search = Search::new(&self, &shares);
        let facts =
            layer_facts::read_all(self.image, &search.requests, &search.paths, limits, meter)?;
        let mut missing = search.missing(&facts);
        let start = self.start();
        let below = unrecorded(&self.steps);
        let committed = self
            .steps
            .iter()
            .any(|step| step.parsed.producer == Producer::Commit);
        let mut steps = Vec::new();
        for (i, (step, share)) in self.steps.into_iter().zip(shares).enumerate() {
            if i >= self.base.steps {
                steps.push(PlacedStep {
                    entry: step.history.map(|_| i + 1 - below),
                    step,
                    share,
                    missing: missing.remove(&i).unwrap_or_default(),
                });
            }
        }
        Ok(Placed {
            image: self.image,
            windows: self.windows,
            base: self.base,
            steps,
            facts,
            start,
            recorded: self.recorded,
            committed,
            buildah: self.buildah,
        })
    }

    /// Returns the settings of the base: those of its config, or the sum of its steps. Its triggers ran already.
    fn start(&self) -> Settings {
        let mut settings = match self.base.image {
            Some(image) => Settings::of(image.config.config()),
            None => {
                let mut settings = Settings::default();
                let mut cmd_set = false;
                let steps = self.steps.get(..self.base.steps).unwrap_or_default();
                for step in steps.iter().filter(|step| !step.parsed.inert) {
                    if let Some(instruction) = step.parsed.instruction() {
                        settings.apply(instruction, self.windows, &mut cmd_set);
                    }
                }
                settings
            }
        };
        settings.onbuild.clear();
        settings
    }
}

/// Facts that are needed about the layers.
struct Search {
    /// Request for each layer.
    requests: Vec<Request>,
    /// Paths that commands mention, with their positions.
    paths: HashMap<Vec<u8>, usize>,
    /// Positions of the paths that a step mentions, by step.
    mentions: HashMap<usize, Vec<usize>>,
}

impl Search {
    fn new(based: &Based<'_>, shares: &[Share]) -> Self {
        let mut search = Search {
            requests: vec![Request::default(); based.image.layers.len()],
            paths: HashMap::new(),
            mentions: HashMap::new(),
        };
        for (i, step) in based.steps.iter().enumerate() {
            let is_own = i >= based.base.steps;
            let parsed = &step.parsed;
            let request = step.layer.and_then(|layer| search.requests.get_mut(layer));
            match &parsed.statement {
                Statement::Instruction(Instruction::Copy(_)) | Statement::Layer(_) => {
                    if let Some(request) = request {
                        request.paths = true;
                        request.body = is_own;
                    }
                }
                _ if shares.get(i) == Some(&Share::All) || parsed.has_lost_mount() => {
                    if let Some(request) = request {
                        request.paths = true;
                    }
                }
                Statement::Instruction(Instruction::Run(command))
                    if is_own
                        && parsed.producer == Producer::BuildKit
                        && search.paths.len() < SEARCHED =>
                {
                    for path in mounts::mentioned_paths(command) {
                        let path = path.trim_start_matches('/').as_bytes().to_vec();
                        let next = search.paths.len();
                        let position = *search.paths.entry(path).or_insert(next);
                        search.mentions.entry(i).or_default().push(position);
                    }
                }
                _ => {}
            }
        }
        search
    }

    /// Returns the mentioned paths that no layer has, by step.
    fn missing(&self, facts: &[Option<LayerFacts>]) -> HashMap<usize, Vec<String>> {
        let mut seen = vec![false; self.paths.len()];
        for at in facts.iter().flatten().flat_map(|facts| &facts.seen) {
            seen[*at] = true;
        }
        let mut names = vec![String::new(); self.paths.len()];
        for (path, &at) in &self.paths {
            names[at] = format!("/{}", String::from_utf8_lossy(path));
        }
        let missing = self.mentions.iter().map(|(step, positions)| {
            let unseen = positions.iter().filter(|&&at| !seen[at]);
            (*step, unseen.map(|&at| names[at].clone()).collect())
        });
        missing.collect()
    }
}
