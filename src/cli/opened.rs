//! Opening what was named on a command line: archives, layouts, and what is in the local store.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::args::Common;
use super::image::{ImageArg, Place, is_descriptor, remember};
use crate::archive::{Archive, Chosen, Half, Open, Pick, Root, Selection};
use crate::blob::Meter;
use crate::error::{At, Error, Fault, Result};
use crate::spec::Platform;
use crate::store::Store;

/// An opened archive and what in it the user means.
pub struct Opened {
    /// The archive, which other arguments may name, too.
    pub archive: Arc<Archive>,
    /// Which image.
    pub pick: Pick,
    /// The name that goes with a digest, where one was typed.
    name: Option<String>,
}

impl Opened {
    /// All of an archive.
    pub fn whole(archive: Archive) -> Self {
        Opened {
            archive: Arc::new(archive),
            pick: Pick::Only,
            name: None,
        }
    }

    /// The one image that is meant.
    ///
    /// # Errors
    /// As [`Archive::select`], placed at the archive.
    pub fn select(&self, common: &Common) -> Result<Selection<'_>> {
        self.archive
            .select(&self.pick, common.platform.as_ref())
            .at(|| self.archive.place.clone())
    }

    /// What is meant of the archive's list: all of it, all tags of a repository, or what was picked.
    ///
    /// # Errors
    /// As [`Archive::chosen`], placed at the archive.
    pub fn chosen(&self) -> Result<Vec<Chosen<'_>>> {
        let chosen = self.archive.chosen(&self.pick);
        let mut chosen = chosen.at(|| self.archive.place.clone())?;
        if let Some(name) = &self.name {
            for one in &mut chosen {
                one.names.retain(|known| known.means(name));
            }
        }
        Ok(chosen)
    }

    /// What is meant as an archive of its own, with what refers to it; of indexes the image for the platform only, where
    /// one is given.
    ///
    /// # Errors
    /// As [`Archive::part`], placed at the archive.
    pub fn part(&self, platform: Option<&Platform>) -> Result<Archive> {
        let part = self.archive.part(&self.chosen()?, platform);
        part.at(|| self.archive.place.clone())
    }

    /// The roots of what is meant.
    ///
    /// # Errors
    /// As [`Opened::chosen`].
    pub fn roots(&self) -> Result<Vec<&Root>> {
        let chosen = self.chosen()?;
        Ok(chosen.into_iter().map(|one| one.root).collect())
    }

    /// Returns the damage of the selected images that leaves the rest readable, each error once, with the archive as
    /// context.
    ///
    /// # Errors
    /// As [`Opened::chosen`].
    pub fn faults(&self) -> Result<Vec<Error>> {
        let roots = self.roots()?;
        let mut faults: Vec<&Error> = match self.pick {
            Pick::Only => self.archive.all_faults().collect(),
            _ => self.archive.faults_below(&roots),
        };
        faults.dedup_by_key(|fault| fault.to_string());
        let faults = faults.into_iter().cloned();
        Ok(faults
            .map(|fault| fault.at(self.archive.place.clone()))
            .collect())
    }
}

/// How many images a program takes from one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// One.
    One,
    /// Any number: a repository without a tag is all its tags.
    Several,
}

/// What several arguments name, each archive and the store opened once.
///
/// An archive is kept as long as arguments that name it are to come.
#[derive(Debug, Default)]
pub struct Openings {
    /// How many arguments that name each are to come.
    left: HashMap<(Place, Option<Half>), usize>,
    open: HashMap<(Place, Option<Half>), Arc<Archive>>,
}

impl Openings {
    /// For these arguments, of which each is opened once.
    pub fn of<'a>(images: impl IntoIterator<Item = &'a ImageArg>) -> Self {
        let mut openings = Openings::default();
        for image in images {
            if let Ok((place, half, _)) = image.parse() {
                *openings.left.entry((place.anonymous(), half)).or_default() += 1;
            }
        }
        openings
    }

    /// Opens what an argument names, or takes it from one before it.
    ///
    /// # Errors
    /// As [`ImageArg::open`].
    pub fn open(
        &mut self,
        image: &ImageArg,
        common: &Common,
        open: Open,
        takes: Takes,
    ) -> Result<Opened> {
        let (place, half, _) = image.parse()?;
        let key = (place.anonymous(), half);
        let left = self.left.entry(key.clone()).or_default();
        *left = left.saturating_sub(1);
        let is_last = *left == 0;
        let known = match is_last {
            true => self.open.remove(&key),
            false => self.open.get(&key).cloned(),
        };
        let archive = match known {
            Some(archive) => archive,
            None => Arc::new(image.archive(common, open)?),
        };
        if !is_last {
            self.open.insert(key, Arc::clone(&archive));
        }
        image.pick_in(archive, takes)
    }
}

