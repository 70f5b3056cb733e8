//! What an image was built upon.

use super::instruction::Instruction;
use super::read::{Parsed, Producer};
use crate::archive::{Image, Step};
use crate::spec::{History, Reference, Timestamp};

/// An image that may be the base of another one.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// How a Dockerfile names it.
    pub name: &'a str,
    /// The image.
    pub image: &'a Image,
    /// Whether it was named itself, and not found with others: then it may be the very same image.
    pub named: bool,
}

/// What an image was built upon, and how that was found.
#[derive(Debug, Clone)]
pub struct Base<'a> {
    /// What stands behind `FROM`.
    pub name: String,
    /// How it was found, in words.
    pub how: String,
    /// Whether that is certain.
    pub sure: bool,
    /// How many steps are the base's.
    pub steps: usize,
    /// The base itself, where it is at hand.
    pub image: Option<&'a Image>,
    /// What else is worth saying, each a line.
    pub remarks: Vec<String>,
}

const BASE_NAME: &str = "org.opencontainers.image.base.name";
const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// Finds the base: by buildah's comment, by annotations, by the layers of other images, by signs in the history.
pub fn find<'a>(
    image: &Image,
    steps: &[(Step<'_>, Parsed)],
    candidates: &[Candidate<'a>],
) -> Base<'a> {
    let mut remarks = Vec::new();
    let shared = by_layers(image, candidates);
    if let Some((name, noted)) = by_comment(steps) {
        // The image itself may be at hand, too: then its config and the end of its history are known.
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
            how: "buildah's comment".into(),
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
        let how = match &annotated {
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
            how,
            sure: true,
            steps: steps_of,
            image: Some(candidate.image),
            remarks,
        };
    }
    let guess = by_signs(steps);
    if let Some(name) = annotated {
        if let Some((at, why)) = &guess {
            return Base {
                name,
                how: format!("the annotation {BASE_NAME}; where it ends is a guess: {why}"),
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
        remarks.push(format!("{layers} of its layers are those of {name}, too"));
    }
    let from_nothing = steps
        .iter()
        .find(|(step, _)| step.layer.is_some())
        .is_some_and(|(_, parsed)| starts_from_nothing(&parsed.instruction));
    let how = match &guess {
        Some((_, why)) => {
            format!("no base image is known, so all of the history follows; {why}")
        }
        None if from_nothing => "its first layer is a root filesystem that was added".to_owned(),
        None => "no base image is known, and nothing in the history looks like one".to_owned(),
    };
    Base {
        name: "scratch".into(),
        how,
        sure: steps
            .first()
            .is_some_and(|(_, parsed)| starts_from_nothing(&parsed.instruction)),
        steps: 0,
        image: None,
        remarks,
    }
}

fn layers_before(steps: &[(Step<'_>, Parsed)], at: usize) -> usize {
    let before = steps.get(..at).unwrap_or_default();
    before
        .iter()
        .filter(|(step, _)| step.layer.is_some())
        .count()
}

fn starts_from_nothing(instruction: &Instruction) -> bool {
    matches!(instruction, Instruction::Copy(copy) if copy.add && matches!(copy.destination.as_str(), "/" | "./"))
}

/// Where a stage begins whose base is noted at `at`: with a layer for each step there, else buildah notes it on the one
/// entry that has a layer, the last one, and what is before it without a remark is the stage's, too.
fn before_stage(steps: &[(Step<'_>, Parsed)], at: usize) -> usize {
    let is_noted = |at: usize| {
        let comment = steps.get(at).map(|(_, parsed)| parsed.comment.as_str());
        comment.is_some_and(|comment| comment.starts_with("FROM "))
    };
    let has_layer = steps.get(at).is_some_and(|(step, _)| step.layer.is_some());
    // Each step has its own remark then.
    if !has_layer || is_noted(at + 1) {
        return at;
    }
    let of_stage = |(step, parsed): &&(Step<'_>, Parsed)| {
        step.layer.is_none()
            && step.history.is_some()
            && parsed.buildah
            && parsed.comment.is_empty()
    };
    let before = steps.get(..at).unwrap_or_default();
    at - before.iter().rev().take_while(of_stage).count()
}

/// `FROM <ref>` as buildah notes it on the first entry of its own; ids of intermediate images are none.
fn by_comment(steps: &[(Step<'_>, Parsed)]) -> Option<(String, usize)> {
    steps.iter().enumerate().rev().find_map(|(at, (step, _))| {
        let name = step.history?.comment.strip_prefix("FROM ")?.trim();
        let is_id = name.len() >= 12 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        (!is_id && is_image_name(name) && at > 0).then(|| (name.to_owned(), at))
    })
}

/// Whether `FROM` takes a text.
pub fn is_image_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._-/:@".contains(c);
    name.len() <= 512 && name.chars().all(fits) && Reference::parse(name).is_ok()
}

/// What annotations of the manifest, or labels of the same names, say.
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

/// The image whose layers are the longest start of this one's.
fn by_layers<'a>(image: &Image, candidates: &[Candidate<'a>]) -> Option<(Candidate<'a>, usize)> {
    let own = ids(image)?;
    let fits = |candidate: &&Candidate<'_>| {
        let other = candidate.image;
        let Some(layers) = ids(other) else {
            return false;
        };
        // The same, or what makes no difference to a builder, as labels of its own: FROM alone.
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
    // The first of several that are as long, so that the order of the arguments decides.
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

fn is_start(base: &[History], own: &[History]) -> bool {
    let same = |(a, b): (&History, &History)| {
        a.created_by == b.created_by && a.created == b.created && a.empty_layer == b.empty_layer
    };
    base.len() <= own.len() && base.iter().zip(own).all(same)
}

/// How many steps belong to a base that is at hand.
fn steps_of_base(
    base: &Image,
    image: &Image,
    steps: &[(Step<'_>, Parsed)],
    layers: usize,
) -> usize {
    let without_entry = steps
        .iter()
        .take_while(|(step, _)| step.history.is_none())
        .count();
    let entries = base.config.history.len();
    if entries > 0 && is_start(&base.config.history, &image.config.history) {
        return without_entry + entries;
    }
    // Up to the step that made the last of its layers.
    let last = steps
        .iter()
        .rposition(|(step, _)| step.layer.is_some_and(|layer| layer < layers));
    last.map_or(0, |last| last + 1)
}

/// Another image that shares some of the layers, without being the base.
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

/// Signs of a seam between a base and what was built upon it.
fn by_signs(steps: &[(Step<'_>, Parsed)]) -> Option<(usize, String)> {
    let unrecorded = steps
        .iter()
        .take_while(|(step, _)| step.history.is_none())
        .count();
    if unrecorded > 0 && unrecorded < steps.len() {
        return Some((unrecorded, "the layers below have no history".into()));
    }
    let group = |producer: Producer| match producer {
        Producer::Import => 1,
        Producer::Classic => 2,
        Producer::BuildKit => 3,
        Producer::Plain => 4,
        Producer::Commit | Producer::Other => 5,
    };
    let changes = |(at, pair): (usize, &[(Step<'_>, Parsed)])| match pair {
        [(_, before), (_, after)] if group(before.producer) != group(after.producer) => {
            Some(at + 1)
        }
        _ => None,
    };
    let seam = steps.windows(2).enumerate().rev().find_map(changes);
    if let Some(at) = seam {
        let why = "another tool wrote what follows the base";
        return Some((at, format!("{why}, at entry {}", at + 1)));
    }
    // A base mostly ends with what it runs; what is built upon it brings new layers.
    let ends = |parsed: &Parsed| {
        matches!(
            parsed.instruction,
            Instruction::Cmd(_) | Instruction::Entrypoint(_)
        )
    };
    let last_layer = steps.iter().rposition(|(step, _)| step.layer.is_some())?;
    let end = steps
        .get(..last_layer)?
        .iter()
        .rposition(|(_, parsed)| ends(parsed))?;
    let why = format!(
        "a base probably ends with entry {}, which sets what runs",
        end + 1
    );
    Some((end + 1, why))
}
