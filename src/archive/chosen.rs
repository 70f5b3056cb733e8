//! Selection of several images of an archive.

use std::collections::HashSet;

use super::model::{Archive, Format, Root};
use super::name::{Name, Wanted};
use super::options::TreeKind;
use super::pick::Pick;
use super::positions::ImageIdx;
use super::referrers::Retention;
use super::target::Target;
use crate::error::Result;

/// One root that a user selects.
#[derive(Debug, Clone)]
pub struct Chosen<'a> {
    /// The root.
    pub root: &'a Root,
    /// Selected names of the root.
    pub names: Vec<Name>,
    /// The one image selected by ID or digest below a root with several images.
    pub image: Option<ImageIdx>,
    /// True if selected by ID or digest, false if by name.
    pub by_id: bool,
}

impl<'a> Chosen<'a> {
    /// Selects a root with all its names.
    pub fn whole(root: &'a Root) -> Self {
        Chosen {
            root,
            names: root.names.clone(),
            image: None,
            by_id: false,
        }
    }
}

impl Archive {
    /// Returns the roots that the archive alone selects: all of them; of a registry's tree only those with a tag, and
    /// their referrers.
    pub fn listed_roots(&self) -> Vec<&Root> {
        if !matches!(self.format, Format::Tree(TreeKind::Registry)) {
            return self.roots.iter().collect();
        }
        let kept = self.retained(|root| match root.names.is_empty() {
            true => Retention::Remove,
            false => Retention::Keep,
        });
        let roots = self.roots.iter().zip(kept);
        roots
            .filter(|(_, kept)| *kept)
            .map(|(root, _)| root)
            .collect()
    }

    /// Returns the roots that refer to the selected ones, directly or through others, and are not selected themselves.
    pub fn referrers_of(&self, chosen: &[Chosen<'_>]) -> Vec<Chosen<'_>> {
        let selected: HashSet<*const Root> = chosen
            .iter()
            .map(|one| std::ptr::from_ref(one.root))
            .collect();
        let is_selected = |root: &Root| selected.contains(&std::ptr::from_ref(root));
        let kept = self.retained(|root| match is_selected(root) {
            true => Retention::Keep,
            false => Retention::Remove,
        });
        let roots = self.roots.iter().zip(kept);
        let referrers = roots.filter(|(root, kept)| *kept && !is_selected(root));
        referrers.map(|(root, _)| Chosen::whole(root)).collect()
    }

    /// Returns the roots with names for which `wants` is true, with these names.
    fn chosen_by(&self, wants: impl Fn(&Name) -> bool) -> Vec<Chosen<'_>> {
        let named = self.roots.iter().filter_map(|root| {
            let names = root.names.iter().filter(|name| wants(name));
            let names: Vec<Name> = names.cloned().collect();
            (!names.is_empty()).then(|| Chosen {
                names,
                ..Chosen::whole(root)
            })
        });
        named.collect()
    }

    /// Returns the selected roots: for `Pick::Only` all that are listed, for a repository without a tag all its tags, for an ID
    /// or digest the image that has it.
    ///
    /// # Errors
    /// `NoSuchImage`, `SeveralImages`, as [`Archive::root`].
    pub fn chosen(&self, pick: &Pick) -> Result<Vec<Chosen<'_>>> {
        let all_names = Chosen::whole;
        match pick {
            Pick::Only => return Ok(self.listed_roots().into_iter().map(all_names).collect()),
            Pick::Position(_) => return self.root(pick).map(|root| vec![all_names(root)]),
            Pick::Digest(_) => {}
            Pick::Name(wanted) => {
                let wants = Wanted::parse(wanted);
                let mut named = self.chosen_by(|name| wants.means_exactly(name));
                if named.is_empty() {
                    named = self.chosen_by(|name| wants.means(name));
                }
                if named.is_empty()
                    && let Some(text) = self.below_registry(wanted)
                {
                    let wants = Wanted::parse(&text);
                    named = self.chosen_by(|name| wants.means(name));
                }
                if !named.is_empty() {
                    return Ok(named);
                }
                // The bare `ref.name` of an image that also has a full name.
                let called = self.roots_named(wanted);
                if !called.is_empty() {
                    return Ok(called.into_iter().map(all_names).collect());
                }
            }
        }
        let target = self.target(pick)?;
        Ok(vec![Chosen {
            image: match target {
                Target::Root(_) => None,
                Target::Image { image, .. } => Some(image),
            },
            by_id: true,
            ..all_names(&self.roots[target.root()])
        }])
    }
}
