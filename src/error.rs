//! What can go wrong, as facts.
//!
//! An [`Error`] is a [`Fault`] (what is wrong, with the numbers and digests that show it) and the places it was
//! found in, outermost first: archive, image, layer, entry. The text is made here and nowhere else, and so is the
//! hint, which is picked from the variant and never by searching text.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::{escape, limits};

/// What every fallible function of the library returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A fault together with the place it was found in.
///
/// Displays as `place: place: what is wrong`, on one line, with everything that came from an archive escaped.
#[derive(Debug, Clone)]
pub struct Error {
    inner: Arc<Inner>,
}

#[derive(Debug, Clone)]
struct Inner {
    fault: Fault,
    /// Innermost first, because that is the order in which they are added.
    places: Vec<String>,
}

/// What is wrong, as facts that tests can compare. Sizes and offsets are in bytes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Fault {
    /// The operating system refused something.
    Io {
        /// What was tried: `open`, `read`, `write`.
        action: &'static str,
        /// Its answer.
        source: Arc<io::Error>,
    },
    /// The command line asks for something that makes no sense.
    Usage(String),
    /// An instruction that is to change a config cannot be understood, in docker's words.
    Instruction {
        /// What is wrong with it.
        why: String,
    },
    /// The input is readable, but it is not a container image in any shape.
    NotAnImage(NotAnImage),
    /// An output that exists and is not replaced.
    Exists {
        /// What it is.
        kind: &'static str,
    },
    /// The path is neither a regular file nor a folder.
    NotAFile {
        /// What it is instead: `a FIFO`, `a socket`, ….
        kind: &'static str,
    },
    /// The bytes end before they should.
    Truncated {
        /// What was being read.
        what: &'static str,
        /// Bytes that should be there.
        expected: u64,
        /// Bytes that are there.
        found: u64,
    },
    /// A document is no well-formed JSON, or JSON that no two readers would agree on.
    Json {
        /// What is wrong and where in the text.
        why: String,
    },
    /// A document is JSON, but not of the form that the specification gives it.
    Schema {
        /// The field, as a path: `manifests[2].digest`.
        field: String,
        /// What belongs there.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A text is no digest by the image specification's grammar.
    BadDigest {
        /// The text.
        text: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// A well-formed digest whose algorithm cannot be computed here.
    UnsupportedDigest {
        /// The algorithm's name.
        algorithm: String,
    },
    /// A text is no image reference.
    BadReference {
        /// The text.
        text: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// A blob's bytes do not have the digest they are named by.
    DigestMismatch {
        /// The digest stated.
        expected: String,
        /// The digest of the bytes.
        found: String,
    },
    /// A blob holds a different number of bytes than its descriptor states.
    SizeMismatch {
        /// The size stated.
        expected: u64,
        /// The size found.
        found: u64,
    },
    /// A layer's plain tar does not have the diff ID that the config states.
    DiffIdMismatch {
        /// The diff ID stated.
        expected: String,
        /// The digest of the plain tar.
        found: String,
    },
    /// A blob is named but not in the archive.
    BlobAbsent {
        /// Its digest.
        digest: String,
    },
    /// A member is named but not in the archive.
    MemberAbsent {
        /// Its name.
        name: String,
    },
    /// A config lists a different number of layers than the manifest.
    LayerCount {
        /// Layers in the manifest.
        manifest: usize,
        /// Diff IDs in the config.
        config: usize,
    },
    /// A tar header or extension record cannot be what it says.
    Tar {
        /// Where the header starts, counted from the start of the tar.
        offset: u64,
        /// What is wrong with it.
        why: TarFault,
    },
    /// An ELF file is damaged.
    Elf {
        /// What is wrong.
        why: &'static str,
    },
    /// A cpio archive is damaged.
    Cpio {
        /// Where it was noticed, counted from the start of the archive.
        offset: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// A Debian package is not of the form that `deb(5)` gives it.
    Deb {
        /// What is wrong.
        why: &'static str,
    },
    /// Control data is not of the form that `deb822(5)` gives it.
    Deb822 {
        /// The line, counted from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A repository's `Release` file cannot be used.
    Release {
        /// What is wrong with it.
        why: String,
    },
    /// A signature is not good, or there is none.
    Signature {
        /// Why not.
        why: String,
    },
    /// An image that no manifest describes, as in the archives that docker wrote before it took to OCI layouts.
    NoManifest,
    /// A repository is signed, and there is no key to check that with.
    Unverified,
    /// An archive was to be taken only if nothing is wrong with it.
    Unsound {
        /// How many errors were found, and how many parts could not be verified.
        found: usize,
    },
    /// A file holds no keys that can be read.
    Keyring {
        /// What is wrong with it.
        why: String,
        /// Whether it is in a form that only gpg reads.
        keybox: bool,
    },
    /// A file holds another package than the one that was asked for.
    OtherPackage {
        /// The field of its control data that tells.
        field: &'static str,
        /// What it should be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// Two packages have the same file, and neither says that it may replace the other's.
    FileConflict {
        /// The packages, with versions: the one unpacked first, and the other.
        packages: [String; 2],
        /// What makes it so.
        why: &'static str,
    },
    /// Compressed bytes do not decode.
    Codec {
        /// The compression: `gzip`, `zstd`, `xz`, `bzip2`.
        codec: &'static str,
        /// The decoder's reason.
        why: String,
    },
    /// A limit that protects this program was reached.
    Limit {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// What was found; a lower bound where counting stopped at the limit.
        found: u64,
    },
    /// Two common readers would see different things here, so none is right.
    Ambiguous {
        /// What could be read in two ways.
        why: String,
    },
    /// A link between members leads nowhere or out of the archive.
    BadLink {
        /// The link's target as written.
        target: String,
        /// Why it cannot be followed.
        why: &'static str,
    },
    /// An entry of a layer that cannot be applied to what is there.
    Entry {
        /// Why not.
        why: &'static str,
    },
    /// No image here has the name asked for.
    NoSuchImage {
        /// The reference asked for.
        wanted: String,
        /// What would select each image that is here.
        candidates: Candidates,
    },
    /// One image is needed and several are here.
    SeveralImages {
        /// What would select each.
        candidates: Candidates,
    },
    /// The image is in a registry or an engine, which is reached by other tools.
    Online {
        /// As it was typed.
        typed: String,
        /// The prefix that says so.
        transport: &'static str,
        /// The command that writes the image to a file.
        remedy: String,
    },
    /// A name that is neither a path nor in the store.
    NotFound {
        /// What was typed.
        wanted: String,
        /// The name in the store that is most likely meant.
        closest: Option<String>,
    },
    /// A directory that is to be the local store and holds something else.
    NotAStore,
    /// A program, library or script needs something to run that cannot be found.
    Needs {
        /// What it asks for.
        what: String,
        /// Why it cannot be had.
        why: &'static str,
    },
    /// The bytes went by on a stream and cannot be read again.
    Gone,
    /// A file is not the same any more as when it was looked at.
    Changed,
    /// No package is what was asked for.
    NoSuchPackage {
        /// What was typed.
        wanted: String,
        /// The packages of that name that are here, `NAME:ARCH=VERSION`.
        candidates: Candidates,
    },
    /// No packages fit together as they were asked for.
    Unsolvable {
        /// Facts that cannot all hold.
        why: String,
    },
    /// The job does not apply to this kind of content.
    Unsupported {
        /// What was found.
        what: String,
    },
}

/// What could be typed to select what is here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidates {
    /// The first of them, as many as a line can take.
    pub first: Vec<String>,
    /// How many there are in all.
    pub total: usize,
    /// The one that is most likely meant.
    pub closest: Option<String>,
}

impl Candidates {
    /// How many an error line lists before it says how many more there are.
    pub const LISTED: usize = 12;
}

impl FromIterator<String> for Candidates {
    fn from_iter<I: IntoIterator<Item = String>>(all: I) -> Self {
        let mut candidates = Candidates::default();
        for one in all {
            if candidates.total < Self::LISTED {
                candidates.first.push(one);
            }
            candidates.total += 1;
        }
        candidates
    }
}

/// What an input that is no image looks like instead.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotAnImage {
    /// No bytes at all.
    Empty,
    /// A tar without members.
    EmptyTar,
    /// Neither a tar nor a compressed tar.
    UnknownBytes,
    /// A tar or folder with neither `manifest.json`, `index.json`, `oci-layout` nor `repositories`.
    NoManifest,
    /// An image that lies in a folder of the tar or folder.
    Below {
        /// The document that the image begins with.
        member: String,
        /// Whether it is in a folder, and not in a tar.
        folder: bool,
    },
    /// A tar or folder that looks like a root filesystem.
    RootFilesystem,
    /// The storage tree of a registry.
    RegistryTree,
    /// The data root of a docker engine.
    DockerDataRoot,
    /// The storage tree of podman, buildah or CRI-O.
    ContainersStorage,
    /// A lone JSON document.
    Document,
    /// A `manifest.json` that names no image: `null`, or not of any known form.
    EmptyManifest,
}

/// What is wrong with a tar header.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TarFault {
    /// The header's checksum does not match.
    Checksum,
    /// A numeric field holds no number, or one that cannot be meant.
    Number {
        /// The field.
        field: &'static str,
    },
    /// A PAX record is malformed.
    PaxRecord {
        /// The rule it breaks.
        why: &'static str,
    },
    /// A sparse map is malformed.
    Sparse {
        /// The rule it breaks.
        why: &'static str,
    },
    /// The archive ends inside a header or its contents.
    UnexpectedEnd {
        /// Bytes that are missing at least.
        missing: u64,
    },
    /// An extension header is followed by no entry.
    DanglingExtension,
    /// Two conflicting names in extension headers.
    ConflictingNames,
    /// The first block is no tar header at all.
    NotATar,
}

impl Error {
    /// An error without a place yet.
    pub fn new(fault: Fault) -> Self {
        Error {
            inner: Arc::new(Inner {
                fault,
                places: Vec::new(),
            }),
        }
    }

    /// Adds the place around those already named: call it on the way up, once where each place is known.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.inner).places.push(place.into());
        self
    }

    /// What is wrong.
    pub fn fault(&self) -> &Fault {
        &self.inner.fault
    }

    /// The places, outermost first, unescaped.
    pub fn places(&self) -> impl Iterator<Item = &str> {
        self.inner.places.iter().rev().map(String::as_str)
    }

    /// What to type instead, where that is known.
    pub fn hint(&self) -> Option<String> {
        self.inner
            .fault
            .hint(self.places().next(), self.inner.places.len() == 1)
    }

    /// Whether the fault is a pipe whose reader went away, which ends a program quietly.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(&self.inner.fault, Fault::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// An operating-system error of `action`, or the library error that travelled inside it through `std::io`.
    pub fn io(action: &'static str, source: io::Error) -> Self {
        match source.downcast::<Error>() {
            Ok(error) => error,
            Err(source) => Error::new(Fault::Io {
                action,
                source: Arc::new(source),
            }),
        }
    }

    /// Wraps the error so that it can travel through a `std::io::Read`.
    pub fn into_io(self) -> io::Error {
        io::Error::other(self)
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Error::new(fault)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.inner.fault {
            Fault::Io { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in self.places() {
            write!(f, "{}: ", escape::brief(place))?;
        }
        self.inner.fault.fmt(f)
    }
}

/// Adds a place to a result.
pub trait At<T> {
    /// Names the place of an error; costs nothing when there is none.
    fn at(self, place: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: Into<Error>> At<T> for Result<T, E> {
    fn at(self, place: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| error.into().at(place()))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use escape::brief;
        match self {
            Fault::Io { action, source } => write!(f, "cannot {action}: {}", io_text(source)),
            Fault::Usage(why) => write!(f, "{}", escape::brief_to(why, USAGE)),
            Fault::Instruction { why } => f.write_str(&brief(why)),
            Fault::NotAnImage(what) => write!(f, "not an image archive: {what}"),
            Fault::Exists { kind } => write!(f, "cannot create: already exists: {kind}"),
            Fault::NotAFile { kind } => write!(f, "not a file or directory: {kind}"),
            Fault::Truncated {
                what,
                expected,
                found,
            } => {
                write!(
                    f,
                    "{what} is truncated: expected {expected} bytes, found {found}"
                )
            }
            Fault::Json { why } => write!(f, "invalid JSON: {}", brief(why)),
            Fault::Schema {
                field,
                expected,
                found,
            } => {
                write!(
                    f,
                    "{}: expected {expected}, found {}",
                    brief(field),
                    brief(found)
                )
            }
            Fault::BadDigest { text: digest, why } => {
                write!(f, "invalid digest '{}': {why}", brief(digest))
            }
            Fault::UnsupportedDigest { algorithm } => {
                write!(f, "unsupported digest algorithm '{}'", brief(algorithm))
            }
            Fault::BadReference {
                text: reference,
                why,
            } => {
                write!(f, "invalid image reference '{}': {why}", brief(reference))
            }
            Fault::DigestMismatch { expected, found } => {
                write!(
                    f,
                    "digest mismatch: expected {}, found {found}",
                    brief(expected)
                )
            }
            Fault::SizeMismatch { expected, found } => {
                write!(f, "size mismatch: expected {expected} bytes, found {found}")
            }
            Fault::DiffIdMismatch { expected, found } => {
                write!(
                    f,
                    "diff ID mismatch: expected {}, found {found}",
                    brief(expected)
                )
            }
            Fault::BlobAbsent { digest } => {
                write!(f, "blob {} is not in the archive", brief(digest))
            }
            Fault::MemberAbsent { name } => {
                write!(f, "member '{}' is not in the archive", brief(name))
            }
            Fault::LayerCount { manifest, config } => {
                write!(
                    f,
                    "layer count mismatch: manifest has {manifest}, config has {config}"
                )
            }
            Fault::Tar { offset, why } => write!(f, "damaged tar: header at byte {offset}: {why}"),
            Fault::Elf { why } => write!(f, "damaged ELF file: {why}"),
            Fault::Cpio { offset, why } => {
                write!(f, "damaged cpio archive: at byte {offset}: {why}")
            }
            Fault::Deb { why } => write!(f, "invalid Debian package: {why}"),
            Fault::Deb822 { line, why } => {
                write!(f, "invalid control data: line {line}: {why}")
            }
            Fault::Release { why } => write!(f, "invalid Release file: {}", brief(why)),
            Fault::Signature { why } => write!(f, "no valid signature: {}", brief(why)),
            Fault::NoManifest => {
                f.write_str("image has no manifest: this docker-archive holds none")
            }
            Fault::Unverified => f.write_str("no keyring given"),
            Fault::Unsound { found: 1 } => f.write_str("not loaded: 1 error found"),
            Fault::Unsound { found } => write!(f, "not loaded: {found} errors found"),
            Fault::Keyring { why, .. } => write!(f, "invalid keyring: {}", brief(why)),
            Fault::OtherPackage {
                field,
                expected,
                found,
            } => {
                write!(
                    f,
                    "package mismatch: {field}: expected {}, found {}",
                    brief(expected),
                    brief(found)
                )
            }
            Fault::FileConflict {
                packages: [first, second],
                why,
            } => {
                write!(f, "{} and {}: {why}", brief(first), brief(second))
            }
            Fault::Codec { codec, why } => write!(f, "damaged {codec} data: {}", brief(why)),
            Fault::Limit { what, limit, found } => {
                write!(
                    f,
                    "{what}: limit exceeded: expected at most {limit}, found {found}"
                )
            }
            Fault::Ambiguous { why } => write!(f, "ambiguous: {}", brief(why)),
            Fault::BadLink { target, why } => write!(f, "link to '{}': {why}", brief(target)),
            Fault::Entry { why } => f.write_str(why),
            Fault::NoSuchImage { wanted, candidates } => {
                write!(f, "no such image '{}'", brief(wanted))?;
                available(f, candidates)
            }
            Fault::SeveralImages { candidates } => {
                f.write_str("several images, expected one: ")?;
                list(f, candidates)
            }
            Fault::Online {
                typed, transport, ..
            } => write!(
                f,
                "'{}': unsupported transport '{transport}': imgkit reads files and is offline",
                brief(typed)
            ),
            Fault::NotAStore => {
                f.write_str("not an image store: directory is neither empty nor an OCI layout")
            }
            Fault::NotFound { wanted, .. } => write!(
                f,
                "no such file, and no image '{}' in the store",
                brief(wanted)
            ),
            Fault::NoSuchPackage { wanted, candidates } => {
                write!(f, "no such package '{}'", brief(wanted))?;
                available(f, candidates)
            }
            Fault::Unsolvable { why } => {
                write!(
                    f,
                    "unsatisfiable dependencies: {}",
                    escape::brief_to(why, USAGE)
                )
            }
            Fault::Changed => f.write_str("changed while being read"),
            Fault::Needs { what, why } => write!(f, "requires {}: {why}", brief(what)),
            Fault::Gone => f.write_str("cannot re-read data from a stream"),
            Fault::Unsupported { what } => write!(f, "unsupported: {}", brief(what)),
        }
    }
}

/// The most characters of a message about bad usage, which may list what there is to choose from.
const USAGE: usize = 2000;

/// Lists the candidates, if there are any.
fn available(f: &mut fmt::Formatter<'_>, candidates: &Candidates) -> fmt::Result {
    match candidates.total {
        0 => Ok(()),
        _ => {
            f.write_str(": available: ")?;
            list(f, candidates)
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, candidates: &Candidates) -> fmt::Result {
    for (i, candidate) in candidates.first.iter().enumerate() {
        let before = match i {
            0 => "",
            _ if i + 1 == candidates.total => " and ",
            _ => ", ",
        };
        write!(f, "{before}{}", escape::brief(candidate))?;
    }
    match candidates.total.saturating_sub(candidates.first.len()) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

/// The system's words without Rust's `(os error 2)`, in lower case as all our lines.
fn io_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    match chars.next() {
        Some(first) if !text.starts_with("I/O") => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

impl fmt::Display for NotAnImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            NotAnImage::Empty => "empty file",
            NotAnImage::EmptyTar => "tar without members",
            NotAnImage::UnknownBytes => "neither a tar nor a compressed tar",
            NotAnImage::NoManifest => {
                "no manifest.json, index.json, oci-layout or repositories"
            }
            NotAnImage::Below { member, .. } => {
                return write!(
                    f,
                    "no manifest.json, index.json, oci-layout or repositories at the top level, but {}",
                    escape::brief(member)
                );
            }
            NotAnImage::RootFilesystem => "neither manifest.json nor oci-layout found",
            NotAnImage::RegistryTree => "storage tree of a registry",
            NotAnImage::DockerDataRoot => "data root of a docker engine",
            NotAnImage::ContainersStorage => {
                "containers-storage tree (podman, buildah, CRI-O)"
            }
            NotAnImage::Document => "JSON document",
            NotAnImage::EmptyManifest => "manifest.json lists no image",
        })
    }
}

impl fmt::Display for TarFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TarFault::Checksum => f.write_str("checksum mismatch"),
            TarFault::Number { field } => write!(f, "invalid number in field '{field}'"),
            TarFault::PaxRecord { why } => write!(f, "invalid PAX record: {why}"),
            TarFault::Sparse { why } => write!(f, "invalid sparse map: {why}"),
            TarFault::UnexpectedEnd { missing } => {
                write!(f, "unexpected end: {missing} bytes are missing")
            }
            TarFault::DanglingExtension => f.write_str("extension header without an entry"),
            TarFault::ConflictingNames => f.write_str("conflicting names in extension headers"),
            TarFault::NotATar => f.write_str("not a tar header"),
        }
    }
}

impl Fault {
    /// `typed` says that the place is all there is, so that it is what the user typed and nothing within.
    fn hint(&self, place: Option<&str>, typed: bool) -> Option<String> {
        let input = || match place {
            // Standard input is called by its name in errors, and is written `-`.
            Some("standard input") => "-".to_owned(),
            place => escape::brief(place.unwrap_or("FILE")).into_owned(),
        };
        match self {
            Fault::NotAnImage(NotAnImage::RootFilesystem) => Some(format!(
                "looks like a root filesystem; imgimport {} NAME makes an image of it",
                input()
            )),
            Fault::NotAnImage(NotAnImage::Below { member, folder }) => {
                let inside = member.rsplit_once('/').map_or("", |(inside, _)| inside);
                let inside = escape::brief(inside);
                Some(match folder {
                    true => format!("name the directory of the image: {}/{inside}", input()),
                    false => format!("extract it (tar -xf {}) and name {inside}", input()),
                })
            }
            Fault::NotAnImage(NotAnImage::DockerDataRoot) => Some(
                "docker save -o FILE.tar IMAGE writes an image of that engine as an archive".into(),
            ),
            Fault::NotAnImage(NotAnImage::ContainersStorage) => Some(
                "podman save -o FILE.tar IMAGE writes an image of that storage as an archive"
                    .into(),
            ),
            Fault::SeveralImages { candidates } => candidates
                .first
                .first()
                .map(|first| format!("name one of them, as in {}", escape::brief(first))),
            Fault::NoSuchImage { candidates, .. } => candidates
                .closest
                .as_deref()
                .map(|closest| format!("the closest name is {}", escape::brief(closest))),
            Fault::Online { remedy, .. } => {
                Some(format!("{} writes it to a file", escape::brief(remedy)))
            }
            Fault::NotFound { closest, .. } => closest.as_deref().map(|closest| {
                format!(
                    "the closest name in the store is {}",
                    escape::brief(closest)
                )
            }),
            Fault::Unverified => Some(
                "--keyring FILE names the trusted keys, --allow-unsigned skips verification".into(),
            ),
            Fault::Keyring { keybox: true, .. } => {
                // gpg looks for a bare name in its own directory.
                let here = if input().contains('/') { "" } else { "./" };
                Some(format!(
                    "gpg --no-default-keyring --keyring {here}{0} --export >{0}.gpg writes a readable one",
                    input()
                ))
            }
            Fault::Exists { kind: "a file" } => Some("--force replaces it".into()),
            Fault::NotAFile { kind: "a FIFO" } => {
                typed.then(|| format!("use - and redirect, as in imgls - < {}", input()))
            }
            Fault::Limit { what, limit, found } => limits::remedy(what, *limit, *found),
            _ => None,
        }
    }
}
