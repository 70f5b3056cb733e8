//! A zstd:chunked layer written from a tar: one thread walks through the tar, the others compress its parts.

use std::io::{BufRead, Write};
use std::sync::mpsc::sync_channel;

use super::frames::FrameWriter;
use super::toc::Annotations;
use super::walk::Walk;
use crate::error::{Error, Fault, Result};

/// Compresses a tar as zstd:chunked. The default of `level` is 3.
///
/// Returns the annotations of the layer's descriptor; none for ordinary zstd. The same bytes and level give the same
/// output, whatever the number of threads. Memory: four batches, and the compressed documents, which grow with entries
/// and chunks.
///
/// # Errors
/// `Usage` for a level that zstd does not have, and the errors of reading.
pub(crate) fn write(
    tar: impl BufRead + Send,
    out: &mut dyn Write,
    level: Option<i32>,
    entries: u64,
) -> Result<Annotations> {
    let level = level.unwrap_or(3);
    if !(1..=22).contains(&level) {
        let why = format!("zstd has levels 1 to 22, not {level}");
        return Err(Error::usage(why));
    }
    let threads = rayon::current_num_threads().max(1);
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(1);
        let walking = scope.spawn(move || Walk::new(sender, threads, level)?.run(tar, entries));
        let mut frames = FrameWriter::new(out, level)?;
        // If compression fails, the receiver is dropped here, and that ends the walk.
        let written = frames.run(receiver);
        let split = match walking.join() {
            Ok(split) => written.and(split)?,
            Err(_) => return Err(Fault::StreamConsumed.into()),
        };
        frames.finish(split)
    })
}
