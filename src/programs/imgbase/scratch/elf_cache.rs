//! Facts of ELF files, read once per file.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::blob::open_regular;
use crate::elf::Elf;
use crate::error::{At, During, Result};

/// Facts of ELF files by device and inode.
#[derive(Default)]
pub(super) struct ElfCache {
    seen: HashMap<(u64, u64), Option<Elf>>,
}

impl ElfCache {
    /// Returns the facts of a file; `None` if it is not an ELF file.
    ///
    /// # Errors
    /// As [`Elf::read`] and [`open_regular`]. The context is the path.
    pub(super) fn of(&mut self, path: &Path) -> Result<Option<Elf>> {
        let context = || path.to_string_lossy().into_owned();
        let file = open_regular(path, false).at(context)?;
        let metadata = file.metadata().during("read")?;
        let key = (metadata.dev(), metadata.ino());
        if let Some(elf) = self.seen.get(&key) {
            return Ok(elf.clone());
        }
        let elf = Elf::read(&file).at(context)?;
        self.seen.insert(key, elf.clone());
        Ok(elf)
    }
}
