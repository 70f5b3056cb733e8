//! What of an image is wanted: which layers, which paths.

use std::ops::Range;

use super::{ExportOptions, shown};
use crate::archive::{Image, Layer};
use crate::error::{Error, Fault, Result};
use crate::escape;
use crate::glob::{Dialect, Glob};
use crate::layer::clean_path;
use crate::spec::Digest;
use crate::tree::{NodeKind, Tree};

/// Patterns for paths, as in a shell: `*` and `?` stop at `/`, `**` does not, and `[…]` and `{…,…}` choose.
///
/// One without a `/` is compared with the last part of each path, else with the whole path. What is in a folder that
/// matches counts as matching.
#[derive(Debug, Clone, Default)]
pub struct Globs {
    include: Vec<Glob>,
    exclude: Vec<Glob>,
}

impl Globs {
    /// Reads patterns.
    ///
    /// # Errors
    /// `Usage` for a malformed one.
    pub fn new(include: &[String], exclude: &[String]) -> Result<Self> {
        Ok(Globs {
            include: set(include)?,
            exclude: set(exclude)?,
        })
    }

    /// Whether nothing has to match to be wanted.
    pub(super) fn wants_all(&self) -> bool {
        self.include.is_empty()
    }

    fn is_empty(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }
}

fn set(patterns: &[String]) -> Result<Vec<Glob>> {
    let globs = patterns.iter().map(|pattern| {
        let clean = pattern.trim_start_matches("./").trim_matches('/');
        let anywhere = !pattern.trim_end_matches('/').contains('/');
        let text = if anywhere {
            format!("**/{clean}")
        } else {
            clean.to_owned()
        };
        Glob::new(&text, Dialect::Shell)
            .map_err(|why| Error::new(Fault::Usage(format!("'{pattern}' is no pattern: {why}"))))
    });
    globs.collect()
}

/// Which paths are wanted, by their numbers.
pub(super) struct Wanted(Option<Vec<bool>>);

/// What holds for a path and all that is in it.
const NAMED: u8 = 1;
const INCLUDED: u8 = 2;
const EXCLUDED: u8 = 4;

impl Wanted {
    pub(super) fn new(tree: &Tree, options: &ExportOptions) -> Result<Self> {
        let globs = &options.globs;
        if options.paths.is_empty() && globs.is_empty() {
            return Ok(Wanted(None));
        }
        let mut marks = vec![0_u8; tree.size()];
        for path in &options.paths {
            let past = tree
                .past(path)
                .filter(|past| past.node().is_some() || options.raw && past.is_removed());
            let Some(past) = past else {
                return Err(nothing(tree, path));
            };
            marks[past.index()] |= NAMED;
        }
        let always = (u8::from(options.paths.is_empty()) * NAMED)
            | (u8::from(globs.include.is_empty()) * INCLUDED);
        let matches = |set: &[Glob], path: &[u8]| set.iter().any(|glob| glob.is_match(path));
        let mut wanted = vec![false; tree.size()];
        for past in tree.ever() {
            let index = past.index();
            let mut mark = marks[index] | always;
            if let Some(parent) = past.parent_index() {
                mark |= marks[parent];
            }
            if !globs.is_empty() {
                let path = past.path();
                mark |= u8::from(matches(&globs.include, &path)) * INCLUDED;
                mark |= u8::from(matches(&globs.exclude, &path)) * EXCLUDED;
            }
            marks[index] = mark;
            let is_there = past.node().is_some() || options.raw && past.is_removed();
            if mark == NAMED | INCLUDED && is_there {
                // With the folders that it is in, for their owners and modes.
                let mut at = Some(index);
                while let Some(index) = at.filter(|&index| !wanted[index]) {
                    wanted[index] = true;
                    at = tree.past_at(index).and_then(|past| past.parent_index());
                }
            }
        }
        Ok(Wanted(Some(wanted)))
    }

    pub(super) fn wants(&self, index: usize) -> bool {
        self.0
            .as_ref()
            .is_none_or(|wanted| wanted.get(index).copied().unwrap_or_default())
    }
}

/// Says why nothing is at a path.
fn nothing(tree: &Tree, path: &[u8]) -> Error {
    let clean = clean_path(path).path;
    let ends = clean
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'/')
        .map(|(at, _)| at);
    let link = ends
        .filter_map(|end| tree.get(&clean[..end]).map(|node| (end, node)))
        .find(|(_, node)| node.kind() == NodeKind::Symlink);
    let why = match link {
        Some((end, node)) => format!(
            "nothing is there: {} is a symbolic link to '{}'",
            shown(&clean[..end]),
            escape::bytes(node.link_target())
        ),
        None => "nothing is there".to_owned(),
    };
    Error::new(Fault::Usage(why)).at(shown(&clean))
}

/// Reads what layers are meant: `N`, `A..B`, `A..`, `..B` (from 1, both ends included), or a digest or its start.
///
/// # Errors
/// `Usage`.
pub fn layer_range(image: &Image, text: &str) -> Result<Range<usize>> {
    let count = image.layers.len();
    let usage = |why: String| Error::new(Fault::Usage(why));
    let number = |text: &str| match text.parse::<usize>() {
        Ok(number) if (1..=count).contains(&number) => Ok(number),
        Ok(_) => Err(usage(format!(
            "there is no layer {text}: the image has {count}"
        ))),
        Err(_) => Err(usage(format!(
            "'{text}' is no layer: a number, A..B, or a digest"
        ))),
    };
    if let Some((from, to)) = text.split_once("..") {
        let from = if from.is_empty() { 1 } else { number(from)? };
        let to = if to.is_empty() { count } else { number(to)? };
        if from > to {
            return Err(usage(format!("'{text}' holds no layer")));
        }
        return Ok(from - 1..to);
    }
    if text.len() < 6 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = number(text)?;
        return Ok(number - 1..number);
    }
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    let matches = |digest: Option<&Digest>| {
        digest.is_some_and(|digest| {
            digest.as_str() == text || hex.len() >= 4 && digest.encoded().starts_with(hex)
        })
    };
    let stored = |layer: &Layer| {
        matches(
            layer
                .descriptor
                .as_ref()
                .map(|descriptor| &descriptor.digest),
        )
    };
    let found: Vec<usize> = (0..count)
        .filter(|&i| stored(&image.layers[i]) || matches(image.layers[i].diff_id.as_ref()))
        .collect();
    match found[..] {
        [only] => Ok(only..only + 1),
        [] => Err(usage(format!("the image has no layer '{text}'"))),
        _ => Err(usage(format!("'{text}' fits {} layers", found.len()))),
    }
}

/// The layers of an image that come on top of another one.
///
/// # Errors
/// `Usage` if it is not built on that one.
pub fn since(image: &Image, base: &Image) -> Result<Range<usize>> {
    let name = |layer: &Layer| {
        let stored = layer
            .descriptor
            .as_ref()
            .map(|descriptor| &descriptor.digest);
        layer.diff_id.as_ref().or(stored).cloned()
    };
    for (i, below) in base.layers.iter().enumerate() {
        let same = image
            .layers
            .get(i)
            .is_some_and(|layer| name(layer).is_some() && name(layer) == name(below));
        if !same {
            let why = format!(
                "the image is not built on that one: layer {} is another",
                i + 1
            );
            return Err(Fault::Usage(why).into());
        }
    }
    Ok(base.layers.len()..image.layers.len())
}
