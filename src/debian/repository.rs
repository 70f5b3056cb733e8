//! Repositories as files: what packages there are, and where.
//!
//! In comes a mirror's folder (`dists/SUITE/…` and `pool/…`, or a flat one), a heap of `.deb` files, or the lists and the
//! cache of the host's apt; out go [`IndexEntry`]s. From the keyring to each package every step is checked: the
//! signature over `InRelease`, the digests in it of the indices, the digests in those of the packages (which whoever
//! reads a package compares, see [`PackageFile`]). Sums by MD5 and SHA-1 count for nothing.
//!
//! What a hostile mirror could try, and what stops it: text outside the signed part (refused), names that climb out of
//! the mirror (refused), an old release with known holes (its `Valid-Until` is said, see [`Note`]), an index that grows
//! without end when it is unpacked (limits). Links within a mirror are followed: what they lead to has a digest.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::clearsign::{self, ClearSigned};
use super::openpgp::{Keyring, Signer};
use super::release::{Listed, Release, wrong};
use super::{Control, Given, Packing, Paragraph, Paragraphs, given};
use crate::blob::{DecodeLimits, FileRange, Hasher, open_regular};
use crate::error::{At, Error, Fault, Result};
use crate::layer::clean_path;
use crate::parallel::in_parallel;
use crate::spec::Digest;

/// Bytes of a release file and of its signature.
const MAX_RELEASE: u64 = 64 << 20;

/// Bytes of an index, as it is stored and unpacked.
const MAX_INDEX: u64 = 1 << 30;

/// How an index may be packed, the cheapest first.
const SUFFIXES: [&str; 6] = ["", ".zst", ".gz", ".xz", ".bz2", ".lzma"];

/// Whose word counts.
#[derive(Debug, Clone, Default)]
pub enum Trust {
    /// Nobody's: a repository is an error.
    #[default]
    Nobody,
    /// That of these keys.
    Keyring(Keyring),
    /// Everybody's, as somebody has said in so many words.
    Anybody,
}

/// How repositories are opened.
#[derive(Debug, Clone, Copy)]
pub struct Opening<'a> {
    /// Architectures that packages are wanted for, the machine's first. `all` need not be among them.
    pub architectures: &'a [String],
    /// Whose signatures count.
    pub trust: &'a Trust,
    /// The time that releases are held against, in seconds since 1970.
    pub now: i64,
}

/// A repository, one suite of it.
#[derive(Debug, Clone)]
pub struct Repository {
    root: PathBuf,
    suite: String,
    kind: Kind,
    /// Nothing for a heap of packages, and for a flat repository without one.
    release: Option<Release>,
    signed: String,
    signers: Vec<Signer>,
    notes: Vec<Note>,
    indices: Vec<Index>,
}

#[derive(Debug, Clone)]
enum Kind {
    /// `Filename` says where packages are, below the root.
    Mirror,
    /// The packages as they were named, by the number of their paragraph.
    Heap(Arc<[PathBuf]>),
    /// Names of the files that are in the root.
    Cache(Arc<HashSet<String>>),
}

/// What kind of source a repository is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// A mirror's folder.
    Repository,
    /// Apt's lists and its cache.
    Apt,
    /// Packages that were given as files.
    Debs,
}

#[derive(Debug, Clone)]
struct Index {
    component: String,
    paragraphs: Paragraphs,
}

/// What is worth saying of a repository that can be used. Times in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// Nobody's signature was checked.
    Unsigned,
    /// A signature beside a good one is not good.
    BadSignature(String),
    /// It was meant to be used until then.
    Expired(i64),
    /// It says that it is of a time to come.
    NotYet(i64),
    /// It calls itself otherwise than it was asked for.
    OtherSuite(String),
}

/// A package that a repository has.
#[derive(Debug, Clone, Copy)]
pub struct IndexEntry<'r> {
    /// Where it is listed.
    pub repository: &'r Repository,
    /// The component that it belongs to; none in flat repositories and heaps.
    pub component: &'r str,
    /// What the index says of it.
    pub paragraph: Paragraph<'r>,
    number: usize,
}

