//! imgbase scratch: images of binaries with the files that they load.

use std::path::{Path, PathBuf};

use super::ImageArgs;
use super::report_args::bill;
use crate::cli::{Common, Io, Page, Verdict, source_date_epoch};
use crate::elf::machine;
use crate::error::Result;
use crate::escape;
use crate::programs::imgbase::scratch::{Bundle, RequestedFile, scratch};
use crate::programs::imgbase::{Base, check};
use crate::spec::Platform;

/// Documentation of the subcommand.
pub const PAGE: Page = Page::subcommand("scratch", include_str!("../page-scratch.md"));

/// Build a minimal image from binaries and their libraries
#[derive(Debug, Clone, clap::Args)]
pub struct Scratch {
    /// Program, library, other file or directory, and its path in the image
    #[arg(value_name = "FILE[:DEST]", required = true, value_parser = RequestedFile::parse)]
    files: Vec<RequestedFile>,

    /// Root directory of files and libraries
    #[arg(
        long,
        value_name = "DIR",
        default_value = "/",
        hide_default_value = true
    )]
    root: PathBuf,

    /// Extras: nss, tz, ca, gconv, tmp, user=NAME; repeatable
    #[arg(long, value_name = "BUNDLE", value_delimiter = ',', value_parser = Bundle::parse)]
    with: Vec<Bundle>,

    #[command(flatten)]
    sbom: super::SbomArgs,

    #[command(flatten)]
    image: ImageArgs,
}

impl Scratch {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// As [`scratch`] and `ImageRequest::deliver`.
    pub fn run(&self, common: &Common, io: &mut Io) -> Result<Verdict> {
        let sbom = self.sbom.parse()?;
        let paths: Vec<&Path> = sbom.iter().map(|(_, path)| *path).collect();
        let mut request = self.image.parse(common, "imgbase scratch", &paths)?;
        let mut base = Base::new(source_date_epoch().unwrap_or(i64::MAX));
        let files: Vec<RequestedFile> = self.files.iter().map(|file| self.in_path(file)).collect();
        let closure = scratch(&mut base, &self.root, &files, &self.with)?;
        if let Some(machine) = closure.machine.and_then(platform) {
            request.set_platform(machine);
        }
        if let Some(first) = files.first() {
            request.set_entry_point(&String::from_utf8_lossy(&first.image_path()));
        }
        if !closure.needed.is_empty() && !self.image.is_quiet() {
            let needed = closure.needed.iter().map(|path| escape::bytes(path));
            let needed: Vec<_> = needed.collect();
            io.note(&format!("needed: {}", needed.join(", ")));
        }
        request.set_created(source_date_epoch().unwrap_or(base.epoch));
        for path in closure.open_others.iter().take(10) {
            io.note(&format!(
                "{}: may open unknown libraries at run time",
                escape::bytes(path)
            ));
        }
        if let Some(more @ 1..) = closure.open_others.len().checked_sub(10) {
            io.note(&format!(
                "{more} more may open unknown libraries at run time"
            ));
        }
        let rules = check::Rules {
            changed: true,
            ..check::Rules::default()
        };
        let side_files: Vec<_> = bill(sbom, &base, closure.os_release.as_deref())
            .into_iter()
            .collect();
        request.deliver(&base, &rules, &side_files, io)?;
        Ok(Verdict::Yes)
    }

    /// Looks up a program name in `PATH`, below the root; other paths are returned unchanged.
    fn in_path(&self, requested: &RequestedFile) -> RequestedFile {
        use std::os::unix::fs::PermissionsExt;
        let is_name =
            requested.file.components().count() == 1 && requested.file.file_name().is_some();
        if !is_name || requested.file.exists() {
            return requested.clone();
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let is_program = |file: &PathBuf| {
            let outside = self.root.join(file.strip_prefix("/").unwrap_or(file));
            std::fs::metadata(outside)
                .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
        };
        let found = std::env::split_paths(&path)
            .filter(|directory| directory.is_absolute())
            .map(|directory| directory.join(&requested.file))
            .find(is_program);
        RequestedFile {
            file: found.unwrap_or_else(|| requested.file.clone()),
            destination: requested.destination.clone(),
        }
    }
}

/// Returns the platform of an ELF machine.
fn platform(machine: u16) -> Option<Platform> {
    let name = match machine {
        machine::X86_64 => "linux/amd64",
        machine::I386 => "linux/386",
        machine::AARCH64 => "linux/arm64",
        machine::ARM => "linux/arm",
        machine::PPC64 => "linux/ppc64le",
        machine::S390 => "linux/s390x",
        machine::RISCV => "linux/riscv64",
        machine::LOONGARCH => "linux/loong64",
        _ => return None,
    };
    Platform::parse(name).ok()
}
