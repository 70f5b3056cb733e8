//! Selection of the layers above a base image.

use std::ops::Range;

use crate::archive::{Image, Layer};
use crate::error::{Error, Result};

/// Returns the layers of an image above those of its base image.
///
/// # Errors
/// `Usage` if the image does not descend from the base image.
pub fn since(image: &Image, base: &Image) -> Result<Range<usize>> {
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
