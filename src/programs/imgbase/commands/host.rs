//! imgbase host: images of packages of a running system.

use std::path::PathBuf;

use super::ImageArgs;
use crate::base::debian::read_debs;
use crate::base::debian::solver::Wanted;
use crate::cli::{Common, Io, Page, Verdict, no_effect, source_date_epoch};
use crate::error::{Error, Result};
use crate::escape;
use crate::programs::imgbase::emulation::EmulationOptions;
use crate::programs::imgbase::host::{Essential, HostOptions, Modified, host};
use crate::programs::imgbase::{Base, check};

/// Documentation of the subcommand.
pub const PAGE: Page = Page::subcommand("host", include_str!("../page-host.md"));

/// Make an image of packages of the running system
#[derive(Debug, Clone, clap::Args)]
pub struct Host {
    /// Installed package
    #[arg(value_name = "PACKAGE", required = true, value_parser = wanted)]
    packages: Vec<Wanted>,

    /// Root directory of the installed system
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/",
        hide_default_value = true
    )]
    root: PathBuf,

    /// Exclude these packages; repeatable
    #[arg(long, value_name = "NAME", alias = "exclude", value_delimiter = ',', value_parser = wanted)]
    exclude_package: Vec<Wanted>,

    /// Also include recommended packages that are installed
    #[arg(long, hide_short_help = true)]
    recommends: bool,

    /// Packages to include that no other one depends on
    #[arg(
        long,
        value_name = "WHICH",
        value_enum,
        default_value_t,
        hide_short_help = true
    )]
    essential: Essential,

    /// Action for files that differ from those of their packages
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        default_value_t,
        hide_short_help = true
    )]
    modified: Modified,

    /// Restore changed and missing files from this package file or directory; repeatable
    ///
    /// Only packages of the installed versions are used.
    #[arg(long, value_name = "DIR|FILE.deb", hide_short_help = true)]
    debs: Vec<PathBuf>,

    #[command(flatten)]
    filter: super::FilterArgs,

    #[command(flatten)]
    changes: super::ChangeArgs,

    #[command(flatten)]
    recipes: super::RecipeArgs,

    #[command(flatten)]
    report: super::ReportArgs,

    #[command(flatten)]
    image: ImageArgs,
}

fn wanted(text: &str) -> Result<Wanted, Error> {
    Wanted::parse(text)
}

impl Host {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// As [`host`] and `ImageRequest::deliver`.
    pub fn run(&self, common: &Common, io: &mut Io) -> Result<Verdict> {
        if self.modified == Modified::Keep {
            let debs = ("--debs", !self.debs.is_empty());
            no_effect(
                "with --modified keep, which takes changed files unchanged",
                &[debs],
            )?;
        }
        let files = self.report.parse()?;
        let mut request = self.image.parse(common, "imgbase host", &files.paths())?;
        let mut base = Base::new(source_date_epoch().unwrap_or(i64::MAX));
        let options = HostOptions {
            packages: self.packages.clone(),
            exclude: self.exclude_package.clone(),
            recommends: self.recommends,
            essential: self.essential,
            modified: self.modified,
            emulation: EmulationOptions::default(),
            debs: read_debs(&self.debs)?,
            temp_dir: request.temp_dir.clone(),
            filters: self.filter.filters()?,
            recipes: self.recipes.read()?,
            actions: self.changes.actions(),
        };
        let (architecture, report) = host(&mut base, &self.root, &options)?;
        let quiet = self.image.is_quiet();
        for changed in report.changed.iter().filter(|_| !quiet) {
            let state = match (changed.is_there, changed.pristine) {
                (true, false) => "changed since it was installed",
                (false, false) => "missing",
                (true, true) => "changed since it was installed: restored from its package",
                (false, true) => "missing: restored from its package",
            };
            let path = escape::bytes(&changed.path).into_owned();
            io.note(&format!("{}: {path}: {state}", changed.package));
        }
        self.report.check(&report, quiet, io)?;
        request.set_created(source_date_epoch().unwrap_or(base.epoch));
        if let Some(platform) = super::deb::platform(&architecture) {
            request.set_platform(platform);
        }
        let has = |path: &[u8]| {
            base.rootfs
                .follow(path)
                .is_ok_and(|path| base.rootfs.get(&path).is_some())
        };
        if has(b"bin/bash") {
            request.set_command(&["/bin/bash"]);
        } else if has(b"bin/sh") {
            request.set_command(&["/bin/sh"]);
        }
        let rules = check::Rules {
            changed: true,
            ..check::Rules::default()
        };
        let side_files = files.contents(&base, &report);
        request.deliver(&base, &rules, &side_files, io)?;
        Ok(Verdict::Yes)
    }
}
