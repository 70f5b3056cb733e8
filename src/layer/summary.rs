//! Counts and sizes of one layer, from one walk over its headers.

use super::input::TarInput;
use super::metadata::EntryKind;
use super::names::Names;
use super::observer::EntryObserver;
use super::walk::{WalkEnd, Walker};
use super::whiteout::Whiteout;
use crate::error::{Result, within};

/// Counts and sizes of one layer. Every entry is in exactly one of the counts from `files` to `ignored`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LayerSummary {
    /// Entries in the archive, repeated paths included.
    pub entries: u64,
    /// Regular files, without whiteouts.
    pub files: u64,
    /// Directories.
    pub directories: u64,
    /// Symbolic links.
    pub symlinks: u64,
    /// Hard links.
    pub hard_links: u64,
    /// Devices, FIFOs and other types.
    pub specials: u64,
    /// Whiteouts of single names.
    pub whiteouts: u64,
    /// Opaque whiteouts of directories.
    pub opaque_whiteouts: u64,
    /// Invalid whiteouts and metadata of the AUFS storage driver.
    pub ignored: u64,
    /// Entries whose path occurred before in this layer, and which replace or change the earlier entry.
    pub repeated: u64,
    /// Size of the extracted layer in bytes, as `docker history` and `docker image inspect` count it.
    ///
    /// The rule is that of the overlay2 graph driver (moby, `pkg/directory.Size` over the layer's own directory): the
    /// `st_size` of all files but directories, each inode once. So a sparse file counts with its holes, a symbolic link
    /// with the length of its target, hard links to one inode once, and whiteouts, devices and FIFOs nothing. Of a path
    /// that occurs twice only the last entry counts, and a directory that is replaced loses its contents.
    pub content_size: u64,
    /// Sum of the sizes of all files as the entries state them, in bytes. Engines report it for layers that BuildKit built
    /// (moby sums the tar sizes).
    pub file_size: u64,
    /// Size of the tar including its end marker, in bytes.
    pub tar_size: u64,
}

impl LayerSummary {
    /// Walks a layer to its end and counts its entries. Memory: about 40 bytes and the last component for each distinct
    /// path.
    ///
    /// The walker must not have read any entry yet; it holds the anomalies afterwards.
    ///
    /// # Errors
    /// Those of [`Walker::next_entry`], and `Limit` for more than [`crate::limits::PATHS`] paths or
    /// [`crate::limits::PATH_TEXT`] bytes of them.
    pub fn of<I: TarInput>(walker: &mut Walker<I>) -> Result<Self> {
        Self::observed(walker, &mut EntryObserver::default())
    }

    /// Walks a layer to its end, counts its entries and passes each to `observer`.
    ///
    /// # Errors
    /// Those of [`LayerSummary::of`].
    pub(crate) fn observed<I: TarInput>(
        walker: &mut Walker<I>,
        observer: &mut EntryObserver,
    ) -> Result<Self> {
        let mut summary = LayerSummary::default();
        let mut names = Names::default();
        let limits = *walker.limits();
        while let Some(entry) = walker.next_entry()? {
            observer.add(entry);
            let path = entry.clean_path();
            match Whiteout::of(path) {
                Whiteout::None => {}
                Whiteout::Removes(_) => {
                    summary.whiteouts += 1;
                    continue;
                }
                Whiteout::Opaque => {
                    summary.opaque_whiteouts += 1;
                    continue;
                }
                Whiteout::Aufs | Whiteout::Invalid => {
                    summary.ignored += 1;
                    continue;
                }
            }
            let repeated = match entry.kind {
                EntryKind::File => {
                    summary.files += 1;
                    summary.file_size = summary.file_size.saturating_add(entry.size);
                    names.add(path, entry.size)
                }
                EntryKind::Directory => {
                    summary.directories += 1;
                    names.add_directory(path)
                }
                EntryKind::Symlink => {
                    summary.symlinks += 1;
                    names.add(path, entry.link_target.len() as u64)
                }
                EntryKind::HardLink => {
                    summary.hard_links += 1;
                    let target = super::clean_path(&entry.link_target);
                    names.add_link(path, &target.path)
                }
                EntryKind::CharDevice
                | EntryKind::BlockDevice
                | EntryKind::Fifo
                | EntryKind::Other(_) => {
                    summary.specials += 1;
                    names.add(path, 0)
                }
            };
            summary.repeated += u64::from(repeated);
            // One name can imply thousands of directories, so the number of entries is no bound.
            within("bytes of names", limits.path_text, names.text())?;
            within("paths", limits.paths, names.len())?;
        }
        let WalkEnd {
            entries, offset, ..
        } = walker.end().unwrap_or_default();
        summary.entries = entries;
        summary.tar_size = offset;
        summary.content_size = names.size();
        Ok(summary)
    }
}
