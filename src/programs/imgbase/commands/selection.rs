//! Where packages come from, and which ones are wanted: for `deb` and `explain`.

use clap::ValueEnum;

use super::sources::Sources;
use crate::base::debian::Request;
use crate::base::debian::solver::{Variant as Wants, Wanted};
use crate::error::Result;

/// Where packages come from, and which ones are wanted.
#[derive(Debug, Clone, clap::Args)]
pub struct Selection {
    #[command(flatten)]
    pub(super) sources: Sources,

    /// Which packages to begin with
    #[arg(long, value_name = "SET", value_enum, default_value_t)]
    pub variant: Variant,

    /// Take these packages too; may be repeated
    #[arg(long, value_name = "PACKAGE", value_delimiter = ',')]
    include: Vec<String>,

    /// Do not take these packages; may be repeated
    #[arg(long, value_name = "PACKAGE", value_delimiter = ',')]
    exclude: Vec<String>,

    /// Take what packages recommend, too
    #[arg(long)]
    recommends: bool,
}

/// Which packages to begin with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Variant {
    /// Only those of --include and what they depend on.
    None,
    /// Essential packages.
    Essential,
    /// Also required ones, and apt.
    #[default]
    Minbase,
    /// Also important ones.
    Important,
    /// Also standard ones.
    Standard,
    /// As none, with packages recorded in status.d.
    Distroless,
}

impl Variant {
    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Variant::None => "none",
            Variant::Essential => "essential",
            Variant::Minbase => "minbase",
            Variant::Important => "important",
            Variant::Standard => "standard",
            Variant::Distroless => "distroless",
        }
    }

    /// The one that is typed so.
    pub fn of_name(name: &str) -> Option<Self> {
        let mut all = Variant::value_variants().iter().copied();
        all.find(|variant| variant.name() == name)
    }
}

impl Selection {
    /// What is wanted.
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
            exclude: parse(&self.exclude)?,
            // The layout is made here, so nothing has to be there that would change it.
            prefer: match merged {
                true => vec!["usr-is-merged".to_owned()],
                false => Vec::new(),
            },
            recommends: self.recommends,
            ..Request::default()
        })
    }
}
