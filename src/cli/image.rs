//! How an image is named on a command line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::args::Common;
use crate::archive::{Archive, Half, Open, Pick, Root, Selection};
use crate::blob::Meter;
use crate::error::{At, Error, Fault, Result};
use crate::spec::{Digest, Platform};
use crate::store::Store;

/// An image as the user typed it; nothing has been looked up yet.
///
/// | form | meaning |
/// |---|---|
/// | `PATH`, `PATH:NAME[:TAG]`, `PATH:@N`, `PATH@sha256:…` | a file or folder, and which image in it |
/// | `docker-archive:PATH[:REF]`, `oci-archive:PATH[:REF]`, `oci:PATH[:REF]`, `dir:PATH` | skopeo's spelling |
/// | `-`, `-:REF` | the archive on standard input |
/// | `NAME[:TAG]`, `NAME@DIGEST`, `ID`, `store:…` | an image in the local store |
///
/// What exists as a path is a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageArg(String);

impl std::str::FromStr for ImageArg {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(ImageArg(text.replacen(STDIN, "-", 1)))
    }
}

/// Stands for the `-` of `-:REF` on its way through clap, which would take that for an option. No argument can hold
/// it, because the system ends arguments with it.
const STDIN: &str = "\0";

/// Arguments as clap can read them: `-:REF` is an image and no option.
pub(super) fn shield(argument: OsString) -> OsString {
    match argument.as_encoded_bytes() {
        [b'-', b':', rest @ ..] => {
            let mut shielded = OsString::from(format!("{STDIN}:"));
            shielded.push(OsStr::from_bytes(rest));
            shielded
        }
        _ => argument,
    }
}

/// Reads `--platform`.
///
/// # Errors
/// The message for the user.
pub fn platform_arg(text: &str) -> Result<Platform, String> {
    Platform::parse(text).map_err(|error| error.to_string())
}

/// An opened archive and what in it the user means.
pub struct Opened {
    /// The archive.
    pub archive: Archive,
    /// Which image.
    pub pick: Pick,
}

impl Opened {
    /// The one image that is meant.
    ///
    /// # Errors
    /// As [`Archive::select`], placed at the archive.
    pub fn select(&self, common: &Common) -> Result<Selection<'_>> {
        self.archive
            .select(&self.pick, common.platform.as_ref())
            .at(|| self.archive.place.clone())
    }

    /// What is meant of the archive's list: all of it, or what was picked.
    ///
    /// # Errors
    /// As [`Archive::root`], placed at the archive.
    pub fn roots(&self) -> Result<Vec<&Root>> {
        match self.pick {
            Pick::Only => Ok(self.archive.roots.iter().collect()),
            _ => self
                .archive
                .root(&self.pick)
                .map(|root| vec![root])
                .at(|| self.archive.place.clone()),
        }
    }
}

/// Where an image is, by the way it was typed.
enum Place {
    Stdin,
    Path(PathBuf),
    Store,
}

