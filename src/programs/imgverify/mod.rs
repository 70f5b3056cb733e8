//! imgverify: check that archives are whole and are what they claim to be.

mod args;
mod chain;
mod custody;
mod output;
mod receipt;
mod record;
mod slack;
mod verify;
mod volumes;

use std::path::Path;
use std::process::ExitCode;

use args::Args;
use output::Out;
use record::{check_custody, record};
use slack::SlackDirectory;
use verify::{meant, verify, verify_store};

use crate::blob::Meter;
use crate::cli::{self, Openings, Page, Takes, Uses, Verdict};

const PAGE: Page = Page {
    name: "imgverify",
    uses: Uses::ALL.with_temporary_files(),
    text: include_str!("page.md"),
};

/// Check that archives are whole and are what they claim to be
/// Runs the program, or describes it.
pub fn main(call: cli::Call<'_>) -> ExitCode {
    cli::run(call, &PAGE, |args: &Args, io| {
        args.check()?;
        if args.volumes || args.repair {
            return volumes::check(args, io);
        }
        if let Some(record) = &args.check_custody {
            return check_custody(args, record, io);
        }
        if args.record.custody.is_some() && args.images.len() != 1 {
            args.record.begin(&[])?;
        }
        let to_stdout = args.record.custody.as_deref() == Some(Path::new("-"));
        let mut out = Out {
            args,
            silent: args.quiet || to_stdout,
            verdict: Verdict::Yes,
            receipt: receipt::new(args),
        };
        let mut slack = match &args.slack {
            Some(target) => Some(SlackDirectory::new(target)?),
            None => None,
        };
        if args.images.is_empty() {
            verify_store(args, &mut out, io)?;
        }
        let mut openings = Openings::of(&args.images);
        for image in &args.images {
            if args.record.custody.is_some() {
                record(args, image, &mut out, io)?;
                continue;
            }
            let meter = Meter::default();
            let opening = io.progress(image.text(), None, &meter, args.quiet);
            let open = args.open(&meter);
            let directory = image.directory_to_search();
            let mut each = openings.each(image, &args.common, open, Takes::Several);
            let mut next = each.next();
            drop(opening);
            while let Some(opened) = next {
                let text = match (&directory, &opened) {
                    (Some(_), Ok(opened)) => opened.archive.place.clone(),
                    _ => image.text().to_owned(),
                };
                if let Some(opened) = opened.as_ref().ok().filter(|_| !args.quiet) {
                    opened.note_missing_volumes(io);
                }
                let verified = opened
                    .and_then(|opened| meant(args, opened))
                    .map(|archive| verify(args, &text, archive, meter.done(), io));
                out.verified(&text, &verified, io)?;
                if let (Some(slack), Ok((archive, _))) = (&mut slack, &verified) {
                    if archive.container.streamed {
                        io.note(&format!(
                            "{}: read as a stream: slack of its own tar is not kept",
                            archive.place
                        ));
                    }
                    slack.add(archive, &args.limits())?;
                }
                next = each.next();
            }
        }
        if let Some(slack) = slack {
            slack.finish()?;
        }
        if let (Some(receipt), Some(path)) = (&mut out.receipt, &args.receipt) {
            receipt.complete &= !io.has_failed();
            cli::write_receipt(receipt, path)?;
        }
        Ok(out.verdict)
    })
}
