//! Where packages come from, and which ones are wanted: for `deb` and `explain`.

use std::path::PathBuf;

use crate::cli::Io;
use crate::debian::solver::{Candidate, Taken, Variant as Wants, Wanted};
use crate::debian::{Request, Universe};
use crate::error::{Fault, Result};
use crate::job::base::deb::{Given, given};
use crate::job::base::unpack::DebToUnpack;

/// Where packages come from, and which ones are wanted.
#[derive(Debug, Clone, clap::Args)]
pub struct Selection {
    /// A package file, or a folder of them; may be repeated
    #[arg(long, value_name = "DIR|FILE.deb")]
    debs: Vec<PathBuf>,

    /// The architecture, as Debian calls it; without it the host's
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,

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
}

/// Packages that could be taken.
pub struct Offers {
    given: Vec<Given>,
    /// Of what machine.
    pub architecture: String,
    /// When the repository was made, if there is one.
    pub date: Option<i64>,
}

impl Offers {
    /// All of them, for the solver.
    ///
    /// # Errors
    /// As [`Given::candidate`] and [`Universe::new`].
    pub fn universe(&self) -> Result<Universe<'_>> {
        let candidates = self.given.iter().map(Given::candidate);
        let candidates: Vec<Candidate<'_>> = candidates.collect::<Result<_>>()?;
        Universe::new(candidates, &self.architecture, &[])
    }

    /// The file of one that was taken.
    ///
    /// # Errors
    /// None yet.
    pub fn deb(&self, taken: &Taken) -> Result<DebToUnpack> {
        let given = self.given.get(taken.source).ok_or(Fault::Gone)?;
        Ok(DebToUnpack {
            path: given.path.clone(),
            asked_for: taken.is_asked_for(),
            ..DebToUnpack::default()
        })
    }
}

impl Selection {
    /// Opens what was named.
    ///
    /// # Errors
    /// `Usage` if nothing was; as [`given`].
    pub fn offers(&self, _io: &mut Io) -> Result<Offers> {
        if self.debs.is_empty() {
            let why = "packages come from somewhere: name a folder with --debs";
            return Err(Fault::Usage(why.into()).into());
        }
        let host = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "i386",
            "aarch64" => "arm64",
            "arm" => "armhf",
            "powerpc64" => "ppc64el",
            other => other,
        };
        Ok(Offers {
            given: given(&self.debs)?,
            architecture: self.arch.clone().unwrap_or_else(|| host.to_owned()),
            date: None,
        })
    }

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
