//! imgload: put the images of an archive into the local store.

use std::path::PathBuf;
use std::process::ExitCode;

use imgkit::Result;
use imgkit::blob::{Meter, write_whole};
use imgkit::cli::{self, Common, ImageArg, Io, Packing, Page, Verdict};
use imgkit::error::At;
use imgkit::job::{self, LoadOptions, Loaded};
use imgkit::show::json;
use imgkit::store::{Policy, Store};
use serde_json::json;

const PAGE: Page = Page {
    name: "imgload",
    description: &[
        "Puts the images of an archive of any kind into the local store, as docker load puts them into an engine. \
         Every blob is verified while it is stored, and blobs that are there already are not written again. Either all \
         that was asked for is in the store afterwards, or nothing of it is. Blobs that a load has stored when it fails \
         are removed again; only where it is killed, or another program adds to the store at the same time, they stay \
         until imgprune finds that nothing refers to them.",
        "Manifests, configs and layers are stored as they are, so digests and IDs stay. An image that comes out of a \
         docker-archive without manifests gets one. From a pipe the archive is not stored as a whole: each layer goes \
         straight to its place.",
        "A name that stands for another image already goes to the new one; the old one stays without a name. With \
         --no-clobber it stays where it is.",
    ],
    output: &[
        "A line for each name, 'Loaded image: NAME:TAG', and for each image without one, 'Loaded image ID: sha256:…', \
         as docker load prints them. With --format json one object per line:",
    ],
    keys: &[
        ("Name", "the name in the store; null for an untagged image"),
        ("ID", "the image's ID in full"),
        ("Digest", "the manifest or index in the store"),
        (
            "Replaced",
            "the digest that the name stood for before; null if it is new",
        ),
        (
            "Kept",
            "true if --no-clobber left the name with what it stood for",
        ),
    ],
    exit: &[
        ("0", "done"),
        ("1", "--no-clobber left a name with another image"),
        (
            "2",
            "the archive could not be read or trusted, or bad usage",
        ),
    ],
    examples: &[
        ("load an archive", "imgload -i app.tar"),
        (
            "load what comes through a pipe",
            "ssh host docker save app:1 | imgload",
        ),
        (
            "load one of several images under another name",
            "imgload -i bundle.tar --only app:1 --rename app:1=app:tested",
        ),
    ],
    sections: &[],
    see_also: &["imgls", "imgprune", "imgsave", "imgverify"],
};

/// Put the images of an archive into the local store
#[derive(clap::Parser)]
#[command(version)]
struct Args {
    /// The archive; without it, or with -, standard input
    #[arg(value_name = "ARCHIVE", conflicts_with = "input")]
    archive: Option<ImageArg>,
    /// The archive, as docker load takes it
    #[arg(short, long, value_name = "FILE")]
    input: Option<ImageArg>,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
    /// Load only what goes by this name; may be repeated
    #[arg(long, value_name = "REF")]
    only: Vec<String>,
    /// Load OLD under the name NEW; may be repeated
    #[arg(long, value_name = "OLD=NEW", value_parser = renaming)]
    rename: Vec<(String, String)>,
    /// Leave names that are taken with what they stand for
    #[arg(long)]
    no_clobber: bool,
    #[command(flatten)]
    packing: Packing,
    /// Write the IDs of the images to FILE, one per line
    #[arg(long, value_name = "FILE")]
    id_file: Option<PathBuf>,
    /// text or json
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json"], default_value = "text", hide_default_value = true)]
    format: String,
    #[command(flatten)]
    common: Common,
}

impl AsRef<Common> for Args {
    fn as_ref(&self) -> &Common {
        &self.common
    }
}

fn renaming(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => Err("it is written OLD=NEW".to_owned()),
    }
}

fn main() -> ExitCode {
    cli::run(&PAGE, |args: &Args, io| {
        let store = cli::store(&args.common)?;
        let input = args
            .archive
            .clone()
            .or(args.input.clone())
            .unwrap_or_else(ImageArg::stdin);
        let loaded = load(args, &input, &store, io)?;
        let mut verdict = Verdict::Yes;
        for image in &loaded {
            if image.kept {
                verdict = Verdict::No;
            }
            print(args, image, io)?;
        }
        if let Some(path) = &args.id_file {
            let mut ids: Vec<&str> = loaded.iter().map(|image| image.id.as_str()).collect();
            ids.dedup();
            let text: String = ids.iter().map(|id| format!("{id}\n")).collect();
            write_whole(path, text.as_bytes())?;
        }
        Ok(verdict)
    })
}

fn load(args: &Args, input: &ImageArg, store: &Store, io: &Io) -> Result<Vec<Loaded>> {
    let options = LoadOptions {
        only: args.only.clone(),
        rename: args.rename.clone(),
        policy: if args.no_clobber {
            Policy::NoClobber
        } else {
            Policy::Replace
        },
        platform: args.common.platform.clone(),
        recode: args.packing.recode(&args.common)?,
    };
    let meter = Meter::default();
    let opening = io.progress(input.text(), None, &meter, args.quiet);
    let opened = input.open_with(&args.common, &meter, Some(store.landing()?))?;
    drop(opening);
    let archive = &opened.archive;
    archive.whole()?;
    let roots = opened.roots()?;
    if roots.is_empty() {
        io.note(&format!("{}: the archive lists no image", archive.place));
    }
    let meter = Meter::default();
    let _progress = io.progress(input.text(), None, &meter, args.quiet);
    job::load(archive, &roots, store, &options, &meter).at(|| archive.place.clone())
}

fn print(args: &Args, image: &Loaded, io: &mut Io) -> Result<()> {
    let name = image.name.as_ref().map(ToString::to_string);
    if args.format == "json" {
        return io.line(&json::line(&json!({
            "Name": name,
            "ID": image.id,
            "Digest": image.digest,
            "Replaced": image.replaced,
            "Kept": image.kept,
        }))?);
    }
    let shown = name.as_deref().map(imgkit::escape::text);
    match (shown, image.kept) {
        (Some(name), true) => {
            io.note(&format!("{name} stands for another image and keeps it"));
            Ok(())
        }
        (Some(name), false) => {
            if let Some(old) = &image.replaced {
                io.note(&format!(
                    "{name} stood for {old}, which has no name by it any more"
                ));
            }
            io.line(&format!("Loaded image: {name}"))
        }
        (None, _) => io.line(&format!("Loaded image ID: {}", image.id)),
    }
}
