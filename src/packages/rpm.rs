//! RPM's headers: an index of tags, followed by their data.

use std::collections::{HashMap, HashSet};

use super::package::{Manager, Need, Package, damaged};
use super::sqlite;
use crate::error::Result;
use crate::facts::ContentDigest;

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const INSTALL_TIME: u32 = 1008;
const SIZE: u32 = 1009;
const ARCH: u32 = 1022;
const SOURCE_RPM: u32 = 1044;
const PROVIDE_NAME: u32 = 1047;
const REQUIRE_FLAGS: u32 = 1048;
const REQUIRE_NAME: u32 = 1049;
const REQUIRE_VERSION: u32 = 1050;
const DIR_INDEXES: u32 = 1116;
const BASE_NAMES: u32 = 1117;
const DIR_NAMES: u32 = 1118;
const FILE_DIGESTS: u32 = 1035;
const LONG_SIZE: u32 = 5009;

const INT32: u32 = 4;
const INT64: u32 = 5;

/// Maximum number of files of all packages in the search for owners of required files.
const MAX_FILES: usize = 2_000_000;

/// Reads `rpmdb.sqlite`.
///
/// # Errors
/// `Schema` for an invalid database or header.
pub(super) fn read(file: &[u8]) -> Result<Vec<Package>> {
    let headers = sqlite::blobs(file, "Packages")?;
    let headers = headers.iter().map(|blob| Header::of(blob));
    let headers: Option<Vec<Header<'_>>> = headers.collect();
    let headers = headers.ok_or_else(|| damaged("RPM headers", "something else"))?;
    let mut packages: Vec<Package> = headers.iter().map(package).collect();
    own_files(&headers, &mut packages);
    // Keys of package signatures are listed as packages.
    packages.retain(|package| package.name != "gpg-pubkey" && !package.name.is_empty());
    Ok(packages)
}

/// Passes the paths that packages list, with the name of the package, and the digest of what is a file.
///
/// # Errors
/// `Schema` for an invalid database or header, and those of `each`.
pub(super) fn files(
    file: &[u8],
    mut each: impl FnMut(&str, &[u8], Option<ContentDigest>) -> Result<()>,
) -> Result<()> {
    for blob in sqlite::blobs(file, "Packages")? {
        let header = Header::of(&blob).ok_or_else(|| damaged("RPM headers", "something else"))?;
        let name = header.texts(NAME).into_iter().next().unwrap_or_default();
        let directories: Vec<&[u8]> = header.strings(DIR_NAMES).collect();
        let mut digests = header.strings(FILE_DIGESTS);
        let indexes = header.numbers(DIR_INDEXES);
        for (base, index) in header.strings(BASE_NAMES).zip(indexes) {
            // Of other digests than these, and of what is no file, the text is none.
            let digest = digests.next().and_then(ContentDigest::parse);
            let index = usize::try_from(index).ok();
            if let Some(directory) = index.and_then(|index| directories.get(index)) {
                each(&name, &[*directory, base].concat(), digest)?;
            }
        }
    }
    Ok(())
}

fn package(header: &Header<'_>) -> Package {
    let one = |tag| header.texts(tag).into_iter().next().unwrap_or_default();
    let (version, release) = (one(VERSION), one(RELEASE));
    let epoch = header
        .numbers(EPOCH)
        .first()
        .map(|epoch| format!("{epoch}:"));
    let flags = header.numbers(REQUIRE_FLAGS);
    let versions = header.texts(REQUIRE_VERSION);
    let needs = header.texts(REQUIRE_NAME).into_iter().enumerate();
    let mut depends: Vec<Vec<Need>> = Vec::new();
    let mut seen = HashSet::new();
    for (i, name) in needs {
        // Features of RPM itself and conditions in parentheses are no packages.
        if name.starts_with("rpmlib(") || name.starts_with('(') {
            continue;
        }
        let version = versions.get(i).filter(|version| !version.is_empty());
        let version = version.map(|version| {
            let flags = flags.get(i).copied().unwrap_or_default();
            let sign: String = [(2, '<'), (4, '>'), (8, '=')]
                .iter()
                .filter(|(bit, _)| flags & bit != 0)
                .map(|(_, sign)| *sign)
                .collect();
            format!("{sign} {version}")
        });
        let need = vec![Need {
            name,
            version: version.unwrap_or_default(),
        }];
        if seen.insert((need[0].name.clone(), need[0].version.clone())) {
            depends.push(need);
        }
    }
    let size = header.numbers(LONG_SIZE).first().copied();
    Package {
        manager: Manager::Rpm,
        name: one(NAME),
        version: format!("{}{version}-{release}", epoch.unwrap_or_default()),
        architecture: one(ARCH),
        source: one(SOURCE_RPM),
        size: size.or_else(|| header.numbers(SIZE).first().copied()),
        installed: header.numbers(INSTALL_TIME).first().copied(),
        depends,
        provides: header.texts(PROVIDE_NAME),
        place: String::new(),
    }
}

