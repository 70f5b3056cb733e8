//! Operands: images, some layers of one, tars of files, directories.

use std::path::Path;

use super::args::Args;
use crate::archive::{Open, Selection};
use crate::blob::{FileRange, Meter, open_regular};
use crate::cli::{Common, ImageArg, Openings, Takes, layer_range, no_effect};
use crate::disk::{self, Directory};
use crate::error::{At, Fault, NotAnImage, Result};
use crate::programs::imgdiff::compare::Input;

/// An operand that was opened.
pub struct OpenedSide {
    /// The operand.
    pub input: Input,
    /// True for an image, or some layers of one.
    pub is_image: bool,
}

impl Openings {
    /// Openings for operands of [`ImageArg::open_side`]; each archive is opened once.
    pub fn of_sides<'a>(sides: impl IntoIterator<Item = &'a ImageArg>) -> Self {
        let images = sides.into_iter().filter_map(|side| side.split_range().ok());
        let images: Vec<ImageArg> = images.map(|(image, _)| image).collect();
        Openings::of(&images)
    }
}

impl ImageArg {
    /// Opens an image, `IMAGE@2..5`, a tar of files or a directory. `temp_dir` keeps the contents of streams.
    ///
    /// # Errors
    /// As [`ImageArg::open`]; `Usage` for layers that the image does not have.
    pub fn open_side(
        &self,
        openings: &mut Openings,
        args: &Args,
        meter: &Meter,
        temp_dir: &Path,
    ) -> Result<OpenedSide> {
        let (image, range) = self.split_range()?;
        let common = &args.common;
        let layer = args.layer.as_deref();
        if layer.is_some() {
            let in_name = ("IMAGE@LAYERS", range.is_some());
            no_effect("with --layer: choose layers in one place", &[in_name])?;
        }
        let is_whole = range.is_none() && layer.is_none();
        let open = Open::with(common, meter, Some(temp_dir.to_owned()));
        let name = self.text().to_owned();
        let opened = match openings.open(&image, common, open, Takes::One) {
            Ok(opened) => opened,
            Err(error) => {
                let is_files = matches!(
                    error.fault(),
                    Fault::NotAnImage(
                        NotAnImage::NoManifest
                            | NotAnImage::Below { .. }
                            | NotAnImage::RootFilesystem
                            | NotAnImage::EmptyTar
                    )
                );
                return match image.whole_path().filter(|_| is_files && is_whole) {
                    Some(path) => files(name, &path, common).map(|input| OpenedSide {
                        input,
                        is_image: false,
                    }),
                    None => Err(error),
                };
            }
        };
        let Selection { index, .. } = opened.select(common)?;
        let archive = opened.archive;
        let found = &archive.images[index];
        let range = match layer {
            Some(text) => Some(layer_range(found, text).at(|| name.clone())?),
            None => range.map(|(first, last)| first..last.unwrap_or(found.layers.len()).max(first)),
        };
        let input = Input::image(name, &archive, found, range)?;
        Ok(OpenedSide {
            input,
            is_image: true,
        })
    }
}

fn files(name: String, path: &Path, common: &Common) -> Result<Input> {
    if path.is_dir() {
        let directory = Directory::read(
            path,
            &disk::Options {
                limits: common.limits(),
                exact_times: true,
                ..disk::Options::default()
            },
        )?;
        return Ok(Input::directory(name, directory));
    }
    let file = open_regular(path, true).at(|| name.clone())?;
    Ok(Input::tar(
        name.clone(),
        FileRange::whole(file).at(|| name)?,
    ))
}
