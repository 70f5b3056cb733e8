//! Entries of tars, with all extensions applied.

use super::metadata::{EntryKind, Metadata, OtherTimes};
use super::path::CleanSpan;

/// A stored part of a sparse file. Bytes between and after segments read as zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Offset in the file, in bytes.
    pub offset: u64,
    /// Length in bytes; stored segments follow one another without gaps.
    pub length: u64,
}

/// One entry as the archive states it. Sizes and offsets are in bytes, offsets from the start of the tar.
///
/// Names are bytes: they need not be UTF-8 and may hold anything but NUL. Nothing here was compared with a file
/// system, and no path is safe to use before [`Entry::clean_path`], [`Entry::is_absolute`] and [`Entry::climbs`] were
/// checked.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// Name as written.
    pub path: Vec<u8>,
    /// Kind of file.
    pub kind: EntryKind,
    /// Mode, owner, time and extended attributes, the latter in the order of their first mention. User and group ID take
    /// precedence over the names.
    pub metadata: Metadata,
    /// Times besides that of the last modification; layers are not compared by them.
    pub times: OtherTimes,
    /// Name of the owner as a hint; often empty.
    pub user_name: Vec<u8>,
    /// Name of the group as a hint; often empty.
    pub group_name: Vec<u8>,
    /// Size of the contents including holes; 0 for kinds without contents.
    pub size: u64,
    /// Bytes of contents in the archive, without padding; less than `size` in a sparse file.
    pub stored_size: u64,
    /// Offset of the entry's own header, after its extension headers.
    pub header_offset: u64,
    /// Offset of the stored contents, after any sparse map.
    pub data_offset: u64,
    /// Target of a hard link (a path from the root) or of a symbolic link (any text); empty otherwise.
    pub link_target: Vec<u8>,
    /// Major and minor number of a device; 0 otherwise.
    pub device: (u64, u64),
    /// Stored segments of a sparse file, in order; `None` for other files.
    pub sparse: Option<Vec<Segment>>,
    pub(crate) clean: CleanSpan,
}

impl Entry {
    /// Creates an entry of that name, with defaults for all other fields.
    pub fn named(path: Vec<u8>) -> Self {
        Entry {
            clean: CleanSpan::of(&path),
            path,
            ..Entry::default()
        }
    }

    /// Normalised path, for all comparisons (see [`clean_path`](super::clean_path)). Computed once, when the entry is
    /// read.
    pub fn clean_path(&self) -> &[u8] {
        self.clean.resolve(&self.path)
    }

    /// Reports whether the name starts with `/`.
    pub fn is_absolute(&self) -> bool {
        self.clean.absolute
    }

    /// Reports whether a component of the name is `..`.
    pub fn climbs(&self) -> bool {
        self.clean.climbs
    }

    /// Reports whether an entry of this kind has contents in the archive.
    pub fn has_contents(&self) -> bool {
        matches!(self.kind, EntryKind::File | EntryKind::Other(_))
    }
}
