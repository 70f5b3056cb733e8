//! Where packages come from: repositories on disk, files, what the host's apt knows and has.

use std::path::{Path, PathBuf};

use crate::base::debian::solver::Candidate;
use crate::base::debian::{
    IndexEntry, Keyring, Note, Opening, Repository, SourceKind, Trust, Universe,
};
use crate::cli::{Io, now};
use crate::error::{At, Error, Fault, Result};
use crate::spec::Timestamp;

/// Where packages come from.
#[derive(Debug, Clone, clap::Args)]
pub struct Sources {
    /// A repository on disk, a directory or its file:///… address; may be repeated
    ///
    /// With dists/ and pool/ in it, as mirrors are, or a flat one. Its own suite and components may follow after blanks,
    /// as in apt's lists of sources: 'DIR SUITE COMPONENT…'. Packages of several repositories are chosen from together.
    #[arg(long, value_name = "DIR", value_parser = repo)]
    repo: Vec<Repo>,

    /// The suites to take packages from; the only one of the repository if it has one; may be repeated
    #[arg(long, value_name = "SUITE", value_delimiter = ',')]
    suite: Vec<String>,

    /// The components of suites; all of them without it; may be repeated
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    components: Vec<String>,

    /// The keys whose signatures of a repository are trusted, as gpg exports them; may be repeated
    #[arg(long, value_name = "FILE")]
    pub(super) keyring: Vec<PathBuf>,

    /// Take repositories without looking for a signature
    #[arg(long, conflicts_with = "keyring")]
    allow_unsigned: bool,

    /// The time that repositories must be valid at; without it now
    ///
    /// A date as 2026-01-31 or 2026-01-31T12:00:00Z, or seconds since 1970. Now is SOURCE_DATE_EPOCH where that is set. A
    /// repository whose Valid-Until has passed can still be used: a warning says so. The image does not depend on it.
    #[arg(long, value_name = "DATE", value_parser = date)]
    at: Option<i64>,

    /// A package file, or a directory of them; may be repeated
    #[arg(long, value_name = "DIR|FILE.deb")]
    debs: Vec<PathBuf>,

    /// What this system's apt knows and has: of the packages in its lists those in its cache
    #[arg(long)]
    apt: bool,

    /// The same, with apt's lists in DIR and not in /var/lib/apt/lists
    #[arg(long, value_name = "DIR")]
    apt_lists: Option<PathBuf>,

    /// The same, with apt's packages in DIR and not in /var/cache/apt/archives
    #[arg(long, value_name = "DIR")]
    apt_archives: Option<PathBuf>,

    /// The architecture, as Debian calls it; without it the host's
    #[arg(long, value_name = "ARCH")]
    arch: Option<String>,
}

/// A repository as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Repo {
    root: PathBuf,
    suite: Option<String>,
    components: Vec<String>,
}

fn repo(text: &str) -> Result<Repo, String> {
    let mut words = text.split_ascii_whitespace();
    // A directory may have blanks in its name; who writes a suite behind it says nothing that exists.
    let is_path = Path::new(text).exists() || text.split_ascii_whitespace().count() < 2;
    let root = match is_path {
        true => text,
        false => words.next().unwrap_or_default(),
    };
    let mut rest: Vec<String> = match is_path {
        true => Vec::new(),
        false => words.map(str::to_owned).collect(),
    };
    let suite = (!rest.is_empty()).then(|| rest.remove(0));
    let root = match root.split_once("://") {
        Some(("file", path)) if path.starts_with('/') => unescaped(path)?,
        Some(("file", _)) => return Err("a file address has three slashes: file:///DIR".into()),
        Some((scheme, _)) => {
            return Err(format!(
                "repositories are read from disk, not by {scheme}: it is DIR or file:///DIR"
            ));
        }
        None => match root.strip_prefix("file:/") {
            Some(path) => unescaped(&format!("/{path}"))?,
            None => root.to_owned(),
        },
    };
    match root.is_empty() {
        true => Err("it is DIR or file:///DIR".to_owned()),
        false => Ok(Repo {
            root: root.into(),
            suite,
            components: rest,
        }),
    }
}

