//! Images as given on a command line.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use clap::{ArgMatches, Id};

use super::list_arg::{ListArg, STDIN_NAMES};
use super::transport::refuse_online;
use crate::archive::{Archive, Half, Pick, TreeKind, holds_image, registry_root};
use crate::error::{Error, Fault, Result};
use crate::escape;
use crate::spec::{Digest, Platform, Reference};

/// An image as typed, not looked up yet.
///
/// | form | meaning |
/// |---|---|
/// | `PATH`, `PATH:NAME[:TAG]`, `PATH:@N`, `PATH@sha256:…` | an archive or a directory, and the image in it |
/// | `docker-archive:PATH[:REF]`, `oci-archive:PATH[:REF]`, `oci:PATH[:REF]`, `dir:PATH` | skopeo's spelling |
/// | `registry-tree:PATH[:NAME[:TAG]]` | the storage of a registry |
/// | `layout-tree:PATH[:NAME[:TAG]]` | a directory of OCI layouts |
/// | `dir-tree:PATH[:NAME[:TAG]]` | a directory of skopeo sync |
/// | `-`, `-:REF` | the archive on standard input, also as `/dev/stdin` |
/// | `NAME[:TAG]`, `NAME@DIGEST`, `ID`, `store:…` | an image in the local store |
///
/// An existing path always is a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageArg {
    /// The argument as typed; paths are bytes.
    typed: OsString,
    /// The argument for messages, with invalid UTF-8 escaped.
    text: String,
}

impl From<OsString> for ImageArg {
    fn from(argument: OsString) -> Self {
        let typed = match argument.as_bytes().strip_prefix(STDIN.as_bytes()) {
            Some(rest) => OsString::from_vec([b"-", rest].concat()),
            None => argument,
        };
        let text = match typed.to_str() {
            Some(text) => text.to_owned(),
            None => escape::bytes(typed.as_bytes()).into_owned(),
        };
        ImageArg { typed, text }
    }
}

/// Replacement for the `-` of `-:REF`, which clap would take for an option. No argument can contain it, because the
/// system ends arguments with it.
const STDIN: &str = "\0";
/// Replacement in messages of clap, which removes control characters: a private-use character.
const SHOWN_STDIN: &str = "\u{f8ff}";

/// Returns an argument for clap, in which `-:REF` is an image instead of an option.
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

/// Returns an argument for a message: escaped and cut.
pub(super) fn displayed(argument: &OsString) -> OsString {
    let bytes = argument.as_bytes();
    let (shield, rest) = match bytes.strip_prefix(STDIN.as_bytes()) {
        Some(rest) => (SHOWN_STDIN, rest),
        None => ("", bytes),
    };
    let text = String::from_utf8(rest.to_vec());
    let text = text.unwrap_or_else(|_| escape::bytes(rest).into_owned());
    format!("{shield}{}", escape::brief(&text)).into()
}

/// Returns a message of clap with shielded arguments as they were typed.
pub(super) fn unshielded(message: &str) -> String {
    message.replace(SHOWN_STDIN, "-")
}

/// Returns the number of images and lists that are read from standard input.
pub(super) fn standard_inputs(matches: &ArgMatches) -> usize {
    let images = |id: &Id| match matches.try_get_many::<ImageArg>(id.as_str()) {
        Ok(Some(images)) => images.filter(|image| image.is_stdin()).count(),
        _ => 0,
    };
    let lists = |id: &Id| match matches.try_get_many::<ListArg>(id.as_str()) {
        Ok(Some(lists)) => lists.filter(|list| list.is_stdin()).count(),
        _ => 0,
    };
    matches.ids().map(|id| images(id) + lists(id)).sum()
}

/// Parses `--platform`.
///
/// # Errors
/// A message for the user.
pub fn platform_arg(text: &str) -> Result<Platform, String> {
    Platform::parse(text).map_err(|error| error.to_string())
}

