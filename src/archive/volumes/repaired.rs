//! Volumes read as one, with what is damaged or missing made of the parity.

use std::io;

use super::joined::{Joined, Piece};
use super::parity::Parity;
use crate::blob::ReadAt;
use crate::error::{During, Error, Fault, Result};
use crate::parallel::in_parallel;

/// Volumes and their parity.
#[derive(Debug)]
pub struct Repaired {
    pub(super) data: Joined,
    pub(super) parity: Option<Parity>,
}

impl Repaired {
    /// The volumes that are there, in their order.
    pub fn pieces(&self) -> &[Piece] {
        self.data.pieces()
    }

    /// Returns the length of a column and of the rows that are repaired at a time, in bytes; `None` without parity.
    pub fn row(&self) -> Option<(u64, u64)> {
        let columns = self.parity.as_ref()?.columns();
        Some((columns.length, columns.stripe(1)))
    }

    /// Returns the ranges of the volumes that are damaged and cannot be made again, each with its end, and the first error.
    /// Reads every byte.
    pub(super) fn lost(&self) -> (Vec<(u64, u64)>, Option<Error>) {
        let (mut lost, mut first) = (Vec::new(), None);
        let bad = in_parallel(self.pieces(), Piece::bad_chunks);
        for (piece, bad) in self.pieces().iter().zip(bad) {
            for chunk in bad {
                let start = piece.offset() + chunk * piece.chunk();
                let end = (start + piece.chunk()).min(piece.end());
                if let Err(error) = self.try_read(start, end) {
                    lost.push((start, end));
                    first.get_or_insert(error);
                }
            }
        }
        (lost, first)
    }

    /// Reads a range to know if it can be made again.
    fn try_read(&self, start: u64, end: u64) -> Result<()> {
        let mut bytes = vec![0; usize::try_from(end - start).unwrap_or_default()];
        let mut at = start;
        while at < end {
            let left = usize::try_from(end - at).unwrap_or_default();
            let part = bytes.get_mut(..left).unwrap_or_default();
            match self.read_at(part, at).during("read")? {
                0 => return Err(Error::truncated("the volume", end - start, at - start)),
                n => at += n as u64,
            }
        }
        Ok(())
    }

    /// The volumes of parity that are there.
    pub fn parity_pieces(&self) -> &[Piece] {
        self.parity.as_ref().map_or(&[], Parity::pieces)
    }
}

impl ReadAt for Repaired {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let error = match self.data.read_at(buf, offset) {
            Err(error) => Error::io("read", error),
            read => return read,
        };
        let is_damage = matches!(error.fault(), Fault::Volumes(_) | Fault::Truncated { .. });
        match self.parity.as_ref().filter(|_| is_damage) {
            Some(parity) => {
                // No further than the damage: what follows it was not made again.
                let end = self
                    .data
                    .length()
                    .min(offset.saturating_add(buf.len() as u64));
                let (_, end) = self.data.alike(offset, offset, end);
                let left = usize::try_from(end.saturating_sub(offset)).unwrap_or(usize::MAX);
                let left = left.min(buf.len());
                let buf = buf.get_mut(..left).unwrap_or_default();
                parity.read(&self.data, buf, offset).map_err(Error::into_io)
            }
            None => Err(error.into_io()),
        }
    }

    fn length(&self) -> u64 {
        self.data.length()
    }
}
