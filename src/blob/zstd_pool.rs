//! A pool of zstd decoders.
//!
//! The window is nearly all the memory of a decoder (8 MiB for layers of other tools), and memory that one thread returns
//! to the allocator is not reused by the next: measured with layers in turn on two threads, a third window stayed
//! allocated. So decoders wait in a pool for the next layer.

use std::io;
use std::sync::{Mutex, PoisonError};

use super::window;
use crate::error::Error;
use crate::limits::DecodeLimits;

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer, WriteBuf};

/// Idle decoders.
static WAITING: Mutex<Vec<Decoder<'static>>> = Mutex::new(Vec::new());

/// Maximum number of idle decoders: as many as work at a time on a small machine.
const MOST: usize = 4;

/// A decoder that returns to the pool when dropped.
pub(super) struct PooledZstd {
    decoder: Option<Decoder<'static>>,
    /// The largest window in bytes.
    limit: u64,
}

impl PooledZstd {
    /// Takes a decoder from the pool, or creates one. `window_log` is the base-2 logarithm of the largest window in bytes.
    ///
    /// # Errors
    /// Errors of zstd.
    pub(super) fn new(window_log: u32) -> io::Result<Self> {
        let waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut decoder = match waiting {
            Some(decoder) => decoder,
            None => Decoder::new()?,
        };
        decoder.set_parameter(DParameter::WindowLogMax(window_log))?;
        Ok(PooledZstd {
            decoder: Some(decoder),
            limit: 1 << window_log,
        })
    }

    fn decoder(&mut self) -> io::Result<&mut Decoder<'static>> {
        let decoder = self.decoder.as_mut();
        decoder.ok_or_else(|| io::ErrorKind::Other.into())
    }

    /// Adds to a zstd error about its window the size that the frame at the start of `input` asks for, which the library
    /// does not report. A frame always starts at the start of a call.
    fn with_window(&self, error: io::Error, input: &[u8]) -> io::Error {
        let is_window = error.to_string().contains("too much memory");
        match window::of_zstd(input).filter(|window| is_window && *window > self.limit) {
            Some(found) => Error::limit(DecodeLimits::NAMES[2], self.limit, found).into_io(),
            None => error,
        }
    }
}

impl Drop for PooledZstd {
    fn drop(&mut self) {
        let Some(mut decoder) = self.decoder.take() else {
            return;
        };
        if decoder.reinit().is_ok() {
            let mut waiting = WAITING.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() < MOST {
                waiting.push(decoder);
            }
        }
    }
}

impl Operation for PooledZstd {
    fn run<C: WriteBuf + ?Sized>(
        &mut self,
        input: &mut InBuffer<'_>,
        output: &mut OutBuffer<'_, C>,
    ) -> io::Result<usize> {
        let begin = input.pos();
        let step = self.decoder()?.run(input, output);
        step.map_err(|error| self.with_window(error, input.src.get(begin..).unwrap_or_default()))
    }

    fn flush<C: WriteBuf + ?Sized>(&mut self, output: &mut OutBuffer<'_, C>) -> io::Result<usize> {
        self.decoder()?.flush(output)
    }

    fn reinit(&mut self) -> io::Result<()> {
        self.decoder()?.reinit()
    }

    fn finish<C: WriteBuf + ?Sized>(
        &mut self,
        output: &mut OutBuffer<'_, C>,
        finished_frame: bool,
    ) -> io::Result<usize> {
        self.decoder()?.finish(output, finished_frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use zstd::stream::zio::Reader;

    #[test]
    fn a_decoder_dropped_in_the_middle_is_reset() {
        let compressed = zstd::encode_all(&[7; 100_000][..], 3).expect("memory");
        let other = zstd::encode_all(&b"other"[..], 3).expect("memory");
        for _ in 0..2 * MOST {
            let half = &compressed[..compressed.len() - 4];
            let mut cut = Reader::new(half, PooledZstd::new(27).expect("one"));
            assert!(cut.read_to_end(&mut Vec::new()).is_err());
            drop(cut);
            let mut out = Vec::new();
            let mut whole = Reader::new(other.as_slice(), PooledZstd::new(27).expect("one"));
            whole.read_to_end(&mut out).expect("decoded");
            assert_eq!(out, b"other");
        }
        // The window limit is that of the current user.
        let mut wide = zstd::stream::write::Encoder::new(Vec::new(), 3).expect("one");
        wide.window_log(23).expect("a window");
        std::io::copy(&mut &[1; 100_000][..], &mut wide).expect("memory");
        let wide = wide.finish().expect("memory");
        for (log, is_taken) in [(27, true), (20, false), (27, true)] {
            let mut reader = Reader::new(wide.as_slice(), PooledZstd::new(log).expect("one"));
            assert_eq!(reader.read_to_end(&mut Vec::new()).is_ok(), is_taken);
        }
    }
}
