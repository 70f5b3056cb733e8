//! Candidates for a selection that failed.

/// Texts that select the existing images or packages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidates {
    /// The first [`Candidates::LISTED`] of them.
    pub first: Vec<String>,
    /// Number of all candidates.
    pub total: usize,
    /// The one that is most likely meant.
    pub closest: Option<String>,
}

impl Candidates {
    /// Number of candidates that an error line lists.
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
