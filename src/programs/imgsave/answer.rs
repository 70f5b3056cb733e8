//! Answers to requests: the blobs that a site lacks, without images.

use std::sync::Arc;

use super::args::Args;
use super::target::Target;
use crate::blob::Meter;
use crate::bundle::{Shelf, only_blobs};
use crate::cli::{self, ImageArg, Io, Opened, Verdict};
use crate::error::{At, Result};
use crate::write::archive;

/// Writes the blobs that a request lists, or nothing if an archive lacks one of them.
///
/// # Errors
/// As [`cli::read_request`], [`only_blobs`] and [`Target::write`].
pub(super) fn write(
    args: &Args,
    request: &ImageArg,
    opened: &[Opened],
    target: &Target<'_>,
    io: &mut Io,
) -> Result<Verdict> {
    let wanted = cli::read_request(request, &args.common)?;
    let shelves = opened
        .iter()
        .map(|opened| Shelf::new(Arc::clone(&opened.archive)));
    let shelves: Vec<Shelf> = shelves.collect::<Result<_>>()?;
    let (answer, missing) = only_blobs(&wanted, &shelves).at(|| request.text().to_owned())?;
    if let Some(first) = missing.first() {
        let total = wanted.blobs().len();
        let count = missing.len();
        io.note(&format!(
            "{}: {count} of {total} blobs are in none of the archives, {first} among them",
            request.text()
        ));
        return Ok(Verdict::No);
    }
    let meter = Meter::default();
    let total = archive::size(&answer);
    let _progress = io.progress(&target.label(), Some(total), &meter, args.quiet);
    target.write(&answer, &args.split, io, &meter)?;
    Ok(Verdict::Yes)
}
