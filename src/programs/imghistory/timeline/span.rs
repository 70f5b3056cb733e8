//! The span of time that a timeline shows.

use crate::error::{Error, Result};
use crate::layer::Mtime;
use crate::programs::imghistory::args::Args;
use crate::timeline::mtime;

/// Times between which events are listed, both included.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) from: Option<Mtime>,
    pub(super) to: Option<Mtime>,
}

impl Span {
    /// Parses the options.
    ///
    /// # Errors
    /// `Usage` for a text that is no time, and for a span that ends before it begins.
    pub(super) fn of(args: &Args) -> Result<Self> {
        let time = |option: &str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => match mtime(text) {
                Some(time) => Ok(Some(time)),
                None => Err(Error::usage(format!(
                    "invalid {option} '{text}': expected a date, or a date and a time, as in 2026-01-02T03:04:05Z"
                ))),
            },
        };
        let from = time("--from", &args.times.from)?;
        let to = time("--to", &args.times.to)?;
        match (from, to) {
            (Some(from), Some(to)) if from > to => Err(Error::usage("--from is later than --to")),
            _ => Ok(Span { from, to }),
        }
    }
}
