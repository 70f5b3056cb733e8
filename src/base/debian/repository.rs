//! Package repositories on disk.
//!
//! Input: the directory of a mirror (`dists/SUITE/…` and `pool/…`, or a flat repository), `.deb` files, or the lists and
//! the cache of the host's apt. Output: [`IndexEntry`]s. Every step from the keyring to a package is verified: the
//! signature of `InRelease`, the digests of the indices in it, and the digests of the packages in those (compared by the
//! reader of a package, see [`PackageFile`]). MD5 and SHA-1 digests are ignored.
//!
//! Threats: text outside the signed part (refused), paths outside the mirror (refused), an old release with known
//! vulnerabilities (an expired `Valid-Until` is reported, see [`Note`]), decompression bombs (limits). Links within a
//! mirror are followed: digests cover their targets.

mod entry;
mod index;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::clearsign::{self, ClearSigned};
use super::deb_files::{DebFile, read_debs};
use super::openpgp::{Keyring, Signer};
use super::release::{Release, wrong};
use super::{Control, Paragraphs};
use crate::error::{At, Error, Fault, Result};
use crate::layer::clean_path;
use crate::parallel::in_parallel;
pub(super) use entry::inside;
pub use entry::{IndexEntry, PackageFile};
use index::{exists, read_file, read_index, read_list};

/// Maximum size of a release file or a detached signature in bytes.
const MAX_RELEASE: u64 = 64 << 20;

/// Trust in repositories.
#[derive(Debug, Clone, Default)]
pub enum Trust {
    /// No trust: opening a repository is an error.
    #[default]
    Nobody,
    /// Trust in the signatures of these keys.
    Keyring(Keyring),
    /// Trust without signatures, on explicit request.
    Anybody,
}

/// Options for opening repositories.
#[derive(Debug, Clone, Copy)]
pub struct RepositoryOptions<'a> {
    /// Architectures of packages, native first. `all` is implied.
    pub architectures: &'a [String],
    /// Trusted signatures.
    pub trust: &'a Trust,
    /// Current time for date checks, in seconds since 1970.
    pub now: i64,
}

/// One suite of a repository.
#[derive(Debug, Clone)]
pub struct Repository {
    root: PathBuf,
    suite: String,
    kind: Kind,
    /// Release; `None` for `.deb` files, and for a flat repository without one.
    release: Option<Release>,
    signed: String,
    signers: Vec<Signer>,
    notes: Vec<Note>,
    indices: Vec<Index>,
}

/// Kind of source, with the data to locate packages.
#[derive(Debug, Clone)]
enum Kind {
    /// Mirror: the field `Filename` has the path below the root.
    Mirror,
    /// `.deb` files: paths by index of the paragraph.
    Files(Arc<[PathBuf]>),
    /// Cache of apt: names of the files in the root.
    Cache(Arc<HashSet<String>>),
}

/// Kind of source of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// Directory of a mirror.
    Repository,
    /// Lists and cache of apt.
    Apt,
    /// `.deb` files.
    Debs,
}

/// Parsed index of one component.
#[derive(Debug, Clone)]
struct Index {
    component: String,
    paragraphs: Paragraphs,
}

/// Warning about a usable repository. Times in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// No signature was verified.
    Unsigned,
    /// Invalid signature in addition to a valid one.
    BadSignature(String),
    /// Expired at this time.
    Expired(i64),
    /// Created at this time in the future.
    NotYet(i64),
    /// Codename or suite that differs from the requested suite.
    OtherSuite(String),
}

impl Repository {
    fn new(root: &Path, suite: String, kind: Kind) -> Self {
        Repository {
            root: root.to_owned(),
            suite,
            kind,
            release: None,
            signed: String::new(),
            signers: Vec::new(),
            notes: Vec::new(),
            indices: Vec::new(),
        }
    }

    /// Opens one suite of a mirror. A suite that ends with `/`, as in `sources.list`, is a flat repository in that
    /// directory, without components.
    ///
    /// An empty list of components means all components of the release.
    ///
    /// # Errors
    /// `Unverified`, `Signature` for an untrusted release; `Release`, `Deb822`, `Codec`, `DigestMismatch`,
    /// `SizeMismatch`, `Limit`, `Io` for unreadable or invalid files. The context is the root and the path in it.
    pub fn open(
        root: &Path,
        suite: &str,
        components: &[String],
        options: &RepositoryOptions<'_>,
    ) -> Result<Self> {
        let open = || Repository::of_mirror(root, suite, components, options);
        open().at(|| root.to_string_lossy().into_owned())
    }

