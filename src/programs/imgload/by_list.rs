//! The images that lists name, in one archive or in several.

use super::args::Args;
use crate::archive::Chosen;
use crate::cli::{Io, Opened};
use crate::error::Result;
use crate::lists::{self, Finding, FindingKind, Listed};
use crate::spec::Platform;

/// Images to load.
pub(super) struct Wanted<'a> {
    /// References of the lists; `None` for all images.
    lists: Option<&'a [Listed]>,
    platform: Option<&'a Platform>,
    /// True if no single archive needs to have all of them.
    are_several: bool,
    /// For each reference the difference that no archive has resolved.
    missing: Vec<Option<String>>,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(args: &'a Args, lists: &'a [Listed], are_several: bool) -> Self {
        let unknown = |listed| {
            let (kind, found) = (FindingKind::Missing, Vec::new());
            let finding = Finding {
                listed,
                kind,
                found,
            };
            Some(finding.to_string())
        };
        Wanted {
            lists: (!args.only_list.is_empty()).then_some(lists),
            platform: args.common.platform.as_ref(),
            are_several,
            missing: lists.iter().map(unknown).collect(),
        }
    }

    /// Returns the images of an archive to load; `None` if it alone has to have all images of the lists, and has not.
    ///
    /// # Errors
    /// As [`Opened::check_documents`] and [`Opened::roots`].
    pub(super) fn choose<'o>(&mut self, opened: &'o Opened) -> Result<Option<Vec<Chosen<'o>>>> {
        opened.check_documents()?;
        let Some(lists) = self.lists else {
            let roots = opened.roots()?.into_iter();
            return Ok(Some(roots.map(Chosen::whole).collect()));
        };
        let archives = [(&*opened.archive, opened.everything()?)];
        let selection = lists::select(lists, &archives, self.platform);
        let mut is_complete = true;
        for (missing, finding) in self.missing.iter_mut().zip(selection.findings) {
            is_complete &= finding.is_none();
            if let Some(known) = missing {
                match finding {
                    None => *missing = None,
                    Some(finding) => *known = finding.to_string(),
                }
            }
        }
        if !is_complete && !self.are_several {
            return Ok(None);
        }
        Ok(selection.chosen.into_iter().next())
    }

    /// Reports what no archive has. Returns true if there is any.
    pub(super) fn report(&self, io: &Io) -> bool {
        let missing = self.missing.iter().flatten();
        missing.map(|missing| io.note(missing)).count() > 0
    }
}
