//! How much one input may make a program read, hold or write: every limit that can be moved, in one place.
//!
//! A [`Limits`] goes from whoever opens an input down to whatever reads it; nothing is global. [`NAMED`] has each
//! limit's name, default and meaning: the command line, the man pages and the hints of errors come from it. What is
//! bounded without a name here (a Go template's output, the database of a package manager) is bounded by a constant
//! beside the code.

/// Entries of one tar.
pub const ENTRIES: u64 = 5_000_000;
/// Distinct paths, directories that are only implied included, where they have to be kept.
pub const PATHS: u64 = 10_000_000;
/// Bytes of the names of one tar, directories that names share counted once.
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
/// Bytes of one sparse map as stored; not to be moved, because the number of segments is.
pub const SPARSE_MAP: usize = 1 << 20;

/// What a decoder accepts at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Decoded bytes in all.
    pub size: u64,
    /// Decoded bytes for each stored byte, once more than [`DecodeLimits::grace`] bytes have come out. Not 0.
    pub ratio: u64,
    /// Decoded bytes below which the ratio does not matter.
    pub grace: u64,
    /// The base-2 logarithm of the largest zstd window, and of the memory that xz may take.
    pub window_log: u32,
}

impl DecodeLimits {
    /// What the errors of these limits call them: after one of them nothing more can be decoded.
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

/// What a JSON document may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLimits {
    /// How deep arrays and objects may nest. At most [`JsonLimits::DEEPEST`], because a parser uses the stack.
    pub depth: u64,
    /// How many items one array may have.
    pub array: u64,
    /// How many items all arrays and objects may have together.
    pub items: u64,
}

impl JsonLimits {
    /// The most levels that can be asked for.
    pub const DEEPEST: u64 = 120;
    /// For bytes that were parsed before, under other limits.
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

/// What one entry of a tar may state at most.
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

/// What is accepted at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries of a layer, members of an archive, files of a folder.
    pub entries: u64,
    /// Distinct paths of what has to be kept at once.
    pub paths: u64,
    /// Bytes of names, kept at once.
    pub path_text: u64,
    /// Bytes of one path in a tree of layers, where every folder above it is a node too: a path of many parts in the
    /// layer is its square in whatever is made of the tree.
    pub path_length: u64,
    /// Bytes of names and link targets of an archive's members.
    pub member_text: u64,
    /// What a decoder may produce.
    pub decode: DecodeLimits,
    /// What one entry may state.
    pub entry: EntryLimits,
    /// What a document may be.
    pub json: JsonLimits,
    /// Bytes of a `manifest.json`, index or manifest.
    pub document: u64,
    /// Bytes of a config.
    pub config: u64,
    /// Bytes of the documents of a stream, which are held until it has ended.
    pub held: u64,
    /// How many indexes may stand between `index.json` and a manifest.
    pub index_depth: u64,
    /// Distinct manifests and indexes of an archive.
    pub manifests: u64,
    /// Images of an archive.
    pub images: u64,
    /// Layers of an image.
    pub layers: u64,
    /// Links from one member to another that are followed.
    pub hops: u64,
    /// Bytes of a trace of each layer that is scanned, as imgverify asks for. With 0 none is kept, and no notes are taken.
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
            trace: 0,
        }
    }
}

/// A limit that can be moved.
#[derive(Debug)]
pub struct Named {
    /// How it is typed.
    pub name: &'static str,
    /// What the errors about it call it, one text for each thing that it bounds.
    pub what: &'static [&'static str],
    /// Its default as it would be typed.
    pub default: &'static str,
    /// The largest value; `u64::MAX` is no limit at all.
    pub most: u64,
    /// What it bounds, for people.
    pub meaning: &'static str,
    field: fn(&mut Limits) -> Field<'_>,
}

