//! What a tar holds that readers can cope with and people should know.

/// What is odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AnomalyKind {
    /// A link, device, directory or FIFO states a size; common readers skip no contents there, GNU tar does.
    SizeOnLink,
    /// A type letter that is not for files of a layer: `D`, `V`, `M`, `N`, vendor letters.
    UnknownType,
    /// Several extension headers of one type before one entry; the last one counts, in some readers the first.
    DuplicateExtension,
    /// Extension headers name the entry or its target differently; the last one counts.
    ConflictingNames,
    /// A global extension header; some readers ignore it.
    GlobalPax,
    /// A name starts with `/`.
    AbsolutePath,
    /// A name has a part `..`.
    ClimbingPath,
    /// A name is empty.
    EmptyName,
    /// The entry for the top of the tree is no directory.
    RootNotDirectory,
    /// A whiteout that names nothing, or the directory it is in, or that one's parent.
    InvalidWhiteout,
    /// A NUL inside a GNU long name, which ends there for some readers.
    NulInName,
    /// The archive ends without a zero block.
    MissingEndMarker,
    /// One zero block where two should be.
    OneEndBlock,
    /// The archive ends right after the contents of its last entry, where padding to a whole block belongs.
    MissingPadding,
    /// A record states another size than the header, or than another record: who reads only the header finds the next
    /// one elsewhere. Sizes that no header can hold are stated by a record alone and are not odd.
    SizeDesync,
    /// A global record changes a name, size, owner or time of the entries after it; libarchive ignores those.
    GlobalOverride,
    /// A number is spelled in a way that not all readers accept, in any field of the header.
    OddNumber,
    /// Bytes where a prefix of the name would be, in a header whose magic gives them no such meaning.
    PrefixInDoubt,
    /// A name ends with `/` and the type says file or hard link; some readers make a directory of it.
    SlashOnFile,
    /// A link without a target.
    EmptyLink,
    /// Bytes behind the NUL that ends a text field, or behind the last field: no reader shows them.
    HiddenBytes,
    /// Bytes that are not zero where contents or an extension header are filled up to a whole block.
    PaddingData,
    /// A record without a value, which takes a value back; Python takes it for an empty one.
    EmptyRecord,
    /// Records of a sparse file in an order that only some readers understand.
    OddSparse,
}

impl AnomalyKind {
    const COUNT: usize = AnomalyKind::OddSparse as usize + 1;

    /// All of them.
    pub const ALL: [AnomalyKind; Self::COUNT] = [
        AnomalyKind::SizeOnLink,
        AnomalyKind::UnknownType,
        AnomalyKind::DuplicateExtension,
        AnomalyKind::ConflictingNames,
        AnomalyKind::GlobalPax,
        AnomalyKind::AbsolutePath,
        AnomalyKind::ClimbingPath,
        AnomalyKind::EmptyName,
        AnomalyKind::RootNotDirectory,
        AnomalyKind::InvalidWhiteout,
        AnomalyKind::NulInName,
        AnomalyKind::MissingEndMarker,
        AnomalyKind::OneEndBlock,
        AnomalyKind::MissingPadding,
        AnomalyKind::SizeDesync,
        AnomalyKind::GlobalOverride,
        AnomalyKind::OddNumber,
        AnomalyKind::PrefixInDoubt,
        AnomalyKind::SlashOnFile,
        AnomalyKind::EmptyLink,
        AnomalyKind::HiddenBytes,
        AnomalyKind::PaddingData,
        AnomalyKind::EmptyRecord,
        AnomalyKind::OddSparse,
    ];

    /// The stable name of the finding, in kebab case.
    pub fn code(self) -> &'static str {
        match self {
            AnomalyKind::SizeOnLink => "size-on-link",
            AnomalyKind::UnknownType => "unknown-type",
            AnomalyKind::DuplicateExtension => "duplicate-extension",
            AnomalyKind::ConflictingNames => "conflicting-names",
            AnomalyKind::GlobalPax => "global-pax",
            AnomalyKind::AbsolutePath => "absolute-path",
            AnomalyKind::ClimbingPath => "climbing-path",
            AnomalyKind::EmptyName => "empty-name",
            AnomalyKind::RootNotDirectory => "root-not-directory",
            AnomalyKind::InvalidWhiteout => "invalid-whiteout",
            AnomalyKind::NulInName => "nul-in-name",
            AnomalyKind::MissingEndMarker => "missing-end-marker",
            AnomalyKind::OneEndBlock => "one-end-block",
            AnomalyKind::MissingPadding => "missing-padding",
            AnomalyKind::SizeDesync => "size-desync",
            AnomalyKind::GlobalOverride => "global-override",
            AnomalyKind::OddNumber => "odd-number",
            AnomalyKind::PrefixInDoubt => "prefix-in-doubt",
            AnomalyKind::SlashOnFile => "slash-on-file",
            AnomalyKind::EmptyLink => "empty-link",
            AnomalyKind::HiddenBytes => "hidden-bytes",
            AnomalyKind::PaddingData => "padding-data",
            AnomalyKind::EmptyRecord => "empty-record",
            AnomalyKind::OddSparse => "odd-sparse",
        }
    }
}

/// One odd thing and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anomaly {
    /// What is odd.
    pub kind: AnomalyKind,
    /// Where the header concerned starts, in bytes from the start of the tar; for the end of the archive, that end.
    pub header_offset: u64,
    /// The entry's name as written, at most [`Anomalies::PATH`] bytes of it; `None` for the archive as a whole.
    pub path: Option<Vec<u8>>,
}

/// The odd things of one tar: all are counted, the first of each kind are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Anomalies {
    kept: Vec<Anomaly>,
    counts: [u64; AnomalyKind::COUNT],
}

impl Anomalies {
    /// How many of each kind are kept, so that a hostile archive can neither fill the memory nor hide one kind behind
    /// many of another.
    pub const PER_KIND: u64 = 8;

    /// How many bytes of a name are kept.
    pub const PATH: usize = 4096;

    /// The kept ones, in archive order.
    pub fn iter(&self) -> impl Iterator<Item = &Anomaly> {
        self.kept.iter()
    }

    /// How many there are of a kind, kept or not.
    pub fn count(&self, kind: AnomalyKind) -> u64 {
        self.counts.get(kind as usize).copied().unwrap_or_default()
    }

    /// How many there are in all.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Whether nothing is odd.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
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
