//! Values of limits and their defaults.

/// Entries of one tar.
pub const ENTRIES: u64 = 5_000_000;
/// Distinct paths held at once, implied directories included.
pub const PATHS: u64 = 10_000_000;
/// Bytes of the names of one tar; a directory that names share counts once.
pub const PATH_TEXT: u64 = 256 << 20;
/// Bytes of a name or link target.
pub const NAME: usize = 64 << 10;
/// Bytes of extension headers (PAX, GNU long names) before one entry.
pub const EXTENSION: usize = 1 << 20;
/// Extended attributes of one entry.
pub const XATTRS: usize = 256;
/// Bytes of one extended attribute's value.
pub const XATTR_SIZE: usize = 64 << 10;
/// Segments of one sparse map.
pub const SEGMENTS: usize = 100_000;
/// Bytes of one sparse map as stored. Not configurable, because the number of segments is.
pub const SPARSE_MAP: usize = 1 << 20;

/// Bytes of holes in the sparse files of one layer that are read as zeros to hash or search them. Not configurable: a
/// cached listing has the digests of files within it, whatever the options.
pub const HOLES: u64 = 1 << 30;

/// Limits of a decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Total decoded bytes.
    pub size: u64,
    /// Decoded bytes for each stored byte, checked after the first [`DecodeLimits::grace`] decoded bytes. Not 0.
    pub ratio: u64,
    /// Decoded bytes below which the ratio is not checked.
    pub grace: u64,
    /// Base-2 logarithm of the largest zstd window, and of the memory for xz, in bytes.
    pub window_log: u32,
}

impl DecodeLimits {
    /// Names of these limits in errors; after such an error nothing more can be decoded.
    pub const NAMES: [&'static str; 3] = [
        "decoded size in bytes",
        "expansion ratio",
        "window in bytes",
    ];
}

impl Default for DecodeLimits {
    fn default() -> Self {
        DecodeLimits {
            size: 64 << 30,
            ratio: 1000,
            grace: 100 << 20,
            window_log: 27,
        }
    }
}

/// Limits of a JSON document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLimits {
    /// Nesting depth of arrays and objects. At most [`JsonLimits::DEEPEST`], because the parser recurses.
    pub depth: u64,
    /// Items of one array.
    pub array: u64,
    /// Items of all arrays and objects together.
    pub items: u64,
}

impl JsonLimits {
    /// Highest valid depth.
    pub const DEEPEST: u64 = 120;
    /// Limits for bytes that were parsed before under other limits.
    pub const KNOWN: JsonLimits = JsonLimits {
        depth: Self::DEEPEST,
        array: u64::MAX,
        items: u64::MAX,
    };
}

impl Default for JsonLimits {
    fn default() -> Self {
        JsonLimits {
            depth: 64,
            array: 100_000,
            items: 1_000_000,
        }
    }
}

/// Limits of one entry of a tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryLimits {
    /// Bytes of a name or link target.
    pub name: u64,
    /// Bytes of the extension headers before it.
    pub headers: u64,
    /// Extended attributes.
    pub xattrs: u64,
    /// Bytes of one extended attribute's value.
    pub xattr_size: u64,
    /// Segments of a sparse map.
    pub segments: u64,
}

impl Default for EntryLimits {
    fn default() -> Self {
        EntryLimits {
            name: NAME as u64,
            headers: EXTENSION as u64,
            xattrs: XATTRS as u64,
            xattr_size: XATTR_SIZE as u64,
            segments: SEGMENTS as u64,
        }
    }
}

/// Limits on the input of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries of a layer, members of an archive, files of a directory.
    pub entries: u64,
    /// Distinct paths held at once.
    pub paths: u64,
    /// Bytes of names held at once.
    pub path_text: u64,
    /// Bytes of one path in a tree of layers, where every directory above it is a node too: the tree's size can grow
    /// with the square of a path's length.
    pub path_length: u64,
    /// Bytes of names and link targets of an archive's members.
    pub member_text: u64,
    /// Limits of a decoder.
    pub decode: DecodeLimits,
    /// Limits of one entry.
    pub entry: EntryLimits,
    /// Limits of a JSON document.
    pub json: JsonLimits,
    /// Bytes of a `manifest.json`, index or manifest.
    pub document: u64,
    /// Bytes of a config.
    pub config: u64,
    /// Bytes of the documents of a stream, which are held until it ends.
    pub held: u64,
    /// Indexes between `index.json` and a manifest.
    pub index_depth: u64,
    /// Distinct manifests and indexes of an archive.
    pub manifests: u64,
    /// Images of an archive.
    pub images: u64,
    /// Layers of an image.
    pub layers: u64,
    /// Links from one member to another that are followed.
    pub hops: u64,
    /// Links of a registry's storage tree.
    pub links: u64,
    /// Repositories of a tree.
    pub repositories: u64,
    /// Levels of files inside a file.
    pub nested_depth: u64,
    /// Bytes inside a file, of all levels together.
    pub nested_size: u64,
    /// Volumes of a set.
    pub volumes: u64,
    /// Bytes of a list of images.
    pub list: u64,
    /// Aliases of a list of images.
    pub aliases: u64,
    /// Lines of a receipt.
    pub receipt_lines: u64,
    /// Bytes of the trace of each scanned layer, which imgverify reports. With 0 neither trace nor anomalies are
    /// recorded.
    pub trace: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            entries: ENTRIES,
            paths: PATHS,
            path_text: PATH_TEXT,
            path_length: 4096,
            member_text: 64 << 20,
            decode: DecodeLimits::default(),
            entry: EntryLimits::default(),
            json: JsonLimits::default(),
            document: 4 << 20,
            config: 8 << 20,
            held: 64 << 20,
            index_depth: 8,
            manifests: 10_000,
            images: 10_000,
            layers: 1000,
            hops: 8,
            links: 2_000_000,
            repositories: 100_000,
            nested_depth: 4,
            nested_size: 8 << 30,
            volumes: 10_000,
            list: 64 << 20,
            aliases: 1000,
            receipt_lines: 5_000_000,
            trace: 0,
        }
    }
}

/// Limit in bytes, with the name that errors use.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// Name in errors.
    pub what: &'static str,
    /// The limit in bytes.
    pub most: u64,
}

impl Limits {
    /// Returns the limits for the local store: defaults without limits on documents and their numbers.
    pub fn of_store() -> Self {
        Limits::default().for_store()
    }

    /// Lifts the limits that do not apply to a local store: its content was accepted before, and has to be listed and
    /// removed in any case.
    #[must_use]
    pub fn for_store(self) -> Self {
        Limits {
            json: JsonLimits::KNOWN,
            document: 1 << 30,
            config: 1 << 30,
            index_depth: u64::MAX,
            manifests: u64::MAX,
            images: u64::MAX,
            layers: u64::MAX,
            held: u64::MAX,
            ..self
        }
    }

    /// Raises the limits of archives that do not apply to a tree of many repositories, whose number of links is limited.
    #[must_use]
    pub fn for_tree(self) -> Self {
        Limits {
            manifests: self.manifests.max(self.links),
            images: self.images.max(self.links),
            held: self.held.max(1 << 30),
            ..self
        }
    }

    /// Returns the limit for a `manifest.json`, index or manifest.
    pub fn of_document(&self) -> Bound {
        let what = "document size in bytes";
        Bound {
            what,
            most: self.document,
        }
    }

    /// Returns the limit for a config.
    pub fn of_config(&self) -> Bound {
        let what = "config size in bytes";
        Bound {
            what,
            most: self.config,
        }
    }
}
