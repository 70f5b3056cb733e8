//! Unpacking of packages: decoded on all cores, installed one after another.

use super::content_file::ContentFile;
use super::decode::{Decoded, decode};
use super::install::Installer;
use super::package::{DebToUnpack, UnpackOptions};
use crate::error::{At, Result};
use crate::parallel::in_parallel;
use crate::programs::imgbase::Base;

/// Unpacks packages in this order, and adds each to [`Base::packages`] with an origin of its own.
///
/// Memory: names and attributes, and a decoder for each core; file contents are in a temporary file.
///
/// # Errors
/// `Deb`, `Deb822`, `Tar`, `Codec`, `Limit` for a damaged package; `DigestMismatch`, `SizeMismatch`,
/// `OtherPackage` for an unexpected one; `Entry`, `BadLink`, `FileConflict` for entries that cannot be installed.
/// The context is the package file and the path in it. After an error the base must not be used.
pub fn unpack(base: &mut Base, debs: &[DebToUnpack], options: &UnpackOptions<'_>) -> Result<()> {
    let file = ContentFile::new(options.temp_dir)?;
    // The largest first, so that all cores finish at about the same time.
    let mut order: Vec<(usize, u64)> = Vec::with_capacity(debs.len());
    for (index, deb) in debs.iter().enumerate() {
        order.push((index, std::fs::metadata(&deb.path).map_or(0, |it| it.len())));
    }
    order.sort_by_key(|(index, size)| (std::cmp::Reverse(*size), *index));
    let decoded = in_parallel(&order, |(index, _)| {
        let deb = &debs[*index];
        (*index, decode(deb, options, &file).at(|| context(deb)))
    });
    let mut slots: Vec<Option<Result<Decoded>>> = debs.iter().map(|_| None).collect();
    for (index, result) in decoded {
        slots[index] = Some(result);
    }
    // The first error in the order of the packages is reported.
    let mut all = Vec::with_capacity(debs.len());
    for result in slots.into_iter().flatten() {
        all.push(result?);
    }
    let contents = file.finish()?;
    let mut installer = Installer::new(base, options.diversions);
    for (decoded, deb) in all.into_iter().zip(debs) {
        installer
            .package(decoded, deb, &contents)
            .at(|| context(deb))?;
    }
    Ok(())
}

/// Returns the context of errors in a package.
fn context(deb: &DebToUnpack) -> String {
    deb.path.to_string_lossy().into_owned()
}
