//! Evidence: an input as it is found, for custody records. It is opened for reading only.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::archive::{Archive, Holder};
use crate::blob::{FileRange, InputDigests, open_regular, sha256};
use crate::error::{At, During, Result, within};
use crate::layer::Limits;
use crate::spec::{Digest, Timestamp};

/// Maximum number of files of a directory.
const MAX_FILES: u64 = 10_000_000;

/// The input as a whole.
#[derive(Debug)]
pub enum Input {
    /// A file or a stream.
    Bytes(InputDigests),
    /// A directory: each file's name, size in bytes and SHA-256 digest, in the byte order of the names.
    Directory(Vec<(String, u64, Digest)>),
}

/// An input at one time.
#[derive(Debug)]
pub struct State {
    metadata: Metadata,
    /// Its bytes.
    pub input: Input,
}

impl Input {
    /// Digests of the files of an opened directory; `None` for any other archive.
    ///
    /// # Errors
    /// `Io`, and the errors of reading each file.
    pub fn of_directory(archive: &Archive, limits: &Limits) -> Result<Option<Self>> {
        let container = &archive.container;
        if container.table().is_some() || matches!(container.holder, Holder::Document(_)) {
            return Ok(None);
        }
        let mut files = Vec::new();
        for name in archive.container.names(limits)? {
            if let Some(content) = archive.container.get(&name)? {
                let digest = content.digest(&sha256(b""))?;
                files.push((name, content.len(), digest));
            }
        }
        Ok(Some(Input::Directory(files)))
    }

    /// The size in bytes and the SHA-256 digest: of a directory, that of the output of sha256sum for its files in order.
    pub fn identity(&self) -> (u64, Digest) {
        match self {
            Input::Bytes(seen) => (seen.size, seen.sha256.clone()),
            Input::Directory(files) => {
                let lines = files.iter();
                let list: String = lines
                    .map(|(name, _, digest)| format!("{}  {name}\n", digest.encoded()))
                    .collect();
                let size = files.iter().map(|(_, size, _)| size).sum();
                (size, sha256(list.as_bytes()))
            }
        }
    }

    /// JSON value of the record.
    pub fn value(&self, name: &str) -> Value {
        let (size, digest) = self.identity();
        match self {
            Input::Bytes(seen) => json!({
                "Name": name,
                "Kind": "bytes",
                "Size": size,
                "SHA256": digest.as_str(),
                "SHA512": seen.sha512.as_str(),
            }),
            Input::Directory(files) => {
                let files: Vec<Value> = files
                    .iter()
                    .map(|(name, size, digest)| {
                        json!({"Name": name, "Size": size, "SHA256": digest.as_str()})
                    })
                    .collect();
                json!({
                    "Name": name,
                    "Kind": "folder",
                    "Size": size,
                    "SHA256": digest.as_str(),
                    "Files": files,
                })
            }
        }
    }
}

impl State {
    /// Reads a file, or all files below a directory; `None` for pipes and devices.
    ///
    /// # Errors
    /// `Io`; `Limit` for more than 10,000,000 files.
    pub fn of(path: &Path) -> Result<Option<Self>> {
        let place = || path.to_string_lossy().into_owned();
        let metadata = std::fs::metadata(path).during("open").at(place)?;
        let input = match (metadata.is_file(), metadata.is_dir()) {
            (true, _) => {
                let file = open_regular(path, true).at(place)?;
                Input::Bytes(InputDigests::of(file).at(place)?)
            }
            (_, true) => Input::Directory(files_below(path)?),
            _ => return Ok(None),
        };
        // The times are those before the bytes are read.
        Ok(Some(State { metadata, input }))
    }

    /// JSON value of the record.
    pub fn value(&self) -> Value {
        let time = |seconds: i64, nanos: i64| {
            let nanos = u32::try_from(nanos).unwrap_or_default();
            Timestamp::from_unix(seconds, nanos).rfc3339_nano()
        };
        let (own, (size, digest)) = (&self.metadata, self.input.identity());
        json!({
            "Size": size,
            "ModTime": time(own.mtime(), own.mtime_nsec()),
            "ChangeTime": time(own.ctime(), own.ctime_nsec()),
            "Device": own.dev(),
            "Inode": own.ino(),
            "SHA256": digest.as_str(),
        })
    }
}

/// The regular files below a directory by the bytes of their paths; links are not followed.
fn files_below(top: &Path) -> Result<Vec<(String, u64, Digest)>> {
    let mut files = Vec::new();
    let mut open: Vec<PathBuf> = vec![top.to_owned()];
    while let Some(directory) = open.pop() {
        let place = || directory.to_string_lossy().into_owned();
        for entry in std::fs::read_dir(&directory).during("list").at(place)? {
            let entry = entry.during("list").at(place)?;
            let kind = entry.file_type().during("list").at(place)?;
            if kind.is_dir() {
                open.push(entry.path());
            } else if kind.is_file() {
                files.push(entry.path());
                within("files of a directory", MAX_FILES, files.len() as u64).at(place)?;
            }
        }
    }
    files.sort();
    let digest = |path: PathBuf| {
        let place = || path.to_string_lossy().into_owned();
        let range = open_regular(&path, false)
            .and_then(FileRange::whole)
            .at(place)?;
        let digest = range.digest(&sha256(b"")).at(place)?;
        let name = path.strip_prefix(top).unwrap_or(&path);
        Ok((name.to_string_lossy().into_owned(), range.len(), digest))
    };
    files.into_iter().map(digest).collect()
}
