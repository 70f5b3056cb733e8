//! The buffer size of whole-blob reads, and `Read` for readers that are made to be read as `BufRead`.

use std::io::{self, BufRead};

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