    fn of_mirror(
        root: &Path,
        suite: &str,
        components: &[String],
        options: &RepositoryOptions<'_>,
    ) -> Result<Self> {
        let clean = clean_path(suite.as_bytes());
        if clean.climbs || clean.absolute {
            let why = format!("invalid suite '{suite}': outside the repository");
            return Err(Fault::Usage(why).into());
        }
        let is_flat = suite.ends_with('/') || clean.path.is_empty();
        let clean = String::from_utf8_lossy(&clean.path).into_owned();
        let directory = match (is_flat, clean.is_empty()) {
            (true, true) => String::new(),
            (true, false) => format!("{clean}/"),
            (false, _) => format!("dists/{clean}/"),
        };
        let mut repository = Repository::new(root, clean, Kind::Mirror);
        let at = |name: &str| root.join(format!("{directory}{name}"));
        let place = |name: &str| format!("{directory}{name}");
        let detached = at("Release.gpg");
        let releases = [("InRelease", None), ("Release", Some(detached.as_path()))];
        let release = releases.into_iter().find(|(name, _)| exists(&at(name)));
        if let Some((name, detached)) = release {
            let read = repository.read_release(&at(name), detached, options);
            read.at(|| place(name))?;
        } else if !(is_flat && matches!(options.trust, Trust::Anybody)) {
            let why = "neither InRelease nor Release".to_owned();
            return Err(wrong(why).at(place("")));
        } else {
            repository.notes.push(Note::Unsigned);
        }
        let stems = match is_flat {
            true => vec![(String::new(), "Packages".to_owned(), true)],
            false => repository.stems(components, options)?,
        };
        let release = repository.release.as_ref();
        let read = in_parallel(&stems, |(component, stem, is_needed)| {
            let read = read_index(root, &directory, stem, release, *is_needed);
            let index = read.and_then(|text| text.map(index_of(component)).transpose());
            index.at(|| place(stem))
        });
        for index in read {
            repository.indices.extend(index?);
        }
        Ok(repository)
    }

