//! A zstd:chunked layer written from a tar: the walk through the tar beside the compression of its parts.

use std::io::{BufRead, Write};
use std::sync::mpsc::sync_channel;

use super::frames::Pack;
use super::toc::Annotations;
use super::walk::Walk;
use crate::error::{Fault, Result};

/// Packs a plain tar. `level` is zstd's, 3 without it.
///
/// Gives the annotations of the layer's descriptor; none where the result is ordinary zstd. The same bytes and level
/// give the same result, whatever the number of threads. Memory: four batches, and the packed documents, which grow
/// with entries and chunks.
///
/// # Errors
/// `Usage` for a level that zstd does not have, and what reading gives.
pub(crate) fn write(
    plain: impl BufRead + Send,
    out: &mut dyn Write,
    level: Option<i32>,
    entries: u64,
) -> Result<Annotations> {
    let level = level.unwrap_or(3);
    if !(1..=22).contains(&level) {
        let why = format!("zstd has levels 1 to 22, not {level}");
        return Err(Fault::Usage(why).into());
    }
    let threads = rayon::current_num_threads().max(1);
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(1);
        let walking = scope.spawn(move || Walk::new(sender, threads, level)?.run(plain, entries));
        let mut pack = Pack::new(out, level)?;
        // If packing fails, the receiver is gone then, and that ends the walk.
        let packed = pack.run(receiver);
        let split = match walking.join() {
            Ok(split) => packed.and(split)?,
            Err(_) => return Err(Fault::StreamConsumed.into()),
        };
        pack.finish(split)
    })
}
