//! Size and digests of a whole stream, including the bytes that its reader left unread.

use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::buffer::each_chunk;
use super::hash::Hasher;
use crate::error::Result;
use crate::spec::Digest;

/// Size and digests of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputDigests {
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 digest.
    pub sha256: Digest,
    /// SHA-512 digest.
    pub sha512: Digest,
}

impl InputDigests {
    /// Reads a stream to its end.
    ///
    /// # Errors
    /// `Io`.
    pub fn of(reader: impl Read) -> Result<Self> {
        let mut running = RunningDigests::default();
        running.drain(reader)?;
        Ok(running.finish())
    }
}

/// Size and digests of the bytes so far.
struct RunningDigests {
    size: u64,
    sha256: Hasher,
    sha512: Hasher,
}

impl Default for RunningDigests {
    fn default() -> Self {
        RunningDigests {
            size: 0,
            sha256: Hasher::default(),
            sha512: Hasher::sha512(),
        }
    }
}

impl RunningDigests {
    fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        self.sha256.update(bytes);
        self.sha512.update(bytes);
    }

    fn drain(&mut self, reader: impl Read) -> Result<()> {
        each_chunk(reader, |bytes| {
            self.update(bytes);
            Ok(())
        })
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
    /// No stream was wrapped yet.
    #[default]
    Idle,
    Running,
    Done(InputDigests),
    /// Reading the stream to its end failed.
    Failed,
}

/// Digester of one stream. Clones share the result.
#[derive(Debug, Clone, Default)]
pub struct StreamDigester(Arc<(Mutex<State>, Condvar)>);

impl StreamDigester {
    /// Wraps a reader so that all its bytes are digested; when the wrapper is dropped, unread bytes are read as well.
    pub fn wrap<R: Read>(&self, inner: R) -> DigestedStream<R> {
        self.set(State::Running);
        DigestedStream {
            inner,
            running: Some(RunningDigests::default()),
            digester: self.clone(),
        }
    }

    /// Waits until the wrapped reader is dropped and returns the digests. `None` if no stream was wrapped, or reading it
    /// to its end failed.
    pub fn digests(&self) -> Option<InputDigests> {
        let (state, changed) = &*self.0;
        let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
        while matches!(*state, State::Running) {
            state = changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        match &*state {
            State::Done(digests) => Some(digests.clone()),
            _ => None,
        }
    }

    fn set(&self, to: State) {
        let (state, changed) = &*self.0;
        *state.lock().unwrap_or_else(PoisonError::into_inner) = to;
        changed.notify_all();
    }
}

/// A reader whose bytes go through a [`StreamDigester`].
pub struct DigestedStream<R: Read> {
    inner: R,
    running: Option<RunningDigests>,
    digester: StreamDigester,
}

impl<R: Read> Read for DigestedStream<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buf)?;
        if let Some(running) = &mut self.running {
            running.update(buf.get(..read).unwrap_or_default());
        }
        Ok(read)
    }
}

impl<R: Read> Drop for DigestedStream<R> {
    fn drop(&mut self) {
        let Some(mut running) = self.running.take() else {
            return;
        };
        let state = match running.drain(&mut self.inner) {
            Ok(()) => State::Done(running.finish()),
            Err(_) => State::Failed,
        };
        self.digester.set(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unread_bytes_are_digested_too() {
        let bytes = vec![7; 300_000];
        let whole = InputDigests::of(&bytes[..]).expect("memory");
        assert_eq!(whole.size, 300_000);
        assert_eq!(whole.sha256, super::super::hash::sha256(&bytes));
        for part in [0, 1, 70_000, 300_000] {
            let digester = StreamDigester::default();
            assert_eq!(digester.digests(), None);
            let mut stream = digester.wrap(&bytes[..]);
            stream.read_exact(&mut vec![0; part]).expect("memory");
            drop(stream);
            assert_eq!(digester.digests(), Some(whole.clone()));
        }
    }
}
