//! Listing of an archive's images, flat or as a tree.

use std::cmp::Reverse;
use std::collections::HashSet;

use super::filter::Filters;
use super::rows::ListRow;
use crate::archive::{Archive, Chosen, ImageIdx, Name, NodeIdx, NodeKind, Pick, Root, Sizes};
use crate::error::{At, Error, Result};
use crate::spec::{Platform, Timestamp};

/// Most rows of a tree.
const MAX_TREE: usize = 10_000;

/// Options of a listing.
#[derive(Debug, Clone, Copy)]
pub struct ListOptions<'a> {
    /// List artifacts and missing manifests, too.
    pub all: bool,
    /// List the contents of each index below it.
    pub tree: bool,
    /// Platform to choose in an index.
    pub platform: Option<&'a Platform>,
}

/// The roots of an archive that are listed.
pub(super) struct Selected<'a> {
    archive: &'a Archive,
    /// True if the user named the archive and nothing in it.
    is_whole: bool,
    chosen: Vec<Chosen<'a>>,
}

impl<'a> Selected<'a> {
    /// Selects the roots whose labels match; from the newest to the oldest if so asked, else in the archive's order.
    pub(super) fn new(
        archive: &'a Archive,
        pick: &Pick,
        mut chosen: Vec<Chosen<'a>>,
        newest_first: bool,
        filters: &Filters,
        options: ListOptions<'_>,
    ) -> Self {
        if newest_first {
            chosen.sort_by_cached_key(|one| Reverse(created(archive, one.root)));
        }
        chosen.retain(|one| {
            let images = archive.images_of(one.root);
            let image = archive.choose(&images, options.platform);
            let image = image.or(images.first().copied());
            image.is_none_or(|image| filters.match_labels(&archive.images[image]))
        });
        Selected {
            archive,
            is_whole: *pick == Pick::Only,
            chosen,
        }
    }

    /// Returns the images whose rows show a size.
    pub(super) fn images(&self, options: ListOptions<'_>) -> Vec<ImageIdx> {
        let images = self.chosen.iter().flat_map(|one| match one.image {
            Some(image) if !options.tree => vec![image],
            _ => listed_images(self.archive, one.root, options),
        });
        images.collect()
    }

    /// Returns the rows, in the order of the roots.
    ///
    /// # Errors
    /// `Limit` for a tree of more than 10,000 rows, with the archive as context.
    pub(super) fn rows(
        &self,
        sizes: &Sizes,
        filters: &Filters,
        options: ListOptions<'_>,
    ) -> Result<Vec<ListRow>> {
        let archive = self.archive;
        let tree = |roots: &[&Root]| tree(archive, roots, sizes).at(|| archive.place.clone());
        let mut rows = Vec::new();
        if options.tree && self.is_whole {
            let roots: Vec<&Root> = self.chosen.iter().map(|one| one.root).collect();
            rows = tree(&roots)?;
        } else {
            for one in &self.chosen {
                let names: HashSet<&Name> = one.names.iter().collect();
                // An image that was selected by its own ID is listed for its own platform.
                let own = one.image.map(|image| &archive.images[image].platform);
                let platform = own.or(options.platform);
                let mut more = match options.tree {
                    true => tree(&[one.root])?,
                    false => list(
                        archive,
                        one.root,
                        sizes,
                        ListOptions {
                            platform,
                            ..options
                        },
                    ),
                };
                more.retain(|row| {
                    let name = row.name.as_ref();
                    name.is_none_or(|name| names.contains(name))
                });
                rows.extend(more);
            }
        }
        filters.retain(&mut rows);
        Ok(rows)
    }
}

