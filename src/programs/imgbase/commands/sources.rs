//! Sources of packages: repositories on disk, package files, the lists and the cache of the host's apt.

use std::path::{Path, PathBuf};

use crate::base::debian::solver::Candidate;
use crate::base::debian::{
    IndexEntry, Keyring, Note, Repository, RepositoryOptions, SourceKind, Trust, Universe,
};
use crate::cli::{Io, now};
use crate::error::{At, Error, Result};
use crate::spec::Timestamp;

/// Arguments for the sources of packages.
#[derive(Debug, Clone, clap::Args)]
pub struct Sources {
    /// Repository on disk; repeatable
    ///
    /// A directory or its file:///… address: a mirror with dists/ and pool/, or a flat repository. A suite and
    /// components may follow after blanks, as in
    /// apt's sources.list: 'DIR SUITE COMPONENT…'. Packages are selected from all repositories.
    #[arg(long, value_name = "DIR", value_parser = repo)]
    repo: Vec<Repo>,

    /// Suites to use (default: the only one)
    #[arg(long, value_name = "SUITE", value_delimiter = ',')]
    suite: Vec<String>,

    /// Components of suites to use (default: all); repeatable
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        hide_short_help = true
    )]
    components: Vec<String>,

    /// Trusted keys of repositories; repeatable
    #[arg(long, value_name = "FILE")]
    pub(super) keyring: Vec<PathBuf>,

    /// Skip the verification of signatures
    #[arg(long, conflicts_with = "keyring")]
    allow_unsigned: bool,

    /// Check Valid-Until as of DATE (default: now)
    ///
    /// A date like 2026-01-31 or 2026-01-31T12:00:00Z, or seconds since 1970. SOURCE_DATE_EPOCH, if set, counts as now. A
    /// repository past its Valid-Until is used with a warning. The image does not depend on this time.
    #[arg(long, value_name = "DATE", value_parser = date, hide_short_help = true)]
    at: Option<i64>,

    /// Package files, or a directory of them
    #[arg(long, value_name = "DIR|FILE.deb")]
    debs: Vec<PathBuf>,

    /// Use lists and cache of this system's apt
    ///
    /// Packages that are both in its lists and in its cache.
    #[arg(long, hide_short_help = true)]
    apt: bool,

    /// Like --apt, with the lists in DIR instead of /var/lib/apt/lists
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    apt_lists: Option<PathBuf>,

    /// Like --apt, with the cache in DIR instead of /var/cache/apt/archives
    #[arg(long, value_name = "DIR", hide_short_help = true)]
    apt_archives: Option<PathBuf>,

    /// Debian architecture (default: the host's)
    #[arg(long, value_name = "ARCH", hide_short_help = true)]
    arch: Option<String>,
}

/// A repository on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Repo {
    root: PathBuf,
    suite: Option<String>,
    components: Vec<String>,
}

fn repo(text: &str) -> Result<Repo, String> {
    let mut words = text.split_ascii_whitespace();
    // An existing path may contain blanks; one with a suite behind it does not exist.
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
        Some(("file", path)) if path.starts_with('/') => decode(path)?,
        Some(("file", _)) => return Err("invalid file address: expected file:///DIR".into()),
        Some((scheme, _)) => {
            return Err(format!(
                "unsupported scheme '{scheme}': expected DIR or file:///DIR"
            ));
        }
        None => match root.strip_prefix("file:/") {
            Some(path) => decode(&format!("/{path}"))?,
            None => root.to_owned(),
        },
    };
    match root.is_empty() {
        true => Err("empty repository: expected DIR or file:///DIR".to_owned()),
        false => Ok(Repo {
            root: root.into(),
            suite,
            components: rest,
        }),
    }
}

/// Decodes percent-encoding.
fn decode(path: &str) -> Result<String, String> {
    let invalid = || "invalid address: expected two hexadecimal digits after %".to_owned();
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
                high.zip(low).ok_or_else(invalid)?.0 << 4 | low.unwrap_or_default()
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).map_err(|_| invalid())
}

fn date(text: &str) -> Result<i64, String> {
    let time = text.parse().ok();
    let time = time.or_else(|| Timestamp::parse(text).map(Timestamp::seconds));
    time.ok_or_else(|| "invalid date: expected one like 2026-01-31, or seconds since 1970".into())
}

/// Packages that can be selected.
pub struct AvailablePackages {
    repositories: Vec<Repository>,
    /// Debian architecture.
    pub architecture: String,
}

impl AvailablePackages {
    /// Returns the repositories.
    pub fn repositories(&self) -> &[Repository] {
        &self.repositories
    }

    /// Returns all packages, each with the index of its repository.
    pub fn entries(&self) -> Vec<(usize, IndexEntry<'_>)> {
        let all = self.repositories.iter().enumerate();
        all.flat_map(|(number, repository)| repository.packages().map(move |entry| (number, entry)))
            .collect()
    }

    /// Returns the date of the newest repository that states one, in seconds since 1970.
    pub fn date(&self) -> Option<i64> {
        let releases = self.repositories.iter().filter_map(Repository::release);
        releases.filter_map(|release| release.date()).max()
    }
}

