//! Events and their kinds.

use crate::layer::Mtime;

/// Kinds of events, in the order in which those of one time are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// The contents of a version were modified.
    Content,
    /// A version was accessed.
    Access,
    /// The attributes of a version were changed.
    Change,
    /// The file of a version was created.
    Birth,
    /// A step of the history.
    Layer,
    /// A layer removed, hid or replaced a version.
    Gone,
    /// The image was created.
    Config,
    /// A time of an annotation or an attestation.
    Annotation,
    /// A time that the archive or a compressed layer recorded.
    Stored,
    /// A package was installed.
    Package,
}

impl EventKind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            EventKind::Content => "content",
            EventKind::Access => "access",
            EventKind::Change => "change",
            EventKind::Birth => "birth",
            EventKind::Layer => "layer",
            EventKind::Gone => "gone",
            EventKind::Config => "config",
            EventKind::Annotation => "annotation",
            EventKind::Stored => "stored",
            EventKind::Package => "package",
        }
    }

    /// plaso's description of such a time.
    pub fn description(self) -> &'static str {
        match self {
            EventKind::Content => "Content Modification Time",
            EventKind::Access => "Last Access Time",
            EventKind::Change => "Metadata Modification Time",
            EventKind::Birth | EventKind::Layer | EventKind::Config | EventKind::Annotation => {
                "Creation Time"
            }
            EventKind::Gone => "Content Deletion Time",
            EventKind::Stored => "Recorded Time",
            EventKind::Package => "Installation Time",
        }
    }

    /// The letter of mactime and l2tcsv: `M`, `A`, `C` or `B`.
    pub fn letter(self) -> char {
        match self {
            EventKind::Content | EventKind::Stored => 'M',
            EventKind::Access => 'A',
            EventKind::Change | EventKind::Gone => 'C',
            EventKind::Birth
            | EventKind::Layer
            | EventKind::Config
            | EventKind::Annotation
            | EventKind::Package => 'B',
        }
    }

    /// Kind of what the time was recorded of: `version`, `layer`, `image`, `stored` or `package`.
    pub fn source(self) -> &'static str {
        match self {
            EventKind::Layer => "layer",
            EventKind::Config | EventKind::Annotation => "image",
            EventKind::Stored => "stored",
            EventKind::Package => "package",
            _ => "version",
        }
    }

    /// Tests if it is a time of a version.
    pub fn is_of_version(self) -> bool {
        self.source() == "version"
    }
}

/// One event: a time, and the position of what it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// Time.
    pub time: Mtime,
    /// Kind.
    pub kind: EventKind,
    /// Position of the version or the document.
    pub(super) source: u32,
}
