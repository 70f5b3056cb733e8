//! Texts of errors.

use std::fmt::{self, Display, Formatter};
use std::io;

use super::candidates::Candidates;
use super::fault::Fault;
use super::kinds::{NotAnImage, TarFault, VolumeFault};
use crate::escape::{self, brief};

/// Length in characters of a usage error or a list of dependencies, which may list alternatives.
const LONG: usize = 2000;

impl Display for Fault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Io { action, source } => write!(f, "cannot {action}: {}", io_text(source)),
            Fault::Usage(why) => f.write_str(&escape::brief_to(why, LONG)),
            Fault::Instruction { why } => f.write_str(&brief(why)),
            Fault::Exists { kind } => write!(f, "cannot create: already exists: {kind}"),
            Fault::NotAFile { kind } => write!(f, "not a file or directory: {kind}"),
            Fault::StreamConsumed => f.write_str("cannot re-read data from a stream"),
            Fault::Changed => f.write_str("changed while being read"),
            Fault::Limit { what, limit, found } => {
                write!(
                    f,
                    "{what}: limit exceeded: expected at most {limit}, found {found}"
                )
            }
            Fault::Ambiguous { why } => problem(f, "ambiguous", why),
            Fault::Unsupported { what } => problem(f, "unsupported", what),
            Fault::Entry { why } | Fault::Word { why, .. } => f.write_str(why),
            Fault::Needs { what, why } => write!(f, "requires {}: {why}", brief(what)),
            Fault::Json { why } => problem(f, "invalid JSON", why),
            Fault::BadDigest { text, why } => write!(f, "invalid digest '{}': {why}", brief(text)),
            Fault::UnsupportedDigest { algorithm } => {
                write!(f, "unsupported digest algorithm '{}'", brief(algorithm))
            }
            Fault::BadReference { text, why } => {
                write!(f, "invalid image reference '{}': {why}", brief(text))
            }
            Fault::Tar { offset, why } => write!(f, "damaged tar: header at byte {offset}: {why}"),
            Fault::Elf { why } => write!(f, "damaged ELF file: {why}"),
            Fault::Cpio { offset, why } => {
                write!(f, "damaged cpio archive: at byte {offset}: {why}")
            }
            Fault::Codec { codec, why } => write!(f, "damaged {codec} data: {}", brief(why)),
            Fault::BadLink { target, why } => write!(f, "link to '{}': {why}", brief(target)),
            Fault::BlobMissing { digest } => {
                write!(f, "blob {} is not in the archive", brief(digest))
            }
            Fault::MemberMissing { name } => {
                write!(f, "member '{}' is not in the archive", brief(name))
            }
            Fault::NotAnImage(kind) => write!(f, "not an image archive: {kind}"),
            Fault::NoManifest => {
                f.write_str("image has no manifest: this docker-archive holds none")
            }
            Fault::Unsound { found } => {
                let plural = if *found == 1 { "" } else { "s" };
                write!(f, "not loaded: {found} error{plural} found")
            }
            Fault::Volumes(why) => write!(f, "{why}"),
            Fault::NotAStore => {
                f.write_str("not an image store: directory is neither empty nor an OCI layout")
            }
            Fault::Deb { why } => write!(f, "invalid Debian package: {why}"),
            Fault::Deb822 { line, why } => write!(f, "invalid control data: line {line}: {why}"),
            Fault::List { line, why, .. } => match line {
                Some(line) => write!(f, "invalid list: line {line}: {}", brief(why)),
                None => problem(f, "invalid list", why),
            },
            Fault::Receipt { line, why } => {
                let why = escape::brief_to(why, LONG);
                write!(f, "invalid receipt: line {line}: {why}")
            }
            Fault::Release { why } => problem(f, "invalid Release file", why),
            Fault::Signature { why } => problem(f, "no valid signature", why),
            Fault::Keyring { why, .. } => problem(f, "invalid keyring", why),
            Fault::Unverified => f.write_str("no keyring given"),
            Fault::Unsolvable { why } => {
                let why = escape::brief_to(why, LONG);
                write!(f, "unsatisfiable dependencies: {why}")
            }
            Fault::FileConflict { packages, why } => {
                let [first, second] = packages;
                write!(f, "{} and {}: {why}", brief(first), brief(second))
            }
            Fault::Truncated { .. }
            | Fault::Schema { .. }
            | Fault::DigestMismatch { .. }
            | Fault::SizeMismatch { .. }
            | Fault::DiffIdMismatch { .. }
            | Fault::LayerCount { .. }
            | Fault::OtherPackage { .. } => mismatch(self, f),
            Fault::NoSuchImage { .. }
            | Fault::SeveralImages { .. }
            | Fault::Online { .. }
            | Fault::NotFound { .. }
            | Fault::NoSuchPackage { .. } => selection(self, f),
        }
    }
}

fn problem(f: &mut Formatter<'_>, problem: &str, detail: &str) -> fmt::Result {
    write!(f, "{problem}: {}", brief(detail))
}

