//! imgbase deb: base images of Debian packages.

use std::path::Path;

use super::ImageArgs;
use super::lock_args::{LockArgs, PackageSet};
use crate::base::debian::LockedPackage;
use crate::blob::Meter;
use crate::cli::{Common, Io, Page, Verdict, no_effect, source_date_epoch};
use crate::error::Result;
use crate::programs::imgbase::deb::{DebOptions, deb};
use crate::programs::imgbase::emulation::{Database, EmulationOptions};
use crate::programs::imgbase::report::Report;
use crate::programs::imgbase::{Base, check};
use crate::spec::Platform;

/// Documentation of the subcommand.
pub const PAGE: Page = Page::subcommand("deb", include_str!("../page-deb.md"));

/// Make a base image of Debian packages
#[derive(Debug, Clone, clap::Args)]
pub struct Deb {
    #[command(flatten)]
    selection: super::Selection,

    #[command(flatten)]
    lock: LockArgs,

    #[command(flatten)]
    filter: super::FilterArgs,

    /// Form of the package database
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        default_value_t,
        hide_short_help = true
    )]
    database: Database,

    /// Disable the emulation with this name; repeatable
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        hide_short_help = true
    )]
    without: Vec<String>,

    /// Time zone, a path below /usr/share/zoneinfo
    #[arg(long, value_name = "ZONE", hide_short_help = true)]
    time_zone: Option<String>,

    /// Keep /bin, /sbin and /lib as separate directories
    #[arg(long, hide_short_help = true)]
    unmerged_usr: bool,

    #[command(flatten)]
    changes: super::ChangeArgs,

    #[command(flatten)]
    recipes: super::RecipeArgs,

    /// Leave the maintainer scripts to a container
    ///
    /// Packages are unpacked and recorded in that state; only accounts are emulated. /usr/sbin/imgbase-configure, run once in
    /// a container, completes the installation; its result is not reproducible.
    #[arg(long, value_name = "HOW", value_enum, conflicts_with_all = [
        "strict", "recipe", "database", "without", "time_zone",
    ], hide_short_help = true)]
    configure: Option<Configure>,

    #[command(flatten)]
    report: super::ReportArgs,

    /// Print the selected packages only
    #[arg(long, alias = "print-packages", conflicts_with = "format")]
    dry_run: bool,

    #[command(flatten)]
    image: ImageArgs,
}

/// Alternatives to the emulation of scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Configure {
    /// Add a program to the image that configures the packages in a container.
    Emit,
}

impl Deb {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// As `LockArgs::select`, [`deb`] and `ImageRequest::deliver`.
    pub fn run(&self, common: &Common, io: &mut Io) -> Result<Verdict> {
        let files = self.report.parse()?;
        let mut paths = files.paths();
        paths.extend(self.lock.path());
        let mut request = self.image.parse(common, "imgbase deb", &paths)?;
        let filters = self.filter.filters()?;
        let mut options = DebOptions {
            merged: !self.unmerged_usr,
            emulation: self.emulation()?,
            filters: filters.clone(),
            recipes: self.recipes.read()?,
            actions: self.changes.actions(),
            unconfigured: self.configure == Some(Configure::Emit),
        };
        let mut packages = self.lock.select(&self.selection, options.merged, io)?;
        request.set_step(&format!(
            "imgbase deb --variant {}",
            packages.variant.name()
        ));
        options.emulation.database = self.database(packages.variant);
        if self.dry_run {
            packages.compare(io)?;
            print_packages(&packages.lock.packages, io)?;
            return Ok(Verdict::Yes);
        }
        let mut base = Base::new(source_date_epoch().or(packages.date).unwrap_or(i64::MAX));
        let report = self.build(&mut base, &packages, &options, &request.temp_dir, io);
        if report.is_err() {
            packages.compare(io)?;
        }
        let report = report?;
        request.set_created(base.epoch);
        if let Some(platform) = platform(&packages.architecture) {
            request.set_platform(platform);
        }
        let has = |path: &[u8]| base.rootfs.get(path).is_some();
        request.set_command(match has(b"usr/bin/bash") || has(b"bin/bash") {
            true => &["/bin/bash"],
            false => &["/bin/sh"],
        });
        self.report.check(&report, self.image.is_quiet(), io)?;
        let rules = check::Rules {
            filters,
            unconfigured: options.unconfigured,
            ..check::Rules::default()
        };
        let mut side_files = files.contents(&base, &report);
        if let Some(path) = self.lock.path() {
            packages.lock.complete(&base.packages);
            side_files.push((path, packages.lock.to_text()?.into_bytes()));
        }
        request.deliver(&base, &rules, &side_files, io)?;
        Ok(Verdict::Yes)
    }

    /// Returns the options of the emulation, with the default database.
    fn emulation(&self) -> Result<EmulationOptions> {
        let mut options = EmulationOptions {
            time_zone: self.time_zone.clone(),
            ..EmulationOptions::default()
        };
        for name in &self.without {
            options.disable(name)?;
        }
        let time_zone = ("--time-zone", self.time_zone.is_some());
        let database = ("--database", self.database != Database::Auto);
        for (emulation, option) in [("timezone", time_zone), ("database", database)] {
            if options.without.contains(emulation) {
                no_effect(&format!("with --without {emulation}"), &[option])?;
            }
        }
        Ok(options)
    }

    /// Returns the form of the package database.
    fn database(&self, variant: super::Variant) -> Database {
        match (self.database, variant) {
            (Database::Auto, super::Variant::Distroless) => Database::StatusD,
            (database, _) => database,
        }
    }

    /// Builds the tree, and shows progress.
    fn build(
        &self,
        base: &mut Base,
        packages: &PackageSet,
        options: &DebOptions,
        temp_dir: &Path,
        io: &mut Io,
    ) -> Result<Report> {
        let debs = &packages.debs;
        let meter = Meter::default();
        let sizes = debs
            .iter()
            .map(|deb| std::fs::metadata(&deb.path).map_or(0, |it| it.len()));
        let size = Some(sizes.sum());
        let _progress = io.progress("packages", size, &meter, self.image.is_quiet());
        deb(
            base,
            &packages.taken,
            debs,
            &packages.architecture,
            options,
            temp_dir,
            &meter,
        )
    }
}

/// Prints name, version and architecture of packages.
fn print_packages(packages: &[LockedPackage], io: &mut Io) -> Result<()> {
    for package in packages {
        let LockedPackage {
            name,
            version,
            architecture,
            ..
        } = package;
        io.line(&format!("{name}\t{version}\t{architecture}"))?;
    }
    Ok(())
}

/// Returns the platform of a Debian architecture.
pub(super) fn platform(architecture: &str) -> Option<Platform> {
    let name = match architecture {
        "amd64" => "linux/amd64",
        "i386" => "linux/386",
        "arm64" => "linux/arm64",
        "armhf" => "linux/arm/v7",
        "armel" => "linux/arm/v5",
        "ppc64el" => "linux/ppc64le",
        "s390x" => "linux/s390x",
        "riscv64" => "linux/riscv64",
        "loong64" => "linux/loong64",
        "mips64el" => "linux/mips64le",
        _ => return None,
    };
    Platform::parse(name).ok()
}