/// The file of a package, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageFile {
    /// Where it is.
    pub path: PathBuf,
    /// As the repository calls it.
    pub name: String,
    /// Its bytes.
    pub size: u64,
    /// Their digest, the strongest that is given; none for one of a heap, which is not known before it is read.
    pub digest: Option<Digest>,
}

impl Repository {
    /// Opens one suite of a mirror. A suite that ends with `/`, as in apt's lists of sources, is a flat repository in
    /// that folder, without components.
    ///
    /// Without components all of the release's are taken.
    ///
    /// # Errors
    /// `Unverified`, `Signature` where the release cannot be trusted; `Release`, `Deb822`, `Codec`, `DigestMismatch`,
    /// `SizeMismatch`, `Limit`, `Io` for what cannot be read or is not what it should be. The places are the root and
    /// the path in it.
    pub fn open(
        root: &Path,
        suite: &str,
        components: &[String],
        how: &Opening<'_>,
    ) -> Result<Self> {
        let open = || Repository::of_mirror(root, suite, components, how);
        open().at(|| root.to_string_lossy().into_owned())
    }

    fn of_mirror(
        root: &Path,
        suite: &str,
        components: &[String],
        how: &Opening<'_>,
    ) -> Result<Self> {
        let clean = clean_path(suite.as_bytes());
        if clean.climbs || clean.absolute {
            let why = format!("'{suite}' is no suite: it leads out of the repository");
            return Err(Fault::Usage(why).into());
        }
        let is_flat = suite.ends_with('/') || clean.path.is_empty();
        let clean = String::from_utf8_lossy(&clean.path).into_owned();
        let folder = match (is_flat, clean.is_empty()) {
            (true, true) => String::new(),
            (true, false) => format!("{clean}/"),
            (false, _) => format!("dists/{clean}/"),
        };
        let mut repository = Repository {
            root: root.to_owned(),
            suite: clean,
            kind: Kind::Mirror,
            release: None,
            signed: String::new(),
            signers: Vec::new(),
            notes: Vec::new(),
            indices: Vec::new(),
        };
        let at = |name: &str| root.join(format!("{folder}{name}"));
        let place = |name: &str| format!("{folder}{name}");
        let beside = (at("Release.gpg"), "Release.gpg");
        if exists(&at("InRelease")) {
            let name = "InRelease";
            repository
                .trusted(&at(name), None, how)
                .at(|| place(name))?;
        } else if exists(&at("Release")) {
            let name = "Release";
            repository
                .trusted(&at(name), Some(&beside.0), how)
                .at(|| place(name))?;
        } else if !(is_flat && matches!(how.trust, Trust::Anybody)) {
            let why = "it has neither InRelease nor Release".to_owned();
            return Err(wrong(why).at(place("")));
        } else {
            repository.notes.push(Note::Unsigned);
        }
        let stems = match is_flat {
            true => vec![(String::new(), "Packages".to_owned(), true)],
            false => repository.stems(components, how)?,
        };
        let release = repository.release.as_ref();
        let read = in_parallel(&stems, |(component, stem, is_needed)| {
            let read = read_index(root, &folder, stem, release, *is_needed);
            let index = read.and_then(|text| text.map(index_of(component)).transpose());
            index.at(|| place(stem))
        });
        for index in read {
            repository.indices.extend(index?);
        }
        Ok(repository)
    }