impl ImageArg {
    /// Standard input.
    pub fn stdin() -> Self {
        ImageArg("-".into())
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        &self.0
    }

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
        self.open_by(
            common,
            Open {
                meter: meter.clone(),
                landing,
                ..Open::default()
            },
        )
    }

    /// The same, in any way; which half is wanted is told by what was typed.
    ///
    /// # Errors
    /// As [`ImageArg::open`].
    pub fn open_by(&self, common: &Common, open: Open) -> Result<Opened> {
        let (place, only, pick) = self.parse()?;
        let open = Open { only, ..open };
        let archive = match place {
            Place::Stdin => open.stdin()?,
            Place::Path(path) => open.path(&path)?,
            Place::Store => return self.open_in_store(common, pick, &open),
        };
        Ok(Opened { archive, pick })
    }

    fn open_in_store(&self, common: &Common, pick: Pick, open: &Open) -> Result<Opened> {
        let not_found = || {
            Error::new(Fault::NotFound {
                wanted: self.0.clone(),
            })
        };
        let archive = match open_store(common, open)? {
            Some(archive) => archive,
            None => return Err(not_found()),
        };
        match archive.root(&pick) {
            Ok(_) => Ok(Opened { archive, pick }),
            Err(error) => match error.fault() {
                Fault::NoSuchImage { .. } => Err(not_found()),
                _ => Err(error),
            },
        }
    }

    fn parse(&self) -> Result<(Place, Option<Half>, Pick)> {
        let text = self.0.as_str();
        if text.is_empty() {
            return Err(Fault::Usage("an image needs a name or a path".into()).into());
        }
        if text == "-" {
            return Ok((Place::Stdin, None, Pick::Only));
        }
        if let Some(rest) = text.strip_prefix("-:") {
            return Ok((Place::Stdin, None, pick(rest)?));
        }
        if !Path::new(text).exists() {
            for (prefix, half) in [
                ("docker-archive:", Half::Docker),
                ("oci-archive:", Half::Oci),
                ("oci:", Half::Oci),
                ("dir:", Half::Dir),
            ] {
                if let Some(rest) = text.strip_prefix(prefix) {
                    // skopeo's own spelling for standard input is a device file, so `-` is free to mean it.
                    let (path, pick) = match rest.strip_prefix("-") {
                        Some("") => return Ok((Place::Stdin, Some(half), Pick::Only)),
                        _ => split(rest)?.unwrap_or_else(|| unsplit(rest)),
                    };
                    return Ok((Place::Path(path), Some(half), pick));
                }
            }
            if let Some(rest) = text.strip_prefix("store:") {
                return Ok((Place::Store, None, store_pick(rest)?));
            }
        }
        if let Some((path, pick)) = split(text)? {
            return Ok((Place::Path(path), None, pick));
        }
        let is_path = text.starts_with(['/', '.', '~'])
            || text
                .split_once(':')
                .map_or(text, |(path, _)| path)
                .rsplit_once('.')
                .is_some_and(|(_, suffix)| {
                    ["tar", "gz", "tgz", "xz", "zst", "bz2", "json", "oci"].contains(&suffix)
                });
        if is_path {
            let (path, pick) = unsplit(text);
            return Ok((Place::Path(path), None, pick));
        }
        Ok((Place::Store, None, store_pick(text)?))
    }
}

/// The longest part of `text` that exists as a path, and what follows it.
fn split(text: &str) -> Result<Option<(PathBuf, Pick)>> {
    if Path::new(text).exists() {
        return Ok(Some((PathBuf::from(text), Pick::Only)));
    }
    let cuts = text
        .char_indices()
        .rev()
        .filter(|(_, c)| matches!(c, ':' | '@'));
    for (cut, separator) in cuts {
        let path = Path::new(&text[..cut]);
        if cut == 0 || !path.exists() {
            continue;
        }
        let rest = &text[cut + 1..];
        let pick = if separator == '@' {
            Pick::Digest(Digest::parse(rest)?)
        } else {
            pick(rest)?
        };
        return Ok(Some((path.to_owned(), pick)));
    }
    Ok(None)
}

/// A path that does not exist, cut where a reference would begin, so that the error names the file.
fn unsplit(text: &str) -> (PathBuf, Pick) {
    (
        PathBuf::from(text.split_once(':').map_or(text, |(path, _)| path)),
        Pick::Only,
    )
}

/// What follows a path: `@N`, a digest, or a name.
fn pick(text: &str) -> Result<Pick> {
    if let Some(position) = text.strip_prefix('@') {
        return match position.parse() {
            Ok(position) => Ok(Pick::Position(position)),
            Err(_) => Digest::parse(position).map(Pick::Digest),
        };
    }
    if text.is_empty() {
        return Err(Fault::Usage("a reference is missing after ':'".into()).into());
    }
    Ok(Pick::Name(text.to_owned()))
}

fn store_pick(text: &str) -> Result<Pick> {
    match text.split_once('@') {
        Some((_, digest)) => Digest::parse(digest).map(Pick::Digest),
        None if text.starts_with("sha256:") && text.len() == 71 => {
            Digest::parse(text).map(Pick::Digest)
        }
        None => Ok(Pick::Name(text.to_owned())),
    }
}

/// Opens the local store; `None` if there is none yet.
///
/// # Errors
/// As [`Store::open`]; `Io` if the folder that was named is not there; `Usage` if no home directory is known.
pub fn open_store(common: &Common, open: &Open) -> Result<Option<Archive>> {
    let path = store_path(common)?;
    // A store that was named has to be there; the default one appears with the first image.
    if common.store.is_some() {
        std::fs::metadata(&path)
            .map_err(|error| Error::io("open", error).at(path.to_string_lossy()))?;
    }
    Store::at(path).open(open)
}

/// The folder of the local store, which need not exist yet.
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
