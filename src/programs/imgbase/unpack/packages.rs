//! Unpacking of packages: decoded on all cores, installed one after another.

use super::content_file::ContentFile;
use super::decode::{Decoded, decode};
use super::install::Installer;
use super::package::{DebToUnpack, UnpackOptions};
use crate::error::{At, Result};
use crate::parallel::in_parallel;
use crate::programs::imgbase::Base;

/// Unpacks packages in that order, and pushes each to [`Base::packages`] with an origin of its own.
///
/// Memory: what names and attributes take, and a decoder for each core; the files are in the landing directory.
///
/// # Errors
/// `Deb`, `Deb822`, `Tar`, `Codec`, `Limit` for a package that is damaged or none; `DigestMismatch`, `SizeMismatch`,
/// `Changed` for another than was expected; `Entry`, `BadLink`, `FileConflict` for what cannot be put into the tree.
/// The places are the package's file and the path in it. After an error the base is not to be used.
pub fn unpack(base: &mut Base, debs: &[DebToUnpack], how: &UnpackOptions<'_>) -> Result<()> {
    let file = ContentFile::new(how.landing)?;
    // The largest first, so that no core is left alone with one at the end.
    let mut order: Vec<(usize, u64)> = Vec::with_capacity(debs.len());
    for (index, deb) in debs.iter().enumerate() {
        order.push((index, std::fs::metadata(&deb.path).map_or(0, |it| it.len())));
    }
    order.sort_by_key(|(index, size)| (std::cmp::Reverse(*size), *index));
    let decoded = in_parallel(&order, |(index, _)| {
        let deb = &debs[*index];
        (*index, decode(deb, how, &file).at(|| place(deb)))
    });
    let mut slots: Vec<Option<Result<Decoded>>> = debs.iter().map(|_| None).collect();
    for (index, result) in decoded {
        slots[index] = Some(result);
    }
    // The first in the order of the packages is the one that is reported.
    let mut all = Vec::with_capacity(debs.len());
    for result in slots.into_iter().flatten() {
        all.push(result?);
    }
    let contents = file.finish()?;
    let mut installer = Installer::new(base, how.diversions);
    for (decoded, deb) in all.into_iter().zip(debs) {
        installer
            .package(decoded, deb, &contents)
            .at(|| place(deb))?;
    }
    Ok(())
}

/// A `.deb` as the place of an error.
fn place(deb: &DebToUnpack) -> String {
    deb.path.to_string_lossy().into_owned()
}
