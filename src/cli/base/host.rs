//! imgbase host: packages of a running system.

use std::path::PathBuf;

use super::Ending;
use crate::cli::{Common, Io, Page, Verdict, source_date_epoch};
use crate::debian::solver::Wanted;
use crate::error::{Error, Result};
use crate::escape;
use crate::job::base::host::{Essential, Modified, Options, host};
use crate::job::base::scripts::Class;
use crate::job::base::{Base, check};
use crate::spec::Platform;

/// Its part of the documentation.
pub const PAGE: Page = Page {
    name: "host",
    description: &[
        "Makes an image of packages of the system that it runs on, or of a tree with dpkg's database (--root): those that \
         are named and all that they depend on, with every file as it is there. Modes, owners and links are kept; owners \
         are taken by their names. What programs made later is made anew: accounts, the loader's cache, the store of \
         certificates, alternatives. Nothing is run.",
        "A file that was changed or removed since it was installed is an error, unless --modified says otherwise, and so is \
         one that cannot be read.",
    ],
    output: &[],
    keys: &[],
    exit: &[],
    examples: &[(
        "the shell and the tools of this system",
        "imgbase host -t tools bash coreutils",
    )],
    sections: &[],
    see_also: &[],
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

    #[command(flatten)]
    ending: Ending,
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
        let mut taken = self.ending.taken_in(common, "imgbase host")?;
        let mut base = Base::new(source_date_epoch().unwrap_or(i64::MAX));
        let options = Options {
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
            ..Options::default()
        };
        let report = host(&mut base, &self.root, &options)?;
        let quiet = self.ending.is_quiet();
        for changed in report.changed.iter().filter(|_| !quiet) {
            let what = match changed.is_there {
                true => "it is not what was installed",
                false => "it was installed and is gone",
            };
            let path = escape::bytes(&changed.path).into_owned();
            io.note(&format!("{}: {path}: {what}", changed.package));
        }
        let uncovered = report.scripts.iter();
        let uncovered = uncovered.filter(|one| one.class == Class::Uncovered && !quiet);
        for package in uncovered {
            io.note(&format!(
                "{}: its scripts do what is not done here",
                package.package
            ));
        }
        taken.set_created(source_date_epoch().unwrap_or(base.epoch));
        if let Some(platform) = platform(&report.architecture) {
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
        taken.deliver(&base, &rules, io)?;
        Ok(Verdict::Yes)
    }
}

/// What the image specification calls an architecture of Debian's.
fn platform(architecture: &str) -> Option<Platform> {
    let name = match architecture {
        "i386" => "386",
        "armhf" => "arm/v7",
        "armel" => "arm/v5",
        "ppc64el" => "ppc64le",
        "mips64el" => "mips64le",
        other => other,
    };
    Platform::parse(&format!("linux/{name}")).ok()
}
