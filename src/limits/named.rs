//! Limits by name: the command line, and the hints of errors.

use super::values::{JsonLimits, Limits};

/// Limit that users can change.
#[derive(Debug)]
pub struct Named {
    /// Name as typed.
    pub name: &'static str,
    /// Names in errors, one for each quantity that it limits.
    pub what: &'static [&'static str],
    /// Default as typed.
    pub default: &'static str,
    /// Largest value; `u64::MAX` for no limit.
    pub most: u64,
    /// Meaning, for help and man pages.
    pub meaning: &'static str,
    field: fn(&mut Limits) -> Field<'_>,
}

enum Field<'a> {
    Number(&'a mut u64),
    /// Stored as the base-2 logarithm.
    Log(&'a mut u32),
}

/// All limits that users can change.
pub const NAMED: [Named; 31] = [
    Named {
        name: "ratio",
        what: &[
            "expansion ratio",
            "size of a sparse file for each stored byte",
        ],
        default: "1000",
        most: u64::MAX,
        meaning: "decoded bytes for each stored byte of a layer or archive, and bytes of a sparse file for each stored byte; the first 100 MiB do not count",
        field: |limits| Field::Number(&mut limits.decode.ratio),
    },
    Named {
        name: "layer-size",
        what: &["decoded size in bytes"],
        default: "64G",
        most: u64::MAX,
        meaning: "decoded bytes of a layer or archive",
        field: |limits| Field::Number(&mut limits.decode.size),
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
        meaning: "entries of a layer, members of an archive, files of a directory",
        field: |limits| Field::Number(&mut limits.entries),
    },
    Named {
        name: "paths",
        what: &["paths"],
        default: "10000000",
        most: 1 << 31,
        meaning: "distinct paths of an image's layers, implied directories included",
        field: |limits| Field::Number(&mut limits.paths),
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
        field: |limits| Field::Number(&mut limits.path_text),
    },
    Named {
        name: "members-size",
        what: &["bytes of members' names"],
        default: "64M",
        most: u64::MAX,
        meaning: "bytes of the names and link targets of an archive's members",
        field: |limits| Field::Number(&mut limits.member_text),
    },
    Named {
        name: "name-length",
        what: &["name", "link target", "bytes of a name"],
        default: "64K",
        most: 1 << 30,
        meaning: "bytes of one name or link target",
        field: |limits| Field::Number(&mut limits.entry.name),
    },
    Named {
        name: "path-length",
        what: &["path in bytes"],
        default: "4K",
        most: 1 << 16,
        meaning: "bytes of one path where layers are applied: each of its directories can cost as much again",
        field: |limits| Field::Number(&mut limits.path_length),
    },
    Named {
        name: "header-size",
        what: &["extension headers of one entry"],
        default: "1M",
        most: 1 << 30,
        meaning: "bytes of the PAX and GNU headers before one entry",
        field: |limits| Field::Number(&mut limits.entry.headers),
    },
    Named {
        name: "xattrs",
        what: &["extended attributes"],
        default: "256",
        most: 1 << 20,
        meaning: "extended attributes of one entry",
        field: |limits| Field::Number(&mut limits.entry.xattrs),
    },
    Named {
        name: "xattr-size",
        what: &["extended attribute size"],
        default: "64K",
        most: 1 << 30,
        meaning: "bytes of one extended attribute",
        field: |limits| Field::Number(&mut limits.entry.xattr_size),
    },
    Named {
        name: "sparse-segments",
        what: &["sparse segments"],
        default: "100000",
        most: 1 << 24,
        meaning: "segments of one sparse file",
        field: |limits| Field::Number(&mut limits.entry.segments),
    },
    Named {
        name: "json-size",
        what: &["document size in bytes"],
        default: "4M",
        most: 1 << 30,
        meaning: "bytes of a manifest.json, an index or a manifest",
        field: |limits| Field::Number(&mut limits.document),
    },
    Named {
        name: "config-size",
        what: &["config size in bytes"],
        default: "8M",
        most: 1 << 30,
        meaning: "bytes of a config",
        field: |limits| Field::Number(&mut limits.config),
    },
    Named {
        name: "json-depth",
        what: &["JSON depth"],
        default: "64",
        most: JsonLimits::DEEPEST,
        meaning: "nesting depth of arrays and objects of a document",
        field: |limits| Field::Number(&mut limits.json.depth),
    },
    Named {
        name: "json-list",
        what: &["JSON array items"],
        default: "100000",
        most: u64::MAX,
        meaning: "items of one array of a document",
        field: |limits| Field::Number(&mut limits.json.array),
    },
    Named {
        name: "json-items",
        what: &["JSON items"],
        default: "1000000",
        most: u64::MAX,
        meaning: "items of all arrays and objects of a document; of a list of images in YAML, its commas and opening brackets",
        field: |limits| Field::Number(&mut limits.json.items),
    },
    Named {
        name: "held-size",
        what: &["bytes of documents"],
        default: "64M",
        most: u64::MAX,
        meaning: "bytes of the documents of an archive on a pipe, which are held in memory",
        field: |limits| Field::Number(&mut limits.held),
    },
    Named {
        name: "index-depth",
        what: &["depth of indexes"],
        default: "8",
        most: 100,
        meaning: "indexes between index.json and a manifest",
        field: |limits| Field::Number(&mut limits.index_depth),
    },
    Named {
        name: "manifests",
        what: &["manifests"],
        default: "10000",
        most: 1 << 24,
        meaning: "distinct manifests and indexes of an archive",
        field: |limits| Field::Number(&mut limits.manifests),
    },
    Named {
        name: "images",
        what: &["images"],
        default: "10000",
        most: 1 << 24,
        meaning: "images that manifest.json lists",
        field: |limits| Field::Number(&mut limits.images),
    },
    Named {
        name: "layers",
        what: &["layers"],
        default: "1000",
        most: 65_535,
        meaning: "layers of an image",
        field: |limits| Field::Number(&mut limits.layers),
    },
    Named {
        name: "links",
        what: &["links"],
        default: "2000000",
        most: 1 << 31,
        meaning: "links of the storage tree of a registry",
        field: |limits| Field::Number(&mut limits.links),
    },
    Named {
        name: "repositories",
        what: &["repositories"],
        default: "100000",
        most: 1 << 31,
        meaning: "repositories of a directory of repositories",
        field: |limits| Field::Number(&mut limits.repositories),
    },
    Named {
        name: "nested-depth",
        what: &["levels of files inside a file"],
        default: "4",
        most: 32,
        meaning: "levels of files inside a file that are searched",
        field: |limits| Field::Number(&mut limits.nested_depth),
    },
    Named {
        name: "nested-size",
        what: &["bytes inside a file"],
        default: "8G",
        most: u64::MAX,
        meaning: "decoded bytes inside one file, of all levels together",
        field: |limits| Field::Number(&mut limits.nested_size),
    },
    Named {
        name: "volumes",
        what: &["volumes"],
        default: "10000",
        most: 1 << 20,
        meaning: "volumes of a set, or pieces of a file that was split",
        field: |limits| Field::Number(&mut limits.volumes),
    },
    Named {
        name: "list-size",
        what: &["size of a list in bytes"],
        default: "64M",
        most: 1 << 30,
        meaning: "bytes of a list of images, and of all lists in the package of a chart",
        field: |limits| Field::Number(&mut limits.list),
    },
    Named {
        name: "aliases",
        what: &["aliases"],
        default: "1000",
        most: 1 << 20,
        meaning: "aliases of a list of images in YAML",
        field: |limits| Field::Number(&mut limits.aliases),
    },
    Named {
        name: "receipt-lines",
        what: &["lines of a receipt"],
        default: "5000000",
        most: 1 << 31,
        meaning: "lines of a receipt, and omitted blobs of a bundle",
        field: |limits| Field::Number(&mut limits.receipt_lines),
    },
];

impl Limits {
    /// Sets a limit: `ratio=5000`, `layer-size=1T`, `entries=none`.
    ///
    /// Numbers may end in K, M, G or T, powers of 1024. `none` is the highest value; limits on recursion need a number.
    ///
    /// # Errors
    /// The text of the usage error.
    pub fn set(&mut self, text: &str) -> Result<(), String> {
        let (name, value) = text
            .split_once('=')
            .ok_or("expected NAME=VALUE, as in ratio=5000")?;
        let named = NAMED
            .iter()
            .find(|named| named.name == name)
            .ok_or_else(|| {
                let names: Vec<&str> = NAMED.iter().map(|named| named.name).collect();
                format!("unknown limit: expected one of {}", names.join(", "))
            })?;
        let least = named.least();
        let invalid = || match (named.most, named.bounds_recursion()) {
            (u64::MAX, _) => {
                format!(
                    "{name}: expected a number from {least}, optionally with K, M, G or T, or none"
                )
            }
            (most, false) => format!(
                "{name}: expected a number from {least} to {}, or none",
                format_value(most)
            ),
            (most, true) => format!(
                "{name}: expected a number from {least} to {}",
                format_value(most)
            ),
        };
        let value = match value {
            "none" if !named.bounds_recursion() => named.most,
            value => scaled(value).ok_or_else(invalid)?,
        };
        if !(least..=named.most).contains(&value) {
            return Err(invalid());
        }
        match (named.field)(self) {
            Field::Number(limit) => *limit = value,
            Field::Log(limit) => *limit = value.ilog2(),
        }
        Ok(())
    }
}

impl Named {
    /// Returns the smallest value: ratios must not be 0, and zstd has no smaller window.
    fn least(&self) -> u64 {
        match self.name {
            "window" => 1 << 10,
            _ => 1,
        }
    }

    /// Tests if the program's stack depends on the limit, so that a number is needed.
    fn bounds_recursion(&self) -> bool {
        matches!(self.name, "json-depth" | "index-depth" | "nested-depth")
    }

    /// Returns the meaning and the highest value, if there is one.
    pub fn described(&self) -> String {
        match self.most {
            u64::MAX => self.meaning.to_owned(),
            most => format!("{}; at most {}", self.meaning, format_value(most)),
        }
    }

    /// Returns the limit for a quantity named in an error.
    fn of(what: &str) -> Option<&'static Named> {
        NAMED.iter().find(|named| named.what.contains(&what))
    }
}

/// Returns the option that raises the limit enough; `None` if it cannot be raised.
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
            format_value(value)
        )
    })
}

/// Reads a number with K, M, G or T behind it, for powers of 1024.
pub fn scaled(text: &str) -> Option<u64> {
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

/// Formats a number as typed, in the shortest form without loss.
fn format_value(value: u64) -> String {
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
    use crate::limits::DecodeLimits;

    #[test]
    fn each_name_sets_its_own_limit_and_has_its_default() {
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
    fn invalid_values_are_refused() {
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
    fn none_is_valid_except_for_limits_on_recursion() {
        for named in &NAMED {
            let mut limits = Limits::default();
            let set = limits.set(&format!("{}=none", named.name));
            assert_eq!(set.is_err(), named.bounds_recursion(), "{}", named.name);
            let mut highest = Limits::default();
            let _ = highest.set(&format!("{}={}", named.name, format_value(named.most)));
            assert!(set.is_err() || limits == highest, "{}", named.name);
        }
    }

    #[test]
    fn remedy_is_sufficient_and_valid() {
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