/// What `%20` and its like stand for.
fn unescaped(path: &str) -> Result<String, String> {
    let wrong = || "a % in an address is followed by two hexadecimal digits".to_owned();
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || {
                    let digit = rest.next().and_then(|it| char::from(it).to_digit(16));
                    digit.and_then(|digit| u8::try_from(digit).ok())
                };
                let (high, low) = (digit(), digit());
                high.zip(low).ok_or_else(wrong)?.0 << 4 | low.unwrap_or_default()
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

fn date(text: &str) -> Result<i64, String> {
    let time = text.parse().ok();
    let time = time.or_else(|| Timestamp::parse(text).map(Timestamp::seconds));
    time.ok_or_else(|| "it is no date: it is written 2026-01-31, or in seconds since 1970".into())
}

/// Packages that could be taken.
pub struct AvailablePackages {
    repositories: Vec<Repository>,
    /// Of what machine.
    pub architecture: String,
}

impl AvailablePackages {
    /// Where they are.
    pub fn repositories(&self) -> &[Repository] {
        &self.repositories
    }

    /// All of them, each with the number of its repository.
    pub fn entries(&self) -> Vec<(usize, IndexEntry<'_>)> {
        let all = self.repositories.iter().enumerate();
        all.flat_map(|(number, repository)| repository.packages().map(move |entry| (number, entry)))
            .collect()
    }

    /// When the newest of the repositories was made, where one says so.
    pub fn date(&self) -> Option<i64> {
        let releases = self.repositories.iter().filter_map(Repository::release);
        releases.filter_map(|release| release.date()).max()
    }
}

/// All packages, for the solver.
///
/// # Errors
/// As [`Candidate::of`], placed at the repository, and [`Universe::new`].
pub fn universe<'o>(
    entries: &[(usize, IndexEntry<'o>)],
    architecture: &'o str,
) -> Result<Universe<'o>> {
    let candidate = |(_, entry): &(usize, IndexEntry<'o>)| {
        let candidate = Candidate::of(entry.paragraph.fields());
        let place = || entry.repository.root().to_string_lossy().into_owned();
        let mut candidate = candidate.at(place)?;
        candidate.suite = entry.repository.suite();
        Ok(candidate)
    };
    let candidates: Vec<Candidate<'_>> = entries.iter().map(candidate).collect::<Result<_>>()?;
    Universe::new(candidates, architecture, &[])
}

impl Sources {
    /// The architecture that packages are for.
    pub fn architecture(&self) -> String {
        let host = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "x86" => "i386",
            "aarch64" => "arm64",
            "arm" => "armhf",
            "powerpc64" => "ppc64el",
            "loongarch64" => "loong64",
            other => other,
        };
        self.arch.clone().unwrap_or_else(|| host.to_owned())
    }

    fn trust(&self) -> Result<Trust> {
        Ok(match (self.allow_unsigned, self.keyring.is_empty()) {
            (true, _) => Trust::Anybody,
            (false, true) => Trust::Nobody,
            (false, false) => Trust::Keyring(Keyring::read(&self.keyring)?),
        })
    }

    /// Opens all of them, and says what is worth knowing of each.
    ///
    /// # Errors
    /// `Usage` if nothing was named; as [`Repository::open`], [`Repository::of_apt`] and [`Repository::of_debs`].
    pub fn open(&self, io: &mut Io) -> Result<AvailablePackages> {
        let apt = self.apt_directories();
        if self.repo.is_empty() && self.debs.is_empty() && apt.is_none() {
            let why = "packages come from somewhere: name a repository with --repo, packages with --debs, or --apt";
            return Err(Fault::Usage(why.into()).into());
        }
        let architecture = self.architecture();
        let trust = self.trust()?;
        let how = Opening {
            architectures: std::slice::from_ref(&architecture),
            trust: &trust,
            now: self.at.unwrap_or_else(|| now().seconds()),
        };
        let mut repositories = Vec::new();
        for repo in &self.repo {
            let components = match repo.components.is_empty() {
                true => &self.components,
                false => &repo.components,
            };
            for suite in self.suites(repo)? {
                repositories.push(Repository::open(&repo.root, &suite, components, &how)?);
            }
        }
        if let Some((lists, archives)) = &apt {
            repositories.extend(Repository::of_apt(lists, archives, &how)?);
        }
        if !self.debs.is_empty() {
            repositories.push(Repository::of_debs(&self.debs)?);
        }
        for repository in &repositories {
            for note in repository.notes() {
                let root = repository.root().to_string_lossy();
                let suite = repository.suite();
                io.warn(&format!("{root}: {}", told(note, suite)));
            }
        }
        Ok(AvailablePackages {
            repositories,
            architecture,
        })
    }

    /// The suites of a repository that are meant.
    fn suites(&self, repo: &Repo) -> Result<Vec<String>> {
        if let Some(suite) = &repo.suite {
            return Ok(vec![suite.clone()]);
        }
        if !self.suite.is_empty() {
            return Ok(self.suite.clone());
        }
        let place = || repo.root.to_string_lossy().into_owned();
        let failed = |error| Error::io("read", error).at(place());
        if !repo.root.metadata().map_err(failed)?.is_dir() {
            let why = "a repository is a directory".to_owned();
            return Err(Error::new(Fault::Usage(why)).at(place()));
        }
        let dists = repo.root.join("dists");
        if !dists.is_dir() {
            return Ok(vec!["./".to_owned()]);
        }
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&dists).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // A link is another name of a suite: stable, as a rule.
            if entry.file_type().map_err(failed)?.is_dir() {
                names.extend(entry.file_name().into_string().ok());
            }
        }
        names.sort();
        match names.len() {
            1 => Ok(names),
            n => {
                let why = match n {
                    0 => "it has no suite".to_owned(),
                    _ => format!("name a suite with --suite: it has {}", names.join(", ")),
                };
                Err(Error::new(Fault::Usage(why)).at(place()))
            }
        }
    }

    /// Apt's lists and its packages, if they are meant.
    fn apt_directories(&self) -> Option<(PathBuf, PathBuf)> {
        let is_meant = self.apt || self.apt_lists.is_some() || self.apt_archives.is_some();
        let or = |given: &Option<PathBuf>, usual: &str| given.clone().unwrap_or(usual.into());
        is_meant.then(|| {
            (
                or(&self.apt_lists, "/var/lib/apt/lists"),
                or(&self.apt_archives, "/var/cache/apt/archives"),
            )
        })
    }

    /// The directories where packages of a lock may be that are from such a source.
    pub(super) fn directories(&self, kind: SourceKind) -> Vec<PathBuf> {
        match kind {
            SourceKind::Repository => self.repo.iter().map(|repo| repo.root.clone()).collect(),
            SourceKind::Apt => self.apt_directories().into_iter().map(|it| it.1).collect(),
            SourceKind::Debs => self.debs.clone(),
        }
    }
}

