//! Layers of an image as given on a command line.

use std::ops::Range;

use crate::archive::{Image, Layer};
use crate::error::{Error, Result};
use crate::spec::Digest;

/// Parses a selection of layers: `N`, `A..B`, `A..`, `..B` (from 1, both ends included), or a digest or digest prefix.
///
/// # Errors
/// `Usage` for an invalid selection, and for one that no layer or several layers match.
pub fn layer_range(image: &Image, text: &str) -> Result<Range<usize>> {
    let digests = image.layers.iter().map(|layer| {
        let stored = layer.descriptor.as_ref();
        let stored = stored.map(|descriptor| &descriptor.digest);
        [stored, layer.diff_id.as_ref()]
    });
    range_of(&digests.collect::<Vec<_>>(), text)
}

/// Parses a selection of layers as [`layer_range`], by the stored digests and diff IDs of all of them.
///
/// # Errors
/// As [`layer_range`].
pub fn range_of(digests: &[[Option<&Digest>; 2]], text: &str) -> Result<Range<usize>> {
    let count = digests.len();
    let usage = |why: String| Error::usage(why);
    let number = |text: &str| match text.parse::<usize>() {
        Ok(number) if (1..=count).contains(&number) => Ok(number),
        Ok(_) => Err(usage(format!(
            "no layer {text}: the image has {count} layers"
        ))),
        Err(_) => Err(usage(format!(
            "invalid layer '{text}': expected a number, A..B or a digest"
        ))),
    };
    if let Some((from, to)) = text.split_once("..") {
        let from = if from.is_empty() { 1 } else { number(from)? };
        let to = if to.is_empty() { count } else { number(to)? };
        if from > to {
            return Err(usage(format!("empty range '{text}'")));
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
    let known = digests.iter().enumerate();
    let found = known.filter(|(_, digests)| digests.iter().any(|digest| matches(*digest)));
    let found: Vec<usize> = found.map(|(at, _)| at).collect();
    match found[..] {
        [only] => Ok(only..only + 1),
        [] => Err(usage(format!("no layer '{text}' in the image"))),
        _ => Err(usage(format!(
            "ambiguous digest prefix '{text}': matches {} layers",
            found.len()
        ))),
    }
}

/// Returns the layers of an image above those of its base image.
///
/// # Errors
/// `Usage` if the image does not descend from the base image.
pub fn layers_since(image: &Image, base: &Image) -> Result<Range<usize>> {
    let name = |layer: &Layer| {
        let stored = layer.digest();
        layer.diff_id.as_ref().or(stored).cloned()
    };
    for (i, below) in base.layers.iter().enumerate() {
        let same = image
            .layers
            .get(i)
            .is_some_and(|layer| name(layer).is_some() && name(layer) == name(below));
        if !same {
            return Err(Error::usage(format!(
                "the image does not descend from the base image: layer {} differs",
                i + 1
            )));
        }
    }
    Ok(base.layers.len()..image.layers.len())
}
