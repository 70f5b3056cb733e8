//! Faults, the problems of errors.

use std::io;
use std::sync::Arc;

use super::candidates::Candidates;
use super::kinds::{NotAnImage, TarFault, VolumeFault};

/// Problem as facts that tests can compare. Sizes and offsets are in bytes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Fault {
    /// An error of the operating system.
    Io {
        /// The action: `open`, `read`, `write`.
        action: &'static str,
        /// The system's error.
        source: Arc<io::Error>,
    },
    /// A usage error.
    Usage(String),
    /// A word of an expression that is refused.
    Word {
        /// The problem.
        why: &'static str,
        /// The text to type instead.
        hint: Option<&'static str>,
    },
    /// An invalid instruction for a change to a config, in docker's words.
    Instruction {
        /// The problem.
        why: String,
    },
    /// Readable input in a format other than a container image.
    NotAnImage(NotAnImage),
    /// An output that exists and is not overwritten.
    Exists {
        /// Its kind.
        kind: &'static str,
    },
    /// A path that is neither a regular file nor a directory.
    NotAFile {
        /// Its kind: `a FIFO`, `a socket`, ….
        kind: &'static str,
    },
    /// Fewer bytes than expected.
    Truncated {
        /// The unit that was read.
        what: &'static str,
        /// Number of bytes expected.
        expected: u64,
        /// Number of bytes found.
        found: u64,
    },
    /// Invalid JSON, or JSON on which readers would disagree.
    Json {
        /// The problem and its position in the text.
        why: String,
    },
    /// A JSON document that does not conform to the specification.
    Schema {
        /// Path of the field: `manifests[2].digest`.
        field: String,
        /// Expected value.
        expected: &'static str,
        /// Value found.
        found: String,
    },
    /// An invalid digest by the grammar of the image specification.
    BadDigest {
        /// The text.
        text: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// A valid digest of an unsupported algorithm.
    UnsupportedDigest {
        /// Name of the algorithm.
        algorithm: String,
    },
    /// An invalid image reference.
    BadReference {
        /// The text.
        text: String,
        /// The rule it breaks.
        why: &'static str,
    },
    /// A blob whose bytes do not have the stated digest.
    DigestMismatch {
        /// Stated digest.
        expected: String,
        /// Digest of the bytes.
        found: String,
    },
    /// A blob whose size differs from its descriptor.
    SizeMismatch {
        /// Stated size.
        expected: u64,
        /// Size found.
        found: u64,
    },
    /// A layer whose uncompressed tar does not have the diff ID in the config.
    DiffIdMismatch {
        /// Stated diff ID.
        expected: String,
        /// Digest of the uncompressed tar.
        found: String,
    },
    /// A listed blob that is not in the archive.
    BlobMissing {
        /// Its digest.
        digest: String,
    },
    /// A listed member that is not in the archive.
    MemberMissing {
        /// Its name.
        name: String,
    },
    /// A config with a different number of layers than the manifest.
    LayerCount {
        /// Number of layers in the manifest.
        manifest: usize,
        /// Number of diff IDs in the config.
        config: usize,
    },
    /// An invalid tar header or extension record.
    Tar {
        /// Offset of the header from the start of the tar.
        offset: u64,
        /// The problem.
        why: TarFault,
    },
    /// A damaged ELF file.
    Elf {
        /// The problem.
        why: &'static str,
    },
    /// A damaged cpio archive.
    Cpio {
        /// Offset of the damage from the start of the archive.
        offset: u64,
        /// The problem.
        why: &'static str,
    },
    /// A package that does not conform to `deb(5)`.
    Deb {
        /// The problem.
        why: &'static str,
    },
    /// Control data that does not conform to `deb822(5)`.
    Deb822 {
        /// Number of the line, from 1.
        line: usize,
        /// The problem.
        why: &'static str,
    },
    /// An invalid list of images.
    List {
        /// Number of the line, from 1; `None` if the problem has none.
        line: Option<usize>,
        /// The problem.
        why: String,
        /// True if the list has template expressions.
        is_template: bool,
    },
    /// An invalid receipt.
    Receipt {
        /// Number of the line, from 1.
        line: usize,
        /// The problem.
        why: String,
    },
    /// An invalid `Release` file of a repository.
    Release {
        /// The problem.
        why: String,
    },
    /// A missing or invalid signature.
    Signature {
        /// The problem.
        why: String,
    },
    /// An image without a manifest, as in archives of docker before it wrote OCI layouts.
    NoManifest,
    /// A signed repository without a keyring to verify it.
    Unverified,
    /// A damaged archive that was to be loaded only if undamaged.
    Unsound {
        /// Number of errors and unverified parts.
        found: usize,
    },
    /// A file without readable keys.
    Keyring {
        /// The problem.
        why: String,
        /// True for a format that only gpg reads.
        keybox: bool,
    },
    /// A file with another package than requested.
    OtherPackage {
        /// Field of its control data that differs.
        field: &'static str,
        /// Expected value.
        expected: String,
        /// Value found.
        found: String,
    },
    /// Two packages with the same file, neither of which may replace the other's.
    FileConflict {
        /// The packages with versions: the one unpacked first, and the other.
        packages: [String; 2],
        /// The reason.
        why: &'static str,
    },
    /// Compressed bytes that do not decode.
    Codec {
        /// The compression: `gzip`, `zstd`, `xz`, `bzip2`.
        codec: &'static str,
        /// The decoder's reason.
        why: String,
    },
    /// A limit that protects the program was exceeded.
    Limit {
        /// The limited quantity.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// The number found; a lower bound where counting stopped at the limit.
        found: u64,
    },
    /// Content that common readers interpret differently.
    Ambiguous {
        /// The difference.
        why: String,
    },
    /// A link between members that leads nowhere or out of the archive.
    BadLink {
        /// Target of the link as written.
        target: String,
        /// The reason it cannot be followed.
        why: &'static str,
    },
    /// An entry of a layer that cannot be applied to the tree.
    Entry {
        /// The reason.
        why: &'static str,
    },
    /// No image matches the reference.
    NoSuchImage {
        /// The reference.
        wanted: String,
        /// Texts that select each existing image.
        candidates: Candidates,
    },
    /// Several images where one is expected.
    SeveralImages {
        /// Texts that select each of them.
        candidates: Candidates,
    },
    /// A reference to an image in a registry or an engine.
    Online {
        /// The reference as typed.
        typed: String,
        /// Its transport prefix.
        transport: &'static str,
        /// Command that writes the image to a file.
        remedy: String,
    },
    /// A name that is neither a path nor in the store.
    NotFound {
        /// The name as typed.
        wanted: String,
        /// The name in the store that is most likely meant.
        closest: Option<String>,
    },
    /// A set of volumes that is not complete, damaged, or mixed with another.
    Volumes(VolumeFault),
    /// A directory given as the local store that holds other files.
    NotAStore,
    /// A missing requirement of a program, library or script.
    Needs {
        /// The requirement.
        what: String,
        /// The reason it is not available.
        why: &'static str,
    },
    /// Data from a stream that were not kept and cannot be read again.
    StreamConsumed,
    /// A file that changed after it was looked up.
    Changed,
    /// No package matches the request.
    NoSuchPackage {
        /// The request as typed.
        wanted: String,
        /// The existing packages of that name, `NAME:ARCH=VERSION`.
        candidates: Candidates,
    },
    /// Unsatisfiable dependencies.
    Unsolvable {
        /// Facts that contradict each other.
        why: String,
    },
    /// An operation that is not supported for this content.
    Unsupported {
        /// The content.
        what: String,
    },
}