/// Returns the platforms of the roots that have no image for the platform.
pub(super) fn other_platforms(
    archive: &Archive,
    chosen: &[Chosen<'_>],
    platform: &Platform,
) -> Vec<String> {
    let images = chosen.iter().map(|one| archive.images_of(one.root));
    let others = images.filter(|images| archive.choose(images, Some(platform)).is_none());
    let others = others.flatten();
    others
        .map(|image| archive.images[image].platform.to_string())
        .collect()
}

/// Returns the creation time of the image that is listed for a root, in nanoseconds since 1970.
fn created(archive: &Archive, root: &Root) -> Option<i128> {
    let images = archive.images_of(root);
    let image = archive.choose(&images, None).or(images.first().copied())?;
    let created = archive.images[image].config.created.as_deref()?;
    Timestamp::parse(created).map(Timestamp::nanoseconds)
}

/// Returns the images of a root that are listed.
///
/// In a flat listing that is one image for each index: the one for the platform; without a platform the host's, or
/// else the first in the archive.
fn listed_images(archive: &Archive, root: &Root, options: ListOptions<'_>) -> Vec<ImageIdx> {
    let images = archive.images_of(root);
    if options.tree {
        return images;
    }
    let chosen = archive.choose(&images, options.platform);
    let first = images.first().copied();
    chosen
        .or(first.filter(|_| options.platform.is_none()))
        .into_iter()
        .collect()
}

/// Returns one row for each name of a root, as docker lists it.
///
/// Artifacts and missing manifests are left out unless all roots are to be listed.
pub fn list(
    archive: &Archive,
    root: &Root,
    sizes: &Sizes,
    options: ListOptions<'_>,
) -> Vec<ListRow> {
    let options = ListOptions {
        tree: false,
        ..options
    };
    let chosen = listed_images(archive, root, options);
    let row = match (chosen.first(), root.node) {
        (Some(&image), _) => ListRow::image(archive, image, sizes),
        (None, Some(node)) if options.all && archive.images_of(root).is_empty() => {
            ListRow::node(archive, node)
        }
        _ => return Vec::new(),
    };
    let digest = root
        .node
        .map(|node| archive.nodes[node].descriptor.digest.to_string());
    ListRow { digest, ..row }.named(root)
}

/// Returns the rows of all roots, each followed by its contents: platforms, attestations, missing manifests.
///
/// The contents of an index are listed once: with indexes that share their contents a tree could otherwise grow
/// exponentially.
///
/// # Errors
/// `Limit` for more than 10,000 rows.
pub fn tree(archive: &Archive, roots: &[&Root], sizes: &Sizes) -> Result<Vec<ListRow>> {
    let row_of = |node: NodeIdx| match &archive.nodes[node].kind {
        NodeKind::Image(image) => ListRow::image(archive, *image, sizes),
        _ => ListRow::node(archive, node),
    };
    let mut rows = Vec::new();
    let mut opened = HashSet::new();
    for root in roots {
        let row = match (root.node, root.image) {
            (Some(node), _) => row_of(node),
            (None, Some(image)) => ListRow::image(archive, image, sizes),
            (None, None) => continue,
        };
        let mut work: Vec<(NodeIdx, usize)> = Vec::new();
        let mut open = |node, depth, work: &mut Vec<(NodeIdx, usize)>| {
            let NodeKind::Index(edges) = &archive.nodes[node].kind else {
                return false;
            };
            if !opened.insert(node) {
                return true;
            }
            work.extend(edges.iter().rev().map(|edge| (edge.node, depth + 1)));
            false
        };
        let repeated = root.node.is_some_and(|node| open(node, 0, &mut work));
        rows.extend(ListRow { repeated, ..row }.named(root));
        // Depth first, without recursion.
        while let Some((node, depth)) = work.pop() {
            if rows.len() >= MAX_TREE {
                let found = (rows.len() + 1 + work.len()) as u64;
                return Err(Error::limit("rows of a tree", MAX_TREE as u64, found));
            }
            let row = row_of(node);
            let edge_platform = archive.nodes[node].descriptor.platform.clone();
            rows.push(ListRow {
                depth,
                platform: row.platform.clone().or(edge_platform),
                repeated: open(node, depth, &mut work),
                ..row
            });
        }
    }
    Ok(rows)
}
