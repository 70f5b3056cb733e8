//! What one layer amounts to, counted in one walk over its headers.

use super::input::TarInput;
use super::metadata::EntryKind;
use super::names::Names;
use super::walk::{WalkEnd, Walker};
use super::watch::Watch;
use super::whiteout::Whiteout;
use crate::error::{Error, Fault, Result};

/// Counts and sizes of one layer. Every entry is in exactly one of the counts that follow `entries`.
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
    /// Hard links: further names of an entry.
    pub hard_links: u64,
    /// Devices, FIFOs and types that are none of these.
    pub specials: u64,
    /// Markers that remove one name from lower layers.
    pub whiteouts: u64,
    /// Markers that remove all that lower layers have in a directory.
    pub opaque_whiteouts: u64,
    /// Invalid whiteouts and an old storage driver's notes.
    pub ignored: u64,
    /// Entries whose path came before in this layer and whose earlier self is thereby replaced or changed.
    pub repeated: u64,
    /// Bytes that the unpacked layer takes, as `docker history` and `docker image inspect` count them.
    ///
    /// The rule is that of the overlay2 graph driver (moby, `pkg/directory.Size` over the layer's own directory): the
    /// `st_size` of everything but directories, each inode once. So a sparse file counts with its holes, a symbolic
    /// link with the length of its target, names linked to one another once, and whiteouts, devices and FIFOs
    /// nothing. Of a path that comes twice only the last entry counts, and a directory that gives way to something
    /// else takes what was in it along.
    pub content_size: u64,
    /// Bytes of all file contents as the entries state them: [`content_size`](Self::content_size) without symbolic
    /// links. It is what engines with BuildKit report for the layers that it built there (moby sums the tar sizes).
    pub file_size: u64,
    /// Bytes of the tar up to and with its end marker.
    pub tar_size: u64,
}

impl LayerSummary {
    /// Walks to the end and counts. Memory: about 40 bytes and the last part of its path for each distinct path.
    ///
    /// The walker should be fresh; what it finds odd can be asked of it afterwards.
    ///
    /// # Errors
    /// As [`Walker::next_entry`], and `Limit` for more than [`crate::limits::PATHS`] paths or [`crate::limits::PATH_TEXT`] bytes of
    /// them.
    pub fn of<I: TarInput>(walker: &mut Walker<I>) -> Result<Self> {
        Self::watched(walker, &mut Watch::default())
    }

    /// The same, with somebody who looks at each entry.
    pub(crate) fn watched<I: TarInput>(walker: &mut Walker<I>, watch: &mut Watch) -> Result<Self> {
        let mut summary = LayerSummary::default();
        let mut names = Names::default();
        let limits = *walker.limits();
        while let Some(entry) = walker.next_entry()? {
            watch.see(entry);
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
            // One name can imply thousands of directories, so entries alone are no bound.
            if names.text() > limits.path_text {
                return Err(Error::new(Fault::Limit {
                    what: "bytes of names",
                    limit: limits.path_text,
                    found: names.text(),
                }));
            }
            if names.len() > limits.paths {
                return Err(Error::new(Fault::Limit {
                    what: "paths",
                    limit: limits.paths,
                    found: names.len(),
                }));
            }
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