impl Place {
    /// The same without the name that goes with a digest.
    fn anonymous(self) -> Self {
        match self {
            Place::Store(_) => Place::Store(None),
            other => other,
        }
    }
}

impl ImageArg {
    /// Opens the archive that is meant; `meter` counts the bytes of a stream.
    ///
    /// # Errors
    /// `NotFound` for what is neither a path nor in the store; as [`Open::path`].
    pub fn open(&self, common: &Common, meter: &Meter) -> Result<Opened> {
        self.open_with(common, meter, None)
    }

    /// The same; what comes by on a stream is kept in files without a name in `landing`.
    ///
    /// # Errors
    /// As [`ImageArg::open`].
    pub fn open_with(
        &self,
        common: &Common,
        meter: &Meter,
        landing: Option<PathBuf>,
    ) -> Result<Opened> {
        self.open_by(common, Open::with(common, meter, landing))
    }

    /// The same, in any way; which half is wanted is told by what was typed.
    ///
    /// # Errors
    /// As [`ImageArg::open`].
    pub fn open_by(&self, common: &Common, open: Open) -> Result<Opened> {
        self.pick_in(Arc::new(self.archive(common, open)?), Takes::One)
    }

    /// The archive that is meant, or the store.
    fn archive(&self, common: &Common, open: Open) -> Result<Archive> {
        let (place, only, _) = self.parse()?;
        let open = Open { only, ..open };
        let archive = match place {
            Place::Stdin => open.stdin()?,
            Place::Path(path) if is_descriptor(&path) => open.pipe(&path)?,
            Place::Path(path) => open.path(&path)?,
            Place::Store(_) => open_store(common, &open)?.ok_or_else(|| self.not_found(None))?,
        };
        remember(&archive);
        Ok(archive)
    }

    /// What is meant of an archive that was opened for this argument or for another. What is in the store is looked up
    /// right away, because a wrong name may be a file that is not there.
    fn pick_in(&self, archive: Arc<Archive>, takes: Takes) -> Result<Opened> {
        let (place, _, pick) = self.parse()?;
        let name = match place {
            Place::Store(name) => name,
            Place::Stdin | Place::Path(_) => {
                let name = None;
                return Ok(Opened {
                    archive,
                    pick,
                    name,
                });
            }
        };
        let found = match takes {
            Takes::One => archive.root(&pick).map(|root| vec![root]),
            Takes::Several => archive
                .chosen(&pick)
                .map(|chosen| chosen.into_iter().map(|one| one.root).collect()),
        };
        match found {
            // A digest of another image than the one that bears the name is a mistake that shows here.
            Ok(roots)
                if name.as_ref().is_some_and(|name| {
                    !roots.iter().all(|root| root.matches_repository(name))
                }) =>
            {
                return Err(self.not_found(Some(&archive)));
            }
            Ok(_) => {}
            Err(error) => {
                return Err(match error.fault() {
                    Fault::NoSuchImage { .. } => self.not_found(Some(&archive)),
                    _ => error,
                });
            }
        }
        Ok(Opened {
            archive,
            pick,
            name,
        })
    }

    fn not_found(&self, store: Option<&Archive>) -> Error {
        Error::new(Fault::NotFound {
            wanted: self.text().to_owned(),
            closest: store.and_then(|store| store.closest(self.text())),
        })
    }
}

impl Open {
    /// As the arguments that all programs share ask for.
    pub fn with(common: &Common, meter: &Meter, landing: Option<PathBuf>) -> Self {
        Open {
            meter: meter.clone(),
            temp_dir: landing,
            limits: common.limits(),
            ..Open::default()
        }
    }
}

/// Opens the local store; `None` if there is none yet.
///
/// Only limits that were typed are for what its documents are, and how many.
///
/// # Errors
/// As [`Store::open`]; `NotAStore`; `Usage` if no home directory is known.
pub fn open_store(common: &Common, open: &Open) -> Result<Option<Archive>> {
    let mut limits = open.limits.for_store();
    common.move_limits(&mut limits);
    store(common)?.open(&Open {
        limits,
        ..open.clone()
    })
}

/// The local store, which need not exist yet.
///
/// # Errors
/// `NotAStore` for what is there and holds something else; `Usage` if no home directory is known.
pub fn store(common: &Common) -> Result<Store> {
    let store = Store::at(store_path(common)?);
    store.check()?;
    Ok(store)
}

/// The directory of the local store, which need not exist yet.
///
/// # Errors
/// `Usage` if none was named and no home directory is known.
pub fn store_path(common: &Common) -> Result<PathBuf> {
    if let Some(path) = &common.store {
        return Ok(path.clone());
    }
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let data = set("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let data = data.or_else(|| set("HOME").map(|home| home.join(".local/share")));
    let why = "no home directory is known: name the store with --store";
    data.map(|data| data.join("imgkit"))
        .ok_or_else(|| Fault::Usage(why.into()).into())
}