enum Field<'a> {
    Plain(&'a mut u64),
    /// Kept as the logarithm.
    Log(&'a mut u32),
}

/// Every limit that can be moved.
pub const NAMED: [Named; 23] = [
    Named {
        name: "ratio",
        what: &[
            "expansion ratio",
            "size of a sparse file for each stored byte",
        ],
        default: "1000",
        most: u64::MAX,
        meaning: "unpacked bytes for each stored byte of a layer or archive, and bytes of a sparse file for each that is stored; the first 100 MiB do not count",
        field: |limits| Field::Plain(&mut limits.decode.ratio),
    },
    Named {
        name: "layer-size",
        what: &["decoded size in bytes"],
        default: "64G",
        most: u64::MAX,
        meaning: "unpacked bytes of a layer or archive",
        field: |limits| Field::Plain(&mut limits.decode.size),
    },
    Named {
        name: "window",
        what: &["window in bytes"],
        default: "128M",
        most: 1 << 31,
        meaning: "bytes of the window of zstd and the dictionary of xz, down to a power of two",
        field: |limits| Field::Log(&mut limits.decode.window_log),
    },
    Named {
        name: "entries",
        what: &["entries", "members", "files"],
        default: "5000000",
        most: u64::MAX,
        meaning: "entries of a layer, members of an archive, files of a folder",
        field: |limits| Field::Plain(&mut limits.entries),
    },
    Named {
        name: "paths",
        what: &["paths"],
        default: "10000000",
        most: 1 << 31,
        meaning: "distinct paths of an image's layers, implied directories included",
        field: |limits| Field::Plain(&mut limits.paths),
    },
    Named {
        name: "names-size",
        what: &[
            "bytes of names",
            "bytes of link targets and attributes",
            "bytes of owners' names",
        ],
        default: "256M",
        most: (1 << 32) - 1,
        meaning: "bytes of the names, and of the link targets and attributes, of an image's layers",
        field: |limits| Field::Plain(&mut limits.path_text),
    },
    Named {
        name: "members-size",
        what: &["bytes of members' names"],
        default: "64M",
        most: u64::MAX,
        meaning: "bytes of the names and link targets of an archive's members",
        field: |limits| Field::Plain(&mut limits.member_text),
    },
    Named {
        name: "name-length",
        what: &["name", "link target", "bytes of a name"],
        default: "64K",
        most: 1 << 30,
        meaning: "bytes of one name or link target",
        field: |limits| Field::Plain(&mut limits.entry.name),
    },
    Named {
        name: "path-length",
        what: &["path in bytes"],
        default: "4K",
        most: 1 << 16,
        meaning: "bytes of one path where layers are applied: each of its directories can cost as much again",
        field: |limits| Field::Plain(&mut limits.path_length),
    },
    Named {
        name: "header-size",
        what: &["extension headers of one entry"],
        default: "1M",
        most: 1 << 30,
        meaning: "bytes of the PAX and GNU headers before one entry",
        field: |limits| Field::Plain(&mut limits.entry.headers),
    },
    Named {
        name: "xattrs",
        what: &["extended attributes"],
        default: "256",
        most: 1 << 20,
        meaning: "extended attributes of one entry",
        field: |limits| Field::Plain(&mut limits.entry.xattrs),
    },
    Named {
        name: "xattr-size",
        what: &["extended attribute size"],
        default: "64K",
        most: 1 << 30,
        meaning: "bytes of one extended attribute",
        field: |limits| Field::Plain(&mut limits.entry.xattr_size),
    },
    Named {
        name: "sparse-segments",
        what: &["sparse segments"],
        default: "100000",
        most: 1 << 24,
        meaning: "stored parts of one sparse file",
        field: |limits| Field::Plain(&mut limits.entry.segments),
    },
    Named {
        name: "json-size",
        what: &["document size in bytes"],
        default: "4M",
        most: 1 << 30,
        meaning: "bytes of a manifest.json, an index or a manifest",
        field: |limits| Field::Plain(&mut limits.document),
    },
    Named {
        name: "config-size",
        what: &["config size in bytes"],
        default: "8M",
        most: 1 << 30,
        meaning: "bytes of a config",
        field: |limits| Field::Plain(&mut limits.config),
    },
    Named {
        name: "json-depth",
        what: &["JSON depth"],
        default: "64",
        most: JsonLimits::DEEPEST,
        meaning: "how deep lists and objects of a document may nest",
        field: |limits| Field::Plain(&mut limits.json.depth),
    },
    Named {
        name: "json-list",
        what: &["JSON array items"],
        default: "100000",
        most: u64::MAX,
        meaning: "items of one list of a document",
        field: |limits| Field::Plain(&mut limits.json.array),
    },
    Named {
        name: "json-items",
        what: &["JSON items"],
        default: "1000000",
        most: u64::MAX,
        meaning: "items of all lists and objects of a document",
        field: |limits| Field::Plain(&mut limits.json.items),
    },
    Named {
        name: "held-size",
        what: &["bytes of documents"],
        default: "64M",
        most: u64::MAX,
        meaning: "bytes of the documents of an archive that is read from a pipe, which are held in memory",
        field: |limits| Field::Plain(&mut limits.held),
    },
    Named {
        name: "index-depth",
        what: &["depth of indexes"],
        default: "8",
        most: 100,
        meaning: "indexes between index.json and a manifest",
        field: |limits| Field::Plain(&mut limits.index_depth),
    },
    Named {
        name: "manifests",
        what: &["manifests"],
        default: "10000",
        most: 1 << 24,
        meaning: "different manifests and indexes of an archive",
        field: |limits| Field::Plain(&mut limits.manifests),
    },
    Named {
        name: "images",
        what: &["images"],
        default: "10000",
        most: 1 << 24,
        meaning: "images that manifest.json lists",
        field: |limits| Field::Plain(&mut limits.images),
    },
    Named {
        name: "layers",
        what: &["layers"],
        default: "1000",
        most: 65_535,
        meaning: "layers of an image",
        field: |limits| Field::Plain(&mut limits.layers),
    },
];

/// How many bytes something may have, and what the error calls it if it has more.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// What the error calls it.
    pub what: &'static str,
    /// The most bytes.
    pub most: u64,
}

