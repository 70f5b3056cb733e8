//! Findings: stable codes, each with a severity.

use std::collections::HashSet;
use std::fmt;

use crate::error::{Error, Fault};
use crate::escape;
use crate::layer::{AnomalyKind, NoteCount, NoteKind, Tail};
use crate::spec::Timestamp;

/// Severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr)]
#[strum(serialize_all = "lowercase")]
pub enum Severity {
    /// Information; nothing is wrong.
    Note,
    /// Tools may interpret it differently. The archive can be used.
    Warning,
    /// Damage: bytes are missing, changed or invalid.
    Error,
}

impl Severity {
    /// Its name in output.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// A finding: severity, code, context and message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Severity of the finding.
    pub severity: Severity,
    /// Code in kebab case; stable across versions.
    pub code: &'static str,
    /// Context, outermost first, without the archive itself. Not escaped.
    pub places: Vec<String>,
    /// Time since which it is so, if that is known.
    pub since: Option<Timestamp>,
    /// Text for people; see [`Finding::message`].
    message: String,
}

impl Finding {
    /// A finding with its words, at one place; at the archive as a whole if that is empty.
    pub fn new(
        severity: Severity,
        code: &'static str,
        place: impl Into<String>,
        message: impl AsRef<str>,
    ) -> Self {
        let place = place.into();
        let places = if place.is_empty() {
            Vec::new()
        } else {
            vec![place]
        };
        Finding::within(severity, code, places, message)
    }

    /// A finding at places, outermost first. Every finding is made here, so every message is escaped.
    pub fn within(
        severity: Severity,
        code: &'static str,
        mut places: Vec<String>,
        message: impl AsRef<str>,
    ) -> Self {
        places.dedup();
        Finding {
            severity,
            code,
            places,
            since: None,
            message: escape::text(message.as_ref()).into_owned(),
        }
    }

    /// The finding that an error amounts to.
    pub fn of(error: &Error) -> Self {
        let places = error.context().map(str::to_owned).collect();
        Finding::within(
            Severity::Error,
            code(error.fault()),
            places,
            error.fault().to_string(),
        )
    }

    /// Adds the age to the message.
    pub fn add_age(&mut self, age: &str) {
        self.message = format!("{}, {age}", self.message);
    }

    /// Text for people, escaped: quoted texts of the archive are safe to print.
    pub fn message(&self) -> &str {
        &self.message
    }
}

/// Findings of a check, and the errors that kept it from completing.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub findings: Vec<Finding>,
    pub trouble: Vec<Error>,
}

impl Found {
    /// Drops findings and errors that repeat an earlier one.
    pub fn dedup(&mut self) {
        let mut seen = HashSet::new();
        let fresh: Vec<bool> = self
            .findings
            .iter()
            .map(|finding| seen.insert((finding.code, &finding.places, finding.message())))
            .collect();
        let mut fresh = fresh.into_iter();
        self.findings.retain(|_| fresh.next().unwrap_or(true));
        let mut known = HashSet::new();
        self.trouble.retain(|error| known.insert(error.to_string()));
    }

    /// Adds a finding.
    pub fn add(
        &mut self,
        severity: Severity,
        code: &'static str,
        place: impl Into<String>,
        message: impl AsRef<str>,
    ) {
        self.findings
            .push(Finding::new(severity, code, place, message));
    }

    /// Adds a finding at several places.
    pub fn within(
        &mut self,
        severity: Severity,
        code: &'static str,
        places: &[String],
        message: impl AsRef<str>,
    ) {
        self.findings
            .push(Finding::within(severity, code, places.to_vec(), message));
    }

    /// Adds an error with its own context: damage as a finding, I/O errors and exceeded limits as trouble.
    pub fn error(&mut self, error: &Error) {
        let places: Vec<String> = error.context().map(str::to_owned).collect();
        self.error_within(error, &places);
    }

