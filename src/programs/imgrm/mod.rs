//! imgrm: remove tags and images from the local store.

mod args;
mod tree;

use std::process::ExitCode;

use crate::cli::{self, Images, Page, Uses, Verdict};
use crate::render::json;
use crate::store::{self, Selection};
use crate::{Error, escape};
use args::Args;
use serde_json::json;

const PAGE: Page = Page {
    name: "imgrm",
    uses: Uses {
        images: Images::Stored,
        ..Uses::ALL
    },
    text: include_str!("page.md"),
};

/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        let tags = tree::tags(&args.images, args.common.platform.as_ref())?;
        for ((path, kind), tags) in &tags {
            tree::remove(path, *kind, tags, args.reporting.is_json(), io)?;
        }
        let stored = args.images.iter();
        let stored = stored.filter(|image| image.tree().is_none());
        let images: Vec<String> = stored.map(|image| image.text().to_owned()).collect();
        let Some(first) = images.first() else {
            return Ok(Verdict::Yes);
        };
        let store = cli::store(&args.common)?;
        let archive = cli::open_store(&args.common, &Default::default())?
            .ok_or_else(|| Error::not_found(first, None))?;
        let wanted = Selection {
            images: &images,
            platform: args.common.platform.as_ref(),
            force: args.force,
        };
        let removal = store::remove(&store, &archive, &wanted)?;
        let is_json = args.reporting.is_json();
        for name in &removal.untagged {
            let name = name.to_string();
            io.line(&match is_json {
                true => json::line(&json!({ "Untagged": name }))?,
                false => format!("Untagged: {}", escape::text(&name)),
            })?;
        }
        for id in &removal.images {
            io.line(&match is_json {
                true => json::line(&json!({ "Deleted": id }))?,
                false => format!("Deleted: {id}"),
            })?;
        }
        Ok(Verdict::Yes)
    })
}
