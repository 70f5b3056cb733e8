//! Opening the images of a command line: in archives, layouts and the local store.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::args::Common;
use super::image::{ImageArg, Place, is_descriptor, remember};
use super::streams::Io;
use crate::archive::{Archive, Chosen, Half, Open, Pick, Root, Selection};
use crate::blob::Meter;
use crate::error::{At, Error, Fault, Result};
use crate::spec::Platform;
use crate::store::Store;

/// An opened archive and the selected image.
pub struct Opened {
    /// Archive, shared with other arguments that name it.
    pub archive: Arc<Archive>,
    /// Selected image.
    pub pick: Pick,
    /// Name in front of a digest, if one was typed.
    name: Option<String>,
}

impl Opened {
    /// Selects the whole archive.
    pub fn whole(archive: Archive) -> Self {
        Opened {
            archive: Arc::new(archive),
            pick: Pick::Only,
            name: None,
        }
    }

    /// Checks that the archive is complete and, if all images of it or of a repository are selected, that none is left
    /// out for damage.
    ///
    /// # Errors
    /// As [`Archive::check_complete`] and [`Archive::check_list`].
    pub fn check_complete(&self) -> Result<()> {
        self.archive.check_complete()?;
        self.check_selection()
    }

    /// Checks that no image is left out for damage, if all of the archive or of a repository are selected.
    ///
    /// # Errors
    /// As [`Archive::check_list`], placed at the archive.
    pub fn check_selection(&self) -> Result<()> {
        let place = || self.archive.place.clone();
        match &self.pick {
            Pick::Only => self.check_list(),
            Pick::Name(name) if !name[name.rfind('/').unwrap_or(0)..].contains(':') => {
                self.archive.check_list(Some(name)).at(place)
            }
            _ => Ok(()),
        }
    }

    /// Checks that the archive is complete, but for volumes of a set that have layers alone.
    ///
    /// # Errors
    /// As [`Opened::check_complete`] and [`Archive::check_documents`].
    pub fn check_documents(&self) -> Result<()> {
        match self.archive.missing_volumes() {
            Some(_) => self.archive.check_documents(),
            None => self.check_complete(),
        }
    }

    /// Notes the volumes of a set that are missing.
    pub fn note_missing_volumes(&self, io: &Io) {
        if let Some(missing) = self.archive.missing_volumes() {
            io.note(&missing.clone().at(self.archive.place.clone()).to_string());
        }
    }

    /// Checks the list of images.
    ///
    /// # Errors
    /// As [`Archive::check_list`], placed at the archive.
    pub fn check_list(&self) -> Result<()> {
        let checked = self.archive.check_list(None);
        checked.at(|| self.archive.place.clone())
    }

    /// Returns all images of the archive, each selected by itself.
    pub fn apart(&self) -> Vec<Opened> {
        let picks = self.archive.picks().into_iter();
        let one = |pick| Opened {
            archive: Arc::clone(&self.archive),
            pick,
            name: None,
        };
        picks.map(one).collect()
    }

    /// Returns the selected image.
    ///
    /// # Errors
    /// As [`Archive::select`], placed at the archive.
    pub fn select(&self, common: &Common) -> Result<Selection<'_>> {
        self.archive
            .select(&self.pick, common.platform.as_ref())
            .at(|| self.archive.place.clone())
    }

    /// Returns the selected items of the archive's list: all of them, all tags of a repository, or one image.
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

    /// Returns the selected items of the archive's list; if the whole archive is selected, with the untagged manifests of a
    /// tree, which [`Opened::chosen`] leaves out.
    ///
    /// # Errors
    /// As [`Opened::chosen`].
    pub fn everything(&self) -> Result<Vec<Chosen<'_>>> {
        match self.pick {
            Pick::Only => Ok(self.archive.roots.iter().map(Chosen::whole).collect()),
            _ => self.chosen(),
        }
    }

    /// Returns the selected items of the archive's list, but of a repository without a tag only its tag `latest`.
    ///
    /// # Errors
    /// As [`Opened::chosen`], and `NoSuchImage` for a repository without that tag.
    pub fn chosen_tag(&self) -> Result<Vec<Chosen<'_>>> {
        let mut chosen = self.chosen()?;
        if let Pick::Name(text) = &self.pick {
            for one in &mut chosen {
                if one.names.iter().any(|name| name.matches(text)) {
                    one.names.retain(|name| name.matches(text));
                }
            }
        }
        if chosen.len() == 1 || self.pick == Pick::Only {
            return Ok(chosen);
        }
        let root = self.archive.root(&self.pick);
        let root = root.at(|| self.archive.place.clone())?;
        let is_root = |one: &Chosen<'_>| std::ptr::eq(one.root, root);
        Ok(chosen.into_iter().filter(is_root).take(1).collect())
    }

    /// Returns an archive of the selected images and their referrers only; of indexes the image for the platform, if one
    /// is given.
    ///
    /// # Errors
    /// As [`Archive::part`], placed at the archive.
    pub fn part(&self, platform: Option<&Platform>) -> Result<Archive> {
        let part = self.archive.part(&self.chosen()?, platform);
        part.at(|| self.archive.place.clone())
    }

    /// Returns the roots of the selected images.
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

