//! Volumes read as one, with what is damaged or missing made of the parity.

use std::io;

use super::joined::{Joined, Piece};
use super::parity::Parity;
use crate::blob::ReadAt;
use crate::error::{Error, Fault};

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
                let left = self.data.length().saturating_sub(offset);
                let left = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
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
