//! What all subcommands end with: from a tree to an image in its place.

use std::path::{Path, PathBuf};

use crate::blob::{Meter, PendingFile};
use crate::cli::{Common, Io, Making, Packing, now, option_file};
use crate::error::{Error, Fault, Result};
use crate::programs::imgbase::image::{ImageOptions, check_config, image};
use crate::programs::imgbase::layers::Cut;
use crate::programs::imgbase::{Base, check};
use crate::spec::{Platform, Timestamp};
use crate::write::Packer;
use crate::write::Recode;

/// How the image is made and where it goes.
#[derive(Debug, Clone, clap::Args)]
pub struct ImageArgs {
    /// The image's name
    #[arg(short, long, value_name = "NAME[:TAG]")]
    tag: Option<String>,

    /// Start from this image config
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// How the files are cut into layers
    ///
    /// With more than one layer, an image that is made again with newer packages shares the layers of the others with
    /// the old one. What is made from all packages (databases, caches, accounts) is in the last layer. The root
    /// filesystem is the same in any case.
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    layers: Layers,

    /// Put an annotation into the manifest; may be repeated
    #[arg(long, value_name = "KEY=TEXT", value_parser = annotation)]
    annotation: Vec<(String, String)>,

    #[command(flatten)]
    making: Making,

    #[command(flatten)]
    packing: Packing,
}

/// How files are cut into layers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Layers {
    /// All in one.
    #[default]
    One,
    /// Essential and required packages, other packages, what was made from them.
    #[value(name = "base,packages,config")]
    Three,
    /// One for each package, and one for what was made from all.
    PerPackage,
}

fn annotation(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, text)) if !key.is_empty() => Ok((key.to_owned(), text.to_owned())),
        _ => Err("it is written KEY=TEXT".to_owned()),
    }
}

/// What was typed of an ending, taken in before anything is opened.
pub struct Taken<'a> {
    ending: &'a ImageArgs,
    common: &'a Common,
    options: ImageOptions,
    recode: Recode,
    /// Where files without a name are made.
    pub landing: PathBuf,
}

impl ImageArgs {
    /// Takes in what was typed. `papers` are the files that are to be written beside the image.
    ///
    /// # Errors
    /// As [`Making::taken_in`], [`Packing::recode`] and [`check_config`]; `Usage` for files that are directories or the same.
    pub fn taken_in<'a>(
        &'a self,
        common: &'a Common,
        command: &str,
        papers: &[&Path],
    ) -> Result<Taken<'a>> {
        let (instructions, names) = self.making.taken_in(self.tag.as_deref())?;
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
            cut: match self.layers {
                Layers::One => Cut::One,
                Layers::Three => Cut::Three,
                Layers::PerPackage => Cut::Each,
            },
        };
        check_config(&options)?;
        let written = [self.making.file(), self.making.id_file.as_deref()];
        let written: Vec<&Path> = written
            .into_iter()
            .flatten()
            .chain(papers.iter().copied())
            .collect();
        for (i, path) in written.iter().enumerate() {
            let place = || path.to_string_lossy().into_owned();
            if path.is_dir() {
                let why = "it is a directory, and a file is to be written there";
                return Err(Error::new(Fault::Usage(why.into())).at(place()));
            }
            if written[..i].contains(path) {
                let why = "two things are to be written there";
                return Err(Error::new(Fault::Usage(why.into())).at(place()));
            }
        }
        let landing = self.making.landing(common)?;
        Ok(Taken {
            ending: self,
            common,
            options,
            recode,
            landing,
        })
    }

    /// Whether files go into layers by their packages.
    pub fn is_cut(&self) -> bool {
        !matches!(self.layers, Layers::One)
    }

    /// Whether to show no progress.
    pub fn is_quiet(&self) -> bool {
        self.making.quiet
    }
}

impl Taken<'_> {
    /// What machine the image is for, if nobody has said so.
    pub fn set_platform(&mut self, platform: Platform) {
        self.options.platform.get_or_insert(platform);
    }

    /// The command that the history names.
    pub fn set_step(&mut self, command: &str) {
        command.clone_into(&mut self.options.command);
    }

    /// When the image is made.
    pub fn set_created(&mut self, created: i64) {
        self.options.created = Timestamp::from_unix(created, 0);
    }

    /// The program that a container gives its arguments to, where nobody says otherwise.
    pub fn set_entry_point(&mut self, program: &str) {
        self.options.default_command = vec![program.to_owned()];
        self.options.is_entry_point = true;
    }

    /// The command of a container, where nobody says otherwise.
    pub fn set_command(&mut self, command: &[&str]) {
        self.options.default_command = command.iter().map(|word| (*word).to_owned()).collect();
    }

    /// Checks the tree, makes the image of it and puts that where it goes; then the papers, which are paths and what is
    /// written there. Nothing has its name before the image has.
    ///
    /// # Errors
    /// As [`check::check`], [`image`], [`PendingFile::new`] and [`Making::deliver`].
    pub fn deliver(
        &self,
        base: &Base,
        rules: &check::Rules,
        papers: &[(&Path, Vec<u8>)],
        io: &mut Io,
    ) -> Result<()> {
        check::check(base, rules)?;
        let papers = papers
            .iter()
            .map(|(path, bytes)| PendingFile::new(path, bytes));
        let papers: Vec<PendingFile> = papers.collect::<Result<_>>()?;
        let meter = Meter::default();
        let progress = io.progress("layers", None, &meter, self.ending.is_quiet());
        let packer = Packer {
            recode: &self.recode,
            landing: &self.landing,
            meter: &meter,
        };
        let (bundle, id) = image(base, &packer, &self.options)?;
        drop(progress);
        self.ending.making.deliver(&bundle, &id, self.common, io)?;
        papers.into_iter().try_for_each(PendingFile::commit)
    }
}
