//! imgbase deb: a base image of Debian packages.

use super::ImageArgs;
use super::lock_args::LockArgs;
use super::report::{self, Document};
use crate::base::debian::LockedPackage;
use crate::blob::Meter;
use crate::cli::{Common, Io, Page, Uses, Verdict, source_date_epoch};
use crate::error::Result;
use crate::programs::imgbase::deb::{DebOptions, deb};
use crate::programs::imgbase::emulation::{Database, EmulationOptions};
use crate::programs::imgbase::{Base, check};
use crate::spec::Platform;

/// Its part of the documentation.
pub const PAGE: Page = Page {
    name: "deb",
    uses: Uses::NOTHING,
    text: include_str!("../page-deb.md"),
};

/// Make a base image of Debian packages
#[derive(Debug, Clone, clap::Args)]
pub struct Deb {
    #[command(flatten)]
    selection: super::Selection,

    #[command(flatten)]
    locking: LockArgs,

    #[command(flatten)]
    filtering: super::FilterArgs,

    /// How packages are recorded
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    database: Databases,

    /// Leave out one of the stand-ins, by its name; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    without: Vec<String>,

    /// The time zone, as below /usr/share/zoneinfo
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,

    /// Keep /bin, /sbin and /lib as directories of their own
    #[arg(long)]
    unmerged_usr: bool,

    #[command(flatten)]
    changes: super::ChangeArgs,

    #[command(flatten)]
    recipes: super::RecipeArgs,

    /// Leave the scripts to be run in a container
    ///
    /// Packages are unpacked and recorded as such; no stand-in but that of accounts works, and /usr/sbin/imgbase-configure,
    /// run once in a container, finishes the installation. What that makes is not the same twice.
    #[arg(long, value_name = "HOW", value_enum, conflicts_with_all = ["strict", "recipe"])]
    configure: Option<Configure>,

    #[command(flatten)]
    records: super::ReportArgs,

    /// Print the packages that would be taken, and make nothing
    #[arg(long, alias = "print-packages", conflicts_with = "format")]
    dry_run: bool,

    #[command(flatten)]
    ending: ImageArgs,
}

/// How scripts are run that are not stood in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Configure {
    /// By a program in the image, when a container is started with it.
    Emit,
}

/// How packages are recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Databases {
    /// In full if dpkg is one of the packages, else in status.d.
    #[default]
    Auto,
    /// In dpkg's database.
    Full,
    /// In /var/lib/dpkg/status.d, as distroless images do.
    StatusD,
    /// Not at all.
    None,
}

impl Deb {
    /// Does it.
    ///
    /// # Errors
    /// As `LockArgs::choose`, [`deb`] and `Taken::deliver`.
    pub fn run(&self, common: &Common, io: &mut Io) -> Result<Verdict> {
        let papers = self.records.taken_in()?;
        let mut paths = papers.paths();
        paths.extend(self.locking.path());
        let mut taken_in = self.ending.taken_in(common, "imgbase deb", &paths)?;
        let filters = self.filtering.filters()?;
        let mut emulation = EmulationOptions {
            time_zone: self.time_zone.clone(),
            ..EmulationOptions::default()
        };
        for name in &self.without {
            emulation.disable(name)?;
        }
        let mut options = DebOptions {
            merged: !self.unmerged_usr,
            emulation,
            filters: filters.clone(),
            recipes: self.recipes.taken_in()?,
            actions: self.changes.actions(),
            unconfigured: self.configure == Some(Configure::Emit),
        };
        let mut chosen = self.locking.choose(&self.selection, options.merged, io)?;
        taken_in.set_step(&format!("imgbase deb --variant {}", chosen.variant.name()));
        options.emulation.database = match (self.database, chosen.variant) {
            (Databases::Auto, super::Variant::Distroless) => Database::StatusD,
            (Databases::Auto, _) => Database::Auto,
            (Databases::Full, _) => Database::Full,
            (Databases::StatusD, _) => Database::StatusD,
            (Databases::None, _) => Database::None,
        };
        if self.dry_run {
            chosen.compare(io)?;
            for package in &chosen.lock.packages {
                let LockedPackage {
                    name,
                    version,
                    architecture,
                    ..
                } = package;
                io.line(&format!("{name}\t{version}\t{architecture}"))?;
            }
            return Ok(Verdict::Yes);
        }
        let debs = &chosen.debs;
        let mut base = Base::new(source_date_epoch().or(chosen.date).unwrap_or(i64::MAX));
        let meter = Meter::default();
        let sizes = debs
            .iter()
            .map(|deb| std::fs::metadata(&deb.path).map_or(0, |it| it.len()));
        let progress = io.progress(
            "packages",
            Some(sizes.sum()),
            &meter,
            self.ending.is_quiet(),
        );
        let architecture = chosen.architecture.as_str();
        let report = deb(
            &mut base,
            &chosen.taken,
            debs,
            architecture,
            &options,
            &taken_in.landing,
            &meter,
        );
        drop(progress);
        if report.is_err() {
            chosen.compare(io)?;
        }
        let report = report?;
        taken_in.set_created(base.epoch);
        if let Some(platform) = platform(architecture) {
            taken_in.set_platform(platform);
        }
        taken_in.set_command(
            match base.rootfs.get(b"usr/bin/bash").is_some()
                || base.rootfs.get(b"bin/bash").is_some()
            {
                true => &["/bin/bash"],
                false => &["/bin/sh"],
            },
        );
        if !self.ending.is_quiet() {
            report::tell(io, &report.scripts, &report.unused);
        }
        if self.records.strict {
            report::strict(&report.scripts)?;
        }
        let document = Document {
            base: &base,
            reasons: &report.reasons,
            emulations: &report.emulations,
            scripts: &report.scripts,
            left_out: report.left_out,
            changed: &[],
            unused: &report.unused,
            unconfigured: options.unconfigured,
        };
        let rules = check::Rules {
            filters,
            unconfigured: options.unconfigured,
            ..check::Rules::default()
        };
        let mut papers = papers.written(&document);
        if let Some(path) = self.locking.path() {
            chosen.lock.complete(&base.packages);
            papers.push((path, chosen.lock.to_text()?.into_bytes()));
        }
        taken_in.deliver(&base, &rules, &papers, io)?;
        Ok(Verdict::Yes)
    }
}

/// What the image specification calls an architecture of Debian's.
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
