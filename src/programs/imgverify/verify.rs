//! One input, verified with progress.

use std::sync::Arc;

use super::args::Args;
use super::output::Out;
use crate::archive::{Archive, Pick};
use crate::blob::Meter;
use crate::cli::{self, Io, Opened};
use crate::error::{Error, Result};
use crate::render::human;
use crate::verify::{self, VerifyReport};

/// Verifies the local store as a whole.
pub fn verify_store(args: &Args, out: &mut Out<'_>, io: &mut Io) -> Result<()> {
    // So that no blob goes while it is read.
    let _held = cli::store(&args.common)?.hold();
    let path = cli::store_path(&args.common)?;
    let text = path.to_string_lossy().into_owned();
    let verified = match cli::open_store(&args.common, &args.open(&Meter::default()))? {
        Some(archive) => {
            meant(args, Opened::whole(archive)).map(|archive| verify(args, &text, archive, 0, io))
        }
        // An empty answer would pass for a sound store.
        None => {
            let missing = std::fs::metadata(&path).err();
            let missing = missing.unwrap_or_else(|| std::io::ErrorKind::NotFound.into());
            Err(Error::io("open", missing).at(text.clone()))
        }
    };
    out.verified(&text, &verified, io)
}

/// The part of an opened archive to verify: all of it, or the selected images.
pub fn meant(args: &Args, opened: Opened) -> Result<Arc<Archive>> {
    let platform = args.common.platform.as_ref();
    match (&opened.pick, platform) {
        (Pick::Only, None) => Ok(opened.archive),
        _ => opened.part(platform).map(Arc::new),
    }
}

/// Verifies an archive. `streamed` is the number of bytes already read from a stream.
pub fn verify(
    args: &Args,
    text: &str,
    archive: Arc<Archive>,
    streamed: u64,
    io: &Io,
) -> (Arc<Archive>, VerifyReport) {
    let meter = Meter::default();
    let total = verify::workload(&archive);
    let _progress = io.progress(text, Some(total), &meter, args.quiet);
    let mut report = verify::verify(&archive, &args.limits(), &meter);
    if archive.container.fault().is_some() {
        // Bytes were hashed while they were read, though the documents that name them were cut off.
        report.bytes = report.bytes.max(streamed);
    }
    let now = cli::now();
    for finding in &mut report.findings {
        if let Some(since) = finding.since {
            finding.add_age(&human::ago(since, now));
        }
    }
    for error in &mut report.trouble {
        *error = error.clone().at(archive.place.clone());
    }
    (archive, report)
}
