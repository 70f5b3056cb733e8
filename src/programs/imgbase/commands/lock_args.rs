//! Arguments for locks, and the packages of an image: selected now, or by a lock.

use std::path::{Path, PathBuf};

use super::selection::{Selection, Variant};
use super::sources::universe;
use crate::base::debian::solver::Taken;
use crate::base::debian::{Keyring, Lock, LockedSource, SourceKind};
use crate::blob::{FileRange, open_regular};
use crate::cli::Io;
use crate::error::{At, Error, Fault, Result};
use crate::programs::imgbase::deb::select;
use crate::programs::imgbase::unpack::DebToUnpack;

/// Largest lock that is read, in bytes.
const MAX_LOCK: u64 = 64 << 20;

/// Arguments for locks, which record a selection of packages.
#[derive(Debug, Clone, clap::Args)]
pub struct LockArgs {
    /// Write selected packages and digests to FILE
    ///
    /// Includes the signed release files of the repositories, so that they can be verified later.
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,

    /// Install exactly the packages of a lock
    ///
    /// No index and no signature is needed: the lock has the digest of each package. --repo, --debs and --apt name the
    /// current sources; without --debs, packages that were given as files are read from their old paths. With --keyring the
    /// release files in the lock must be signed.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "lock", "variant", "include", "exclude_package", "recommends", "suite", "components", "arch", "at", "allow_unsigned",
    ], hide_short_help = true)]
    locked: Option<PathBuf>,
}

/// Packages to unpack, in this order.
pub struct PackageSet {
    /// Variant that was requested.
    pub variant: Variant,
    /// Debian architecture of the packages.
    pub architecture: String,
    /// Date of the newest repository, in seconds since 1970.
    pub date: Option<i64>,
    /// Selected packages with reasons; empty with a lock.
    pub taken: Vec<Taken>,
    /// Package files, and their expected properties.
    pub debs: Vec<DebToUnpack>,
    /// Lock of these packages, to be [completed](Lock::complete) after unpacking.
    pub lock: Lock,
    /// Directories of the lock's sources, with a lock.
    roots: Option<Vec<PathBuf>>,
}

impl PackageSet {
    /// Compares all files with the lock, and reports every mismatch, so that a mirror can be repaired at once. Unpacking
    /// stops at the first mismatch: call this if it failed, or if nothing is unpacked. Does nothing without a lock.
    ///
    /// # Errors
    /// The first mismatch; the others are warnings.
    pub fn compare(&self, io: &mut Io) -> Result<()> {
        let Some(roots) = &self.roots else {
            return Ok(());
        };
        let mut wrong = self.lock.mismatches(roots)?.into_iter();
        let Some((_, first)) = wrong.next() else {
            return Ok(());
        };
        for (_, error) in wrong {
            io.warn(&error.to_string());
        }
        Err(first)
    }
}

impl LockArgs {
    /// Returns the path of the lock to write.
    pub fn path(&self) -> Option<&Path> {
        self.lock.as_deref()
    }

    /// Selects the packages; `merged` as in [`Selection::request`].
    ///
    /// # Errors
    /// As [`Sources::open`](super::sources::Sources::open), [`select`] and [`Lock::parse`]; the first mismatch with a lock,
    /// if a package is missing or has another size.
    pub fn select(&self, selection: &Selection, merged: bool, io: &mut Io) -> Result<PackageSet> {
        match &self.locked {
            Some(path) => by_lock(path, selection, io),
            None => by_request(selection, merged, io),
        }
    }
}

fn by_request(selection: &Selection, merged: bool, io: &mut Io) -> Result<PackageSet> {
    let request = selection.request(merged)?;
    let available = selection.sources.open(io)?;
    let entries = available.entries();
    let universe = universe(&entries, &available.architecture)?;
    let taken = select(&universe, &request)?.taken;
    let variant = selection.variant;
    let mut lock = Lock::new(
        &available.architecture,
        &variant.name(),
        available.repositories(),
    );
    let mut debs = Vec::with_capacity(taken.len());
    for taken in &taken {
        let (number, entry) = entries.get(taken.source).ok_or(Fault::StreamConsumed)?;
        lock.push(entry, *number, taken.is_requested())?;
        debs.push(DebToUnpack::of_entry(entry, taken.is_requested())?);
    }
    Ok(PackageSet {
        variant,
        date: available.date(),
        taken,
        debs,
        lock,
        roots: None,
        architecture: available.architecture.clone(),
    })
}

fn by_lock(path: &Path, selection: &Selection, io: &mut Io) -> Result<PackageSet> {
    let context = || path.to_string_lossy().into_owned();
    let read = || {
        let bytes = FileRange::whole(open_regular(path, true)?)?.bytes(MAX_LOCK)?;
        let lock = Lock::parse(&String::from_utf8_lossy(&bytes))?;
        let variant = Variant::of_name(&lock.variant).ok_or_else(|| {
            let found = format!("'{}'", lock.variant);
            Error::schema("variant", "a known variant", found)
        })?;
        let date = lock.date()?;
        let keyring = &selection.sources.keyring;
        if !keyring.is_empty() {
            let keyring = Keyring::read(keyring)?;
            let signed = |source: &&LockedSource| source.kind != SourceKind::Debs;
            for source in lock.sources.iter().filter(signed) {
                source.signers(&keyring).at(|| source.suite.clone())?;
            }
        }
        Ok::<_, Error>((lock, variant, date))
    };
    let (lock, variant, date) = read().at(context)?;
    let roots: Vec<PathBuf> = (0..lock.sources.len())
        .map(|source| root(&lock, source, selection).at(context))
        .collect::<Result<_>>()?;
    let is_complete = lock.is_at(&roots)?;
    let packages = PackageSet {
        variant,
        architecture: lock.architecture.clone(),
        date,
        taken: Vec::new(),
        debs: DebToUnpack::of_lock(&lock, &roots)?,
        lock,
        roots: Some(roots),
    };
    if !is_complete {
        packages.compare(io)?;
    }
    Ok(packages)
}

/// Returns the current directory of a source of a lock: the first of its kind with all of its packages, else the first.
fn root(lock: &Lock, source: usize, selection: &Selection) -> Result<PathBuf> {
    let Some(locked) = lock.sources.get(source) else {
        return Err(Fault::StreamConsumed.into());
    };
    let directories = selection.sources.directories(locked.kind);
    let packages = || {
        let packages = lock.packages.iter();
        packages.filter(move |package| package.source == source)
    };
    let has_all = |directory: &&PathBuf| {
        packages().all(|package| {
            let path = Path::new(&package.path);
            let path = match locked.kind {
                SourceKind::Debs => path.file_name().map(Path::new).unwrap_or(path),
                _ => path,
            };
            directory.join(path).exists()
        })
    };
    match (
        directories.iter().find(has_all).or(directories.first()),
        locked.kind,
    ) {
        (Some(directory), _) => Ok(directory.clone()),
        (None, SourceKind::Debs) => Ok(PathBuf::new()),
        (None, _) if packages().next().is_none() => Ok(PathBuf::new()),
        (None, kind) => {
            let (what, option) = match kind {
                SourceKind::Apt => ("apt", "--apt"),
                _ => ("a repository", "--repo"),
            };
            let suite = &locked.suite;
            let why =
                format!("missing source of packages: {what}, '{suite}': name it with {option}");
            Err(Error::usage(why))
        }
    }
}
