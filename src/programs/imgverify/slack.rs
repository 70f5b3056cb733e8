//! `--slack`: a directory of the bytes that no image shows, and a list of their places.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::archive::Archive;
use crate::blob::{NewDirectory, each_chunk, sync_directory};
use crate::error::{At, During, Error, Result, within};
use crate::escape;
use crate::layer::Limits;
use crate::nested::{self, Nesting, inner_path};
use crate::render::json as lossless;
use crate::verify::{Region, RegionOf, slack};

/// Most regions of one run.
const REGIONS: u64 = 100_000;
/// Bytes that are shown of a region, and from which its kind is recognised.
const SHOWN: usize = 100;
const HEAD: usize = 512;
/// Names that are listed of an archive in a region.
const NAMES: usize = 100;

/// The directory in the making.
pub(super) struct SlackDirectory {
    target: PathBuf,
    directory: NewDirectory,
    list: BufWriter<File>,
    regions: u64,
}

impl SlackDirectory {
    /// Begins a directory that has its name when it is complete.
    ///
    /// # Errors
    /// `Usage` if it is there and not empty, `Io`.
    pub(super) fn new(target: &Path) -> Result<Self> {
        let directory = NewDirectory::for_target(target)?;
        let list = File::create_new(directory.path().join("slack.ndjson")).during("create");
        Ok(SlackDirectory {
            list: BufWriter::new(list.at(|| target.to_string_lossy().into_owned())?),
            target: target.to_owned(),
            directory,
            regions: 0,
        })
    }

    /// Adds the regions of an archive.
    ///
    /// # Errors
    /// `Limit` for too many regions, `Io`.
    pub(super) fn add(&mut self, archive: &Archive, limits: &Limits) -> Result<()> {
        // What is damaged is among the findings.
        slack(archive, limits, &mut |region, bytes| {
            let written = self.region(region, &archive.place, bytes, limits);
            written.at(|| self.target.to_string_lossy().into_owned())
        })
        .map(|_| ())
    }

    /// Writes all that is held, and gives the directory its name.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn finish(self) -> Result<()> {
        let place = || self.target.to_string_lossy().into_owned();
        let list = self.list.into_inner().map_err(|error| error.into_error());
        list.and_then(|list| list.sync_all())
            .during("write")
            .at(place)?;
        sync_directory(self.directory.path())?;
        self.directory.become_target(&self.target).at(place)
    }

    fn region(
        &mut self,
        region: &Region,
        archive: &str,
        bytes: &mut dyn Read,
        limits: &Limits,
    ) -> Result<()> {
        within("regions of slack", REGIONS, self.regions + 1)?;
        let name = format!("{:04}.bin", self.regions + 1);
        let path = self.directory.path().join(&name);
        let mut file = File::options();
        let mut file =
            (file.read(true).write(true).create_new(true).open(&path)).during("create")?;
        let (mut hasher, mut length, mut is_zero) = (Sha256::new(), 0_u64, true);
        let mut head = Vec::new();
        each_chunk(bytes, |chunk| {
            hasher.update(chunk);
            length += chunk.len() as u64;
            is_zero &= chunk.iter().all(|byte| *byte == 0);
            head.extend(chunk.iter().take(HEAD.saturating_sub(head.len())));
            file.write_all(chunk).during("write")
        })?;
        if is_zero {
            return std::fs::remove_file(&path).during("remove");
        }
        file.sync_all().during("write")?;
        self.regions += 1;
        let (place, raw) = lossless::bytes_lossless(&region.place);
        let kind = nested::form_of(&head);
        let mut row = Map::new();
        let mut put = |key: &str, value: Value| row.insert(key.to_owned(), value);
        put("File", name.into());
        put("Code", region.code.into());
        put("Archive", archive.into());
        put("Layer", json!(region.layer));
        put("Place", place.into());
        if let Some(raw) = raw {
            put("PlaceBytes", raw.into());
        }
        let of = match region.of {
            RegionOf::Archive => "archive",
            RegionOf::Member => "member",
            RegionOf::Stored => "stored",
            RegionOf::Layer => "layer",
        };
        put("Of", of.into());
        put("Offset", region.offset.into());
        put("Length", length.into());
        put("StoredAt", json!(region.stored_at));
        put("SHA256", hex::encode(hasher.finalize()).into());
        put("Kind", kind.into());
        let start = head.get(..SHOWN).unwrap_or(&head);
        put("Text", escape::bytes(start).into());
        put("Names", json!(names(&mut file, length, limits)?));
        serde_json::to_writer(&mut self.list, &row)
            .map_err(std::io::Error::from)
            .and_then(|()| self.list.write_all(b"\n"))
            .during("write")
    }
}

/// Names of what a region has inside, if it is an archive or compressed.
fn names(file: &mut File, length: u64, limits: &Limits) -> Result<Vec<String>> {
    file.rewind().during("read")?;
    let nesting = Nesting {
        depth: 1,
        limits,
        directory: std::env::temp_dir(),
    };
    let mut names = Vec::new();
    nesting.each(file, length, &mut |steps, _, _| {
        if !steps.is_empty() && names.len() < NAMES {
            names.push(escape::bytes(&inner_path(b"", steps)).into_owned());
        }
        Ok::<(), Error>(())
    })?;
    Ok(names)
}
