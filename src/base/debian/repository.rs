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

mod entry;
mod index;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::clearsign::{self, ClearSigned};
use super::openpgp::{Keyring, Signer};
use super::release::{Release, wrong};
use super::{Control, Given, Paragraphs, given};
use crate::error::{At, Error, Fault, Result};
use crate::layer::clean_path;
use crate::parallel::in_parallel;
pub(super) use entry::inside;
pub use entry::{IndexEntry, PackageFile};
use index::{exists, read_index, read_list, whole};

/// Bytes of a release file and of its signature.
const MAX_RELEASE: u64 = 64 << 20;

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

fn index_of(component: &str) -> impl Fn(String) -> Result<Index> + '_ {
    move |text| {
        Ok(Index {
            component: component.to_owned(),
            paragraphs: Paragraphs::of(text.into())?,
        })
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
