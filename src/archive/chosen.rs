//! Selection of several images of an archive.

use super::model::{Archive, Root};
use super::name::{Name, Wanted};
use super::pick::Pick;
use super::positions::ImageIdx;
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

impl Archive {
    /// Returns the selected roots: for `Pick::Only` all of them, for a repository without a tag all its tags, for an ID
    /// or digest the image that has it.
    ///
    /// # Errors
    /// `NoSuchImage`, `SeveralImages`, as [`Archive::root`].
    pub fn chosen(&self, pick: &Pick) -> Result<Vec<Chosen<'_>>> {
        let all_names = |root| Chosen {
            root,
            names: root.names.clone(),
            image: None,
            by_id: false,
        };
        match pick {
            Pick::Only => return Ok(self.roots.iter().map(all_names).collect()),
            Pick::Position(_) => return self.root(pick).map(|root| vec![all_names(root)]),
            Pick::Digest(_) => {}
            Pick::Name(wanted) => {
                let wants = Wanted::parse(wanted);
                let named = self.roots.iter().filter_map(|root| {
                    let names = root.names.iter().filter(|name| wants.means(name));
                    let names: Vec<Name> = names.cloned().collect();
                    (!names.is_empty()).then(|| Chosen {
                        names,
                        ..all_names(root)
                    })
                });
                let named: Vec<Chosen<'_>> = named.collect();
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
