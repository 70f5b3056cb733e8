//! imgtag: tag an image in the local store.

mod args;
mod tag;

use std::process::ExitCode;

use crate::blob::Meter;
use crate::cli::{self, Page, Uses, Verdict};
use crate::write::ListedName;
use args::Args;

const PAGE: Page = Page {
    name: "imgtag",
    uses: Uses::ALL,
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        let name = ListedName::new(&args.name)?;
        let store = cli::store(&args.common)?;
        let meter = Meter::default();
        let opened = args
            .source
            .open_with(&args.common, &meter, Some(store.blob_directory()?))?;
        opened.archive.check_complete()?;
        let platform = args.common.platform.as_ref();
        for loss in tag::tag(&store, &opened, platform, &name, &meter)? {
            io.warn(&format!("{}: {loss}", opened.archive.place));
        }
        Ok(Verdict::Yes)
    })
}
