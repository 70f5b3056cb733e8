//! Lists of images from files, pipes, directories and charts.

use std::path::Path;

use super::chart;
use super::collect::{Listed, Reading};
use super::parse::{bytes, parse};
use crate::blob::{Compression, Input};
use crate::error::{At, Result};

/// Reads the list of images at a path: a file, a chart as a directory or `.tgz`, or a directory of both.
///
/// # Errors
/// `List`; `Limit`; `Io`; `NotAFile`; the damage of a `.tgz`. The context is the file.
pub fn read_path(path: &Path, reading: Reading<'_>) -> Result<Vec<Listed>> {
    let name = path.to_string_lossy();
    match path.is_dir() {
        true => chart::directory(path, reading),
        false => Input::path(path)
            .at(|| name.to_string())
            .and_then(|input| read(&name, input, reading)),
    }
}

/// Reads the list of images in a file or pipe. `name` is its path.
///
/// # Errors
/// As [`read_path`].
pub fn read(name: &str, input: Input, reading: Reading<'_>) -> Result<Vec<Listed>> {
    let bytes = bytes(input.read(), reading).at(|| name.to_owned())?;
    match Compression::sniff(&bytes) {
        Compression::Gzip => chart::package(name, &bytes, reading),
        _ => parse(name, &bytes, reading),
    }
}
