//! imgbase pack: images of ready root filesystems.

use std::path::{Path, PathBuf};

use super::ImageArgs;
use super::report_args::bill;
use crate::blob::{FileRange, Input, Meter, open_regular};
use crate::cli::{Common, Io, Page, Selecting, Verdict, owner_arg, source_date_epoch};
use crate::disk::{Directory, Options};
use crate::error::{At, Result};
use crate::escape;
use crate::programs::imgbase::filters::Filters;
use crate::programs::imgbase::owner_file::OwnerFile;
use crate::programs::imgbase::pack::{PackOptions, archive, directory};
use crate::programs::imgbase::{Base, check, emulation, installed};

/// Largest file of owners that is read, in bytes.
const OWNERS: u64 = 256 << 20;

/// Documentation of the subcommand.
pub const PAGE: Page = Page::subcommand("pack", include_str!("../page-pack.md"));

/// Make a base image of a ready root filesystem
#[derive(Debug, Clone, clap::Args)]
pub struct Pack {
    /// Root filesystem: a directory, a tar or a cpio archive; - for standard input
    #[arg(value_name = "DIR|TAR|CPIO|-")]
    input: PathBuf,

    /// Numeric owner of all files
    ///
    /// Default: as stated in the input.
    #[arg(long, value_name = "UID[:GID]", value_parser = owner_arg)]
    owner: Option<(u32, u32)>,

    /// Read owners and modes from FILE, an mtree specification or a save file of fakeroot
    ///
    /// Account names are looked up in the tree. FILE overrides --owner.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    owners: Option<PathBuf>,

    /// Apply whiteouts (.wh.) of an archive to its earlier entries instead of refusing them
    #[arg(long, hide_short_help = true)]
    whiteouts: bool,

    #[command(flatten)]
    selecting: Selecting,

    /// Leave out documentation and translations
    ///
    /// Licences are kept.
    #[arg(long)]
    slim: bool,

    #[command(flatten)]
    changes: super::ChangeArgs,

    #[command(flatten)]
    sbom: super::SbomArgs,

    #[command(flatten)]
    image: ImageArgs,
}

impl Pack {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// As [`directory`] and [`archive`], with the input as context; as
    /// `ImageRequest::deliver`.
    pub fn run(&self, common: &Common, io: &mut Io) -> Result<Verdict> {
        let sbom = self.sbom.parse()?;
        let paths: Vec<&Path> = sbom.iter().map(|(_, path)| *path).collect();
        let mut request = self.image.parse(common, "imgbase pack", &paths)?;
        request.set_command(&["/bin/sh"]);
        let options = PackOptions {
            excludes: self.selecting.excludes()?,
            owner: self.owner,
            whiteouts: self.whiteouts,
            limits: common.limits(),
        };
        let owners = self.owners.as_deref().map(owner_file).transpose()?;
        let mut base = Base::new(source_date_epoch().unwrap_or(i64::MAX));
        let label = match self.input == Path::new("-") {
            true => "standard input".to_owned(),
            false => self.input.to_string_lossy().into_owned(),
        };
        let context = || label.clone();
        if self.input.is_dir() {
            let walk_options = Options {
                excludes: options.excludes.clone(),
                ..Options::default()
            };
            let walked = Directory::read(&self.input, &walk_options)?;
            for path in walked.skipped.iter().take(10) {
                let path = escape::bytes(path);
                io.note(&format!("{path}: socket skipped"));
            }
            directory(&mut base, &self.input, &walked, &options).at(context)?;
        } else {
            let input = match self.input == Path::new("-") {
                true => Input::stdin(),
                false => Input::path(&self.input),
            }
            .at(context)?;
            let meter = Meter::default();
            let progress = io.progress(&label, input.len(), &meter, self.image.is_quiet());
            archive(&mut base, input, &request.temp_dir, &meter, &options).at(context)?;
            drop(progress);
        }
        if source_date_epoch().is_none() {
            base.epoch = base.newest();
        }
        request.set_created(base.epoch);
        if let Some((path, owner_file)) = owners {
            let directory = self.input.is_dir().then_some(self.input.as_path());
            let context = || path.to_string_lossy().into_owned();
            let unused = owner_file.apply(&mut base, directory).at(context)?;
            if unused > 0 && !self.image.is_quiet() {
                let path = context();
                io.note(&format!("{path}: {unused} entries for missing files"));
            }
        }
        // Before the changes below, which belong to no package.
        let needs_packages = sbom.is_some() || self.image.has_package_layers();
        if needs_packages && !installed::packages(&mut base).at(context)? && !self.image.is_quiet()
        {
            io.note(&format!("{label}: no dpkg database: packages are unknown"));
        }
        Filters::new(self.slim, &[], &[])?.apply(&mut base.rootfs);
        for action in self.changes.actions() {
            emulation::apply(&mut base, &action)?;
        }
        let rules = check::Rules {
            ready: true,
            ..check::Rules::default()
        };
        let side_files: Vec<_> = bill(sbom, &base, None).into_iter().collect();
        request.deliver(&base, &rules, &side_files, io)?;
        Ok(Verdict::Yes)
    }
}

/// Reads a file of owners.
fn owner_file(path: &Path) -> Result<(&Path, OwnerFile)> {
    let context = || path.to_string_lossy().into_owned();
    let bytes = open_regular(path, true)
        .and_then(FileRange::whole)
        .and_then(|range| range.bytes(OWNERS))
        .at(context)?;
    Ok((path, OwnerFile::parse(&bytes).at(context)?))
}
