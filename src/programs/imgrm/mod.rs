//! imgrm: take names and images out of the local store.

mod args;

use std::process::ExitCode;

use crate::cli::{self, Images, Page, Uses, Verdict};
use crate::store::{self, Wanted};
use crate::{Fault, escape};
use args::Args;

const PAGE: Page = Page {
    name: "imgrm",
    uses: Uses {
        images: Images::Stored,
        ..Uses::ALL
    },
    description: &[
        "Removes names from the local store, as docker rmi does. An image goes with its last name, and with it the blobs \
         that no other image needs and the untagged manifests that are about it (signatures, SBOMs). An ID removes the \
         image with all its names if they are of one repository; --force also removes names in several. Either \
         everything that was named goes, or nothing.",
        "One image of a multi-platform index, named with --platform or by its ID or digest, goes alone, as with docker: \
         the index keeps its name and its other images, and lists that one as missing. If another name leads to it, \
         --force is needed, and it is removed from all of them.",
    ],
    output: &[
        "A line for each name, 'Untagged: NAME:TAG', and for each image that is gone, 'Deleted: sha256:…'.",
    ],
    keys: &[],
    exit: &[
        ("0", "done"),
        (
            "2",
            "an image is not there, or bad usage: then nothing was removed",
        ),
    ],
    examples: &[
        ("one name", "imgrm app:1"),
        ("an image with all its names", "imgrm --force 71eb0d87df47"),
        (
            "one platform of a multi-platform image",
            "imgrm --platform linux/arm64 app:1",
        ),
    ],
    sections: &[],
    see_also: &["imgls", "imgprune", "imgtag"],
};

/// Runs the program with the arguments, streams and environment of the process.
pub fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let store = cli::store(&args.common)?;
        let not_found = || Fault::NotFound {
            wanted: args.images.first().cloned().unwrap_or_default(),
            closest: None,
        };
        let archive = cli::open_store(&args.common, &Default::default())?.ok_or_else(not_found)?;
        let wanted = Wanted {
            images: &args.images,
            platform: args.common.platform.as_ref(),
            force: args.force,
        };
        let removal = store::remove(&store, &archive, &wanted)?;
        for name in &removal.untagged {
            io.line(&format!("Untagged: {}", escape::text(&name.to_string())))?;
        }
        for id in &removal.images {
            io.line(&format!("Deleted: {id}"))?;
        }
        Ok(Verdict::Yes)
    })
}
