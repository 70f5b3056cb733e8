//! Copying of contents between files.

use std::io;

use rustix::io::Errno;

use crate::blob::{CHUNK, FileRange, Meter, SerialWriter};
use crate::error::{During, Error, Result};

/// Size of a page in the kernel's cache, in bytes.
const PAGE: u64 = 4096;

/// Appends all bytes of a range.
///
/// # Errors
/// `Truncated` if the file has become shorter; `Io`.
pub(super) fn read(range: &FileRange, batch: &mut Vec<u8>) -> Result<()> {
    let (file, offset) = range.parts();
    let start = batch.len();
    let length = usize::try_from(range.len()).unwrap_or(usize::MAX);
    batch.resize(start + length, 0);
    let buf = batch.get_mut(start..).unwrap_or_default();
    file.read_exact_at(buf, offset)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                Error::truncated("the file", offset + range.len(), file.length())
            }
            _ => Error::io("read", error),
        })
}

/// Copies a range to offset `at`, in the kernel if possible, else through a buffer.
///
/// # Errors
/// `Truncated` if the file has become shorter; `Io`.
pub(super) fn copy(range: &FileRange, to: &SerialWriter<'_>, at: u64, meter: &Meter) -> Result<()> {
    let (file, offset) = range.parts();
    let mut done = 0;
    // With different offsets in a page the kernel copies each page in two pieces, which is slower than a buffer, and no
    // file system can share pages.
    let alike = file.file().filter(|_| offset % PAGE == at % PAGE);
    while let Some(file) = alike.filter(|_| done < range.len()) {
        let (mut from, mut into) = (offset + done, at + done);
        let wanted = usize::try_from(range.len() - done)
            .unwrap_or(usize::MAX)
            .min(8 << 20);
        let copied = to.exclusive(
            into,
            |to| rustix::fs::copy_file_range(file, Some(&mut from), to, Some(&mut into), wanted),
            |&copied| copied as u64,
        );
        match copied {
            Ok(0)
            | Err(
                Errno::XDEV
                | Errno::INVAL
                | Errno::NOSYS
                | Errno::OPNOTSUPP
                | Errno::PERM
                | Errno::BADF,
            ) => break,
            Ok(n) => {
                done += n as u64;
                meter.add(n as u64);
            }
            Err(Errno::INTR) => {}
            Err(errno) => return Err(Error::io("write", errno.into())),
        }
    }
    let mut buf = Vec::new();
    while done < range.len() {
        buf.clear();
        let piece = range.slice(done, CHUNK as u64);
        read(&piece, &mut buf)?;
        to.write_all_at(&buf, at + done).during("write")?;
        done += piece.len();
        meter.add(piece.len());
    }
    Ok(())
}