    /// The indices to read: component, path beside the release, whether it must be there.
    fn stems(
        &self,
        components: &[String],
        how: &Opening<'_>,
    ) -> Result<Vec<(String, String, bool)>> {
        let Some(release) = &self.release else {
            return Ok(Vec::new());
        };
        let known: Vec<&str> = release.words("Components").collect();
        let mut all: Vec<String> = components.to_vec();
        if all.is_empty() {
            all = known.iter().map(|name| (*name).to_owned()).collect();
        }
        let mut stems = Vec::new();
        for component in &all {
            let clean = clean_path(component.as_bytes());
            // Old security suites have `updates/main` as component and list it below `main`.
            let last = component.rsplit('/').next().unwrap_or_default();
            let is_known = known
                .iter()
                .any(|name| name == component || name.ends_with(&format!("/{last}")));
            if clean.climbs || clean.absolute || !is_known {
                let why = format!(
                    "it has no component '{component}': it has {}",
                    known.join(" ")
                );
                return Err(wrong(why));
            }
            for architecture in how.architectures {
                let stem = format!("{component}/binary-{architecture}/Packages");
                stems.push((component.clone(), stem, true));
            }
            let is_all_wanted = how.architectures.iter().any(|name| name == "all");
            if !release.has_all_everywhere() && !is_all_wanted {
                stems.push((
                    component.clone(),
                    format!("{component}/binary-all/Packages"),
                    false,
                ));
            }
        }
        Ok(stems)
    }

    /// Reads a release and checks who signed it: within, or in the file beside it.
    fn trusted(&mut self, path: &Path, beside: Option<&Path>, how: &Opening<'_>) -> Result<()> {
        let bytes = whole(path, MAX_RELEASE)?;
        let text = String::from_utf8(bytes);
        let text = text.map_err(|_| wrong("it is no text".to_owned()))?;
        let parts = match beside {
            None if ClearSigned::is_one(&text) => Some(ClearSigned::parse(&text)?),
            // Signed by the file beside it; or not at all, which somebody may have agreed to.
            _ => None,
        };
        match (how.trust, &parts, beside) {
            (Trust::Anybody, ..) => self.notes.push(Note::Unsigned),
            (Trust::Nobody, ..) => return Err(Fault::Unverified.into()),
            (Trust::Keyring(keyring), Some(parts), _) => {
                self.judged(keyring, &parts.signature, &parts.signed)?;
            }
            (Trust::Keyring(keyring), None, Some(beside)) if exists(beside) => {
                let signature = whole(beside, MAX_RELEASE)?;
                let packets = clearsign::detached(&signature)?;
                self.judged(keyring, &packets, text.as_bytes())?;
            }
            (Trust::Keyring(_), None, _) => {
                let why = "there is none".to_owned();
                return Err(Fault::Signature { why }.into());
            }
        }
        let release = Release::parse(parts.as_ref().map_or(&text, |parts| &parts.text))?;
        if let Some(until) = release.valid_until().filter(|until| *until < how.now) {
            self.notes.push(Note::Expired(until));
        }
        if let Some(date) = release.date().filter(|date| *date > how.now) {
            self.notes.push(Note::NotYet(date));
        }
        if !self.suite.is_empty() && !release.is_called(&self.suite) {
            let name = release.control().get("Codename");
            let name = name.or(release.control().get("Suite")).unwrap_or_default();
            self.notes.push(Note::OtherSuite(name.to_owned()));
        }
        self.signed = text;
        self.release = Some(release);
        Ok(())
    }

    fn judged(&mut self, keyring: &Keyring, packets: &[u8], signed: &[u8]) -> Result<()> {
        let verdict = keyring.verify(packets, signed)?;
        self.notes
            .extend(verdict.bad.into_iter().map(Note::BadSignature));
        self.signers = verdict.signers;
        Ok(())
    }

    /// Packages that are given as files, or as folders with such, see [`given`]. Only their control data is read here:
    /// what else is in them, and the digest, is known once they are unpacked. Nobody vouches for them.
    ///
    /// # Errors
    /// As [`given`].
    pub fn of_debs(paths: &[PathBuf]) -> Result<Self> {
        let mut files = Vec::new();
        let mut text = String::new();
        for one in given(paths)? {
            text.push_str(&described(&one));
            text.push('\n');
            files.push(one.path);
        }
        Ok(Repository {
            root: PathBuf::new(),
            suite: String::new(),
            kind: Kind::Heap(files.into()),
            release: None,
            signed: String::new(),
            signers: Vec::new(),
            notes: Vec::new(),
            indices: vec![index_of("")(text)?],
        })
    }