    /// Adds an error with the given context: damage as a finding, I/O errors and exceeded limits as trouble.
    pub fn error_within(&mut self, error: &Error, places: &[String]) {
        let mut places = places.to_vec();
        places.dedup();
        if !matches!(error.fault(), Fault::Io { .. } | Fault::Limit { .. }) {
            let (code, message) = (code(error.fault()), error.fault().to_string());
            self.within(Severity::Error, code, &places, message);
            return;
        }
        let mut moved = Error::new(error.fault().clone()).at("could not be verified");
        for place in places.into_iter().rev() {
            moved = moved.at(place);
        }
        self.trouble.push(moved);
    }

    /// Adds a violation of a schema rule, with its own context.
    pub fn schema(&mut self, severity: Severity, error: &Error) {
        let places: Vec<String> = error.context().map(str::to_owned).collect();
        let (code, message) = (code(error.fault()), error.fault().to_string());
        self.within(severity, code, &places, message);
    }

    /// Adds the findings and trouble of another check.
    pub fn append(&mut self, mut other: Found) {
        self.findings.append(&mut other.findings);
        self.trouble.append(&mut other.trouble);
    }
}

/// The most characters of the message in a line; names that it quotes may be as long as the archive makes them.
const LINE: usize = 1000;

/// `place: place: message`, escaped, each cut in its middle where it is too long for a line.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in &self.places {
            write!(f, "{}: ", escape::measured(place, escape::BRIEF))?;
        }
        // Once more, because one message that was forgotten would be enough.
        f.write_str(&escape::measured(&self.message, LINE))
    }
}

/// The code of a fault.
fn code(fault: &Fault) -> &'static str {
    match fault {
        Fault::Truncated { .. } => "truncated",
        Fault::Json { .. } => "json",
        Fault::Schema { .. } => "schema",
        Fault::BadDigest { .. } => "bad-digest",
        Fault::UnsupportedDigest { .. } => "unsupported-digest",
        Fault::DigestMismatch { .. } => "digest-mismatch",
        Fault::SizeMismatch { .. } => "size-mismatch",
        Fault::DiffIdMismatch { .. } => "diff-id-mismatch",
        Fault::BlobMissing { .. } => "blob-absent",
        Fault::MemberMissing { .. } => "member-absent",
        Fault::LayerCount { .. } => "layer-count",
        Fault::Tar { .. } => "tar",
        Fault::Codec { .. } => "compression",
        Fault::Ambiguous { .. } => "ambiguous",
        Fault::BadLink { .. } => "bad-link",
        Fault::NotAFile { .. } => "not-a-file",
        Fault::Volumes(_) => "volumes",
        _ => "damaged",
    }
}

/// Zeros behind an end marker that no writer's record size explains.
const LONG_TAIL: u64 = 1 << 20;

/// Reports bytes behind a tar's end marker.
pub(super) fn tail(tail: &Tail, rest: &str, places: &[String], found: &mut Found) {
    let (severity, code, message) = match tail.first_nonzero {
        Some(at) if tail.is_header => (
            Severity::Warning,
            "entries-after-end",
            format!("entries follow the tar's end marker, at byte {at}; {rest}"),
        ),
        Some(at) => (
            Severity::Warning,
            "trailing-data",
            format!("data follows the tar's end marker, at byte {at}; {rest}"),
        ),
        None if tail.length > LONG_TAIL => (
            Severity::Note,
            "long-padding",
            format!("{} zero bytes follow the end marker", tail.length),
        ),
        None => return,
    };
    found.within(severity, code, places, message);
}

