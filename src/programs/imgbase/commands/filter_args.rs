//! Arguments for filters of packages' files.

use crate::error::Result;
use crate::programs::imgbase::filters::Filters;

/// Arguments for filters of packages' files.
#[derive(Debug, Clone, clap::Args)]
pub struct FilterArgs {
    /// Leave out documentation and translations
    ///
    /// Licences are kept.
    #[arg(long)]
    slim: bool,

    /// Leave out paths that match PATTERN, as dpkg does; repeatable
    ///
    /// A pattern matches absolute paths; * matches slashes, too. The rules are stored in /etc/dpkg/dpkg.cfg.d, so that they
    /// also apply to packages that are installed later.
    #[arg(long, value_name = "PATTERN", hide_short_help = true)]
    path_exclude: Vec<String>,

    /// Keep paths that match PATTERN in spite of --path-exclude; repeatable
    #[arg(long, value_name = "PATTERN", hide_short_help = true)]
    path_include: Vec<String>,
}

impl FilterArgs {
    /// Returns the filters.
    ///
    /// # Errors
    /// As [`Filters::new`].
    pub fn filters(&self) -> Result<Filters> {
        Filters::new(self.slim, &self.path_exclude, &self.path_include)
    }
}
