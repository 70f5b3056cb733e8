//! Zstd decoders that are used again.
//!
//! A decoder's window is mostly all the memory there is to decoding (8 MiB where other tools packed a layer), and what
//! is given back to the system's allocator by one thread is of no use to the next one: measured with layers in turn on two
//! threads, a third window stayed for good. So decoders that are done wait for the next layer.

use std::io;
use std::sync::{Mutex, PoisonError};

use super::decode::DecodeLimits;
use super::window;
use crate::error::{Error, Fault};

use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer, WriteBuf};

/// Those that wait.
static WAITING: Mutex<Vec<Decoder<'static>>> = Mutex::new(Vec::new());

/// How many may wait: as many as work at a time on a small machine. What more there is ends.
const MOST: usize = 4;

/// A decoder; when dropped, its memory serves the next.
pub(super) struct PooledZstd {
    decoder: Option<Decoder<'static>>,
    /// The largest window in bytes.
    limit: u64,
}

impl PooledZstd {
    /// One for windows of up to that base-2 logarithm.
    ///
    /// # Errors
    /// What zstd says.
    pub fn new(window_log: u32) -> io::Result<Self> {
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

    /// An error of zstd's with the window that the frame at the beginning of `input` asks for, if it is about that: the
    /// library says only that it is too much. A frame begins where a step does.
    fn with_window(&self, error: io::Error, input: &[u8]) -> io::Error {
        let is_window = error.to_string().contains("too much memory");
        match window::of_zstd(input).filter(|window| is_window && *window > self.limit) {
            Some(found) => Error::new(Fault::Limit {
                what: DecodeLimits::NAMES[2],
                limit: self.limit,
                found,
            })
            .into_io(),
            None => error,
        }
    }
}

impl Drop for PooledZstd {
    fn drop(&mut self) {
        let Some(mut decoder) = self.decoder.take() else {
            return;
        };
        // Whatever it was in the middle of is forgotten.
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
    fn a_decoder_that_was_left_in_the_middle_starts_anew() {
        let packed = zstd::encode_all(&[7; 100_000][..], 3).expect("memory");
        let other = zstd::encode_all(&b"other"[..], 3).expect("memory");
        for _ in 0..2 * MOST {
            let half = &packed[..packed.len() - 4];
            let mut cut = Reader::new(half, PooledZstd::new(27).expect("one"));
            assert!(cut.read_to_end(&mut Vec::new()).is_err());
            drop(cut);
            let mut plain = Vec::new();
            let mut whole = Reader::new(other.as_slice(), PooledZstd::new(27).expect("one"));
            whole.read_to_end(&mut plain).expect("whole");
            assert_eq!(plain, b"other");
        }
        // The window that is allowed is that of the one who asks now.
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
