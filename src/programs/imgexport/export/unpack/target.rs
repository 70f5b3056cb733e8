//! Directory into which files are unpacked.

use std::io;
use std::path::PathBuf;

use super::options::{Existing, Unpack};
use crate::error::{During, Error, Result};

/// Directory into which files are unpacked.
pub(super) enum Target {
    /// The existing target itself.
    InPlace(PathBuf),
    /// A temporary directory beside the target, which is renamed when it is complete.
    Beside { parent: PathBuf, name: PathBuf },
}

impl Target {
    /// Chooses the directory, and checks the target.
    ///
    /// # Errors
    /// `Usage` for `/`, a file, and a directory that is not empty; `Io`.
    pub(super) fn find(unpack: &Unpack) -> Result<Self> {
        let usage = |why: &str| Error::usage(why);
        let target = &unpack.target;
        let metadata = match std::fs::metadata(target) {
            Ok(metadata) => metadata,
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && std::fs::symlink_metadata(target).is_err() =>
            {
                let name = target
                    .file_name()
                    .ok_or_else(|| usage("not a directory name"))?;
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
            return Err(usage("exists and is not a directory"));
        }
        let target = std::fs::canonicalize(target).during("open")?;
        let (Some(parent), Some(name)) = (target.parent(), target.file_name()) else {
            return Err(usage("refusing to unpack into /"));
        };
        let mut entries = std::fs::read_dir(&target).during("open")?;
        if entries.next().is_some() {
            return match unpack.existing {
                Existing::Refuse => Err(usage("directory not empty: --overwrite unpacks into it")),
                Existing::Replace => Ok(Target::InPlace(target)),
            };
        }
        use std::os::unix::fs::MetadataExt;
        // A mount point cannot be replaced by a rename, nor a directory whose parent is not writable.
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
