//! imgbase deb: a base image of Debian packages.

use std::path::{Path, PathBuf};

use super::Ending;
use super::chosen::Locking;
use super::report;
use crate::blob::{Meter, write_whole};
use crate::cli::{Common, Io, Page, Verdict, source_date_epoch};
use crate::debian::LockedPackage;
use crate::error::{Error, Fault, Result};
use crate::job::base::deb::{DebOptions, Extra, deb};
use crate::job::base::filters::Filters;
use crate::job::base::scripts::Class;
use crate::job::base::standins::{Choice, Database};
use crate::job::base::{Base, check, sbom};
use crate::spec::Platform;

/// Its part of the documentation.
pub const PAGE: Page = Page {
    name: "deb",
    description: &[
        "Makes a base image of Debian packages, as debootstrap and mmdebstrap do, from files that are at hand. Packages are \
         chosen by their dependencies, unpacked in parallel with the owners and modes that they state, and what their \
         maintainer scripts, dpkg and its triggers would have made is made by stand-ins that read what those read: the \
         merged /usr, accounts, the package database, alternatives, the loader's cache, certificates, PAM stacks, links of \
         systemd. No script is run, so the same packages give the same image under every user and on every host, and \
         neither root, dpkg nor apt is needed.",
        "Repositories are trusted by their signatures: that of the release file is checked with the keys of --keyring, and \
         the digests from there on down to every package. The image is of the time of SOURCE_DATE_EPOCH, else of the \
         newest release file, else of the newest file in the packages; nothing in it is later.",
        "What a script does beyond that is found by reading it, and said: each package's scripts are none, covered or \
         uncovered. --report lists the lines; --strict makes an uncovered one an error. --chmod and --file put right what \
         is left. The images are for containers: device nodes, /etc/hostname, logs and host keys are not made.",
    ],
    output: &[],
    keys: &[],
    exit: &[],
    examples: &[
        (
            "a minimal system out of a mirror",
            "imgbase deb --repo mirror/ --suite bookworm --keyring archive.gpg --lock debian.lock -t debian:mine",
        ),
        (
            "the same again, whatever is in the mirror since then",
            "imgbase deb --repo mirror/ --locked debian.lock -t debian:again",
        ),
        (
            "some packages with what they need, out of a folder",
            "imgbase deb --debs debs/ --variant none --include busybox-static -t busybox",
        ),
    ],
    sections: &[],
    see_also: &[],
};

/// Make a base image of Debian packages
#[derive(Debug, Clone, clap::Args)]
pub struct Deb {
    #[command(flatten)]
    selection: super::Selection,

    #[command(flatten)]
    locking: Locking,

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

    /// How packages are recorded
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    database: Databases,

    /// Leave out one of the stand-ins, by its name; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    without: Vec<String>,

    /// The time zone, as below /usr/share/zoneinfo
    #[arg(long, value_name = "ZONE")]
    time_zone: Option<String>,

    /// Keep /bin, /sbin and /lib as folders of their own
    #[arg(long)]
    unmerged_usr: bool,

    /// Give a path another mode, in octal digits, and owner, in numbers; may be repeated
    #[arg(long, value_name = "PATH=MODE[,UID:GID]", value_parser = chmod)]
    chmod: Vec<Extra>,

    /// Put a file into the image; may be repeated
    #[arg(long, value_name = "FILE:PATH", value_parser = put_file)]
    file: Vec<Extra>,

    /// Make it an error if a package's scripts do what no stand-in does
    #[arg(long)]
    strict: bool,

    /// Write what was taken, made and left, as JSON, to FILE
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Write a bill of materials
    #[arg(long, num_args = 2, value_names = ["spdx|cyclonedx", "FILE"])]
    sbom: Option<Vec<String>>,

    /// Print the packages that would be taken, and make nothing
    #[arg(long, alias = "print-packages")]
    dry_run: bool,