/// A note in words.
fn told(note: &Note, suite: &str) -> String {
    let time = |seconds: &i64| Timestamp::from_unix(*seconds, 0).rfc3339();
    match note {
        Note::Unsigned => format!("{suite}: nobody's signature was looked for"),
        Note::BadSignature(why) => format!("{suite}: one of its signatures is not good: {why}"),
        Note::Expired(until) => {
            format!("{suite}: its release was to be used until {}", time(until))
        }
        Note::NotYet(date) => format!(
            "{suite}: its release is dated {}, which is still to come",
            time(date)
        ),
        Note::OtherSuite(name) => format!("{suite}: it calls itself '{name}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_directories_or_file_addresses() {
        let root = |text: &str| repo(text).map(|repo| repo.root.to_string_lossy().into_owned());
        for (text, path) in [
            ("mirror", "mirror"),
            ("/a/b", "/a/b"),
            ("file:///a/b%20c", "/a/b c"),
            ("file:/a", "/a"),
        ] {
            assert_eq!(root(text).as_deref(), Ok(path), "{text}");
        }
        for text in ["", "file://host/a", "http://host/a", "file:///a%2"] {
            assert!(root(text).is_err(), "{text}");
        }
        let whole = repo("file:///a bookworm main contrib").expect("a repository");
        assert_eq!(whole.suite.as_deref(), Some("bookworm"));
        assert_eq!(whole.components, ["main", "contrib"]);
    }

    #[test]
    fn dates_are_written_in_two_ways() {
        assert_eq!(date("2026-01-31"), Ok(1_769_817_600));
        assert_eq!(date("2026-01-31T00:00:00Z"), Ok(1_769_817_600));
        assert_eq!(date("1769817600"), Ok(1_769_817_600));
        assert!(date("yesterday").is_err());
    }
}
