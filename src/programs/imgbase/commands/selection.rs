//! Arguments that select packages, for `deb` and `explain`.

use clap::ValueEnum;

use super::sources::Sources;
use crate::base::debian::Request;
use crate::base::debian::solver::{Variant as Wants, Wanted};
use crate::error::Result;

/// Arguments that select packages.
#[derive(Debug, Clone, clap::Args)]
pub struct Selection {
    #[command(flatten)]
    pub(super) sources: Sources,

    /// Initial set of packages
    #[arg(long, value_name = "SET", value_enum, default_value_t)]
    pub variant: Variant,

    /// Also include these packages; repeatable
    #[arg(long, value_name = "PACKAGE", value_delimiter = ',')]
    include: Vec<String>,

    /// Exclude these packages; repeatable
    #[arg(long, value_name = "PACKAGE", alias = "exclude", value_delimiter = ',')]
    exclude_package: Vec<String>,

    /// Also include recommended packages
    #[arg(long, hide_short_help = true)]
    recommends: bool,
}

/// Initial set of packages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Variant {
    /// Only packages of --include and their dependencies.
    None,
    /// Essential packages.
    Essential,
    /// Essential and required packages, and apt.
    #[default]
    Minbase,
    /// Those of minbase, and important packages.
    Important,
    /// Those of important, and standard packages.
    Standard,
    /// Those of none, recorded in status.d.
    Distroless,
}

impl Variant {
    /// Returns the name on the command line.
    pub fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Returns the variant with this name.
    pub fn of_name(name: &str) -> Option<Self> {
        Variant::from_str(name, false).ok()
    }
}

impl Selection {
    /// Returns the request for the solver. `merged` states that `/usr` is merged.
    ///
    /// # Errors
    /// As [`Wanted::parse`].
    pub fn request(&self, merged: bool) -> Result<Request> {
        let parse = |names: &[String]| -> Result<Vec<Wanted>> {
            names.iter().map(|name| Wanted::parse(name)).collect()
        };
        Ok(Request {
            variant: match self.variant {
                Variant::None | Variant::Distroless => Wants::None,
                Variant::Essential => Wants::Essential,
                Variant::Minbase => Wants::Minbase,
                Variant::Important => Wants::Important,
                Variant::Standard => Wants::Standard,
            },
            include: parse(&self.include)?,
            exclude: parse(&self.exclude_package)?,
            // The layout is made here, so the package that would convert it is not needed.
            prefer: match merged {
                true => vec!["usr-is-merged".to_owned()],
                false => Vec::new(),
            },
            recommends: self.recommends,
            ..Request::default()
        })
    }
}