impl Limits {
    /// What a local store is read within: as by default, but for what its documents are and how many there are.
    pub fn of_store() -> Self {
        Limits::default().for_store()
    }

    /// The same with what does not meet a local store: what is in one was let in before, and has to be listed and removed
    /// whatever it is.
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

    /// What a `manifest.json`, index or manifest may have.
    pub fn of_document(&self) -> Bound {
        let what = "document size in bytes";
        Bound {
            what,
            most: self.document,
        }
    }

    /// What a config may have.
    pub fn of_config(&self) -> Bound {
        let what = "config size in bytes";
        Bound {
            what,
            most: self.config,
        }
    }

    /// Moves a limit: `ratio=5000`, `layer-size=1T`, `entries=none`.
    ///
    /// Numbers may end in K, M, G or T, which are powers of 1024; `none` is for no limit, or for the highest where numbers
    /// end somewhere. What bounds recursion has to be a number.
    ///
    /// # Errors
    /// The message for the user.
    pub fn set(&mut self, text: &str) -> Result<(), String> {
        let (name, value) = text
            .split_once('=')
            .ok_or("a limit is written NAME=VALUE, as in ratio=5000")?;
        let named = NAMED
            .iter()
            .find(|named| named.name == name)
            .ok_or_else(|| {
                let names: Vec<&str> = NAMED.iter().map(|named| named.name).collect();
                format!("the limits are {}", names.join(", "))
            })?;
        let least = named.least();
        let refused = || match (named.most, named.bounds_recursion()) {
            (u64::MAX, _) => {
                format!("{name} is a number from {least}, with K, M, G or T after it, or none")
            }
            (most, false) => format!(
                "{name} is a number from {least} to {}, or none",
                written(most)
            ),
            (most, true) => format!("{name} is a number from {least} to {}", written(most)),
        };
        let value = match value {
            "none" if !named.bounds_recursion() => named.most,
            value => number(value).ok_or_else(refused)?,
        };
        if !(least..=named.most).contains(&value) {
            return Err(refused());
        }
        match (named.field)(self) {
            Field::Plain(limit) => *limit = value,
            Field::Log(limit) => *limit = value.ilog2(),
        }
        Ok(())
    }
}

impl Named {
    /// The smallest value: nothing divides by zero, and zstd knows no smaller window.
    fn least(&self) -> u64 {
        match self.name {
            "window" => 1 << 10,
            _ => 1,
        }
    }

    /// Tests if a program's stack depends on it, so that some number has to be asked for.
    fn bounds_recursion(&self) -> bool {
        matches!(self.name, "json-depth" | "index-depth")
    }

    /// The meaning with the highest value, if there is one.
    pub fn described(&self) -> String {
        match self.most {
            u64::MAX => self.meaning.to_owned(),
            most => format!("{}; at most {}", self.meaning, written(most)),
        }
    }

    /// The limit of that name, for the errors about what it bounds.
    fn of(what: &str) -> Option<&'static Named> {
        NAMED.iter().find(|named| named.what.contains(&what))
    }
}

/// What to type so that more of something is accepted; `None` where that cannot be.
pub(crate) fn remedy(what: &str, limit: u64, found: u64) -> Option<String> {
    let named = Named::of(what)?;
    let twice = limit.saturating_mul(2).min(named.most);
    let enough = found.checked_next_power_of_two().unwrap_or(u64::MAX);
    let value = match twice >= found {
        true => twice,
        false => enough.min(named.most),
    };
    (value > limit && value >= found).then(|| {
        let name = named.name;
        format!(
            "--limit {name}={} raises it, if you trust the input",
            written(value)
        )
    })
}

