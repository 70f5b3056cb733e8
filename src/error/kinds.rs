//! Details of three faults: the kind of an input that is no image, the damage of a tar header, that of a set of volumes.

/// Kind of an input that is not an image archive.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAnImage {
    /// No bytes at all.
    Empty,
    /// A tar without members.
    EmptyTar,
    /// Neither a tar nor a compressed tar.
    UnknownBytes,
    /// A tar or directory with neither `manifest.json`, `index.json`, `oci-layout` nor `repositories`.
    NoManifest,
    /// An image in a subdirectory of the tar or directory.
    Below {
        /// First document of the image.
        member: String,
        /// True for a directory, false for a tar.
        is_directory: bool,
    },
    /// A tar or directory that looks like a root filesystem.
    RootFilesystem,
    /// The storage tree of a registry.
    RegistryTree,
    /// A directory that was to be the storage tree of a registry.
    NoRegistryTree,
    /// Directory without images below it, requested as a tree of them.
    NoImages,
    /// The data root of a docker engine.
    DockerDataRoot,
    /// The storage tree of podman, buildah or CRI-O.
    ContainersStorage,
    /// A lone JSON document.
    Document,
    /// A `manifest.json` that lists no image: `null`, or not of any known form.
    EmptyManifest,
}

/// Damage of a tar header.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TarFault {
    /// The header's checksum does not match.
    Checksum,
    /// A numeric field without a number, or with an impossible one.
    Number {
        /// Name of the field.
        field: &'static str,
    },
    /// An invalid PAX record.
    PaxRecord {
        /// The rule it breaks.
        why: &'static str,
    },
    /// An invalid sparse map.
    Sparse {
        /// The rule it breaks.
        why: &'static str,
    },
    /// The archive ends inside a header or its contents.
    UnexpectedEnd {
        /// Lower bound of the number of missing bytes.
        missing: u64,
    },
    /// An extension header without an entry after it.
    DanglingExtension,
    /// Two extension headers with different names for the entry.
    ConflictingNames,
    /// The first block is not a tar header.
    NotATar,
}

/// Problem of a set of volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum VolumeFault {
    /// Volumes that are in none of the directories.
    Missing {
        /// Their numbers, ascending.
        numbers: Vec<u64>,
        /// Number of all volumes, if it is known.
        of: Option<u64>,
    },
    /// Missing volumes, and with them the list of images.
    NoList {
        /// Name of the archive.
        set: String,
        /// Their numbers, ascending.
        numbers: Vec<u64>,
        /// Number of all volumes, if it is known.
        of: Option<u64>,
    },
    /// A directory of volumes that is not one set and nothing else.
    NotOneSet {
        /// Names of the archives, the first ones.
        sets: Vec<String>,
        /// A volume of the first set.
        volume: String,
    },
    /// A file of a set that was split by name only.
    Gap {
        /// Name of the missing file.
        name: String,
    },
    /// Chunks that do not have their digests.
    Damaged {
        /// File name of the volume.
        volume: String,
        /// The damage as ranges: `MiB 17-18, 40`.
        ranges: String,
    },
    /// An invalid table of a volume.
    Table {
        /// The problem and its line.
        why: String,
    },
    /// Volumes that do not belong together.
    Mixed {
        /// The difference.
        why: String,
    },
    /// Fewer intact columns than the archive has.
    Unrepairable {
        /// Number of damaged or missing columns.
        damaged: u64,
        /// Number of columns of parity that are intact there.
        intact: u64,
    },
}