/// Returns the universe of packages for the solver.
///
/// # Errors
/// As [`Candidate::of`], with the repository as context, and [`Universe::new`].
pub fn universe<'o>(
    entries: &[(usize, IndexEntry<'o>)],
    architecture: &'o str,
) -> Result<Universe<'o>> {
    let candidate = |(_, entry): &(usize, IndexEntry<'o>)| {
        let candidate = Candidate::of(entry.paragraph.fields());
        let context = || entry.repository.root().to_string_lossy().into_owned();
        let mut candidate = candidate.at(context)?;
        candidate.suite = entry.repository.suite();
        Ok(candidate)
    };
    let candidates: Vec<Candidate<'_>> = entries.iter().map(candidate).collect::<Result<_>>()?;
    Universe::new(candidates, architecture, &[])
}

impl Sources {
    /// Returns the requested architecture.
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

    /// Opens all sources, and prints warnings about them.
    ///
    /// # Errors
    /// `Usage` without a source; as [`Repository::open`], [`Repository::from_apt`] and [`Repository::from_debs`].
    pub fn open(&self, io: &mut Io) -> Result<AvailablePackages> {
        let apt = self.apt_directories();
        if self.repo.is_empty() && self.debs.is_empty() && apt.is_none() {
            let why = "no package source given: name a repository with --repo, packages with --debs, or use --apt";
            return Err(Error::usage(why));
        }
        let architecture = self.architecture();
        let trust = self.trust()?;
        let options = RepositoryOptions {
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
                repositories.push(Repository::open(&repo.root, &suite, components, &options)?);
            }
        }
        if let Some((lists, archives)) = &apt {
            repositories.extend(Repository::from_apt(lists, archives, &options)?);
        }
        if !self.debs.is_empty() {
            repositories.push(Repository::from_debs(&self.debs)?);
        }
        for repository in &repositories {
            for note in repository.notes() {
                let root = repository.root().to_string_lossy();
                let suite = repository.suite();
                io.warn(&format!("{root}: {}", describe(note, suite)));
            }
        }
        Ok(AvailablePackages {
            repositories,
            architecture,
        })
    }

    /// Returns the suites of a repository to use.
    fn suites(&self, repo: &Repo) -> Result<Vec<String>> {
        if let Some(suite) = &repo.suite {
            return Ok(vec![suite.clone()]);
        }
        if !self.suite.is_empty() {
            return Ok(self.suite.clone());
        }
        let context = || repo.root.to_string_lossy().into_owned();
        let failed = |error| Error::io("read", error).at(context());
        if !repo.root.metadata().map_err(failed)?.is_dir() {
            let why = "not a directory: expected a repository".to_owned();
            return Err(Error::usage(why).at(context()));
        }
        let dists = repo.root.join("dists");
        if !dists.is_dir() {
            return Ok(vec!["./".to_owned()]);
        }
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&dists).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // A link is an alias of a suite, such as stable.
            if entry.file_type().map_err(failed)?.is_dir() {
                names.extend(entry.file_name().into_string().ok());
            }
        }
        names.sort();
        match names.len() {
            1 => Ok(names),
            n => {
                let why = match n {
                    0 => "no suite found".to_owned(),
                    _ => format!(
                        "several suites: name one with --suite: {}",
                        names.join(", ")
                    ),
                };
                Err(Error::usage(why).at(context()))
            }
        }
    }

    /// Returns the directories of apt's lists and cache, if they are to be used.
    fn apt_directories(&self) -> Option<(PathBuf, PathBuf)> {
        let is_requested = self.apt || self.apt_lists.is_some() || self.apt_archives.is_some();
        let or = |given: &Option<PathBuf>, usual: &str| given.clone().unwrap_or(usual.into());
        is_requested.then(|| {
            (
                or(&self.apt_lists, "/var/lib/apt/lists"),
                or(&self.apt_archives, "/var/cache/apt/archives"),
            )
        })
    }

    /// Returns the directories that may hold the packages of a lock from a source of this kind.
    pub(super) fn directories(&self, kind: SourceKind) -> Vec<PathBuf> {
        match kind {
            SourceKind::Repository => self.repo.iter().map(|repo| repo.root.clone()).collect(),
            SourceKind::Apt => self.apt_directories().into_iter().map(|it| it.1).collect(),
            SourceKind::Debs => self.debs.clone(),
        }
    }
}

/// Describes a note on a repository.
fn describe(note: &Note, suite: &str) -> String {
    let time = |seconds: &i64| Timestamp::from_unix(*seconds, 0).rfc3339();
    match note {
        Note::Unsigned => format!("{suite}: signature not verified"),
        Note::BadSignature(why) => format!("{suite}: bad signature ignored: {why}"),
        Note::Expired(until) => {
            format!("{suite}: release expired at {}", time(until))
        }
        Note::NotYet(date) => format!("{suite}: release is dated in the future: {}", time(date)),
        Note::OtherSuite(name) => format!("{suite}: release states another suite: '{name}'"),
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
        let full = repo("file:///a bookworm main contrib").expect("a repository");
        assert_eq!(full.suite.as_deref(), Some("bookworm"));
        assert_eq!(full.components, ["main", "contrib"]);
    }

    #[test]
    fn dates_are_written_in_two_ways() {
        assert_eq!(date("2026-01-31"), Ok(1_769_817_600));
        assert_eq!(date("2026-01-31T00:00:00Z"), Ok(1_769_817_600));
        assert_eq!(date("1769817600"), Ok(1_769_817_600));
        assert!(date("yesterday").is_err());
    }
}
