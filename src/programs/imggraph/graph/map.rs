//! The files of an image by directory and layer, for a treemap.

use std::collections::BTreeMap;

use crate::archive::Image;
use crate::blob::Meter;
use crate::error::Result;
use crate::escape;
use crate::layer::Limits;
use crate::tree::{NodeKind, Reading, Tree};

/// Depth of the directories with rows of their own.
const MAX_DEPTH: usize = 5;
/// Limit on the rows of an image.
const MAX_ROWS: usize = 600;

/// Sizes of the files of an image.
#[derive(Debug, Clone, Default)]
pub struct ImageMap {
    /// Sizes by directory and layer; directories in the order of the bytes of their paths, layers from the base upward.
    pub directories: Vec<DirectorySize>,
}

/// Files of one layer in one directory, or below it at the depth limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectorySize {
    /// Path of the directory without a leading `/`, escaped.
    pub path: String,
    /// Position of the layer, from 0.
    pub layer: usize,
    /// Bytes of the files; hard links count once.
    pub bytes: u64,
    /// Number of files.
    pub files: u64,
}

/// Adds up the files of an image, all layers applied. Walks the headers of uncompressed layers and decodes compressed ones.
///
/// Of more than 600 rows, the smallest are merged into the directory above, deepest first.
///
/// # Errors
/// Those of [`Reading::list_all`] and [`Tree::checked`].
pub fn map(image: &Image, limits: &Limits, meter: &Meter) -> Result<ImageMap> {
    let reading = Reading {
        limits: *limits,
        meter: meter.clone(),
        ..Reading::default()
    };
    let tree = Tree::apply(reading.list_all(image)?)?.checked()?;
    let mut rows: BTreeMap<(Vec<u8>, usize), (u64, u64)> = BTreeMap::new();
    for node in tree.walk() {
        let is_first = node.first_name().is_none();
        if node.kind() != NodeKind::File || !is_first {
            continue;
        }
        let path = node.path();
        let parts: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
        let above = &parts[..parts.len() - 1];
        let directory = above[..above.len().min(MAX_DEPTH)].join(&b'/');
        // The layer with the content, not that of a later hard link.
        let layer = node.location().map_or(node.layer(), |place| place.layer);
        let row = rows.entry((directory, layer)).or_default();
        row.0 = row.0.saturating_add(node.size());
        row.1 += 1;
    }
    merge_small(&mut rows);
    let directories = rows
        .into_iter()
        .map(|((path, layer), (bytes, files))| DirectorySize {
            path: escape::bytes(&path).into_owned(),
            layer,
            bytes,
            files,
        });
    Ok(ImageMap {
        directories: directories.collect(),
    })
}

/// Merges small rows into the directory above, the deepest level first, down to the limit.
fn merge_small(rows: &mut BTreeMap<(Vec<u8>, usize), (u64, u64)>) {
    for depth in (1..=MAX_DEPTH).rev() {
        if rows.len() <= MAX_ROWS {
            return;
        }
        let level = |path: &[u8]| match path.is_empty() {
            true => 0,
            false => 1 + path.iter().filter(|&&byte| byte == b'/').count(),
        };
        let mut at_level: Vec<(u64, (Vec<u8>, usize))> = rows
            .iter()
            .filter(|((path, _), _)| level(path) == depth)
            .map(|(key, (bytes, _))| (*bytes, key.clone()))
            .collect();
        at_level.sort();
        let over = rows.len() - MAX_ROWS;
        for (_, key) in at_level.into_iter().take(over) {
            let Some((bytes, files)) = rows.remove(&key) else {
                continue;
            };
            let (path, layer) = key;
            let end = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
            let row = rows.entry((path[..end].to_vec(), layer)).or_default();
            row.0 = row.0.saturating_add(bytes);
            row.1 += files;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_rows_are_merged_into_the_directory_above() {
        let mut rows = BTreeMap::new();
        for i in 0..2000u64 {
            rows.insert((format!("a/b{}/c{i}", i % 7).into_bytes(), 0), (i, 1));
        }
        merge_small(&mut rows);
        assert!(rows.len() <= MAX_ROWS + 7, "{}", rows.len());
        let sums = rows
            .values()
            .fold((0, 0), |sum, row| (sum.0 + row.0, sum.1 + row.1));
        assert_eq!(sums, ((0..2000).sum(), 2000));
        assert!(rows.contains_key(&(b"a/b0/c1995".to_vec(), 0)));
    }
}