/// Parses the argument of `--rename`.
///
/// # Errors
/// A message for the user.
pub fn rename_arg(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((old, new)) if !old.is_empty() && !new.is_empty() => {
            Ok((old.to_owned(), new.to_owned()))
        }
        _ => Err("expected OLD=NEW".to_owned()),
    }
}

/// Range of layers, from 0: the first one, and the one after the last; `None` for all that follow.
pub type LayerRange = (usize, Option<usize>);

/// Notes about opened archives that are still to be printed, because opening has no access to the streams.
static NOTES: Mutex<Vec<String>> = Mutex::new(Vec::new());

pub(super) fn remember(archive: &Archive) {
    let mut notes = NOTES.lock().unwrap_or_else(PoisonError::into_inner);
    for note in &archive.notes {
        let note = format!("{}: {note}", archive.place);
        if !notes.contains(&note) {
            notes.push(note);
        }
    }
}

/// Takes the notes about opened archives that are still to be printed.
pub(super) fn notes() -> Vec<String> {
    std::mem::take(&mut *NOTES.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Location of an image.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Stdin,
    Path(PathBuf),
    /// The local store, with the name in front of a digest if one was typed.
    Store(Option<String>),
}

impl ImageArg {
    /// Returns the argument for standard input.
    pub fn stdin() -> Self {
        OsString::from("-").into()
    }

    /// Returns the argument for messages.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the directory if it is not an image itself and may hold archives: programs that take several images
    /// search it.
    pub fn directory_to_search(&self) -> Option<PathBuf> {
        match self.parse() {
            Ok((Place::Path(path), None, Pick::Only)) if path.is_dir() => {
                (!holds_image(&path)).then_some(path)
            }
            _ => None,
        }
    }

    /// Splits off a range of layers, counted from 0: `A@2..5` is `A` and `1..5`, `A@2` is `A` and `1..2`.
    ///
    /// Either end may be omitted; `None` is the end of the image. An existing path has no range, and the `@2` of `A:@2`
    /// is the position of an image.
    ///
    /// # Errors
    /// `Usage` for a range that begins with layer 0 or ends before it begins.
    pub fn split_range(&self) -> Result<(Self, Option<LayerRange>)> {
        let typed = self.typed.as_bytes();
        let complete = || Ok((self.clone(), None));
        let Some(at) = typed.iter().rposition(|byte| *byte == b'@') else {
            return complete();
        };
        let Ok(range) = std::str::from_utf8(&typed[at + 1..]) else {
            return complete();
        };
        let is_position = at.checked_sub(1).is_none_or(|before| typed[before] == b':');
        if !is_range(range) || is_position || Path::new(&self.typed).exists() {
            return complete();
        }
        let (first, last) = range.split_once("..").unwrap_or((range, range));
        let refused = || {
            let why = format!(
                "invalid layers in '{}': expected numbers from 1, as in @2..5",
                self.text
            );
            Error::usage(why)
        };
        let number = |text: &str| text.parse::<usize>().ok().filter(|number| *number > 0);
        let first = match first {
            "" => 1,
            text => number(text).ok_or_else(refused)?,
        };
        let last = match last {
            "" => None,
            text => Some(
                number(text)
                    .filter(|last| *last >= first)
                    .ok_or_else(refused)?,
            ),
        };
        let image = OsString::from_vec(typed[..at].to_vec()).into();
        Ok((image, Some((first - 1, last))))
    }

    /// Returns the path if no reference follows it.
    pub fn whole_path(&self) -> Option<PathBuf> {
        match self.parse() {
            Ok((Place::Path(path), _, Pick::Only)) => Some(path),
            _ => None,
        }
    }

    /// Returns the path of the archive, `/dev/stdin` for standard input; `None` for an image in the store.
    ///
    /// # Errors
    /// `Usage` for an invalid argument.
    pub fn input_path(&self) -> Result<Option<PathBuf>> {
        Ok(match self.parse()?.0 {
            Place::Path(path) => Some(path),
            Place::Stdin => Some("/dev/stdin".into()),
            Place::Store(_) => None,
        })
    }

    /// Returns the path of the archive; `None` for standard input and the store.
    pub fn path(&self) -> Option<PathBuf> {
        match self.parse() {
            Ok((Place::Path(path), ..)) => Some(path),
            _ => None,
        }
    }

    /// Returns the kind, the directory and the selected image if the argument is a tree of repositories: the storage of a
    /// registry, or a directory with the prefix of another kind.
    pub fn tree(&self) -> Option<(TreeKind, PathBuf, Pick)> {
        match self.parse() {
            Ok((Place::Path(path), None | Some(Half::Tree(TreeKind::Registry)), pick)) => {
                registry_root(&path).map(|_| (TreeKind::Registry, path, pick))
            }
            Ok((Place::Path(path), Some(Half::Tree(kind)), pick)) => Some((kind, path, pick)),
            _ => None,
        }
    }

    /// Reports whether the archive is read from standard input.
    pub fn is_stdin(&self) -> bool {
        matches!(self.parse(), Ok((Place::Stdin, ..)))
    }

    pub(super) fn parse(&self) -> Result<(Place, Option<Half>, Pick)> {
        let typed = self.typed.as_bytes();
        if typed.is_empty() {
            let why = "invalid image: expected a name or a path, found ''";
            return Err(Error::usage(why));
        }
        if !Path::new(&self.typed).exists() {
            for (prefix, half) in [
                ("docker-archive:", Half::Docker),
                ("oci-archive:", Half::Oci),
                ("oci:", Half::Oci),
                ("dir:", Half::Dir),
                ("registry-tree:", Half::Tree(TreeKind::Registry)),
                ("layout-tree:", Half::Tree(TreeKind::Layouts)),
                ("dir-tree:", Half::Tree(TreeKind::Dirs)),
            ] {
                if let Some(rest) = typed.strip_prefix(prefix.as_bytes()) {
                    if let Some(pick) = stdin(rest)? {
                        return Ok((Place::Stdin, Some(half), pick));
                    }
                    let (path, pick) = split(rest)?.unwrap_or_else(|| unsplit(rest));
                    return Ok((Place::Path(path), Some(half), pick));
                }
            }
            if let Some(rest) = typed.strip_prefix(b"store:") {
                let (name, pick) = store_pick(utf8(rest)?)?;
                return Ok((Place::Store(name), None, pick));
            }
        }
        if let Some(pick) = stdin(typed)? {
            return Ok((Place::Stdin, None, pick));
        }
        refuse_online(&self.text)?;
        if let Some((path, pick)) = split(typed)? {
            return Ok((Place::Path(path), None, pick));
        }
        let before_colon = typed.split(|b| *b == b':').next().unwrap_or_default();
        let suffix = before_colon
            .iter()
            .rposition(|b| *b == b'.')
            .map(|dot| &before_colon[dot + 1..]);
        let suffixes: [&[u8]; 8] = [
            b"tar", b"gz", b"tgz", b"xz", b"zst", b"bz2", b"json", b"oci",
        ];
        // Names in the store are UTF-8.
        let is_path = typed.starts_with(b"/")
            || typed.starts_with(b".")
            || typed.starts_with(b"~")
            || suffix.is_some_and(|suffix| suffixes.contains(&suffix))
            || self.typed.to_str().is_none();
        if is_path {
            let (path, pick) = unsplit(typed);
            return Ok((Place::Path(path), None, pick));
        }
        let (name, pick) = store_pick(utf8(typed)?)?;
        Ok((Place::Store(name), None, pick))
    }
}

/// Returns the selected image if the argument is standard input, as `-` or as its device.
fn stdin(typed: &[u8]) -> Result<Option<Pick>> {
    for name in STDIN_NAMES {
        match typed.strip_prefix(name.as_bytes()) {
            Some([]) => return Ok(Some(Pick::Only)),
            Some([b':', rest @ ..]) => return pick(utf8(rest)?).map(Some),
            _ => {}
        }
    }
    Ok(None)
}

/// Tests if a path is a pipe that the process inherited, as from the shell's `<(…)`.
pub(super) fn is_descriptor(path: &Path) -> bool {
    let is_number = |name: &OsStr| name.as_bytes().iter().all(u8::is_ascii_digit);
    let inside = path.parent().is_some_and(|directory| {
        directory == Path::new("/dev/fd") || directory == Path::new("/proc/self/fd")
    });
    inside
        && path.file_name().is_some_and(is_number)
        && std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_fifo())
}

