//! Layers to append: an archive as it is, or a directory as an archive.

use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use crate::archive::{Content, Kept};
use crate::blob::{CHUNK, Decoder, Input};
use crate::cli::{self, Io};
use crate::disk::{Directory, Options};
use crate::error::{At, Result};
use crate::layer::{Limits, Scan};
use crate::spec::{Digest, History, Timestamp};
use crate::tree::{Listing, Reading};
use crate::write::{ImageEdit, MediaTypes, NewLayer, Packer, check_types, pass};

/// A layer to append to each image.
pub(super) struct Appended {
    scan: Arc<Scan>,
    content: Content,
    /// Name of the file or directory.
    name: String,
    /// Its entries; `None` of a directory if they are not needed.
    pub listing: Option<Arc<Listing>>,
    /// History comment.
    pub message: Option<String>,
}

impl Appended {
    /// Reads a tar, compressed or not, or a directory. With `in_place` an archive is read again when the image is
    /// written, instead of copied. `lists`: the entries are needed.
    ///
    /// # Errors
    /// As imgimport's, placed at the path.
    pub(super) fn read(
        path: &Path,
        in_place: bool,
        lists: bool,
        packer: &Packer<'_>,
        io: &Io,
    ) -> Result<Self> {
        let place = || path.to_string_lossy().into_owned();
        let name = path.file_name().unwrap_or(path.as_os_str());
        let name = name.to_string_lossy().into_owned();
        let (scan, content, listing) = match path.is_dir() {
            true => {
                let options = Options {
                    latest: cli::source_date_epoch(),
                    limits: packer.recode.limits,
                    ..Options::default()
                };
                let directory = Directory::read(path, &options)?;
                cli::note_sockets(&directory.skipped, io);
                let kept = packer.directory(&directory)?;
                let listing = lists.then(|| list(&kept, packer.recode.limits).at(place));
                let listing = listing.transpose()?;
                (
                    Arc::clone(&kept.scan),
                    Content::Kept(Arc::new(kept)),
                    listing,
                )
            }
            false => {
                let input = Input::path(path).at(place)?;
                let range = match &input {
                    Input::Range(range) if in_place => Some(range.clone()),
                    _ => None,
                };
                let passed = pass(input.read(), range, packer).at(place)?;
                check_types(&passed.listing).at(place)?;
                (passed.scan, passed.content, Some(passed.listing))
            }
        };
        Ok(Appended {
            scan,
            content,
            name,
            listing: listing.map(Arc::new),
            message: None,
        })
    }

    /// Digest of the uncompressed tar; `None` if the stored bytes do not decode.
    pub(super) fn diff_id(&self) -> Option<Digest> {
        self.scan.diff_id.clone()
    }

    /// Appends the layer to an image, with an entry in its history.
    ///
    /// # Errors
    /// `Unsupported` for a compression that the image's media types lack.
    pub(super) fn apply(
        &self,
        image: &mut ImageEdit,
        packer: &Packer<'_>,
        now: Timestamp,
    ) -> Result<()> {
        let types = match image.is_docker {
            true => MediaTypes::Docker,
            false => MediaTypes::Oci,
        };
        let layer: NewLayer = packer.pack(&self.scan, self.content.clone(), types)?;
        image.layers.push(layer);
        image.config.add_history(&History {
            created: Some(now.rfc3339_nano()),
            created_by: format!("imgedit --append {}", self.name),
            comment: self.message.clone().unwrap_or_default(),
            ..History::default()
        })
    }
}

/// Lists a layer that was just written.
fn list(kept: &Kept, limits: Limits) -> Result<Listing> {
    let reading = Reading {
        limits,
        ..Reading::default()
    };
    let stored = BufReader::with_capacity(CHUNK, kept.range.reader());
    let tar = Decoder::new(stored, kept.scan.compression, limits.decode)?;
    reading.list_stream(BufReader::with_capacity(CHUNK, tar))
}
