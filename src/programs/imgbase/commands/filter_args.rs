//! Which files of packages are left out.

use crate::error::Result;
use crate::programs::imgbase::filters::Filters;

/// Which files of packages are left out.
#[derive(Debug, Clone, clap::Args)]
pub struct FilterArgs {
    /// Leave out documentation but for licences, manual pages and translations
    #[arg(long)]
    slim: bool,

    /// Leave out paths that match PATTERN, as dpkg does; may be repeated
    ///
    /// Patterns are of whole paths with the / before them; * matches slashes, too. The rules are noted in
    /// /etc/dpkg/dpkg.cfg.d, so that dpkg keeps to them.
    #[arg(long, value_name = "PATTERN")]
    path_exclude: Vec<String>,

    /// Take back what matches PATTERN; may be repeated
    #[arg(long, value_name = "PATTERN")]
    path_include: Vec<String>,
}

impl FilterArgs {
    /// The rules.
    ///
    /// # Errors
    /// As [`Filters::new`].
    pub fn filters(&self) -> Result<Filters> {
        Filters::new(self.slim, &self.path_exclude, &self.path_include)
    }
}