/// Returns a part of the argument that must be UTF-8: everything but a path.
fn utf8(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| {
        let text = escape::bytes(bytes).into_owned();
        let why = "invalid UTF-8";
        Fault::BadReference { text, why }.into()
    })
}

fn path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// Splits an argument into the longest part that is an existing path and the selected image.
fn split(typed: &[u8]) -> Result<Option<(PathBuf, Pick)>> {
    if path(typed).exists() {
        return Ok(Some((path(typed), Pick::Only)));
    }
    for cut in (1..typed.len()).rev() {
        let separator = typed[cut];
        if !matches!(separator, b':' | b'@') || !path(&typed[..cut]).exists() {
            continue;
        }
        let rest = utf8(&typed[cut + 1..])?;
        let pick = match separator {
            b'@' => digest_pick(rest)?,
            _ => pick(rest)?,
        };
        return Ok(Some((path(&typed[..cut]), pick)));
    }
    Ok(None)
}

/// Returns a missing path, cut at the reference, so that the error names the file.
fn unsplit(typed: &[u8]) -> (PathBuf, Pick) {
    let end = typed.iter().position(|b| *b == b':');
    (path(&typed[..end.unwrap_or(typed.len())]), Pick::Only)
}

/// Parses the part after a path: `@N`, a digest, a name, or a name with a digest, in which the digest counts.
fn pick(text: &str) -> Result<Pick> {
    if let Some(position) = text.strip_prefix('@') {
        return match position.parse() {
            Ok(position) => Ok(Pick::Position(position)),
            Err(_) => digest_pick(position),
        };
    }
    if text.is_empty() {
        return Err(Error::usage("missing reference after ':'"));
    }
    match text.split_once('@') {
        Some((_, digest)) if digest.starts_with("sha") => digest_pick(digest),
        _ => Ok(Pick::Name(text.to_owned())),
    }
}

