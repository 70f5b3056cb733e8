//! Directories that get their names only when they are complete.

use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::directory::{parent_directory, sync_directory};
use super::temporary::{self, Unfinished, lock, prefix_of, remove_leftovers_of, unique_name};
use crate::error::{At, During, Error, Result};

/// A temporary directory; removed with all its contents when dropped.
#[derive(Debug)]
pub struct NewDirectory {
    /// The temporary path; `None` once the directory has its name.
    temporary: Option<Unfinished>,
    /// Holds the lock on the directory.
    _lock: File,
}

impl NewDirectory {
    /// Creates a directory that will become `target`, in the same parent. Removes leftovers of killed runs.
    ///
    /// # Errors
    /// `Io`.
    pub fn beside(target: &Path) -> Result<Self> {
        remove_leftovers_of(target);
        let failed = |error| Error::io("create", error);
        let prefix = prefix_of(target);
        loop {
            let temporary = Unfinished::new(parent_directory(target).join(unique_name(&prefix)));
            let path = temporary.path();
            match std::fs::DirBuilder::new().mode(0o700).create(path) {
                Ok(()) => {}
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(failed(error)),
            }
            let open = match File::open(path) {
                Ok(open) => open,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            lock(&open).map_err(failed)?;
            // Another program may have removed it as a leftover before it was locked.
            if path.exists() {
                return Ok(NewDirectory {
                    temporary: Some(temporary),
                    _lock: open,
                });
            }
        }
    }

    /// As [`NewDirectory::beside`], for a target that must be empty or missing; its errors are placed there.
    ///
    /// # Errors
    /// `Usage` if it is not empty, `Io`.
    pub fn for_target(target: &Path) -> Result<Self> {
        let context = || target.to_string_lossy().into_owned();
        match std::fs::read_dir(target).map(|mut entries| entries.next().is_some()) {
            Ok(true) => {
                return Err(Error::usage("it is there already, and not empty").at(context()));
            }
            Ok(false) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("open", error).at(context())),
        }
        NewDirectory::beside(target).at(context)
    }

    /// The temporary path.
    pub fn path(&self) -> &Path {
        self.temporary
            .as_ref()
            .map_or(Path::new(""), Unfinished::path)
    }

    /// Renames the directory to its target with mode 0755; an empty directory there is replaced.
    ///
    /// # Errors
    /// `Io`.
    pub fn become_target(self, target: &Path) -> Result<()> {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(self.path(), mode).during("write")?;
        self.rename(target)
    }

    /// Renames the directory to its target without changing its mode; an empty directory there is replaced.
    ///
    /// # Errors
    /// `Io`.
    pub fn rename(mut self, target: &Path) -> Result<()> {
        std::fs::rename(self.path(), target).during("write")?;
        self.temporary = None;
        sync_directory(parent_directory(target))
    }
}

impl Drop for NewDirectory {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // A directory that cannot be removed is a leftover for the next run.
            let _ = temporary::remove(temporary.path());
        }
    }
}
