//! All layers in their order, and the tree that they make.

use std::sync::Arc;

use super::state::Applying;
use crate::error::Result;
use crate::layer::Whiteout;
use crate::tree::applied::Tree;
use crate::tree::listing::Listing;
use crate::tree::paths::{NONE, TOP};

impl Tree {
    /// Applies layers, the base first.
    ///
    /// What no two engines would make the same of is a fault of the tree, and the entry is left out; see
    /// [`Tree::sound`].
    ///
    /// # Errors
    /// `Limit` for more paths than [`Limits::paths`] or names of more than [`Limits::path_text`] bytes in all layers,
    /// or more than 65,535 layers.
    pub fn apply(listings: Vec<Arc<Listing>>) -> Result<Self> {
        let all = listings.len();
        Self::apply_part(listings, 0, all)
    }

    /// The same for some layers of `all`, of which `base` are below: faults name them by their place among all.
    ///
    /// # Errors
    /// As [`Tree::apply`].
    pub fn apply_part(listings: Vec<Arc<Listing>>, base: usize, all: usize) -> Result<Self> {
        let mut applying = Applying::new(listings)?;
        (applying.base, applying.layers) = (base, all);
        for layer in 0..applying.listings.len() {
            if let Some(listing) = applying.listings.get(layer).map(Arc::clone) {
                applying.layer(layer, &listing)?;
            }
        }
        Ok(applying.finish())
    }
}

impl Applying {
    fn finish(mut self) -> Tree {
        let names = u32::try_from(self.paths.len()).unwrap_or(NONE);
        let mut now = vec![NONE; self.paths.len()];
        // A folder comes before what is in it, so one pass is enough.
        for name in 0..names {
            let parent = self.paths.parent(name);
            let mut above = 0;
            if name != TOP {
                above = self.cut_of(parent);
                let parent_now = now.get(parent as usize).copied().unwrap_or(NONE);
                let notes = parent_now == NONE || is_notes(self.paths.part(name));
                self.set_cut(name, above);
                if notes {
                    continue;
                }
            }
            if let Some(state) = self.state(name, above)
                && let Some(slot) = now.get_mut(name as usize)
            {
                *slot = state.version;
            }
        }
        self.paths.seal();
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

fn is_notes(part: &[u8]) -> bool {
    part.starts_with(b".wh.") && Whiteout::of(part) == Whiteout::Aufs
}