/// Tests if a text selects layers: a number, or two with `..` between them, either of which may be omitted.
fn is_range(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once("..") {
        Some((first, last)) => digits(first) && digits(last),
        None => !text.is_empty() && digits(text),
    }
}

/// Parses a digest, or the start of one.
fn digest_pick(text: &str) -> Result<Pick> {
    if is_range(text) {
        return Err(Error::usage(format!(
            "unsupported selection of layers '@{text}': only imgdiff, imgexport and imgcommit --squash take IMAGE@N and IMAGE@A..B"
        )));
    }
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    let is_start =
        (1..64).contains(&hex.len()) && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    match is_start {
        true => Ok(Pick::Name(text.to_owned())),
        false => Digest::parse(text).map(Pick::Digest),
    }
}

/// Parses a name, an ID, or a digest with the name that it must have, if one was typed.
fn store_pick(text: &str) -> Result<(Option<String>, Pick)> {
    let pick = match text.split_once('@') {
        Some((name, digest)) => {
            let name = (!name.is_empty()).then(|| name.to_owned());
            if let Some(name) = &name {
                Reference::parse(name)?;
            }
            return Ok((name, digest_pick(digest)?));
        }
        None if text.starts_with("sha256:") && text.len() == 71 => {
            Digest::parse(text).map(Pick::Digest)?
        }
        None => Pick::Name(text.to_owned()),
    };
    Ok((None, pick))
}
