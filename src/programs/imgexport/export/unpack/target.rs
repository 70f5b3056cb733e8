//! Where files are unpacked: beside the folder until all is there, or in it.

use std::io;
use std::path::PathBuf;

use super::{Existing, Unpack};
use crate::error::{Error, Fault, Result};

/// Where to unpack.
pub(super) enum Target {
    /// In the folder itself, which is there.
    InPlace(PathBuf),
    /// Beside it, until it is whole.
    Beside { parent: PathBuf, name: PathBuf },
}

impl Target {
    pub(super) fn find(unpack: &Unpack) -> Result<Self> {
        let usage = |why: &str| Error::new(Fault::Usage(why.into()));
        let target = &unpack.target;
        let metadata = match std::fs::metadata(target) {
            Ok(metadata) => metadata,
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && std::fs::symlink_metadata(target).is_err() =>
            {
                let name = target
                    .file_name()
                    .ok_or_else(|| usage("not the name of a folder"))?;
                let parent = target
                    .parent()
                    .filter(|parent| !parent.as_os_str().is_empty());
                return Ok(Target::Beside {
                    parent: parent.unwrap_or(".".as_ref()).to_owned(),
                    name: name.into(),
                });
            }
            Err(error) => return Err(Error::io("open", error)),
        };
        if !metadata.is_dir() {
            return Err(usage("it is there and no folder"));
        }
        let target = std::fs::canonicalize(target).map_err(|error| Error::io("open", error))?;
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(usage("refusing to unpack into /"));
        };
        let mut entries = std::fs::read_dir(&target).map_err(|error| Error::io("open", error))?;
        if entries.next().is_some() {
            return match unpack.existing {
                Existing::Refuse => Err(usage(
                    "the folder is not empty: --overwrite unpacks into it all the same",
                )),
                Existing::Replace => Ok(Target::InPlace(target)),
            };
        }
        use std::os::unix::fs::MetadataExt;
        // What is mounted there cannot be replaced by a rename; nor can a folder in one that is not ours.
        let is_own = std::fs::metadata(parent).is_ok_and(|above| above.dev() == metadata.dev());
        let can_write = rustix::fs::access(parent, rustix::fs::Access::WRITE_OK).is_ok();
        Ok(match is_own && can_write {
            true => Target::Beside {
                parent: parent.to_owned(),
                name: name.into(),
            },
            false => Target::InPlace(target.clone()),
        })
    }
}
