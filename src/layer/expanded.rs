//! Contents of sparse files with their holes.

use std::io::{self, Read};

use super::entry::Segment;
use super::input::TarInput;
use super::walk::Walker;
use crate::error::Error;

/// Reader of a sparse file's contents from its stored segments; the holes are zeros.
#[derive(Debug)]
pub(crate) struct Expanded<R> {
    stored: R,
    segments: Vec<Segment>,
    next: usize,
    at: u64,
    size: u64,
}

impl<R: Read> Expanded<R> {
    /// Expands stored segments, which follow one another in `stored`, to a file of `size` bytes.
    pub(crate) fn new(stored: R, segments: Vec<Segment>, size: u64) -> Self {
        Expanded {
            stored,
            segments,
            next: 0,
            at: 0,
            size,
        }
    }

    fn zeros(&mut self, buf: &mut [u8], until: u64) -> usize {
        let left = until.saturating_sub(self.at);
        let wanted = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        buf.get_mut(..wanted).unwrap_or_default().fill(0);
        self.at += wanted as u64;
        wanted
    }
}

impl<R: Read> Read for Expanded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(segment) = self.segments.get(self.next).copied() else {
                return Ok(self.zeros(buf, self.size));
            };
            if self.at < segment.offset {
                return Ok(self.zeros(buf, segment.offset));
            }
            let left = (segment.offset + segment.length).saturating_sub(self.at);
            if left == 0 {
                self.next += 1;
                continue;
            }
            let wanted = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
            let part = buf.get_mut(..wanted).unwrap_or_default();
            let read = self.stored.read(part)?;
            self.at += read as u64;
            return Ok(read);
        }
    }
}

/// Contents of the current entry of a walker, with their holes.
pub(crate) struct EntryData<'w, I>(Expanded<Stored<'w, I>>);

/// Stored contents of the current entry.
struct Stored<'w, I>(&'w mut Walker<I>);

impl<'w, I: TarInput> EntryData<'w, I> {
    pub(crate) fn new(walker: &'w mut Walker<I>) -> Self {
        let entry = walker.entry();
        let size = entry.size;
        let whole = || {
            vec![Segment {
                offset: 0,
                length: size,
            }]
        };
        let segments = entry.sparse.clone().unwrap_or_else(whole);
        EntryData(Expanded::new(Stored(walker), segments, size))
    }
}

impl<I: TarInput> Read for EntryData<'_, I> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl<I: TarInput> Read for Stored<'_, I> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read_data(buf).map_err(Error::into_io)
    }
}
