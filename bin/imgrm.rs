//! imgrm: take names and images out of the local store.

use std::process::ExitCode;

use imgkit::cli::{self, Common, Page, Verdict};
use imgkit::job;
use imgkit::store::Store;
use imgkit::{Fault, escape};

const PAGE: Page = Page {
    name: "imgrm",
    description: &[
        "Takes names out of the local store, as docker rmi does. An image goes with its last name, and with it the blobs \
         that no other image needs. An ID takes the image with its one name; --force with all of them. Either \
         everything that was named goes, or nothing.",
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
    ],
    sections: &[],
    see_also: &["imgls", "imgprune", "imgtag"],
};

/// Take names and images out of the local store
#[derive(clap::Parser)]
#[command(version)]
struct Args {
    /// Names or IDs
    #[arg(value_name = "IMAGE", required = true)]
    images: Vec<String>,
    /// Remove an image given by its ID with all its names
    #[arg(short, long)]
    force: bool,
    #[command(flatten)]
    common: Common,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let store = Store::at(cli::store_path(&args.common)?);
        let not_found = || Fault::NotFound {
            wanted: args.images.first().cloned().unwrap_or_default(),
        };
        let archive = cli::open_store(&args.common, &Default::default())?.ok_or_else(not_found)?;
        let removal = job::remove(&store, &archive, &args.images, args.force)?;
        for name in &removal.untagged {
            io.line(&format!("Untagged: {}", escape::text(&name.to_string())))?;
        }
        for id in &removal.images {
            io.line(&format!("Deleted: {id}"))?;
        }
        Ok(Verdict::Yes)
    })
}
