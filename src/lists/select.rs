//! Selection of the images that lists name.

use std::collections::BTreeMap;

use super::check::{Finding, answers};
use super::collect::Listed;
use super::inventory::{Inventory, Target};
use crate::archive::{Archive, Chosen, ImageIdx, Name};
use crate::spec::Platform;

/// The images of archives that lists name.
#[derive(Debug)]
pub struct Selection<'l, 'a> {
    /// Images of each archive, in its order, each with the names that the lists name.
    pub chosen: Vec<Vec<Chosen<'a>>>,
    /// For each reference of the lists the difference that keeps it from being selected.
    pub findings: Vec<Option<Finding<'l>>>,
}

/// Selects the images that lists name among some images of each archive. With a platform, only images for it count.
///
/// An image that is named by its digest keeps the names that are those of the list; an image below an index is selected
/// alone and has none.
pub fn select<'l, 'a>(
    lists: &'l [Listed],
    archives: &[(&'a Archive, Vec<Chosen<'a>>)],
    platform: Option<&Platform>,
) -> Selection<'l, 'a> {
    let mut inventory = Inventory::new(platform);
    for (number, (archive, chosen)) in archives.iter().enumerate() {
        inventory.add(number, archive, chosen);
    }
    let mut findings = Vec::with_capacity(lists.len());
    let mut picked: BTreeMap<(Target, Option<ImageIdx>), Vec<Name>> = BTreeMap::new();
    for answer in answers(lists, &inventory) {
        for pick in answer.picks {
            let names = picked.entry((pick.target, pick.image)).or_default();
            let new = pick.name.filter(|name| !names.contains(name));
            names.extend(new.cloned());
        }
        findings.push(answer.finding.filter(|finding| finding.kind.is_failure()));
    }
    let mut selected: Vec<Vec<Chosen<'a>>> = archives.iter().map(|_| Vec::new()).collect();
    for ((target, image), names) in picked {
        let one = archives
            .get(target.archive)
            .and_then(|(_, chosen)| chosen.get(target.chosen));
        if let (Some(one), Some(selected)) = (one, selected.get_mut(target.archive)) {
            selected.push(Chosen {
                root: one.root,
                names,
                image: image.or(one.image),
                by_id: image.is_some() || one.by_id,
            });
        }
    }
    Selection {
        chosen: selected,
        findings,
    }
}