/// Writes a fault with an expected and a found value.
fn mismatch(fault: &Fault, f: &mut Formatter<'_>) -> fmt::Result {
    let (subject, expected, found) = match fault {
        Fault::Truncated {
            what,
            expected,
            found,
        } => {
            return write!(
                f,
                "{what} is truncated: expected {expected} bytes, found {found}"
            );
        }
        Fault::SizeMismatch { expected, found } => {
            return write!(f, "size mismatch: expected {expected} bytes, found {found}");
        }
        Fault::LayerCount { manifest, config } => {
            return write!(
                f,
                "layer count mismatch: manifest has {manifest}, config has {config}"
            );
        }
        Fault::Schema {
            field,
            expected,
            found,
        } => (brief(field), brief(expected), brief(found)),
        Fault::DigestMismatch { expected, found } => {
            ("digest mismatch".into(), brief(expected), brief(found))
        }
        Fault::DiffIdMismatch { expected, found } => {
            ("diff ID mismatch".into(), brief(expected), brief(found))
        }
        Fault::OtherPackage {
            field,
            expected,
            found,
        } => {
            let subject = format!("package mismatch: {field}");
            (subject.into(), brief(expected), brief(found))
        }
        _ => return Ok(()),
    };
    write!(f, "{subject}: expected {expected}, found {found}")
}

/// Writes a fault of selecting an image or package.
fn selection(fault: &Fault, f: &mut Formatter<'_>) -> fmt::Result {
    match fault {
        Fault::NoSuchImage { wanted, candidates } => {
            write!(f, "no such image '{}'", brief(wanted))?;
            available(f, candidates)
        }
        Fault::NoSuchPackage { wanted, candidates } => {
            write!(f, "no such package '{}'", brief(wanted))?;
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
        Fault::NotFound { wanted, .. } => write!(f, "'{}': no such file or image", brief(wanted)),
        _ => Ok(()),
    }
}

/// Lists the candidates, if there are any.
fn available(f: &mut Formatter<'_>, candidates: &Candidates) -> fmt::Result {
    match candidates.total {
        0 => Ok(()),
        _ => {
            f.write_str(": available: ")?;
            list(f, candidates)
        }
    }
}

fn list(f: &mut Formatter<'_>, candidates: &Candidates) -> fmt::Result {
    for (i, candidate) in candidates.first.iter().enumerate() {
        let before = match i {
            0 => "",
            _ if i + 1 == candidates.total => " and ",
            _ => ", ",
        };
        write!(f, "{before}{}", brief(candidate))?;
    }
    match candidates.total.saturating_sub(candidates.first.len()) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}

/// Returns the system's text in lower case, without Rust's `(os error 2)`.
fn io_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    match chars.next() {
        Some(first) if !text.starts_with("I/O") => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

impl Display for NotAnImage {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
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
                    brief(member)
                );
            }
            NotAnImage::RootFilesystem => "neither manifest.json nor oci-layout found",
            NotAnImage::RegistryTree => "storage tree of a registry",
            NotAnImage::NoRegistryTree => "no storage tree of a registry: no docker/registry/v2",
            NotAnImage::NoImages => "no OCI layout or dir: image below it",
            NotAnImage::DockerDataRoot => "data root of a docker engine",
            NotAnImage::ContainersStorage => {
                "containers-storage tree (podman, buildah, CRI-O)"
            }
            NotAnImage::Document => "JSON document",
            NotAnImage::EmptyManifest => "manifest.json lists no image",
        })
    }
}

impl Display for TarFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
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

impl Display for VolumeFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            VolumeFault::Missing { numbers, of } => missing_volumes(f, numbers, *of),
            VolumeFault::NoList { set, numbers, of } => {
                write!(f, "{}: ", brief(set))?;
                missing_volumes(f, numbers, *of)?;
                let them = if numbers.len() == 1 { "it" } else { "them" };
                write!(f, ", and the list of images with {them}")
            }
            VolumeFault::NotOneSet { sets, .. } => match sets.as_slice() {
                [one] => write!(f, "volumes of {} beside other files", brief(one)),
                several => {
                    f.write_str("volumes of several sets: ")?;
                    for (set, at) in several.iter().zip(0..) {
                        let comma = if at == 0 { "" } else { ", " };
                        write!(f, "{comma}{}", brief(set))?;
                    }
                    Ok(())
                }
            },
            VolumeFault::Gap { name } => write!(f, "missing piece '{}'", brief(name)),
            VolumeFault::Damaged { volume, ranges } => {
                write!(f, "{}: damaged at {}", brief(volume), brief(ranges))
            }
            VolumeFault::Table { why } => write!(f, "invalid table of a volume: {why}"),
            VolumeFault::Mixed { why } => problem(f, "volumes do not belong together", why),
            VolumeFault::Unrepairable { damaged, intact } => write!(
                f,
                "not repairable: {damaged} columns are damaged or missing, {intact} columns of parity are intact"
            ),
        }
    }
}

/// Writes the numbers of missing volumes.
fn missing_volumes(f: &mut Formatter<'_>, numbers: &[u64], of: Option<u64>) -> fmt::Result {
    let of = of.map_or_else(String::new, |of| format!(" of {of}"));
    match numbers {
        [one] => write!(f, "volume {one}{of} is missing"),
        [first @ .., last] => {
            f.write_str("volumes ")?;
            for (number, at) in first.iter().take(20).zip(0..) {
                let comma = if at == 0 { "" } else { ", " };
                write!(f, "{comma}{number}")?;
            }
            let more = if first.len() > 20 { ", ..." } else { "" };
            write!(f, "{more} and {last}{of} are missing")
        }
        [] => f.write_str("volumes are missing"),
    }
}
