//! The files of an image by folder and layer, for a treemap.

use std::collections::BTreeMap;

use crate::archive::Image;
use crate::blob::Meter;
use crate::error::Result;
use crate::escape;
use crate::layer::Limits;
use crate::tree::{NodeKind, Reading, Tree};

/// How deep folders are told apart, and how many rows an image may have.
const MAX_DEPTH: usize = 5;
const MAX_ROWS: usize = 600;

/// What the files of an image take.
#[derive(Debug, Clone, Default)]
pub struct ImageMap {
    /// By folder and layer; folders by the bytes of their paths, layers from the base upward.
    pub folders: Vec<FolderSize>,
}

/// The files right in a folder (or further below, where folders are not told apart) that one layer brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderSize {
    /// The folder, from the top without `/` before it; escaped.
    pub path: String,
    /// The layer, from 0.
    pub layer: usize,
    /// Their bytes; names of one file count once.
    pub bytes: u64,
    /// How many there are.
    pub files: u64,
}

/// Adds up the files of an image that are there in the end. Walks the headers of plain layers and decodes packed ones.
///
/// Where there are more than 600 rows, the smallest are told with the folder above them, deepest first.
///
/// # Errors
/// As [`Reading::list_all`] and [`Tree::checked`].
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
        let folders = &parts[..parts.len() - 1];
        let folder = folders[..folders.len().min(MAX_DEPTH)].join(&b'/');
        // Contents are where the file was written, whatever layer gave it a further name.
        let layer = node.location().map_or(node.layer(), |place| place.layer);
        let row = rows.entry((folder, layer)).or_default();
        row.0 = row.0.saturating_add(node.size());
        row.1 += 1;
    }
    merge_small(&mut rows);
    let folders = rows
        .into_iter()
        .map(|((path, layer), (bytes, files))| FolderSize {
            path: escape::bytes(&path).into_owned(),
            layer,
            bytes,
            files,
        });
    Ok(ImageMap {
        folders: folders.collect(),
    })
}

/// Puts small rows into the folder above, the deepest level first, until there are few enough.
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
    fn small_rows_go_into_the_folder_above_and_nothing_is_lost() {
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
