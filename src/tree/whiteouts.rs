//! Whiteouts that remove nothing, and those of paths that their own layer has.

use super::applied::Tree;
use super::history::Event;
use super::positions::PathIdx;
use super::version::Change;

/// A whiteout that was applied.
#[derive(Clone, Copy)]
pub struct AppliedWhiteout<'t> {
    tree: &'t Tree,
    name: PathIdx,
    layer: u16,
}

impl Tree {
    /// The whiteouts of paths, each path of a layer once, by path and layer; opaque ones are not among them.
    pub fn whiteouts(&self) -> impl Iterator<Item = AppliedWhiteout<'_>> {
        let mut last = None;
        let markers = self.markers.iter().filter(|marker| !marker.is_opaque);
        markers.filter_map(move |marker| {
            let found = (marker.name, marker.layer);
            let is_new = last.replace(found) != Some(found);
            is_new.then_some(AppliedWhiteout {
                tree: self,
                name: marker.name,
                layer: marker.layer,
            })
        })
    }
}

impl AppliedWhiteout<'_> {
    /// The path that it removes, without a leading `/`.
    pub fn path(&self) -> Vec<u8> {
        self.tree.paths.path(self.name)
    }

    /// Number of its layer, from 0.
    pub fn layer(&self) -> usize {
        usize::from(self.layer)
    }

    /// Returns true if no layer below has the path. Costs the changes of the path and of the directories above it.
    pub fn removes_nothing(&self) -> bool {
        let Some(past) = self.tree.history_at(self.name) else {
            return true;
        };
        let gone = |event| matches!(event, Event::Removed | Event::Hidden);
        let mut steps = past.steps().into_iter();
        !steps.any(|step| step.layer == self.layer() && gone(step.event))
    }

    /// Returns true if its own layer has an entry at the path.
    pub fn is_of_own_path(&self) -> bool {
        let last = self.tree.last.get(self.name).copied();
        let mut versions = self.tree.chain(last);
        versions.any(|(_, version)| version.change == Change::Entry && version.layer == self.layer)
    }
}
