//! Bytes of a layer out of the pieces of its index, forward.

use std::io::{self, Read};

use crate::blob::{Meter, PieceMismatch};
use crate::cache::IndexedLayer;
use crate::layer::Limits;

/// Uncompressed bytes of a compressed layer, one verified piece at a time.
pub(super) struct Pieces<'a> {
    layer: &'a IndexedLayer,
    limits: &'a Limits,
    meter: &'a Meter,
    /// The decoded piece and the offset of its first byte.
    bytes: Vec<u8>,
    start: u64,
    /// True once the layer's bytes did not match the index.
    pub(super) is_wrong: bool,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(layer: &'a IndexedLayer, limits: &'a Limits, meter: &'a Meter) -> Self {
        Pieces {
            layer,
            limits,
            meter,
            bytes: Vec::new(),
            start: 0,
            is_wrong: false,
        }
    }

    /// Returns a reader of a range.
    pub(super) fn range(&mut self, offset: u64, length: u64) -> PieceReader<'_, 'a> {
        PieceReader {
            pieces: self,
            offset,
            left: length,
        }
    }

    /// The bytes from an offset to the end of its piece.
    fn from(&mut self, offset: u64) -> io::Result<&[u8]> {
        let end = self.start + self.bytes.len() as u64;
        if !(self.start..end).contains(&offset) && self.decode(offset).is_err() {
            self.bytes.clear();
            self.is_wrong = true;
            return Err(io::ErrorKind::InvalidData.into());
        }
        let at = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(at..).unwrap_or_default())
    }

    fn decode(&mut self, offset: u64) -> Result<(), PieceMismatch> {
        let piece = self.layer.covering(offset, 1).start;
        let (start, length) = self.layer.piece_range(piece).ok_or(PieceMismatch)?;
        let bytes = &mut self.bytes;
        bytes.clear();
        (self.layer).decode_piece(piece, self.limits, self.meter, |_, decoded| {
            bytes.extend_from_slice(decoded);
            Ok::<_, PieceMismatch>(())
        })?;
        self.start = start;
        let is_inside = offset >= start && offset - start < length;
        (is_inside && bytes.len() as u64 == length)
            .then_some(())
            .ok_or(PieceMismatch)
    }
}

/// Reader of a range of uncompressed bytes.
pub(super) struct PieceReader<'p, 'a> {
    pieces: &'p mut Pieces<'a>,
    offset: u64,
    left: u64,
}

impl Read for PieceReader<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 || buf.is_empty() {
            return Ok(0);
        }
        let found = self.pieces.from(self.offset)?;
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        let n = found.len().min(buf.len()).min(most);
        let (Some(to), Some(from)) = (buf.get_mut(..n), found.get(..n)) else {
            return Ok(0);
        };
        to.copy_from_slice(from);
        self.offset += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}
