//! Exit statuses that may be unknown.

/// Exit status of a command, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Success,
    Failure,
    Unknown,
}

impl Status {
    /// Returns the status of `! command`.
    pub(super) fn not(self) -> Self {
        match self {
            Status::Success => Status::Failure,
            Status::Failure => Status::Success,
            Status::Unknown => Status::Unknown,
        }
    }
}

impl From<bool> for Status {
    fn from(success: bool) -> Self {
        if success {
            Status::Success
        } else {
            Status::Failure
        }
    }
}