    /// What the apt of a system knows and has: its lists, as in `/var/lib/apt/lists`, and of the packages in them those
    /// in its cache, as in `/var/cache/apt/archives`. Nothing is changed, and apt's locks are not taken: what it is just
    /// writing is not there yet.
    ///
    /// # Errors
    /// As [`Repository::open`].
    pub fn of_apt(lists: &Path, archives: &Path, how: &Opening<'_>) -> Result<Vec<Self>> {
        let names = |folder: &Path| -> Result<Vec<String>> {
            let failed = |error| Error::io("read", error).at(folder.to_string_lossy());
            let mut names = Vec::new();
            for entry in std::fs::read_dir(folder).map_err(failed)? {
                names.extend(entry.map_err(failed)?.file_name().into_string().ok());
            }
            names.sort();
            Ok(names)
        };
        let cached: Arc<HashSet<String>> = Arc::new(names(archives)?.into_iter().collect());
        let all = names(lists)?;
        let mut repositories = Vec::new();
        for name in &all {
            let (prefix, beside) = match name.strip_suffix("_InRelease") {
                Some(prefix) => (prefix, None),
                None => match name.strip_suffix("_Release") {
                    Some(prefix) => (prefix, Some(lists.join(format!("{name}.gpg")))),
                    None => continue,
                },
            };
            let mut repository = Repository {
                root: archives.to_owned(),
                suite: String::new(),
                kind: Kind::Cache(Arc::clone(&cached)),
                release: None,
                signed: String::new(),
                signers: Vec::new(),
                notes: Vec::new(),
                indices: Vec::new(),
            };
            let path = lists.join(name);
            let place = || path.to_string_lossy().into_owned();
            repository
                .trusted(&path, beside.as_deref(), how)
                .at(place)?;
            let release = repository.release.as_ref();
            let name = release.and_then(|release| {
                let names = release.control();
                names.get("Codename").or(names.get("Suite"))
            });
            let suite = name.unwrap_or_default().to_owned();
            let stems = repository.stems(&[], how)?;
            let mut indices = Vec::new();
            for (component, stem, _) in stems {
                let mangled = format!("{prefix}_{}", stem.replace('/', "_"));
                let read = read_list(lists, &mangled, &stem, release);
                let read = read.at(|| lists.join(&mangled).to_string_lossy().into_owned())?;
                indices.extend(read.map(index_of(&component)).transpose()?);
            }
            repository.suite = suite;
            repository.indices = indices;
            repositories.push(repository);
        }
        Ok(repositories)
    }

    /// Where it is: a mirror's folder, apt's cache, nothing for a heap of packages.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What kind of source it is.
    pub fn kind(&self) -> SourceKind {
        match self.kind {
            Kind::Mirror => SourceKind::Repository,
            Kind::Cache(_) => SourceKind::Apt,
            Kind::Heap(_) => SourceKind::Debs,
        }
    }

    /// The suite that was asked for.
    pub fn suite(&self) -> &str {
        &self.suite
    }

    /// What it says of itself.
    pub fn release(&self) -> Option<&Release> {
        self.release.as_ref()
    }

    /// `InRelease` as it is, or `Release`; empty where there is none.
    pub fn signed_text(&self) -> &str {
        &self.signed
    }

    /// Whose good signatures it bears.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// What is worth saying of it.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Its packages, in the order of its indices; of a cache only those that are there.
    pub fn packages(&self) -> impl Iterator<Item = IndexEntry<'_>> {
        let all = self.indices.iter().flat_map(move |index| {
            let paragraphs = index.paragraphs.iter().enumerate();
            paragraphs.map(move |(number, paragraph)| IndexEntry {
                repository: self,
                component: &index.component,
                paragraph,
                number,
            })
        });
        all.filter(|entry| match &self.kind {
            Kind::Cache(names) => names.contains(&entry.cached_name()),
            _ => true,
        })
    }
}