    #[command(flatten)]
    ending: Ending,
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

fn chmod(text: &str) -> Result<Extra, String> {
    let parsed = || {
        let (path, rest) = text.rsplit_once('=')?;
        let (mode, owner) = match rest.split_once(',') {
            Some((mode, owner)) => {
                let (uid, gid) = owner.split_once(':')?;
                (mode, Some((uid.parse().ok()?, gid.parse().ok()?)))
            }
            None => (rest, None),
        };
        let mode = u16::from_str_radix(mode, 8)
            .ok()
            .filter(|mode| *mode <= 0o7777)?;
        path.starts_with('/')
            .then(|| Extra::Mode(path.as_bytes().to_vec(), mode, owner))
    };
    parsed().ok_or_else(|| "it is written /PATH=MODE or /PATH=MODE,UID:GID".to_owned())
}

fn put_file(text: &str) -> Result<Extra, String> {
    match text.rsplit_once(':') {
        Some((from, to)) if to.starts_with('/') && !from.is_empty() => {
            Ok(Extra::File(from.into(), to.as_bytes().to_vec()))
        }
        _ => Err("it is written FILE:/PATH".to_owned()),
    }
}

impl Deb {
    /// Does it.
    ///
    /// # Errors
    /// As [`Locking::choose`], [`deb`] and `Taken::deliver`.
    pub fn run(&self, common: &Common, io: &mut Io) -> Result<Verdict> {
        let mut taken_in = self.ending.taken_in(common, "imgbase deb")?;
        let filters = Filters::new(self.slim, &self.path_exclude, &self.path_include)?;
        let sbom = self.sbom.as_deref().map(sbom_arg).transpose()?;
        let mut choice = Choice {
            time_zone: self.time_zone.clone(),
            ..Choice::default()
        };
        for name in &self.without {
            choice.leave_out(name)?;
        }
        let mut options = DebOptions {
            merged: !self.unmerged_usr,
            choice,
            filters: filters.clone(),
            extras: self.file.iter().chain(&self.chmod).cloned().collect(),
        };
        let chosen = self.locking.choose(&self.selection, options.merged, io)?;
        taken_in.set_step(&format!("imgbase deb --variant {}", chosen.variant.name()));
        options.choice.database = match (self.database, chosen.variant) {
            (Databases::Auto, super::Variant::Distroless) => Database::StatusD,
            (Databases::Auto, _) => Database::Auto,
            (Databases::Full, _) => Database::Full,
            (Databases::StatusD, _) => Database::StatusD,
            (Databases::None, _) => Database::None,
        };
        if self.dry_run {
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
        )?;
        drop(progress);
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
        let uncovered: Vec<_> = report.of_class(Class::Uncovered).collect();
        for package in uncovered.iter().filter(|_| !self.ending.is_quiet()) {
            let first = package.left.first();
            let what = first.map_or(String::new(), |left| {
                format!(": {} line {}: {}", left.script, left.line, left.command)
            });
            let more = match package.left.len() {
                0 | 1 => String::new(),
                n => format!(", and {} more", n - 1),
            };
            io.note(&format!(
                "{}: its scripts do what is not done here{what}{more}",
                package.package
            ));
        }
        if let Some(path) = &self.report {
            write_whole(path, &report::json(&base, &report))?;
        }
        if self.strict
            && let Some(first) = uncovered.first()
        {
            let count = uncovered.len();
            let why = format!(
                "--strict: scripts of {count} packages are uncovered, those of {} among them",
                first.package
            );
            return Err(Error::new(Fault::Usage(why)));
        }
        let rules = check::Rules {
            filters,
            ..check::Rules::default()
        };
        taken_in.deliver(&base, &rules, io)?;
        if let Some(path) = self.locking.path() {
            write_whole(path, chosen.lock.to_text()?.as_bytes())?;
        }
        if let Some((kind, path)) = sbom {
            write_whole(path, &sbom::document(&base, kind))?;
        }
        Ok(Verdict::Yes)
    }
}

fn sbom_arg(words: &[String]) -> Result<(sbom::Kind, &Path)> {
    let [kind, path] = words else {
        return Err(Fault::Gone.into());
    };
    let kind = match kind.as_str() {
        "spdx" => sbom::Kind::Spdx,
        "cyclonedx" => sbom::Kind::CycloneDx,
        other => {
            let why = format!("--sbom: '{other}' is neither spdx nor cyclonedx");
            return Err(Fault::Usage(why).into());
        }
    };
    Ok((kind, Path::new(path)))
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
