//! A layer as it is: the plain tar, byte for byte.

use std::io::{self, Write};
use std::path::Path;

use crate::archive::Image;
use crate::blob::{CHUNK, FileRange, Hasher, HashingReader, Meter};
use crate::error::{At, Error, Fault, Result};
use crate::layer::Limits;
use crate::parallel::in_parallel;
use crate::spec::Digest;
use crate::tree::Reading;

/// Writes the plain tar of a layer, from 0, and compares it with its diff ID on the way.
///
/// # Errors
/// As [`Reading::plain`]; `DiffIdMismatch` when all has been written; `Io`.
pub fn raw_layer(
    image: &Image,
    layer: usize,
    limits: &Limits,
    landing: &Path,
    out: &mut dyn Write,
    meter: &Meter,
) -> Result<()> {
    let reading = Reading {
        limits: *limits,
        ..Reading::default()
    };
    let plain = reading.plain_some(image, layer..layer + 1, landing)?;
    for layer_bytes in &plain {
        let found = pass(&layer_bytes.bytes, out, meter)?;
        check(image, layer, &found)?;
    }
    out.flush().map_err(|error| Error::io("write", error))
}

/// Reads all layers that lie plain in the archive and compares them with their diff IDs, on all cores. Packed ones are
/// verified whenever they are read.
///
/// # Errors
/// `DiffIdMismatch`, placed at the layer; as [`Reading::plain`].
pub fn check_plain(image: &Image, meter: &Meter) -> Result<()> {
    let work: Vec<usize> = (0..image.layers.len()).collect();
    in_parallel(&work, |&layer| {
        let content = image.layers[layer].content();
        let Some(range) = content
            .map(|content| content.range())
            .transpose()?
            .flatten()
        else {
            return Ok(());
        };
        let mut head = [0; 6];
        let n = range.head(&mut head)?;
        if crate::blob::Compression::sniff(&head[..n]) != crate::blob::Compression::None {
            return Ok(());
        }
        let found = pass(&range, &mut io::sink(), meter)?;
        check(image, layer, &found)
    })
    .into_iter()
    .collect()
}

fn pass(range: &FileRange, out: &mut dyn Write, meter: &Meter) -> Result<Digest> {
    let mut reader = HashingReader::new(meter.counting(range.reader()), Hasher::default());
    let mut buf = vec![0; CHUNK];
    loop {
        let n = io::Read::read(&mut reader, &mut buf).map_err(|error| Error::io("read", error))?;
        if n == 0 {
            return Ok(reader.finish().0);
        }
        out.write_all(&buf[..n])
            .map_err(|error| Error::io("write", error))?;
    }
}

fn check(image: &Image, layer: usize, found: &Digest) -> Result<()> {
    match &image.layers[layer].diff_id {
        Some(expected) if expected != found && expected.algorithm() == found.algorithm() => {
            let fault = Fault::DiffIdMismatch {
                expected: expected.to_string(),
                found: found.to_string(),
            };
            Err(Error::new(fault))
                .at(|| image.layers[layer].member.clone())
                .at(|| format!("layer {} of {}", layer + 1, image.layers.len()))
        }
        _ => Ok(()),
    }
}
