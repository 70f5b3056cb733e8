//! Lists of images that programs read, and the images that they name.

use super::args::Common;
use super::list_arg::ListArg;
use super::open::Opened;
use super::streams::Io;
use crate::archive::Chosen;
use crate::error::Result;
use crate::lists::{self, Inventory, Listed, Reading};
use crate::spec::Reference;

/// Reads lists one after the other. With `strings_of`, every string that names one of these images is listed too.
///
/// # Errors
/// As [`lists::read_path`].
pub fn read_lists(
    lists: &[ListArg],
    common: &Common,
    strings_of: Option<&Inventory>,
    io: &Io,
) -> Result<Vec<Listed>> {
    let has = |reference: &Reference| strings_of.is_some_and(|images| images.has(reference));
    let reading = Reading {
        limits: &common.limits(),
        any_string: strings_of.map(|_| &has as &dyn Fn(&Reference) -> bool),
    };
    let mut all = Vec::new();
    for list in lists {
        let listed = list.read(reading)?;
        if listed.is_empty() {
            io.note(&format!(
                "{}: the list names no image",
                list.path().display()
            ));
        }
        all.extend(listed);
    }
    Ok(all)
}

/// Options of programs that take the images of lists.
#[derive(Debug, Clone, clap::Args)]
pub struct ByList {
    /// Take only images that LIST names, all of which must be present; repeatable
    ///
    /// LIST is a file, a chart, a directory of them, or -; see LISTS OF IMAGES in imgkit(7).
    #[arg(long = "list", value_name = "LIST")]
    lists: Vec<ListArg>,
}

impl ByList {
    /// Tests if a list is given.
    pub fn is_given(&self) -> bool {
        !self.lists.is_empty()
    }

    /// Returns the images that the lists name of those selected in each archive, without a list the images that `all`
    /// returns. If one of them is missing, each that is missing is reported, and there is no answer.
    ///
    /// # Errors
    /// As [`read_lists`] and [`Opened::chosen`].
    pub fn choose<'a>(
        &self,
        opened: &'a [Opened],
        all: fn(&'a Opened) -> Result<Vec<Chosen<'a>>>,
        common: &Common,
        io: &Io,
    ) -> Result<Option<Vec<Vec<Chosen<'a>>>>> {
        if self.lists.is_empty() {
            return opened.iter().map(all).collect::<Result<_>>().map(Some);
        }
        let lists = read_lists(&self.lists, common, None, io)?;
        let archives = opened
            .iter()
            .map(|one| Ok((&*one.archive, one.everything()?)));
        let archives: Vec<_> = archives.collect::<Result<_>>()?;
        let selection = lists::select(&lists, &archives, common.platform.as_ref());
        let mut is_complete = true;
        for finding in selection.findings.into_iter().flatten() {
            is_complete = false;
            io.note(&finding.to_string());
        }
        Ok(is_complete.then_some(selection.chosen))
    }
}
