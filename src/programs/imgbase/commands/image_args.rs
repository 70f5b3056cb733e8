//! Arguments for the image and its destination, which all subcommands share.

use std::path::{Path, PathBuf};

use crate::blob::{Meter, PendingFile};
use crate::cli::{Common, Io, OutputArgs, Packing, now, option_file};
use crate::error::{Error, Result};
use crate::programs::imgbase::image::{ImageOptions, check_config, image};
use crate::programs::imgbase::layers::Division;
use crate::programs::imgbase::{Base, check};
use crate::spec::{Platform, Timestamp};
use crate::write::Packer;
use crate::write::Recode;

/// Arguments for the image and its destination.
#[derive(Debug, Clone, clap::Args)]
pub struct ImageArgs {
    /// Start from this image config
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    config: Option<PathBuf>,

    /// Layer splitting: one, per-package or base,packages,config
    ///
    /// With several layers, an image with newer versions of some packages shares the layers of the other packages with the
    /// old image. Generated files (databases, caches, accounts) are in the last layer. The root filesystem is always the
    /// same.
    #[arg(
        long,
        value_name = "HOW",
        value_enum,
        default_value_t,
        hide_short_help = true
    )]
    layers: Division,

    /// Add an annotation to the manifest; repeatable
    #[arg(long, value_name = "KEY=TEXT", value_parser = annotation, hide_short_help = true)]
    annotation: Vec<(String, String)>,

    #[command(flatten)]
    destination: OutputArgs,

    #[command(flatten)]
    packing: Packing,
}

fn annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, text)) if !key.is_empty() => Ok((key.to_owned(), text.to_owned())),
        _ => Err("invalid annotation: expected KEY=TEXT".to_owned()),
    }
}

/// Validated arguments for the image, before any input is opened.
pub struct ImageRequest<'a> {
    args: &'a ImageArgs,
    common: &'a Common,
    options: ImageOptions,
    recode: Recode,
    /// Directory for temporary files.
    pub temp_dir: PathBuf,
}

impl ImageArgs {
    /// Validates the arguments. `side_files` are the paths of files that are written beside the image.
    ///
    /// # Errors
    /// As [`OutputArgs::parse`], [`Packing::recode`] and [`check_config`]; `Usage` for a file that is a directory or is given
    /// twice.
    pub fn parse<'a>(
        &'a self,
        common: &'a Common,
        command: &str,
        side_files: &[&Path],
    ) -> Result<ImageRequest<'a>> {
        let (instructions, names) = self.destination.parse(None)?;
        let recode = self.packing.recode(common)?;
        let config = self.config.as_deref().map(option_file).transpose()?;
        let options = ImageOptions {
            names,
            platform: common.platform.clone(),
            config,
            instructions,
            created: now(),
            command: command.to_owned(),
            default_command: Vec::new(),
            is_entry_point: false,
            annotations: self.annotation.clone(),
            division: self.layers,
        };
        check_config(&options)?;
        let written = [self.destination.file(), self.destination.id_file.as_deref()];
        let written: Vec<&Path> = written
            .into_iter()
            .flatten()
            .chain(side_files.iter().copied())
            .collect();
        for (i, path) in written.iter().enumerate() {
            let context = || path.to_string_lossy().into_owned();
            if path.is_dir() {
                let why = "cannot write the file: is a directory";
                return Err(Error::usage(why).at(context()));
            }
            if written[..i].contains(path) {
                let why = "two outputs have the same path";
                return Err(Error::usage(why).at(context()));
            }
        }
        let temp_dir = self.destination.temporary_directory(common)?;
        Ok(ImageRequest {
            args: self,
            common,
            options,
            recode,
            temp_dir,
        })
    }

    /// Returns whether files are divided into layers by their packages.
    pub fn has_package_layers(&self) -> bool {
        self.layers != Division::One
    }

    /// Returns whether `--quiet` is given.
    pub fn is_quiet(&self) -> bool {
        self.destination.quiet
    }
}

impl ImageRequest<'_> {
    /// Sets the platform, unless one was requested.
    pub fn set_platform(&mut self, platform: Platform) {
        self.options.platform.get_or_insert(platform);
    }

    /// Sets the command in the history.
    pub fn set_step(&mut self, command: &str) {
        command.clone_into(&mut self.options.command);
    }

    /// Sets the creation time, in seconds since 1970.
    pub fn set_created(&mut self, created: i64) {
        self.options.created = Timestamp::from_unix(created, 0);
    }

    /// Sets the default entry point.
    pub fn set_entry_point(&mut self, program: &str) {
        self.options.default_command = vec![program.to_owned()];
        self.options.is_entry_point = true;
    }

    /// Sets the default command.
    pub fn set_command(&mut self, command: &[&str]) {
        self.options.default_command = command.iter().map(|word| (*word).to_owned()).collect();
    }

    /// Checks the tree, makes the image and writes it to its destination, then the side files, which are paths with their
    /// contents. No side file exists under its name before the image does.
    ///
    /// # Errors
    /// As [`check::check`], [`image`], [`PendingFile::new`] and [`OutputArgs::deliver`].
    pub fn deliver(
        &self,
        base: &Base,
        rules: &check::Rules,
        side_files: &[(&Path, Vec<u8>)],
        io: &mut Io,
    ) -> Result<()> {
        check::check(base, rules)?;
        let side_files = side_files
            .iter()
            .map(|(path, bytes)| PendingFile::new(path, bytes));
        let side_files: Vec<PendingFile> = side_files.collect::<Result<_>>()?;
        let meter = Meter::default();
        let progress = io.progress("layers", None, &meter, self.args.is_quiet());
        let packer = Packer {
            recode: &self.recode,
            temp_dir: &self.temp_dir,
            meter: &meter,
        };
        let (bundle, id) = image(base, &packer, &self.options)?;
        drop(progress);
        self.args
            .destination
            .deliver(&bundle, &id, self.common, io)?;
        side_files.into_iter().try_for_each(PendingFile::commit)
    }
}
