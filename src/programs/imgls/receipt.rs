//! `imgls --receipt`: the blobs that the inputs have.

use super::args::Args;
use super::sources;
use crate::bundle::Receipt;
use crate::cli::{Io, Verdict};
use crate::error::{At, Result};

/// Prints the receipt of all inputs.
///
/// # Errors
/// Those of the local store without arguments; `Io`.
pub(super) fn run(args: &Args, io: &mut Io) -> Result<Verdict> {
    let mut receipt = Receipt::in_form(&args.form.form());
    sources::each(args, io, |opened, _, io| {
        for fault in opened.faults()? {
            io.fail(&fault);
        }
        let added = receipt.add_images(&opened.archive, &opened.everything()?);
        added.at(|| opened.archive.place.clone())
    })?;
    receipt.complete &= !io.has_failed();
    receipt.write(io.out())?;
    Ok(Verdict::Yes)
}
