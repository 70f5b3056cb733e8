//! What went by on a stream, to its very end: its size and digests, whatever its reader made of it.

use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::Hasher;
use crate::error::{Error, Result};
use crate::spec::Digest;

/// Size and digests of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputDigests {
    /// Bytes.
    pub size: u64,
    /// SHA-256.
    pub sha256: Digest,
    /// SHA-512.
    pub sha512: Digest,
}

impl InputDigests {
    /// Reads to the end.
    ///
    /// # Errors
    /// `Io`.
    pub fn of(mut reader: impl Read) -> Result<Self> {
        let mut seeing = Seeing::default();
        let read = seeing.drain(&mut reader);
        read.map_err(|error| Error::io("read", error))?;
        Ok(seeing.finish())
    }
}

/// Size and digests in the making.
struct Seeing {
    size: u64,
    sha256: Hasher,
    sha512: Hasher,
}

impl Default for Seeing {
    fn default() -> Self {
        Seeing {
            size: 0,
            sha256: Hasher::default(),
            sha512: Hasher::sha512(),
        }
    }
}

impl Seeing {
    fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.sha256.update(bytes);
        self.sha512.update(bytes);
    }

    fn drain(&mut self, reader: &mut impl Read) -> io::Result<()> {
        let mut buf = vec![0; super::CHUNK];
        loop {
            match reader.read(&mut buf) {
                Ok(0) => return Ok(()),
                Ok(read) => self.update(buf.get(..read).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn finish(self) -> InputDigests {
        InputDigests {
            size: self.size,
            sha256: self.sha256.finish(),
            sha512: self.sha512.finish(),
        }
    }
}

#[derive(Debug, Default)]
enum State {
    /// No stream was tapped.
    #[default]
    Idle,
    Running,
    Done(InputDigests),
    /// The stream could not be read to its end.
    Failed,
}

/// Sees one stream. Clones are of the same one.
#[derive(Debug, Clone, Default)]
pub struct StreamDigester(Arc<(Mutex<State>, Condvar)>);

impl StreamDigester {
    /// Sees all bytes that `inner` has: when the reader is dropped, what it has left is read, too.
    pub fn wrap<R: Read>(&self, inner: R) -> DigestedStream<R> {
        self.set(State::Running);
        DigestedStream {
            inner,
            seeing: Some(Seeing::default()),
            tap: self.clone(),
        }
    }

    /// What was seen, once the reader is dropped: waits for that. `None` if no stream was tapped, or it could not be read
    /// to its end.
    pub fn digests(&self) -> Option<InputDigests> {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        while matches!(*state, State::Running) {
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match &*state {
            State::Done(seen) => Some(seen.clone()),
            _ => None,
        }
    }

    fn set(&self, to: State) {
        let (state, changed) = &*self.0;
        *state.lock().unwrap_or_else(PoisonError::into_inner) = to;
        changed.notify_all();
    }
}

/// A reader whose bytes are seen by a [`StreamDigester`].
pub struct DigestedStream<R: Read> {
    inner: R,
    seeing: Option<Seeing>,
    tap: StreamDigester,
}

impl<R: Read> Read for DigestedStream<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        if let Some(seeing) = &mut self.seeing {
            seeing.update(buf.get(..read).unwrap_or_default());
        }
        Ok(read)
    }
}

impl<R: Read> Drop for DigestedStream<R> {
    fn drop(&mut self) {
        let Some(mut seeing) = self.seeing.take() else {
            return;
        };
        let state = match seeing.drain(&mut self.inner) {
            Ok(()) => State::Done(seeing.finish()),
            Err(_) => State::Failed,
        };
        self.tap.set(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_are_seen_however_few_are_read() {
        let bytes = vec![7; 300_000];
        let whole = InputDigests::of(&bytes[..]).expect("memory");
        assert_eq!(whole.size, 300_000);
        assert_eq!(whole.sha256, super::super::sha256(&bytes));
        for part in [0, 1, 70_000, 300_000] {
            let tap = StreamDigester::default();
            assert_eq!(tap.digests(), None);
            let mut tapped = tap.wrap(&bytes[..]);
            tapped.read_exact(&mut vec![0; part]).expect("there");
            drop(tapped);
            assert_eq!(tap.digests(), Some(whole.clone()));
        }
    }
}