/// Number of images that a program takes from one argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// One.
    One,
    /// Any number: a repository without a tag is all its tags.
    Several,
}

/// Archives of several arguments, each opened once.
///
/// An archive is kept until its last argument.
#[derive(Debug, Default)]
pub struct Openings {
    /// Number of remaining arguments for each archive.
    left: HashMap<(Place, Option<Half>), usize>,
    open: HashMap<(Place, Option<Half>), Arc<Archive>>,
}

impl Openings {
    /// Prepares for these arguments, each of which is opened once.
    pub fn of<'a>(images: impl IntoIterator<Item = &'a ImageArg>) -> Self {
        let mut openings = Openings::default();
        for image in images {
            if let Ok((place, half, _)) = image.parse() {
                *openings.left.entry((place.anonymous(), half)).or_default() += 1;
            }
        }
        openings
    }

    /// Opens the archive of an argument, or reuses one that is open.
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
    /// Removes the name in front of a digest.
    fn anonymous(self) -> Self {
        match self {
            Place::Store(_) => Place::Store(None),
            other => other,
        }
    }
}

impl ImageArg {
    /// Opens the image; `meter` counts the bytes of a stream.
    ///
    /// # Errors
    /// `NotFound` if it is neither a path nor in the store; as [`Open::path`].
    pub fn open(&self, common: &Common, meter: &Meter) -> Result<Opened> {
        self.open_with(common, meter, None)
    }

    /// Opens the image; anonymous temporary files with data of a stream are in `temporary`.
    ///
    /// # Errors
    /// As [`ImageArg::open`].
    pub fn open_with(
        &self,
        common: &Common,
        meter: &Meter,
        temporary: Option<PathBuf>,
    ) -> Result<Opened> {
        self.open_by(common, Open::with(common, meter, temporary))
    }

    /// Opens the image with any options; a format in the argument has precedence.
    ///
    /// # Errors
    /// As [`ImageArg::open`].
    pub fn open_by(&self, common: &Common, open: Open) -> Result<Opened> {
        self.pick_in(Arc::new(self.archive(common, open)?), Takes::One)
    }

    /// Opens the archive, or the store.
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

    /// Selects the image of the argument in an open archive. An image of the store is looked up at once, because an
    /// unknown name may be a missing file.
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
        let closest = store.and_then(|store| store.closest(self.text()));
        Error::not_found(self.text(), closest)
    }
}

impl Open {
    /// Returns the options of opening that the common options request.
    pub fn with(common: &Common, meter: &Meter, temp_dir: Option<PathBuf>) -> Self {
        Open {
            meter: meter.clone(),
            temp_dir,
            limits: common.limits(),
            ..Open::default()
        }
    }
}

/// Opens the local store; `None` if there is none yet.
///
/// Limits on the documents of the store apply only if given.
///
/// # Errors
/// As [`Store::open`]; `NotAStore`; `Usage` if there is no home directory.
pub fn open_store(common: &Common, open: &Open) -> Result<Option<Archive>> {
    let mut limits = open.limits.for_store();
    common.change_limits(&mut limits);
    store(common)?.open(&Open {
        limits,
        ..open.clone()
    })
}

/// Returns the local store, which may be missing.
///
/// # Errors
/// `NotAStore` for a directory with other contents; `Usage` if there is no home directory.
pub fn store(common: &Common) -> Result<Store> {
    let store = Store::at(store_path(common)?);
    store.check()?;
    Ok(store)
}

/// Returns the directory of the local store, which may be missing.
///
/// # Errors
/// `Usage` if no store was given and there is no home directory.
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
    let why = "no home directory: give the store with --store";
    data.map(|data| data.join("imgkit"))
        .ok_or_else(|| Error::usage(why))
}