    /// Returns the indices to read: component, path relative to the release, and whether the index is mandatory.
    fn stems(
        &self,
        components: &[String],
        options: &RepositoryOptions<'_>,
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
            // Old security suites name the component `updates/main` and list it under `main`.
            let last = component.rsplit('/').next().unwrap_or_default();
            let is_known = known
                .iter()
                .any(|name| name == component || name.ends_with(&format!("/{last}")));
            if clean.climbs || clean.absolute || !is_known {
                let why = format!("no component '{component}': available: {}", known.join(" "));
                return Err(wrong(why));
            }
            for architecture in options.architectures {
                let stem = format!("{component}/binary-{architecture}/Packages");
                stems.push((component.clone(), stem, true));
            }
            let is_all_wanted = options.architectures.iter().any(|name| name == "all");
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

    /// Reads a release and verifies its inline or detached signature.
    fn read_release(
        &mut self,
        path: &Path,
        detached: Option<&Path>,
        options: &RepositoryOptions<'_>,
    ) -> Result<()> {
        let bytes = read_file(path, MAX_RELEASE)?;
        let text = String::from_utf8(bytes);
        let text = text.map_err(|_| wrong("not UTF-8 text".to_owned()))?;
        let parts = match detached {
            None if ClearSigned::is_one(&text) => Some(ClearSigned::parse(&text)?),
            // Detached signature, or none, which `Trust::Anybody` accepts.
            _ => None,
        };
        match (options.trust, &parts, detached) {
            (Trust::Anybody, ..) => self.notes.push(Note::Unsigned),
            (Trust::Nobody, ..) => return Err(Fault::Unverified.into()),
            (Trust::Keyring(keyring), Some(parts), _) => {
                self.verify(keyring, &parts.signature, &parts.signed)?;
            }
            (Trust::Keyring(keyring), None, Some(detached)) if exists(detached) => {
                let signature = read_file(detached, MAX_RELEASE)?;
                let packets = clearsign::parse_detached(&signature)?;
                self.verify(keyring, &packets, text.as_bytes())?;
            }
            (Trust::Keyring(_), None, _) => {
                let why = "missing signature".to_owned();
                return Err(Fault::Signature { why }.into());
            }
        }
        let release = Release::parse(parts.as_ref().map_or(&text, |parts| &parts.text))?;
        if let Some(until) = release.valid_until().filter(|until| *until < options.now) {
            self.notes.push(Note::Expired(until));
        }
        if let Some(date) = release.date().filter(|date| *date > options.now) {
            self.notes.push(Note::NotYet(date));
        }
        if !self.suite.is_empty() && !release.is_called(&self.suite) {
            self.notes.push(Note::OtherSuite(release.name().to_owned()));
        }
        self.signed = text;
        self.release = Some(release);
        Ok(())
    }

    /// Verifies a signature and records its signers and notes.
    fn verify(&mut self, keyring: &Keyring, packets: &[u8], signed: &[u8]) -> Result<()> {
        let verdict = keyring.verify(packets, signed)?;
        self.notes
            .extend(verdict.bad.into_iter().map(Note::BadSignature));
        self.signers = verdict.signers;
        Ok(())
    }

    /// Creates a repository of `.deb` files, or directories of them, see [`read_debs`]. Only control data is read here;
    /// contents and digests are known after unpacking. There is no signature.
    ///
    /// # Errors
    /// As [`read_debs`].
    pub fn from_debs(paths: &[PathBuf]) -> Result<Self> {
        let mut files = Vec::new();
        let mut text = String::new();
        for one in read_debs(paths)? {
            text.push_str(&index_paragraph(&one));
            text.push('\n');
            files.push(one.path);
        }
        Ok(Repository {
            indices: vec![index_of("")(text)?],
            ..Repository::new(Path::new(""), String::new(), Kind::Files(files.into()))
        })
    }

    /// Opens the repositories of a system's apt: its lists, as in `/var/lib/apt/lists`, and the packages in its cache, as
    /// in `/var/cache/apt/archives`. Nothing is changed and no lock of apt is taken; files that apt is writing are
    /// ignored.
    ///
    /// # Errors
    /// As [`Repository::open`].
    pub fn from_apt(
        lists: &Path,
        archives: &Path,
        options: &RepositoryOptions<'_>,
    ) -> Result<Vec<Self>> {
        let names = |directory: &Path| -> Result<Vec<String>> {
            let failed = |error| Error::io("read", error).at(directory.to_string_lossy());
            let mut names = Vec::new();
            for entry in std::fs::read_dir(directory).map_err(failed)? {
                names.extend(entry.map_err(failed)?.file_name().into_string().ok());
            }
            names.sort();
            Ok(names)
        };
        let cached: Arc<HashSet<String>> = Arc::new(names(archives)?.into_iter().collect());
        let all = names(lists)?;
        let mut repositories = Vec::new();
        for name in &all {
            let (prefix, detached) = match name.strip_suffix("_InRelease") {
                Some(prefix) => (prefix, None),
                None => match name.strip_suffix("_Release") {
                    Some(prefix) => (prefix, Some(lists.join(format!("{name}.gpg")))),
                    None => continue,
                },
            };
            let kind = Kind::Cache(Arc::clone(&cached));
            let mut repository = Repository::new(archives, String::new(), kind);
            let path = lists.join(name);
            let place = || path.to_string_lossy().into_owned();
            repository
                .read_release(&path, detached.as_deref(), options)
                .at(place)?;
            let release = repository.release.as_ref();
            let suite = release.map_or("", Release::name).to_owned();
            let stems = repository.stems(&[], options)?;
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

    /// Returns the root: directory of the mirror or cache of apt; empty for `.deb` files.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the kind of source.
    pub fn kind(&self) -> SourceKind {
        match self.kind {
            Kind::Mirror => SourceKind::Repository,
            Kind::Cache(_) => SourceKind::Apt,
            Kind::Files(_) => SourceKind::Debs,
        }
    }

    /// Returns the requested suite.
    pub fn suite(&self) -> &str {
        &self.suite
    }

    /// Returns the release, if there is one.
    pub fn release(&self) -> Option<&Release> {
        self.release.as_ref()
    }

    /// Returns the unchanged `InRelease`, or `Release`; empty if there is none.
    pub fn signed_text(&self) -> &str {
        &self.signed
    }

    /// Returns the signers of valid signatures.
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// Returns the warnings.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// Returns the packages in the order of the indices; of a cache only those with an existing file.
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

/// Returns a function that parses the index of a component.
fn index_of(component: &str) -> impl Fn(String) -> Result<Index> + '_ {
    move |text| {
        Ok(Index {
            component: component.to_owned(),
            paragraphs: Paragraphs::of(text.into())?,
        })
    }
}

/// Returns the index paragraph of a `.deb` file, without a digest.
fn index_paragraph(deb: &DebFile) -> String {
    let mut all = Control::default();
    for (name, value) in deb.control.fields() {
        // Fields that only an index can state.
        if !["Filename", "Size", "SHA256", "SHA512"]
            .iter()
            .any(|field| field.eq_ignore_ascii_case(name))
        {
            all.push(name, value);
        }
    }
    all.push("Size", deb.size.to_string());
    all.to_string()
}
