//! Bytes after the last member of a gzip stream.

use std::io::{self, BufRead};

/// Error for bytes after the last compressed member that do not begin another one.
pub(super) fn trailing_data() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "trailing data after the last compressed member",
    )
}

/// Skips zero padding up to the end of the stream and returns its length in bytes.
///
/// # Errors
/// Any byte that is not zero, and errors of the source.
pub(super) fn skip_zero_padding(source: &mut impl BufRead) -> io::Result<u64> {
    let mut skipped = 0;
    loop {
        let chunk = source.fill_buf()?;
        if chunk.is_empty() {
            return Ok(skipped);
        }
        if chunk.iter().any(|&byte| byte != 0) {
            return Err(trailing_data());
        }
        let n = chunk.len();
        source.consume(n);
        skipped += n as u64;
    }
}
