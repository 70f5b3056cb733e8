//! Files with digests that the expression names.

use super::args::Args;
use crate::cli::ListArg;
use crate::error::{At, Error, Result};
use crate::find::Expression;
use crate::hashset::{self, DigestSet};

/// Most bytes of the digests of one file.
const MOST: u64 = 1 << 30;

/// Reads the files, in their order.
///
/// # Errors
/// Those of reading them; `Usage` for standard input that something else reads, too.
pub(super) fn read(expression: &Expression, args: &Args) -> Result<Vec<DigestSet>> {
    let limits = args.common.limits().decode;
    let files = expression.hash_sets().iter().cloned();
    let files: Vec<ListArg> = files.map(ListArg::from).collect();
    let lists = args.patterns.pattern_file.iter().chain(&files);
    let images = args.images.iter().chain(&args.versions.since);
    let lists = lists.filter(|list| list.is_stdin()).count();
    if lists + images.filter(|image| image.is_stdin()).count() > 1 {
        return Err(Error::usage("cannot read two inputs from standard input"));
    }
    let read = files
        .iter()
        .map(|file| file.with(|file| hashset::read(file, MOST, limits)));
    read.collect::<Result<_>>().at(|| "-hashset".to_owned())
}