impl<'r> IndexEntry<'r> {
    /// The value of a field, empty where there is none.
    pub fn field(&self, name: &str) -> &'r str {
        self.paragraph.get(name).unwrap_or_default()
    }

    /// Its file, which is not looked at.
    ///
    /// # Errors
    /// `Schema` where the index does not say enough of it, or what cannot be. The place is the package.
    pub fn file(&self) -> Result<PackageFile> {
        let read = || {
            let need = |field: &str, expected, found: &str| {
                let found = match found {
                    "" => "nothing".to_owned(),
                    found => format!("'{found}'"),
                };
                let field = field.to_owned();
                Error::new(Fault::Schema {
                    field,
                    expected,
                    found,
                })
            };
            let size = self.field("Size");
            let size = size.parse().map_err(|_| need("Size", "a number", size))?;
            let digests = (self.paragraph.get("SHA512"), self.paragraph.get("SHA256"));
            let digest = match (&self.repository.kind, digests) {
                (Kind::Heap(_), _) => None,
                (_, (Some(hex), _)) => Some(Digest::from_hex("sha512", hex)?),
                (_, (None, Some(hex))) => Some(Digest::from_hex("sha256", hex)?),
                (_, (None, None)) => return Err(need("SHA256", "a digest", "")),
            };
            let (path, name) = match &self.repository.kind {
                Kind::Heap(paths) => {
                    let path = paths.get(self.number).cloned().unwrap_or_default();
                    let name = path.to_string_lossy().into_owned();
                    (path, name)
                }
                Kind::Cache(_) => {
                    let name = self.cached_name();
                    (self.repository.root.join(&name), name)
                }
                Kind::Mirror => {
                    let name = self.field("Filename");
                    let clean = inside(name);
                    let clean = clean.ok_or_else(|| need("Filename", "a path in it", name))?;
                    (self.repository.root.join(&clean), clean)
                }
            };
            Ok(PackageFile {
                path,
                name,
                size,
                digest,
            })
        };
        read().at(|| format!("package {}", self.field("Package")))
    }

    /// What apt calls its file.
    fn cached_name(&self) -> String {
        let version = self.field("Version").replace(':', "%3a");
        let (name, architecture) = (self.field("Package"), self.field("Architecture"));
        format!("{name}_{version}_{architecture}.deb")
    }

    /// The fields in which the index may differ from the package: the archive's own word on its priority and section.
    pub fn overrides(&self) -> Control {
        let mut overrides = Control::default();
        for field in ["Priority", "Section"] {
            if let Some(value) = self.paragraph.get(field) {
                overrides.push(field, value);
            }
        }
        overrides
    }
}

/// A path that stays below where it starts, clean.
pub(super) fn inside(name: &str) -> Option<String> {
    let clean = clean_path(name.as_bytes());
    let is_inside = !clean.absolute && !clean.climbs && !clean.path.is_empty();
    let text = String::from_utf8(clean.path.into_owned()).ok()?;
    (is_inside && !text.contains('\0')).then_some(text)
}

fn index_of(component: &str) -> impl Fn(String) -> Result<Index> + '_ {
    move |text| {
        Ok(Index {
            component: component.to_owned(),
            paragraphs: Paragraphs::of(text.into())?,
        })
    }
}

/// Whether something has that name; a link that leads nowhere has it too, and is an error when it is read.
fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

fn whole(path: &Path, limit: u64) -> Result<Vec<u8>> {
    FileRange::whole(open_regular(path, true)?)?.bytes(limit)
}

/// An index out of a mirror, in whatever form is there.
fn read_index(
    root: &Path,
    folder: &str,
    stem: &str,
    release: Option<&Release>,
    is_needed: bool,
) -> Result<Option<String>> {
    let plain = release.and_then(|release| release.file(stem));
    let mut is_listed = plain.is_some();
    for suffix in SUFFIXES {
        let name = format!("{stem}{suffix}");
        let listed = release.and_then(|release| release.file(&name));
        is_listed |= listed.is_some();
        let mut path = root.join(format!("{folder}{name}"));
        if let (Some(release), Some(listed)) = (release, listed)
            && release.is_by_hash()
        {
            let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
            let kind = listed.digest.algorithm().to_ascii_uppercase();
            let hex = listed.digest.encoded();
            let by_hash = root.join(format!("{folder}{parent}/by-hash/{kind}/{hex}"));
            if exists(&by_hash) {
                path = by_hash;
            }
        }
        if exists(&path) && (listed.is_some() || plain.is_some() || release.is_none()) {
            let checked = if suffix.is_empty() { None } else { plain };
            return read_packed(&path, suffix, listed, checked).map(Some);
        }
    }
    match (is_needed, is_listed) {
        (_, true) => Err(wrong("it lists an index that is not there".to_owned())),
        (true, false) => Err(wrong("it has no such index".to_owned())),
        (false, false) => Ok(None),
    }
}

