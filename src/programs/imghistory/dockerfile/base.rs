//! Second stage: the base image.

use super::history::{History, ReadStep, unrecorded};
use super::read::Producer;
use super::settings::Settings;
use crate::archive::Image;
use crate::spec::annotations::BASE_NAME;
use crate::spec::instruction::Instruction;
use crate::spec::{self, Reference, Timestamp};

/// Image that may be the base of another one.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Name in `FROM`.
    pub name: &'a str,
    /// The image.
    pub image: &'a Image,
    /// True for an image that was named itself, instead of found in a directory: then it may be the same image.
    pub named: bool,
}

/// Base image, and the way it was found.
#[derive(Debug, Clone)]
pub struct Base<'a> {
    /// Name in `FROM`.
    pub name: String,
    /// The reason for it, in words.
    pub reason: String,
    /// True for a certain base.
    pub sure: bool,
    /// Number of steps of the base.
    pub steps: usize,
    /// The base image, if it is among the candidates.
    pub image: Option<&'a Image>,
    /// Comments for the top of the file.
    pub remarks: Vec<String>,
}

/// Result of the second stage.
#[derive(Debug)]
pub struct Based<'a> {
    /// The image.
    pub image: &'a Image,
    /// True for an image for Windows.
    pub windows: bool,
    /// The base image.
    pub base: Base<'a>,
    /// Steps, oldest first, those of the base included.
    pub steps: Vec<ReadStep<'a>>,
    /// Settings that the history makes.
    pub recorded: Settings,
    /// True if buildah made some of the entries.
    pub buildah: bool,
}