/// Adds the files that some package requires to the provided names of their owners.
fn own_files(headers: &[Header<'_>], packages: &mut [Package]) {
    let needed: HashSet<String> = packages
        .iter()
        .flat_map(|package| package.depends.iter().flatten())
        .filter(|need| need.name.starts_with('/'))
        .map(|need| need.name.clone())
        .collect();
    let mut searched = 0;
    for (header, package) in headers.iter().zip(packages) {
        let directories = header.texts(DIR_NAMES);
        let indexes = header.numbers(DIR_INDEXES);
        for (name, index) in header.texts(BASE_NAMES).iter().zip(indexes) {
            searched += 1;
            if searched > MAX_FILES {
                return;
            }
            let directory = usize::try_from(index)
                .ok()
                .and_then(|index| directories.get(index));
            let path = directory.map(|directory| format!("{directory}{name}"));
            package
                .provides
                .extend(path.filter(|path| needed.contains(path)));
        }
    }
}

/// A header: the position of each tag's data.
struct Header<'a> {
    /// Type, offset and count by tag.
    tags: HashMap<u32, (u32, usize, usize)>,
    data: &'a [u8],
}

impl<'a> Header<'a> {
    /// Parses the index; `None` if it does not fit the blob.
    fn of(blob: &'a [u8]) -> Option<Self> {
        let word = |at: usize| {
            blob.get(at..)?
                .first_chunk::<4>()
                .map(|bytes| u32::from_be_bytes(*bytes))
        };
        let entries = usize::try_from(word(0)?).ok()?;
        let length = usize::try_from(word(4)?).ok()?;
        let start = entries.checked_mul(16)?.checked_add(8)?;
        let data = blob.get(start..start.checked_add(length)?)?;
        let mut tags = HashMap::new();
        for i in 0..entries {
            let at = 8 + 16 * i;
            let (kind, offset) = (word(at + 4)?, usize::try_from(word(at + 8)?).ok()?);
            let count = usize::try_from(word(at + 12)?).ok()?;
            tags.entry(word(at)?).or_insert((kind, offset, count));
        }
        Some(Header { tags, data })
    }

    /// The texts of a tag, as far as they are valid.
    fn texts(&self, tag: u32) -> Vec<String> {
        self.strings(tag).map(super::package::text).collect()
    }

    /// The bytes of the texts of a tag, as far as they are valid.
    fn strings(&self, tag: u32) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let found = self.tags.get(&tag);
        // A text, a list of texts, a translated text.
        let found = found.filter(|(kind, ..)| matches!(kind, 6 | 8 | 9));
        let (offset, count) = found.map_or((0, 0), |&(_, offset, count)| (offset, count));
        let bytes = self.data.get(offset..).unwrap_or_default();
        let ended = bytes.split_inclusive(|&byte| byte == 0);
        ended.take(count).filter_map(|text| text.strip_suffix(&[0]))
    }

    /// The numbers of a tag, as far as they are valid.
    fn numbers(&self, tag: u32) -> Vec<u64> {
        let Some(&(kind, offset, count)) = self.tags.get(&tag) else {
            return Vec::new();
        };
        let bytes = self.data.get(offset..).unwrap_or_default();
        let width = match kind {
            INT32 => 4,
            INT64 => 8,
            _ => return Vec::new(),
        };
        let numbers = bytes.chunks_exact(width).take(count);
        numbers.map(sqlite::big_endian).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncated_headers_are_refused() {
        assert!(Header::of(&[0; 4]).is_none());
        assert!(Header::of(&[0xff; 64]).is_none());
        let mut blob = vec![0, 0, 0, 1, 0, 0, 0, 5];
        blob.extend([0, 0, 3, 0xe8, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 9]);
        blob.extend(b"bash\0");
        let header = Header::of(&blob).expect("a header");
        assert_eq!(header.texts(NAME), ["bash"]);
        assert!(header.texts(VERSION).is_empty());
    }
}