/// A list of apt's, which keeps it unpacked, or packed by lz4 where it is to save room.
fn read_list(
    lists: &Path,
    mangled: &str,
    stem: &str,
    release: Option<&Release>,
) -> Result<Option<String>> {
    let plain = release.and_then(|release| release.file(stem));
    for suffix in SUFFIXES.into_iter().chain([".lz4"]) {
        let path = lists.join(format!("{mangled}{suffix}"));
        let listed = release.and_then(|release| release.file(&format!("{stem}{suffix}")));
        if exists(&path) && (listed.is_some() || plain.is_some()) {
            let checked = if suffix.is_empty() { None } else { plain };
            return read_packed(&path, suffix, listed, checked).map(Some);
        }
    }
    Ok(None)
}

/// A file and, unpacked, the text in it. What is listed for neither is not compared.
fn read_packed(
    path: &Path,
    suffix: &str,
    stored: Option<&Listed>,
    unpacked: Option<&Listed>,
) -> Result<String> {
    let bytes = whole(path, MAX_INDEX)?;
    if let Some(listed) = stored {
        compare(&bytes, listed)?;
    }
    let bytes = match Packing::of_suffix(suffix) {
        None if suffix == ".lz4" => unpacked_lz4(&bytes)?,
        None | Some(Packing::Common(crate::blob::Compression::None)) => bytes,
        Some(packing) => {
            let limits = DecodeLimits {
                size: MAX_INDEX,
                ..DecodeLimits::default()
            };
            let mut plain = Vec::new();
            let mut decoder = packing.decoder(&bytes[..], limits)?;
            let read = decoder.read_to_end(&mut plain);
            read.map_err(|error| Error::io("read", error))?;
            plain
        }
    };
    if let (None, Some(listed)) = (stored, unpacked) {
        compare(&bytes, listed)?;
    }
    Ok(match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    })
}

fn unpacked_lz4(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut plain = Vec::new();
    let decoder = lz4_flex::frame::FrameDecoder::new(bytes);
    let read = decoder.take(MAX_INDEX + 1).read_to_end(&mut plain);
    read.map_err(|error| Error::io("read", error))?;
    match plain.len() as u64 {
        0..=MAX_INDEX => Ok(plain),
        found => Err(Error::new(Fault::Limit {
            what: "size of an index in bytes",
            limit: MAX_INDEX,
            found,
        })),
    }
}

fn compare(bytes: &[u8], listed: &Listed) -> Result<()> {
    if bytes.len() as u64 != listed.size {
        return Err(Error::new(Fault::SizeMismatch {
            expected: listed.size,
            found: bytes.len() as u64,
        }));
    }
    let mut hasher = Hasher::like(&listed.digest)?;
    hasher.update(bytes);
    let found = hasher.finish();
    match found == listed.digest {
        true => Ok(()),
        false => Err(Error::new(Fault::DigestMismatch {
            expected: listed.digest.to_string(),
            found: found.to_string(),
        })),
    }
}

/// What an index would say of a package, without a digest.
fn described(given: &Given) -> String {
    let mut all = Control::default();
    for (name, value) in given.control.fields() {
        // Its own word on what it cannot know.
        if !["Filename", "Size", "SHA256", "SHA512"]
            .iter()
            .any(|field| field.eq_ignore_ascii_case(name))
        {
            all.push(name, value);
        }
    }
    all.push("Size", given.size.to_string());
    all.to_string()
}

#[cfg(test)]
mod tests;
