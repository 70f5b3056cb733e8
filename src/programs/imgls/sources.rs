//! Opening of the inputs of imgls.

use super::args::Args;
use crate::archive::Open;
use crate::blob::Meter;
use crate::cli::{self, Io, Opened, Openings, Takes};
use crate::error::Result;

/// Opens all inputs in the order of the arguments, without any the local store, and passes each archive to `take`, with
/// true for the store. One that cannot be read is reported; the others follow.
///
/// # Errors
/// Those of the local store without arguments.
pub(super) fn each(
    args: &Args,
    io: &mut Io,
    mut take: impl FnMut(&Opened, bool, &mut Io) -> Result<()>,
) -> Result<()> {
    if args.images.is_empty() {
        // Held so that no layer is removed while it is measured.
        let _held = cli::store(&args.common)?.hold();
        let archive = cli::open_store(&args.common, &Default::default())?;
        if let Some(archive) = archive {
            take(&Opened::whole(archive), true, io)?;
        }
    }
    let mut openings = Openings::of(&args.images);
    for image in &args.images {
        let meter = Meter::default();
        let progress = io.progress(image.text(), None, &meter, args.quiet);
        let open = Open {
            registry: args.names.registry.clone(),
            ..Open::with(&args.common, &meter, None)
        };
        let mut each = openings.each(image, &args.common, open, Takes::Several);
        let mut next = each.next();
        drop(progress);
        let is_store = image.input_path().is_ok_and(|path| path.is_none());
        while let Some(opened) = next {
            let taken = opened.and_then(|opened| take(&opened, is_store, io));
            if let Err(error) = taken {
                io.fail(&error);
            }
            next = each.next();
        }
    }
    Ok(())
}
