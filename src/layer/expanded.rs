//! Contents of sparse files with their holes.

use std::io::{self, Read};

use super::entry::Segment;

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