impl<'a> History<'a> {
    /// Finds the base image, and reads the history again with its settings if it is among the candidates.
    pub fn find_base(self, candidates: &[Candidate<'a>]) -> Based<'a> {
        let base = find(self.image, &self.steps, candidates);
        let history = match base.image {
            Some(image) => {
                let entries = base.steps.saturating_sub(self.unrecorded());
                self.read_on(entries, Settings::of(image.config.config()))
            }
            None => self,
        };
        Based {
            image: history.image,
            windows: history.windows,
            base,
            recorded: history.settings().clone(),
            buildah: history.is_buildah(),
            steps: history.steps,
        }
    }
}

const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// Finds the base: by buildah's comment, by annotations, by the layers of other images, by signs in the history.
fn find<'a>(image: &Image, steps: &[ReadStep<'_>], candidates: &[Candidate<'a>]) -> Base<'a> {
    let mut remarks = Vec::new();
    let shared = by_layers(image, candidates);
    if let Some((name, noted)) = by_comment(steps) {
        // If it is among the candidates, too, its config and the end of its history are known.
        let start = before_stage(steps, noted);
        let layers = layers_before(steps, start);
        let known = shared.filter(|(_, layers_of)| *layers_of == layers);
        let at = match known {
            Some((candidate, layers)) => {
                steps_of_base(candidate.image, image, steps, layers).min(noted)
            }
            None => start,
        };
        return Base {
            name,
            reason: "buildah's comment".into(),
            sure: true,
            steps: at,
            image: known.map(|(candidate, _)| candidate.image),
            remarks,
        };
    }
    let annotated = by_annotation(image);
    if let Some((candidate, layers)) = shared {
        let steps_of = steps_of_base(candidate.image, image, steps, layers);
        let name = match &annotated {
            Some(name) => name.clone(),
            None => candidate.name.to_owned(),
        };
        let reason = match &annotated {
            Some(_) => format!(
                "the annotation {BASE_NAME}; {} holds its layers",
                candidate.name
            ),
            None => format!(
                "{layers} of {} layers are those of {}",
                image.layers.len(),
                candidate.name
            ),
        };
        return Base {
            name,
            reason,
            sure: true,
            steps: steps_of,
            image: Some(candidate.image),
            remarks,
        };
    }
    let guess = by_signs(steps);
    if let Some(name) = annotated {
        if let Some((at, end)) = &guess {
            return Base {
                name,
                reason: format!("the annotation {BASE_NAME}; where it ends is a guess: {end}"),
                sure: false,
                steps: *at,
                image: None,
                remarks,
            };
        }
        remarks.push(format!(
            "an annotation names the base {name}, but nothing tells where it ends"
        ));
    }
    if let Some((layers, name)) = sibling(image, candidates) {
        remarks.push(format!("shares {layers} layers with {name}"));
    }
    let from_nothing = steps
        .iter()
        .find(|step| step.layer.is_some())
        .is_some_and(is_root_filesystem);
    let reason = match &guess {
        Some((_, end)) => {
            format!("base image unknown, starting from scratch; {end}")
        }
        None if from_nothing => "its first layer is a root filesystem that was added".to_owned(),
        None => "base image unknown, and nothing in the history looks like one".to_owned(),
    };
    Base {
        name: "scratch".into(),
        reason,
        sure: steps.first().is_some_and(is_root_filesystem),
        steps: 0,
        image: None,
        remarks,
    }
}

fn layers_before(steps: &[ReadStep<'_>], at: usize) -> usize {
    let before = steps.get(..at).unwrap_or_default();
    before.iter().filter(|step| step.layer.is_some()).count()
}

/// Tests for a step that adds a root filesystem.
fn is_root_filesystem(step: &ReadStep<'_>) -> bool {
    let copy = step.parsed.statement.copy();
    copy.is_some_and(|copy| copy.add && matches!(copy.destination.as_str(), "/" | "./"))
}

/// Returns the first step of a stage whose base is in the comment of step `at`. With a layer for each step that is `at`.
/// Else buildah writes the comment on the one entry with a layer, the last one, and the entries without a comment before
/// it belong to the stage.
fn before_stage(steps: &[ReadStep<'_>], at: usize) -> usize {
    let is_noted = |at: usize| {
        let comment = steps.get(at).map(|step| step.parsed.comment.as_str());
        comment.is_some_and(|comment| comment.starts_with("FROM "))
    };
    let has_layer = steps.get(at).is_some_and(|step| step.layer.is_some());
    // Each step has its own comment then.
    if !has_layer || is_noted(at + 1) {
        return at;
    }
    let of_stage = |step: &&ReadStep<'_>| {
        step.layer.is_none()
            && step.history.is_some()
            && step.parsed.buildah
            && step.parsed.comment.is_empty()
    };
    let before = steps.get(..at).unwrap_or_default();
    at - before.iter().rev().take_while(of_stage).count()
}

/// Finds the last comment `FROM <ref>`, which buildah writes on the first entry of a stage; IDs of intermediate images
/// do not count.
fn by_comment(steps: &[ReadStep<'_>]) -> Option<(String, usize)> {
    steps.iter().enumerate().rev().find_map(|(at, step)| {
        let name = step.history?.comment.strip_prefix("FROM ")?.trim();
        let is_id = name.len() >= 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        (!is_id && is_image_name(name) && at > 0).then(|| (name.to_owned(), at))
    })
}

/// Tests if `FROM` accepts a name.
pub fn is_image_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    name.len() <= 512 && name.chars().all(fits) && Reference::parse(name).is_ok()
}

/// Returns the base that annotations of the manifest name, or labels of the same names.
fn by_annotation(image: &Image) -> Option<String> {
    let annotations = image
        .manifest
        .as_ref()
        .map(|manifest| manifest.annotations.clone());
    let labels = image.config.labels();
    let all: Vec<(String, String)> = annotations.into_iter().flatten().chain(labels).collect();
    let value = |key: &str| {
        let found = all
            .iter()
            .find(|(name, value)| name == key && !value.is_empty());
        found.map(|(_, value)| value.trim())
    };
    let name = value(BASE_NAME).filter(|name| is_image_name(name) && *name != "scratch")?;
    let digest = value(BASE_DIGEST).filter(|_| !name.contains('@'));
    let pinned = digest.map(|digest| format!("{name}@{digest}"));
    Some(
        pinned
            .filter(|name| is_image_name(name))
            .unwrap_or_else(|| name.to_owned()),
    )
}

/// Returns the candidate whose layers are the longest start of the image's layers, and their number.
fn by_layers<'a>(image: &Image, candidates: &[Candidate<'a>]) -> Option<(Candidate<'a>, usize)> {
    let own = ids(image)?;
    let fits = |candidate: &&Candidate<'_>| {
        let other = candidate.image;
        let Some(layers) = ids(other) else {
            return false;
        };
        // The same layers: an image of FROM alone, or with settings that make no layer.
        let not_older = || match (&other.config.created, &image.config.created) {
            (Some(a), Some(b)) => Timestamp::parse(a)
                .zip(Timestamp::parse(b))
                .is_some_and(|(a, b)| a.nanoseconds() <= b.nanoseconds()),
            _ => false,
        };
        let longer = match other.id == image.id {
            true => candidate.named,
            false => other.config.history.len() < image.config.history.len() || not_older(),
        };
        !layers.is_empty()
            && (other.id != image.id || candidate.named)
            && own.starts_with(&layers)
            && (layers.len() < own.len()
                || longer && is_start(&other.config.history, &image.config.history))
    };
    // Of several with equal length the first, so that the order of the arguments decides.
    let mut best: Option<(Candidate<'a>, usize, usize)> = None;
    let same = |candidate: &&Candidate<'_>| candidate.image.id == image.id;
    let fitting = candidates.iter().filter(fits);
    let (same, others): (Vec<&Candidate<'a>>, Vec<_>) = fitting.partition(same);
    // The image itself only if there is no other.
    let fitting = if others.is_empty() { same } else { others };
    for candidate in fitting {
        let layers = ids(candidate.image).map_or(0, |ids| ids.len());
        let entries = match is_start(&candidate.image.config.history, &image.config.history) {
            true => candidate.image.config.history.len(),
            false => 0,
        };
        let better = best.is_none_or(|(_, most, history)| (layers, entries) > (most, history));
        if better {
            best = Some((*candidate, layers, entries));
        }
    }
    best.map(|(candidate, layers, _)| (candidate, layers))
}

fn ids(image: &Image) -> Option<Vec<String>> {
    let ids = image.config.diff_ids.as_ref()?;
    Some(ids.iter().map(ToString::to_string).collect())
}

fn is_start(base: &[spec::History], own: &[spec::History]) -> bool {
    let same = |(a, b): (&spec::History, &spec::History)| {
        a.created_by == b.created_by && a.created == b.created && a.empty_layer == b.empty_layer
    };
    base.len() <= own.len() && base.iter().zip(own).all(same)
}

/// Returns the number of steps of a base image that is among the candidates.
fn steps_of_base(base: &Image, image: &Image, steps: &[ReadStep<'_>], layers: usize) -> usize {
    let entries = base.config.history.len();
    if entries > 0 && is_start(&base.config.history, &image.config.history) {
        return unrecorded(steps) + entries;
    }
    // Up to the step that made the last of its layers.
    let last = steps
        .iter()
        .rposition(|step| step.layer.is_some_and(|layer| layer < layers));
    last.map_or(0, |last| last + 1)
}

/// Returns a candidate that shares layers with the image without being its base, and their number.
fn sibling<'a>(image: &Image, candidates: &[Candidate<'a>]) -> Option<(usize, &'a str)> {
    let own = ids(image)?;
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other = ids(candidate.image).unwrap_or_default();
        let shared = own.iter().zip(&other).take_while(|(a, b)| a == b).count();
        if shared > 0
            && candidate.image.id != image.id
            && best.is_none_or(|(most, _)| shared > most)
        {
            best = Some((shared, candidate.name));
        }
    }
    best
}

