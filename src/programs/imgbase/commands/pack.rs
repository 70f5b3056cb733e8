//! imgbase pack: a ready root filesystem.

use std::path::{Path, PathBuf};

use super::ImageArgs;
use super::report_args::bill;
use crate::blob::{FileRange, Input, Meter, open_regular};
use crate::cli::{Common, Io, Page, Selecting, Uses, Verdict, owner_arg, source_date_epoch};
use crate::disk::{Directory, Options};
use crate::error::{At, Result};
use crate::escape;
use crate::programs::imgbase::filters::Filters;
use crate::programs::imgbase::owner_file::OwnerFile;
use crate::programs::imgbase::pack::{PackOptions, archive, directory};
use crate::programs::imgbase::{Base, check, emulation, installed};

/// The most bytes of a file of owners.
const OWNERS: u64 = 256 << 20;

/// Its part of the documentation.
pub const PAGE: Page = Page {
    name: "pack",
    uses: Uses::NOTHING,
    text: include_str!("../page-pack.md"),
};

/// Make a base image of a ready root filesystem
#[derive(Debug, Clone, clap::Args)]
pub struct Pack {
    /// The root filesystem: a directory, a tar or a cpio archive; - is standard input
    #[arg(value_name = "DIR|TAR|CPIO|-")]
    input: PathBuf,

    /// Who owns all files, in numbers, instead of who owns them in the input
    #[arg(long, value_name = "UID[:GID]", value_parser = owner_arg)]
    owner: Option<(u32, u32)>,

    /// Take owners and modes from FILE: an mtree specification, or what fakeroot saved of the directory
    ///
    /// Names of accounts are looked up in the tree. What FILE says comes after --owner.
    #[arg(long, value_name = "FILE")]
    owners: Option<PathBuf>,

    /// Let .wh. markers of an archive remove what came before, instead of refusing them
    #[arg(long)]
    whiteouts: bool,

    #[command(flatten)]
    selecting: Selecting,

    /// Leave out documentation but for licences, manual pages and translations
    #[arg(long)]
    slim: bool,

    #[command(flatten)]
    changes: super::ChangeArgs,

    #[command(flatten)]
    bill: super::SbomArgs,

    #[command(flatten)]
    ending: ImageArgs,
}

impl Pack {
    /// Does it.
    ///
    /// # Errors
    /// As [`directory`] and [`archive`], placed at the input; as `Taken::deliver`.
    pub fn run(&self, common: &Common, io: &mut Io) -> Result<Verdict> {
        let sbom = self.bill.taken_in()?;
        let paths: Vec<&Path> = sbom.iter().map(|(_, path)| *path).collect();
        let mut taken = self.ending.taken_in(common, "imgbase pack", &paths)?;
        taken.set_command(&["/bin/sh"]);
        let options = PackOptions {
            excludes: self.selecting.excludes()?,
            owner: self.owner,
            whiteouts: self.whiteouts,
            limits: common.limits(),
        };
        let owners = self.owners.as_deref().map(owners_of).transpose()?;
        let mut base = Base::new(source_date_epoch().unwrap_or(i64::MAX));
        let label = match self.input == Path::new("-") {
            true => "standard input".to_owned(),
            false => self.input.to_string_lossy().into_owned(),
        };
        let place = || label.clone();
        if self.input.is_dir() {
            let options_of_walk = Options {
                excludes: options.excludes.clone(),
                ..Options::default()
            };
            let walked = Directory::read(&self.input, &options_of_walk)?;
            for path in walked.skipped.iter().take(10) {
                let path = escape::bytes(path);
                io.note(&format!("{path}: a socket, which is left out"));
            }
            directory(&mut base, &self.input, &walked, &options).at(place)?;
        } else {
            let input = match self.input == Path::new("-") {
                true => Input::stdin(),
                false => Input::path(&self.input),
            }
            .at(place)?;
            let meter = Meter::default();
            let progress = io.progress(&label, input.len(), &meter, self.ending.is_quiet());
            archive(&mut base, input, &taken.landing, &meter, &options).at(place)?;
            drop(progress);
        }
        if source_date_epoch().is_none() {
            base.epoch = base.newest();
        }
        taken.set_created(base.epoch);
        if let Some((path, owned)) = owners {
            let directory = self.input.is_dir().then_some(self.input.as_path());
            let place = || path.to_string_lossy().into_owned();
            let unused = owned.apply(&mut base, directory).at(place)?;
            if unused > 0 && !self.ending.is_quiet() {
                let path = place();
                io.note(&format!(
                    "{path}: {unused} lines of it are of nothing that is there"
                ));
            }
        }
        // Of a tree as it came: what is added below is of no package.
        let is_asked = sbom.is_some() || self.ending.is_cut();
        if is_asked && !installed::packages(&mut base).at(place)? && !self.ending.is_quiet() {
            io.note(&format!(
                "{label}: it has no database of dpkg, so which packages are in it is not known"
            ));
        }
        Filters::new(self.slim, &[], &[])?.apply(&mut base.rootfs);
        for action in self.changes.actions() {
            emulation::apply(&mut base, &action)?;
        }
        let rules = check::Rules {
            ready: true,
            ..check::Rules::default()
        };
        let papers: Vec<_> = bill(sbom, &base, None).into_iter().collect();
        taken.deliver(&base, &rules, &papers, io)?;
        Ok(Verdict::Yes)
    }
}

/// A file of owners.
fn owners_of(path: &Path) -> Result<(&Path, OwnerFile)> {
    let place = || path.to_string_lossy().into_owned();
    let bytes = open_regular(path, true)
        .and_then(FileRange::whole)
        .and_then(|range| range.bytes(OWNERS))
        .at(place)?;
    Ok((path, OwnerFile::parse(&bytes).at(place)?))
}
