//! How much one archive may make this room hold. What counts against memory here is bytes that were really read.

/// Bytes of extension headers (PAX, GNU long names) before one entry.
pub const EXTENSION: usize = 1 << 20;

/// Bytes of a name or link target.
pub const NAME: usize = 64 << 10;

/// Extended attributes of one entry.
pub const XATTRS: usize = 256;

/// Bytes of one extended attribute's value.
pub const XATTR_SIZE: usize = 64 << 10;

/// Segments of one sparse map.
pub const SEGMENTS: usize = 100_000;

/// Bytes of one sparse map as stored.
pub const SPARSE_MAP: usize = 1 << 20;

/// Entries of one tar.
pub const ENTRIES: u64 = 5_000_000;

/// Distinct paths of one layer, directories that are only implied included, where they have to be kept.
pub const PATHS: u64 = 10_000_000;

/// Bytes of the names of one tar, directories that names share counted once.
pub const PATH_TEXT: u64 = 256 << 20;
