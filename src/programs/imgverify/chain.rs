//! The chain of custody records: each names the one before it, and its digest.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::args::Args;
use crate::blob::sha256;
use crate::cli::{self, Io};
use crate::error::{At, Error, Result, within};
use crate::escape;
use crate::limits::JsonLimits;
use crate::spec::json;

/// Maximum number of records of a chain.
const MAX_RECORDS: u64 = 10_000;

/// Compares all records before a record with what those behind them state, and prints a line for each. Returns false if one is
/// not as it was recorded, or is of another input; the chain ends there.
///
/// # Errors
/// `Io` for a record that is missing; `Limit` for more than [`MAX_RECORDS`]; those of a damaged document.
pub(super) fn walk(args: &Args, record: &Path, last: &Value, io: &mut Io) -> Result<bool> {
    let input = |record: &Value| record.get("Input").map(cli::identity);
    let digest = |record: &Value| record.pointer("/Input/SHA256").cloned();
    let (mut at, mut behind) = (record.to_owned(), last.clone());
    let mut count = 0;
    while let Some(previous) = behind
        .get("Previous")
        .filter(|previous| !previous.is_null())
    {
        count += 1;
        within("records of a chain", MAX_RECORDS, count)?;
        let text = |key: &str| previous.get(key).and_then(Value::as_str);
        let (Some(file), Some(stated)) = (text("File"), text("SHA256")) else {
            let error = Error::usage("not a record of custody: Previous has no File and SHA256");
            return Err(error.at(at.to_string_lossy().into_owned()));
        };
        let path = at.parent().unwrap_or("".as_ref()).join(PathBuf::from(file));
        let bytes = cli::option_file(&path)?;
        let place = path.to_string_lossy().into_owned();
        let found = sha256(&bytes);
        let mut say = |line: String| match args.quiet {
            true => Ok(()),
            false => io.line(&format!("{}: {line}", escape::text(&place))),
        };
        if found.as_str() != stated {
            let stated = escape::brief(stated);
            say(format!(
                "not the record before: expected {stated}, found {found}"
            ))?;
            return Ok(false);
        }
        let own = json::parse(&bytes, &JsonLimits::default()).at(|| place.clone())?;
        // Size and digest are what all kinds of records have in common.
        if digest(&own) != digest(last) || input(&own).is_none() {
            say("a record of another input".to_owned())?;
            return Ok(false);
        }
        say(format!("unchanged: {found}"))?;
        (at, behind) = (path, own);
    }
    Ok(true)
}
