//! Images that no list names.

use std::collections::{HashMap, HashSet};

use super::args::Args;
use super::rows::ListRow;
use crate::archive::{Archive, Chosen};
use crate::cli::{self, Io, Verdict};
use crate::error::Result;
use crate::lists::{Finding, FindingKind, Inventory, Target};

/// The images of all inputs.
#[derive(Debug, Default)]
pub(super) struct Unused {
    inventory: Inventory,
    archives: usize,
    /// Archive and digest of each image, as its rows have them.
    known: HashMap<Target, (String, String)>,
}

impl Unused {
    /// Adds the listed images of an archive.
    pub(super) fn add(&mut self, archive: &Archive, chosen: &[Chosen<'_>]) {
        self.inventory.add(self.archives, archive, chosen);
        for (position, one) in chosen.iter().enumerate() {
            let target = Target {
                archive: self.archives,
                chosen: position,
            };
            let id = match one.root.node {
                Some(node) => archive.nodes[node].descriptor.digest.to_string(),
                None => one
                    .root
                    .image
                    .map(|image| archive.images[image].id.to_string())
                    .unwrap_or_default(),
            };
            self.known.insert(target, (archive.place.clone(), id));
        }
        self.archives += 1;
    }

    /// Removes the rows of images that a list names. The answer is no if a value of a list names no image, because it
    /// may mean one of the rest.
    ///
    /// # Errors
    /// As [`cli::read_lists`].
    pub(super) fn retain(
        &self,
        rows: &mut Vec<ListRow>,
        args: &Args,
        io: &mut Io,
    ) -> Result<Verdict> {
        let strings_of = args.any_string.then_some(&self.inventory);
        let lists = cli::read_lists(&args.unused_by, &args.common, strings_of, io)?;
        let mut verdict = Verdict::Yes;
        // With a name, only this name of the image.
        let mut named: HashSet<(&str, &str, Option<String>)> = HashSet::new();
        for listed in &lists {
            let reference = match &listed.meaning {
                Ok(reference) => reference,
                Err(unresolved) => {
                    verdict = Verdict::No;
                    let finding = Finding {
                        listed,
                        kind: FindingKind::Unresolved,
                        found: vec![unresolved.why().to_owned()],
                    };
                    io.warn(&finding.to_string());
                    continue;
                }
            };
            for pick in self.inventory.find(reference).0 {
                if let Some((place, id)) = self.known.get(&pick.target) {
                    let name = pick.name.filter(|_| reference.digest().is_none());
                    named.insert((place, id, name.map(ToString::to_string)));
                }
            }
        }
        rows.retain(|row| {
            let id = row.digest.as_deref().unwrap_or(&row.id);
            let name = row.name.as_ref().map(ToString::to_string);
            !named.contains(&(&row.archive, id, None)) && !named.contains(&(&row.archive, id, name))
        });
        Ok(verdict)
    }
}
