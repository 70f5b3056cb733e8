//! imgbase host: packages of a running system.

use std::path::PathBuf;

use super::ImageArgs;
use super::report::{self, Document};
use crate::base::debian::given;
use crate::base::debian::solver::Wanted;
use crate::cli::{Common, Io, Page, Uses, Verdict, source_date_epoch};
use crate::error::{Error, Result};
use crate::escape;
use crate::programs::imgbase::emulation::EmulationOptions;
use crate::programs::imgbase::host::{Essential, HostOptions, Modified, host};
use crate::programs::imgbase::{Base, check};

/// Its part of the documentation.
pub const PAGE: Page = Page {
    name: "host",
    uses: Uses::NOTHING,
    text: include_str!("../page-host.md"),
};

/// Make an image of packages of the running system
#[derive(Debug, Clone, clap::Args)]
pub struct Host {
    /// An installed package
    #[arg(value_name = "PACKAGE", required = true, value_parser = wanted)]
    packages: Vec<Wanted>,

    /// The tree that they are installed in
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/",
        hide_default_value = true
    )]
    root: PathBuf,

    /// Packages that must not come along; may be repeated
    #[arg(long, value_name = "PACKAGE", value_delimiter = ',', value_parser = wanted)]
    exclude: Vec<Wanted>,

    /// Take what packages recommend too, where it is installed
    #[arg(long)]
    recommends: bool,

    /// Which packages come that none depends on
    #[arg(long, value_name = "WHICH", value_enum, default_value_t)]
    essential: Essentials,

    /// What to do about files that are not what was installed
    #[arg(long, value_name = "WHAT", value_enum, default_value_t)]
    modified: Modifieds,

    /// Take changed and missing files from their packages, files or directories of them; may be repeated
    ///
    /// A .deb counts if it is of the version that is installed.
    #[arg(long, value_name = "DIR|FILE.deb")]
    debs: Vec<PathBuf>,

    #[command(flatten)]
    filtering: super::FilterArgs,

    #[command(flatten)]
    changes: super::ChangeArgs,

    #[command(flatten)]
    recipes: super::RecipeArgs,

    #[command(flatten)]
    records: super::ReportArgs,

    #[command(flatten)]
    ending: ImageArgs,
}

/// Which packages come that none depends on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Essentials {
    /// None.
    None,
    /// Those that the others use: the shell, the accounts, the interpreters of scripts.
    #[default]
    Auto,
    /// All essential ones.
    All,
}

/// What to do about changed files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Modifieds {
    /// The first one is an error.
    #[default]
    Fail,
    /// They are taken as they are, and told.
    Warn,
    /// They are taken as they are.
    Keep,
}

fn wanted(text: &str) -> Result<Wanted, Error> {
    Wanted::parse(text)
}

impl Host {
    /// Does it.
    ///
    /// # Errors
    /// As [`host`] and `Taken::deliver`.
    pub fn run(&self, common: &Common, io: &mut Io) -> Result<Verdict> {
        let papers = self.records.taken_in()?;
        let ending = &self.ending;
        let mut taken = ending.taken_in(common, "imgbase host", &papers.paths())?;
        let mut base = Base::new(source_date_epoch().unwrap_or(i64::MAX));
        let options = HostOptions {
            packages: self.packages.clone(),
            exclude: self.exclude.clone(),
            recommends: self.recommends,
            essential: match self.essential {
                Essentials::None => Essential::None,
                Essentials::Auto => Essential::Auto,
                Essentials::All => Essential::All,
            },
            modified: match self.modified {
                Modifieds::Fail => Modified::Fail,
                Modifieds::Warn => Modified::Warn,
                Modifieds::Keep => Modified::Keep,
            },
            emulation: EmulationOptions::default(),
            debs: given(&self.debs)?,
            landing: taken.landing.clone(),
            filters: self.filtering.filters()?,
            recipes: self.recipes.taken_in()?,
            actions: self.changes.actions(),
        };
        let report = host(&mut base, &self.root, &options)?;
        let quiet = self.ending.is_quiet();
        for changed in report.changed.iter().filter(|_| !quiet) {
            let what = match (changed.is_there, changed.pristine) {
                (true, false) => "it is not what was installed",
                (false, false) => "it was installed and is gone",
                (true, true) => "it is not what was installed; it is taken from its package",
                (false, true) => "it was installed and is gone; it is taken from its package",
            };
            let path = escape::bytes(&changed.path).into_owned();
            io.note(&format!("{}: {path}: {what}", changed.package));
        }
        if !quiet {
            report::tell(io, &report.scripts, &report.unused);
        }
        if self.records.strict {
            report::strict(&report.scripts)?;
        }
        taken.set_created(source_date_epoch().unwrap_or(base.epoch));
        if let Some(platform) = super::deb::platform(&report.architecture) {
            taken.set_platform(platform);
        }
        let has = |path: &[u8]| {
            base.rootfs
                .follow(path)
                .is_ok_and(|there| base.rootfs.get(&there).is_some())
        };
        if has(b"bin/bash") {
            taken.set_command(&["/bin/bash"]);
        } else if has(b"bin/sh") {
            taken.set_command(&["/bin/sh"]);
        }
        let rules = check::Rules {
            changed: true,
            ..check::Rules::default()
        };
        let papers = papers.written(&Document {
            base: &base,
            reasons: &report.reasons,
            emulations: &report.emulations,
            scripts: &report.scripts,
            left_out: report.left_out,
            changed: &report.changed,
            unused: &report.unused,
            unconfigured: false,
        });
        taken.deliver(&base, &rules, &papers, io)?;
        Ok(Verdict::Yes)
    }
}
