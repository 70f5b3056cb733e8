//! Anomalies of tars: valid for this reader, but handled differently by others.

use strum::VariantArray;

/// Kind of an anomaly.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, strum::IntoStaticStr, VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
#[non_exhaustive]
pub enum AnomalyKind {
    /// A link, device, directory or FIFO states a size; common readers skip no contents there, GNU tar does.
    SizeOnLink,
    /// A type letter that layers do not use: `D`, `V`, `M`, `N`, vendor letters.
    UnknownType,
    /// Several extension headers of one type before one entry; the last one counts, in some readers the first.
    DuplicateExtension,
    /// Extension headers name the entry or its target differently; the last one counts.
    ConflictingNames,
    /// A global extension header; some readers ignore it.
    GlobalPax,
    /// A name starts with `/`.
    AbsolutePath,
    /// A component of a name is `..`.
    ClimbingPath,
    /// A name is empty.
    EmptyName,
    /// The entry of the root is no directory.
    RootNotDirectory,
    /// A whiteout without a name, or of its own directory or that one's parent.
    InvalidWhiteout,
    /// A NUL inside a GNU long name, at which some readers end it.
    NulInName,
    /// The archive ends without a zero block.
    MissingEndMarker,
    /// One zero block instead of two at the end.
    OneEndBlock,
    /// The archive ends after the contents of its last entry, without padding to a whole block.
    MissingPadding,
    /// A record states another size than the header or another record: readers of the header alone find the next header at
    /// another offset. Sizes that exceed a header are stated by a record alone, and are no anomaly.
    SizeDesync,
    /// A global record changes a name, size, owner or time of the following entries; libarchive ignores those.
    GlobalOverride,
    /// A number of the header is in a format that not all readers accept.
    OddNumber,
    /// Bytes in the place of the name's prefix, in a dialect without a prefix.
    PrefixInDoubt,
    /// The name of a file or hard link ends with `/`; some readers create a directory.
    SlashOnFile,
    /// A link without a target.
    EmptyLink,
    /// Bytes after the NUL that ends a text field, or after the last field: no reader shows them.
    HiddenBytes,
    /// Padding of contents or of an extension header that is not zero.
    PaddingData,
    /// A record without a value, which deletes a field; Python reads an empty value.
    EmptyRecord,
    /// Records of a sparse file in an order that only some readers understand.
    OddSparse,
}

impl AnomalyKind {
    /// The stable name of the finding, in kebab case.
    pub fn code(self) -> &'static str {
        self.into()
    }
}

/// One anomaly and its location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// Kind of the anomaly.
    pub kind: AnomalyKind,
    /// Offset of the header, or of the end of the archive, in bytes from the start of the tar.
    pub header_offset: u64,
    /// Name of the entry as written, at most [`Anomalies::PATH`] bytes; `None` for the whole archive.
    pub path: Option<Vec<u8>>,
}

/// Anomalies of one tar: all are counted, the first of each kind are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Anomalies {
    kept: Vec<Anomaly>,
    counts: [u64; AnomalyKind::VARIANTS.len()],
}

impl Anomalies {
    /// Number of anomalies kept per kind, so that a hostile archive can neither fill the memory nor hide one kind among
    /// many of another.
    pub const PER_KIND: u64 = 8;

    /// Number of bytes of a name that are kept.
    pub const PATH: usize = 4096;

    /// Kept anomalies, in archive order.
    pub fn iter(&self) -> impl Iterator<Item = &Anomaly> {
        self.kept.iter()
    }

    /// Number of anomalies of a kind, kept or not.
    pub fn count(&self, kind: AnomalyKind) -> u64 {
        self.counts.get(kind as usize).copied().unwrap_or_default()
    }

    /// Total number of anomalies.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Reports whether there are no anomalies.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Kept anomalies, and the number of all for each kind.
    pub(crate) fn parts(&self) -> (&[Anomaly], &[u64]) {
        (&self.kept, &self.counts)
    }

    /// Anomalies from [`Anomalies::parts`]; `None` for counts of other kinds.
    pub(crate) fn from_parts(kept: Vec<Anomaly>, counts: &[u64]) -> Option<Self> {
        let counts = counts.try_into().ok()?;
        Some(Anomalies { kept, counts })
    }

    pub(crate) fn add(&mut self, kind: AnomalyKind, header_offset: u64, path: Option<&[u8]>) {
        let Some(count) = self.counts.get_mut(kind as usize) else {
            return;
        };
        *count = count.saturating_add(1);
        if *count <= Self::PER_KIND {
            let path = path.map(|path| path.get(..Self::PATH).unwrap_or(path).to_vec());
            self.kept.push(Anomaly {
                kind,
                header_offset,
                path,
            });
        }
    }
}
