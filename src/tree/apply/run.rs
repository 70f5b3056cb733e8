//! All layers applied in order, and the resulting tree.

use std::sync::Arc;

use super::state::TreeBuilder;
use crate::error::Result;
use crate::index_vec::IndexVec;
use crate::layer::Whiteout;
use crate::tree::applied::Tree;
use crate::tree::listing::Listing;
use crate::tree::positions::{PathIdx, VersionIdx};

impl Tree {
    /// Applies layers, from the base upward.
    ///
    /// An entry that engines disagree about is a fault of the tree, and is omitted; see [`Tree::checked`].
    ///
    /// # Errors
    /// `Limit` for more paths than `Limits::paths`, for names of more than `Limits::path_text` bytes in all layers,
    /// or for more than 65,535 layers.
    pub fn apply(listings: Vec<Arc<Listing>>) -> Result<Self> {
        let all = listings.len();
        Self::apply_part(listings, 0, all)
    }

    /// Applies some of `all` layers, with `base` others below them: faults name a layer by its number among all.
    ///
    /// # Errors
    /// As [`Tree::apply`].
    pub fn apply_part(listings: Vec<Arc<Listing>>, base: usize, all: usize) -> Result<Self> {
        let mut builder = TreeBuilder::new(listings)?;
        (builder.base, builder.layers) = (base, all);
        for layer in 0..builder.listings.len() {
            if let Some(listing) = builder.listings.get(layer).map(Arc::clone) {
                builder.layer(layer, &listing)?;
            }
        }
        Ok(builder.finish())
    }
}

impl TreeBuilder {
    fn finish(mut self) -> Tree {
        let mut now: IndexVec<PathIdx, _> = vec![VersionIdx::NONE; self.paths.len()].into();
        // A directory comes before its contents, so one pass is enough.
        for name in now.indices() {
            let parent = self.paths.parent(name);
            let mut above = VersionIdx::FIRST;
            if name != PathIdx::ROOT {
                above = self.cut_of(parent);
                let is_hidden =
                    now[parent] == VersionIdx::NONE || is_metadata(self.paths.part(name));
                self.set_cut(name, above);
                if is_hidden {
                    continue;
                }
            }
            if let Some(state) = self.state(name, above) {
                now[name] = state.version;
            }
        }
        self.paths.seal();
        self.markers.sort_unstable();
        self.unapplied.paths.seal();
        self.unapplied.entries.sort_unstable();
        let mut tree = Tree {
            listings: self.listings,
            limits: self.limits,
            paths: self.paths,
            versions: self.versions,
            last: self.last,
            now,
            links: self
                .linked
                .into_iter()
                .map(|inode| (inode, Vec::new()))
                .collect(),
            restated: self.restated,
            markers: self.markers,
            unapplied: self.unapplied,
            faults: self.faults,
            fault_count: self.fault_count,
            notices: self.notices,
            notice_count: self.notice_count,
        };
        let mut links = std::mem::take(&mut tree.links);
        for node in tree.walk() {
            if let Some(names) = node.inode().and_then(|inode| links.get_mut(&inode.0)) {
                names.push(node.name);
            }
        }
        links.retain(|_, names| names.len() > 1);
        tree.links = links;
        tree
    }
}

pub(in crate::tree) fn is_metadata(part: &[u8]) -> bool {
    part.starts_with(b".wh.") && Whiteout::of(part) == Whiteout::Aufs
}