/// `14 setuid files: usr/bin/passwd, usr/bin/su, usr/bin/chsh and 11 more`.
pub(super) fn noted(kind: NoteKind, noted: &NoteCount) -> String {
    let (one, many) = match kind {
        NoteKind::Setuid => ("setuid file", "setuid files"),
        NoteKind::Setgid => ("setgid file", "setgid files"),
        NoteKind::Capability => ("file with capabilities", "files with capabilities"),
        NoteKind::AccessList => (
            "entry with an access control list",
            "entries with access control lists",
        ),
        NoteKind::Device => ("device", "devices"),
        NoteKind::ClimbingLink => (
            "symbolic link that leads out of the root directory",
            "symbolic links that lead out of the root directory",
        ),
        NoteKind::Twin => (
            "name that differs from another only in case or Unicode normalization",
            "names that differ from another only in case or Unicode normalization",
        ),
        NoteKind::Control => (
            "name with control characters",
            "names with control characters",
        ),
    };
    let names: Vec<String> = noted
        .first
        .iter()
        .map(|name| escape::bytes(name).into_owned())
        .collect();
    let more = match noted.count.saturating_sub(names.len() as u64) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let what = if noted.count == 1 { one } else { many };
    format!("{} {what}: {}{more}", noted.count, names.join(", "))
}

/// Severity of an anomaly of a tar, and its meaning for readers.
pub(super) fn oddity(kind: AnomalyKind) -> (Severity, &'static str) {
    match kind {
        AnomalyKind::SizeOnLink => (
            Severity::Warning,
            "an entry without contents states a size; tar programs differ in whether data follows",
        ),
        AnomalyKind::UnknownType => (
            Severity::Warning,
            "an entry of a type that layers do not have",
        ),
        AnomalyKind::DuplicateExtension => (
            Severity::Warning,
            "several extension headers of one kind before one entry; readers take the first or the last",
        ),
        AnomalyKind::ConflictingNames => (
            Severity::Warning,
            "extension headers give the entry two names; readers differ in which one they take",
        ),
        AnomalyKind::GlobalPax => (Severity::Note, "a global extension header"),
        AnomalyKind::AbsolutePath => (Severity::Note, "a name starts with '/'"),
        AnomalyKind::ClimbingPath => (
            Severity::Error,
            "the path escapes the root directory with '..'",
        ),
        AnomalyKind::EmptyName => (Severity::Warning, "an entry without a name"),
        AnomalyKind::RootNotDirectory => (
            Severity::Error,
            "the entry for the top of the tree is no directory",
        ),
        AnomalyKind::InvalidWhiteout => (Severity::Error, "a whiteout names nothing"),
        AnomalyKind::NulInName => (
            Severity::Warning,
            "a long name holds a NUL; readers differ in where it ends",
        ),
        AnomalyKind::MissingEndMarker => (Severity::Warning, "the tar ends without its end marker"),
        AnomalyKind::MissingPadding => (
            Severity::Warning,
            "the tar stops after the contents of its last entry; tar programs call that an unexpected end",
        ),
        AnomalyKind::OneEndBlock => (
            Severity::Note,
            "the tar ends with one zero block where two belong",
        ),
        AnomalyKind::SizeDesync => (
            Severity::Warning,
            "a record and the header state different sizes; who believes the other one sees other entries after it",
        ),
        AnomalyKind::GlobalOverride => (
            Severity::Warning,
            "a global extension header changes the entries after it; libarchive ignores that",
        ),
        AnomalyKind::OddNumber => (
            Severity::Warning,
            "a number in the header is spelled so that some readers refuse it or read another one",
        ),
        AnomalyKind::PrefixInDoubt => (
            Severity::Warning,
            "bytes stand where some readers look for the start of the name and others do not",
        ),
        AnomalyKind::SlashOnFile => (
            Severity::Warning,
            "the name ends with '/' and the type is no directory; some readers make one of it",
        ),
        AnomalyKind::EmptyLink => (Severity::Warning, "a link without a target"),
        AnomalyKind::HiddenBytes => (
            Severity::Warning,
            "bytes stand behind the end of a text in the header, where no reader shows them",
        ),
        AnomalyKind::PaddingData => (
            Severity::Warning,
            "the padding to a whole block is not zeros: bytes that no reader shows",
        ),
        AnomalyKind::EmptyRecord => (
            Severity::Warning,
            "an extension record without a value; some readers take it for an empty name or size",
        ),
        AnomalyKind::OddSparse => (
            Severity::Warning,
            "the records of a sparse file are not in the order that all readers understand",
        ),
    }
}