fn number(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'K' | b'k' => (&text[..text.len() - 1], 10),
        b'M' | b'm' => (&text[..text.len() - 1], 20),
        b'G' | b'g' => (&text[..text.len() - 1], 30),
        b'T' | b't' => (&text[..text.len() - 1], 40),
        _ => (text, 0),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = is_number.then(|| digits.parse().ok())??;
    number.checked_mul(1 << shift)
}

/// A number as it is typed, as short as it can be without loss.
fn written(value: u64) -> String {
    if value == u64::MAX {
        return "none".to_owned();
    }
    let units = [(40, 'T'), (30, 'G'), (20, 'M'), (10, 'K')];
    let unit = units
        .into_iter()
        .find(|(shift, _)| value > 0 && value.is_multiple_of(1 << shift));
    match unit {
        Some((shift, letter)) => format!("{}{letter}", value >> shift),
        None => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_moves_its_own_limit_and_says_its_default() {
        for named in &NAMED {
            let mut limits = Limits::default();
            let text = format!("{}={}", named.name, named.default);
            assert_eq!(limits.set(&text), Ok(()), "{text}");
            assert_eq!(limits, Limits::default(), "{text} is the default");
            let least = format!("{}={}", named.name, named.least());
            assert_eq!(limits.set(&least), Ok(()), "{least}");
            assert_ne!(limits, Limits::default(), "{least}");
        }
        let mut names: Vec<&str> = NAMED.iter().map(|named| named.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), NAMED.len());
        let mut whats: Vec<&str> = NAMED.iter().flat_map(|named| named.what).copied().collect();
        let all = whats.len();
        whats.sort_unstable();
        whats.dedup();
        assert_eq!(whats.len(), all, "one limit for each thing");
        assert!(
            DecodeLimits::NAMES
                .iter()
                .all(|what| Named::of(what).is_some())
        );
    }

    #[test]
    fn values_that_are_none_are_refused() {
        for text in [
            "",
            "=",
            "ratio",
            "ratio=",
            "ratio=0",
            "ratio=-1",
            "ratio=+1",
            "ratio=1e3",
            "ratio=K",
            "ratio= 1",
            "Ratio=1",
            "ratio=1=1",
            "ratio=1KB",
            "ratio=0x10",
            "ratio=99999999999999999999",
            "ratio=18014398509481984T",
            "ratio=NONE",
            "json-depth=121",
            "json-depth=none",
            "index-depth=none",
            "window=4G",
            "window=1",
            "layers=65536",
            "nothing=1",
            "ratio\n=1",
            "ratio=\u{661}",
        ] {
            let mut limits = Limits::default();
            assert!(limits.set(text).is_err(), "{text:?}");
            assert_eq!(limits, Limits::default(), "{text:?}");
        }
        let mut limits = Limits::default();
        for text in ["ratio=none", "layer-size=2T", "window=3M", "entries=10k"] {
            assert_eq!(limits.set(text), Ok(()), "{text}");
        }
        let DecodeLimits {
            size,
            ratio,
            window_log,
            ..
        } = limits.decode;
        assert_eq!(
            (ratio, size, window_log, limits.entries),
            (u64::MAX, 2 << 40, 21, 10 << 10)
        );
    }

    #[test]
    fn none_is_for_every_limit_but_those_of_recursion() {
        for named in &NAMED {
            let mut limits = Limits::default();
            let set = limits.set(&format!("{}=none", named.name));
            assert_eq!(set.is_err(), named.bounds_recursion(), "{}", named.name);
            let mut highest = Limits::default();
            let _ = highest.set(&format!("{}={}", named.name, written(named.most)));
            assert!(set.is_err() || limits == highest, "{}", named.name);
        }
    }

    #[test]
    fn the_remedy_is_enough_and_can_be_typed() {
        let typed = |text: String| {
            let text = text.strip_prefix("--limit ").expect("an option").to_owned();
            text.split_once(' ').expect("a reason").0.to_owned()
        };
        for (what, limit, found, expected) in [
            ("expansion ratio", 1000, 1001, Some("ratio=2000")),
            (
                "document size in bytes",
                4 << 20,
                (5 << 20) + 1,
                Some("json-size=8M"),
            ),
            (
                "document size in bytes",
                4 << 20,
                100 << 20,
                Some("json-size=128M"),
            ),
            ("JSON depth", 64, 65, Some("json-depth=120")),
            ("JSON depth", 120, 121, None),
            ("layers", 1000, 70_000, None),
            ("output of a template", 1, 2, None),
        ] {
            let remedy = remedy(what, limit, found).map(typed);
            assert_eq!(remedy.as_deref(), expected, "{what}");
            if let Some(text) = remedy {
                assert_eq!(Limits::default().set(&text), Ok(()), "{text}");
            }
        }
    }
}
