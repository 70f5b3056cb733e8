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
        let name = args.name.as_ref().or(args.tag.as_ref());
        let name = ListedName::new(name.map_or("", String::as_str))?;
        let meter = Meter::default();
        if let Some((kind, path, _)) = args.source.tree() {
            let opened = args.source.open(&args.common, &meter)?;
            opened.check_complete()?;
            let platform = args.common.platform.as_ref();
            let (id, digest) = tag::tag_in_tree(&path, kind, &opened, platform, &name)?;
            if args.reporting.is_json() {
                let name = name.name.to_string();
                io.line(&cli::made(Some(&name), &id, &digest, None)?)?;
            }
            return Ok(Verdict::Yes);
        }
        let store = cli::store(&args.common)?;
        let progress = io.progress(args.source.text(), None, &meter, false);
        let opened = args
            .source
            .open_with(&args.common, &meter, Some(store.blob_directory()?))?;
        opened.check_complete()?;
        let platform = args.common.platform.as_ref();
        let tagged = tag::tag(&store, &opened, platform, &name, &meter)?;
        drop(progress);
        for loss in tagged.losses {
            io.warn(&format!("{}: {loss}", opened.archive.place));
        }
        if args.reporting.is_json() {
            let id = store.image_id(&tagged.digest);
            let name = name.name.to_string();
            io.line(&cli::made(Some(&name), &id, &tagged.digest, None)?)?;
        }
        Ok(Verdict::Yes)
    })
}
