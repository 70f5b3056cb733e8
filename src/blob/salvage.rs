//! Decoding of a damaged stream, as far as it goes: member by member, or frame by frame.

use std::io::{self, BufRead, BufReader, Read, Write};

use super::buffer::{CHUNK, read_buffered, read_full};
use super::compression::Compression;
use super::decode::{DecodeLimits, Decoder};
use super::file::FileRange;
use crate::error::{During, Error, Fault, Result};

/// Most places at which decoding is tried again.
const MOST: usize = 1000;

/// Decodes members of gzip, or frames of zstd, and writes what each gives before it is damaged. Behind damage it goes on at
/// the next bytes that begin like one. Of other formats only what is before the first damage is decoded.
///
/// # Errors
/// `Limit`; `Io` of the file, and errors of `out`.
pub fn salvage(
    stored: &FileRange,
    compression: Compression,
    limits: DecodeLimits,
    out: &mut impl Write,
) -> Result<()> {
    let magic: &[u8] = match compression {
        Compression::Gzip => b"\x1f\x8b\x08",
        Compression::Zstd => b"\x28\xb5\x2f\xfd",
        _ => &[],
    };
    let (mut at, mut so_far, mut tried) = (0, (0, 0), 0);
    let mut buf = vec![0; CHUNK];
    while at < stored.len() && tried < MOST {
        let rest = stored.slice(at, stored.len() - at);
        let source = Consumed {
            inner: BufReader::with_capacity(CHUNK, rest.reader()),
            count: 0,
        };
        let member = Decoder::single_member(source, compression, limits, so_far);
        let mut end = None;
        if let Ok(mut member) = member {
            loop {
                match member.read(&mut buf) {
                    Ok(0) => {
                        so_far = member.so_far();
                        end = member.into_inner().map(|source| source.count);
                        break;
                    }
                    Ok(n) => out
                        .write_all(buf.get(..n).unwrap_or_default())
                        .during("write")?,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => {
                        let error = Error::io("read", error);
                        if matches!(error.fault(), Fault::Limit { .. }) {
                            return Err(error);
                        }
                        so_far = member.so_far();
                        break;
                    }
                }
            }
        }
        match end.filter(|end| *end > 0) {
            Some(end) => at += end,
            None => {
                tried += 1;
                match next(stored, at + 1, magic)? {
                    Some(found) => at = found,
                    None => break,
                }
            }
        }
    }
    Ok(())
}

/// Offset of the next bytes that are these.
fn next(stored: &FileRange, from: u64, magic: &[u8]) -> Result<Option<u64>> {
    if magic.is_empty() {
        return Ok(None);
    }
    let mut buf = vec![0; CHUNK];
    let mut at = from;
    while at < stored.len() {
        let n = read_full(&mut stored.slice(at, CHUNK as u64).reader(), &mut buf)?;
        let read = buf.get(..n).unwrap_or_default();
        if let Some(found) = memchr::memmem::find(read, magic) {
            return Ok(Some(at + found as u64));
        }
        // The magic number may begin at the end of this part.
        at += (n as u64).saturating_sub(magic.len() as u64 - 1).max(1);
    }
    Ok(None)
}

/// A reader that counts the bytes that are used of it.
struct Consumed<R> {
    inner: R,
    count: u64,
}

impl<R: BufRead> BufRead for Consumed<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.count += n as u64;
        self.inner.consume(n);
    }
}

impl<R: BufRead> Read for Consumed<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, buf)
    }
}
