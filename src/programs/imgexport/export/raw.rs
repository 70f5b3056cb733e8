//! Writing of one layer as an uncompressed tar, byte for byte.

use std::io::Write;
use std::path::Path;

use crate::archive::Image;
use crate::blob::{FileRange, Hasher, HashingReader, Meter, each_chunk};
use crate::error::{At, During, Result};
use crate::layer::Limits;
use crate::spec::Digest;
use crate::tree::Reading;

/// Writes the uncompressed tar of a layer, numbered from 0, and compares it with its diff ID.
///
/// # Errors
/// As [`Reading::decode`](crate::tree::Reading::decode); `DiffIdMismatch`, after the layer was written; `Io`.
pub fn raw_layer(
    image: &Image,
    layer: usize,
    limits: &Limits,
    temp_dir: &Path,
    out: &mut dyn Write,
    meter: &Meter,
) -> Result<()> {
    let reading = Reading {
        limits: *limits,
        ..Reading::default()
    };
    let plain = reading.decode_some(image, layer..layer + 1, temp_dir)?;
    for layer_bytes in &plain {
        let stated = image.layers.get(layer);
        let like = stated.and_then(|stated| stated.diff_id.as_ref());
        let hasher = like.map_or_else(|| Ok(Hasher::default()), Hasher::like)?;
        let found = copy(&layer_bytes.bytes, hasher, out, meter)?;
        if let Some(stated) = stated {
            stated
                .check_diff_id(&found)
                .at(|| stated.place())
                .at(|| format!("layer {} of {}", layer + 1, image.layers.len()))?;
        }
    }
    out.flush().during("write")
}

/// Writes a range and returns its digest.
fn copy(range: &FileRange, hasher: Hasher, out: &mut dyn Write, meter: &Meter) -> Result<Digest> {
    let mut reader = HashingReader::new(meter.counting(range.reader()), hasher);
    each_chunk(&mut reader, |bytes| out.write_all(bytes).during("write"))?;
    Ok(reader.finish().0)
}