/// Guesses the end of the base by signs in the history: returns the number of its steps, and the reason.
fn by_signs(steps: &[ReadStep<'_>]) -> Option<(usize, String)> {
    let unrecorded = unrecorded(steps);
    if unrecorded > 0 && unrecorded < steps.len() {
        return Some((unrecorded, "the layers below have no history".into()));
    }
    let group = |producer: Producer| match producer {
        Producer::Import => 1,
        Producer::Classic => 2,
        Producer::BuildKit => 3,
        Producer::Verbatim => 4,
        Producer::Commit | Producer::Other => 5,
    };
    let changes = |(at, pair): (usize, &[ReadStep<'_>])| match pair {
        [before, after] if group(before.parsed.producer) != group(after.parsed.producer) => {
            Some(at + 1)
        }
        _ => None,
    };
    let end = steps.windows(2).enumerate().rev().find_map(changes);
    if let Some(at) = end {
        let reason = "another tool wrote what follows the base";
        return Some((at, format!("{reason}, at entry {}", at + 1)));
    }
    // A base mostly ends with its command; descendants bring new layers.
    let ends = |step: &ReadStep<'_>| {
        matches!(
            step.parsed.instruction(),
            Some(Instruction::Cmd(_) | Instruction::Entrypoint(_))
        )
    };
    let last_layer = steps.iter().rposition(|step| step.layer.is_some())?;
    let end = steps.get(..last_layer)?.iter().rposition(ends)?;
    let reason = format!(
        "a base probably ends with entry {}, which sets what runs",
        end + 1
    );
    Some((end + 1, reason))
}
