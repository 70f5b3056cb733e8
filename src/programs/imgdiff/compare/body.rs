//! The contents of files, read and compared at any place.

use std::io::Read;

use sha2::{Digest as _, Sha256};

use super::side::{Side, gone};
use crate::blob::read_full;
use crate::error::{At, Error, Result};
use crate::layer::Expanded;
use crate::tree::Location;

/// Bytes read at once from each side.
const BUFFER: usize = 128 * 1024;

/// Opens contents; their layer has to be uncompressed.
///
/// # Errors
/// `StreamConsumed` for a compressed layer, `Truncated` for a file that became shorter, `Io`.
pub(super) fn open<'a>(
    side: &'a Side,
    place: &Location,
    size: u64,
) -> Result<Box<dyn Read + Send + 'a>> {
    if let Some(directory) = &side.directory {
        let number = usize::try_from(place.offset).map_err(|_| gone())?;
        return Ok(Box::new(directory.contents(number)?));
    }
    let plain = side
        .layers
        .get(place.layer)
        .and_then(|layer| layer.plain.as_ref());
    let stored = plain.ok_or_else(gone)?.slice(place.offset, place.stored);
    if stored.len() != place.stored {
        return Err(Error::truncated("the layer", place.stored, stored.len()));
    }
    Ok(match &place.segments {
        None => Box::new(stored.reader()),
        Some(segments) => Box::new(Expanded::new(stored.reader(), segments.clone(), size)),
    })
}

/// A file's contents on one side.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub place: Location,
    pub size: u64,
    pub digest: Option<[u8; 32]>,
}

impl Body {
    /// The digest, known or read.
    pub(super) fn hash(&self, side: &Side) -> Result<[u8; 32]> {
        if let Some(digest) = self.digest {
            return Ok(digest);
        }
        let hash = || -> Result<[u8; 32]> {
            let mut reader = open(side, &self.place, self.size)?;
            let mut hasher = Sha256::new();
            let mut buf = vec![0; buffer(self.size)];
            loop {
                match read_full(&mut reader, &mut buf)? {
                    0 => return Ok(hasher.finalize().into()),
                    n => hasher.update(&buf[..n]),
                }
            }
        };
        hash().at(|| side.name.clone())
    }
}

/// No more than a file needs, and a byte to see its end.
fn buffer(size: u64) -> usize {
    usize::try_from(size).map_or(BUFFER, |size| (size + 1).min(BUFFER))
}

/// Tests if two files of one size have the same bytes. Reads no further than the first difference.
pub(super) fn same(a: (&Side, &Body), b: (&Side, &Body)) -> Result<bool> {
    let ((side_a, body_a), (side_b, body_b)) = (a, b);
    if body_a.digest.is_some() || body_b.digest.is_some() {
        return Ok(body_a.hash(side_a)? == body_b.hash(side_b)?);
    }
    let mut reader_a = open(side_a, &body_a.place, body_a.size).at(|| side_a.name.clone())?;
    let mut reader_b = open(side_b, &body_b.place, body_b.size).at(|| side_b.name.clone())?;
    let mut buf_a = vec![0; buffer(body_a.size)];
    let mut buf_b = buf_a.clone();
    loop {
        let n = read_full(&mut reader_a, &mut buf_a).at(|| side_a.name.clone())?;
        let m = read_full(&mut reader_b, &mut buf_b).at(|| side_b.name.clone())?;
        if buf_a[..n] != buf_b[..m] {
            return Ok(false);
        }
        if n == 0 {
            return Ok(true);
        }
    }
}
