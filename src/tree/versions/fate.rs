//! Ends of the versions of one path.

use super::version::VersionState;
use crate::tree::applied::Tree;
use crate::tree::positions::{PathIdx, VersionIdx};
use crate::tree::version::{Change, Version};

/// A layer's change that hides everything below a directory that is older than a version: a whiteout spares its own
/// layer, any other file in the place of the directory does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cut {
    until: VersionIdx,
    layer: u16,
}

/// An entry of a path, and what became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fate {
    pub(super) version: VersionIdx,
    pub(super) state: VersionState,
    /// The layer that ended it, from 0.
    pub(super) by: Option<u16>,
}

impl Fate {
    pub(super) fn of(version: VersionIdx, state: VersionState) -> Self {
        Fate {
            version,
            state,
            by: None,
        }
    }
}

/// Returns the first of sorted cuts that hides a version.
fn first_cut(cuts: &[Cut], version: VersionIdx) -> Option<&Cut> {
    cuts.get(cuts.partition_point(|cut| cut.until <= version))
}

/// Returns true if the layer of the first of these versions has a whiteout for the path.
fn removes(versions: &[(VersionIdx, &Version)]) -> bool {
    let layer = versions.first().map(|(_, first)| first.layer);
    let mut own = versions
        .iter()
        .take_while(|(_, version)| Some(version.layer) == layer);
    own.any(|(_, version)| version.change == Change::Removed)
}

impl Tree {
    /// The entries of a path in their order; `cuts` are those of its directory.
    pub(super) fn fates(&self, name: PathIdx, cuts: &[Cut]) -> Vec<Fate> {
        let mut own: Vec<_> = self.chain(self.last.get(name).copied()).collect();
        own.reverse();
        let mut fates: Vec<Fate> = Vec::new();
        // The version in effect, and the place of its entry among the fates.
        let mut here: Option<(VersionIdx, Option<usize>)> = None;
        let end = |fates: &mut Vec<Fate>, ended: (VersionIdx, Option<usize>), state, by| {
            if let Some(fate) = ended.1.and_then(|place| fates.get_mut(place)) {
                (fate.state, fate.by) = (state, Some(by));
            }
        };
        for (i, &(at, version)) in own.iter().enumerate() {
            if let Some(was) = here
                && let Some(cut) = first_cut(cuts, was.0).filter(|cut| cut.until <= at)
            {
                end(&mut fates, was, VersionState::Hidden, cut.layer);
                here = None;
            }
            if version.change == Change::Removed {
                if let Some(was) = here.take() {
                    end(&mut fates, was, VersionState::Removed, version.layer);
                }
                continue;
            }
            let stays = matches!(version.change, Change::Passed | Change::Opaque);
            let Some(was) = here.filter(|_| !stays) else {
                let place = self.add_fate(&mut fates, at);
                here = here.or(Some((at, place)));
                continue;
            };
            let before = self.version(was.0).map(|was| was.layer);
            let state = match before == Some(version.layer) {
                true => VersionState::Repeated,
                // A whiteout comes first, also if another one made a directory of the path before.
                false if removes(own.get(i..).unwrap_or_default()) => VersionState::Removed,
                false => VersionState::Replaced,
            };
            end(&mut fates, was, state, version.layer);
            here = Some((at, self.add_fate(&mut fates, at)));
        }
        if let Some(was) = here
            && let Some(cut) = first_cut(cuts, was.0)
        {
            end(&mut fates, was, VersionState::Hidden, cut.layer);
        }
        fates
    }

    /// Adds the entry of a version, if it has one, and returns its place.
    fn add_fate(&self, fates: &mut Vec<Fate>, at: VersionIdx) -> Option<usize> {
        let version = self
            .version(at)
            .filter(|version| version.change == Change::Entry)?;
        let last = fates.last().and_then(|last| self.version(last.version));
        // A whiteout behind a symbolic link makes a directory of its own layer again: two versions of one entry.
        let is_same =
            last.is_some_and(|last| (last.layer, last.record) == (version.layer, version.record));
        if is_same {
            fates.pop();
        }
        fates.push(Fate::of(at, VersionState::Final));
        Some(fates.len() - 1)
    }

    /// The cuts of a directory's contents, sorted: its own, and those of the directory above that ended one of its
    /// versions. Whatever hides a file hides its directory first, so that no others have an effect.
    pub(super) fn cuts_in(&self, directory: PathIdx, above: &[Cut]) -> Vec<Cut> {
        let mut cuts = Vec::new();
        for (at, version) in self.chain(self.last.get(directory).copied()) {
            let layer = version.layer;
            let until = match version.change {
                Change::Removed | Change::Opaque => Some(self.layer_start(layer)),
                Change::Entry if version.inode != VersionIdx::NONE => Some(at),
                _ => None,
            };
            cuts.extend(until.map(|until| Cut { until, layer }));
            cuts.extend(first_cut(above, at));
        }
        cuts.sort_unstable();
        cuts.dedup();
        cuts
    }
}
