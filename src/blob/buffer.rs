//! Reads of whole blobs, and `Read` for readers that are made to be read as `BufRead`.

use std::io::{self, BufRead, ErrorKind, Read};

use crate::error::{Error, Result};

/// Bytes moved at a time where a whole blob is read: large enough that system calls do not show, small enough that the
/// buffers of all layers in work stay in the processor's cache.
pub const CHUNK: usize = 256 * 1024;

/// Reads from a reader's own buffer: `Read::read` in terms of `BufRead`.
pub(crate) fn read_buffered(from: &mut impl BufRead, buf: &mut [u8]) -> io::Result<usize> {
    let available = from.fill_buf()?;
    let n = available.len().min(buf.len());
    buf[..n].copy_from_slice(&available[..n]);
    from.consume(n);
    Ok(n)
}

/// Passes all bytes of a reader to `take`, in chunks.
///
/// # Errors
/// `Io` of the reader; those of `take`.
pub fn each_chunk(mut reader: impl Read, mut take: impl FnMut(&[u8]) -> Result<()>) -> Result<()> {
    let mut buf = vec![0; CHUNK];
    loop {
        match reader.read(&mut buf) {
            Ok(0) => return Ok(()),
            Ok(n) => take(buf.get(..n).unwrap_or_default())?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", error)),
        }
    }
}

/// Reads until the buffer is full or the input ends; returns the number of bytes.
///
/// # Errors
/// `Io`.
pub fn read_full(mut reader: impl Read, buf: &mut [u8]) -> Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        match reader.read(&mut buf[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::io("read", error)),
        }
    }
    Ok(filled)
}
