//! The packages of an image: chosen now, or by a lock.

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

/// Bytes of a lock.
const MAX_LOCK: u64 = 64 << 20;

/// Locks: what was chosen, to be taken again.
#[derive(Debug, Clone, clap::Args)]
pub struct LockArgs {
    /// Write which packages were taken, each by its digest, to FILE
    ///
    /// With the signed release files of their repositories, so that these stay checkable.
    #[arg(long, value_name = "FILE")]
    lock: Option<PathBuf>,

    /// Take the packages of a lock, and nothing else
    ///
    /// Neither an index nor a signature is needed: the lock has the digest of each package. --repo, --debs and --apt say
    /// where they are now; those that were given as files are looked for where they were without --debs. With --keyring
    /// the release files in the lock must be signed.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "lock", "variant", "include", "exclude", "recommends", "suite", "components", "arch", "at", "allow_unsigned",
    ])]
    locked: Option<PathBuf>,
}

/// Packages that are to be unpacked, in that order.
pub struct PackageSet {
    /// What was asked for to begin with.
    pub variant: Variant,
    /// The machine that they are for.
    pub architecture: String,
    /// When their repositories were made.
    pub date: Option<i64>,
    /// Why they were taken; nothing where a lock says so.
    pub taken: Vec<Taken>,
    /// Their files, and what those must be.
    pub debs: Vec<DebToUnpack>,
    /// The same as a lock, to be [completed](Lock::complete) once they are unpacked.
    pub lock: Lock,
    /// The directories that stand for the lock's sources, where a lock says what to take.
    roots: Option<Vec<PathBuf>>,
}

impl PackageSet {
    /// Reads all files that a lock names and says of each that is not the lock's: who puts a mirror right wants to know
    /// of all. Unpacking compares them too, and ends with the first, so this is for when that has failed or is not done.
    /// Without a lock it does nothing.
    ///
    /// # Errors
    /// The first that is not the lock's; the others are warnings.
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
    /// Where the lock is to be written, if it is.
    pub fn path(&self) -> Option<&Path> {
        self.lock.as_deref()
    }

    /// Finds out which packages to take; `merged` as in [`Selection::request`].
    ///
    /// # Errors
    /// What opening sources, solving and reading a lock give; the first package that is not the lock's, if one is not
    /// there or of another size.
    pub fn choose(&self, selection: &Selection, merged: bool, io: &mut Io) -> Result<PackageSet> {
        match &self.locked {
            Some(path) => by_lock(path, selection, io),
            None => now(selection, merged, io),
        }
    }
}

fn now(selection: &Selection, merged: bool, io: &mut Io) -> Result<PackageSet> {
    let request = selection.request(merged)?;
    let offers = selection.sources.open(io)?;
    let entries = offers.entries();
    let universe = universe(&entries, &offers.architecture)?;
    let taken = select(&universe, &request)?.taken;
    let variant = selection.variant;
    let mut lock = Lock::new(&offers.architecture, variant.name(), offers.repositories());
    let mut debs = Vec::with_capacity(taken.len());
    for taken in &taken {
        let (number, entry) = entries.get(taken.source).ok_or(Fault::StreamConsumed)?;
        lock.push(entry, *number, taken.is_asked_for())?;
        debs.push(DebToUnpack::of_entry(entry, taken.is_asked_for())?);
    }
    Ok(PackageSet {
        variant,
        date: offers.date(),
        taken,
        debs,
        lock,
        roots: None,
        architecture: offers.architecture.clone(),
    })
}

fn by_lock(path: &Path, selection: &Selection, io: &mut Io) -> Result<PackageSet> {
    let place = || path.to_string_lossy().into_owned();
    let read = || {
        let bytes = FileRange::whole(open_regular(path, true)?)?.bytes(MAX_LOCK)?;
        let lock = Lock::parse(&String::from_utf8_lossy(&bytes))?;
        let variant = Variant::of_name(&lock.variant).ok_or_else(|| {
            Error::new(Fault::Schema {
                field: "variant".to_owned(),
                expected: "a variant of this program",
                found: format!("'{}'", lock.variant),
            })
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
    let (lock, variant, date) = read().at(place)?;
    let roots: Vec<PathBuf> = (0..lock.sources.len())
        .map(|source| root(&lock, source, selection).at(place))
        .collect::<Result<_>>()?;
    let is_complete = lock.is_at(&roots)?;
    let chosen = PackageSet {
        variant,
        architecture: lock.architecture.clone(),
        date,
        taken: Vec::new(),
        debs: DebToUnpack::of_lock(&lock, &roots)?,
        lock,
        roots: Some(roots),
    };
    if !is_complete {
        chosen.compare(io)?;
    }
    Ok(chosen)
}

/// The directory that stands for a source of a lock now: the first of its kind that has all of its packages, else the first.
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
                SourceKind::Apt => ("what apt has", "--apt"),
                _ => ("a repository", "--repo"),
            };
            let suite = &locked.suite;
            let why =
                format!("its packages are of {what}, '{suite}': say with {option} where that is");
            Err(Fault::Usage(why).into())
        }
    }
}
