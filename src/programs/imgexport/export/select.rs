//! Selection of paths by name and pattern.

use super::options::ExportOptions;
use crate::error::{Error, Result};
use crate::escape;
use crate::index_vec::IndexVec;
use crate::layer::clean_path;
use crate::tree::{NodeKind, PathIdx, Tree};

/// Paths that are selected, by their indices in the tree; `None` selects all.
pub(super) struct Selected(Option<IndexVec<PathIdx, bool>>);

/// Mark of a path that its contents inherit.
const NAMED: u8 = 1;
const INCLUDED: u8 = 2;
const EXCLUDED: u8 = 4;

impl Selected {
    /// Selects paths.
    ///
    /// # Errors
    /// `Usage` for a path that does not exist.
    pub(super) fn new(tree: &Tree, options: &ExportOptions) -> Result<Self> {
        let (include, exclude) = (&options.include, &options.exclude);
        let has_patterns = !include.is_empty() || !exclude.is_empty();
        if options.paths.is_empty() && !has_patterns {
            return Ok(Selected(None));
        }
        let mut marks: IndexVec<PathIdx, u8> = vec![0; tree.size()].into();
        for path in &options.paths {
            let past = tree
                .history(path)
                .filter(|past| past.node().is_some() || options.raw && past.is_removed());
            let Some(past) = past else {
                return Err(no_such_path(tree, path));
            };
            marks[past.index()] |= NAMED;
        }
        let always = (u8::from(options.paths.is_empty()) * NAMED)
            | (u8::from(include.is_empty()) * INCLUDED);
        let mut selected = IndexVec::from_elem(false, &marks);
        for past in tree.all_paths() {
            let index = past.index();
            let mut mark = marks[index] | always;
            if let Some(parent) = past.parent_index() {
                mark |= marks[parent] & NAMED;
            }
            if has_patterns {
                let path = past.path();
                mark |= u8::from(include.matches(&path)) * INCLUDED;
                mark |= u8::from(exclude.matches(&path)) * EXCLUDED;
            }
            marks[index] = mark;
            let exists = past.node().is_some() || options.raw && past.is_removed();
            if mark == NAMED | INCLUDED && exists {
                // With its parent directories, for their owners and modes.
                let mut at = Some(index);
                while let Some(index) = at.filter(|&index| !selected[index]) {
                    selected[index] = true;
                    at = tree.history_at(index).and_then(|past| past.parent_index());
                }
            }
        }
        Ok(Selected(Some(selected)))
    }

    /// Tests if the path with that index is selected.
    pub(super) fn contains(&self, index: PathIdx) -> bool {
        self.0
            .as_ref()
            .is_none_or(|selected| selected.get(index).copied().unwrap_or_default())
    }
}

/// Returns the error for a path that does not exist, with the symbolic link above it, if there is one.
fn no_such_path(tree: &Tree, path: &[u8]) -> Error {
    let clean = clean_path(path).path;
    let ends = clean
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'/')
        .map(|(at, _)| at);
    let link = ends
        .filter_map(|end| tree.get(&clean[..end]).map(|node| (end, node)))
        .find(|(_, node)| node.kind() == NodeKind::Symlink);
    let why = match link {
        Some((end, node)) => format!(
            "no such file or directory: {} is a symbolic link to '{}'",
            display(&clean[..end]),
            escape::bytes(node.link_target())
        ),
        None => "no such file or directory".to_owned(),
    };
    Error::usage(why).at(display(&clean))
}

/// Returns a path for error messages, escaped.
pub(super) fn display(path: &[u8]) -> String {
    match path {
        b"" => ".".to_owned(),
        path => escape::bytes(path).into_owned(),
    }
}
