//! IDs, sizes and ages of images as docker prints them.

use super::human;
use crate::spec::Timestamp;

/// What docker shows where there is nothing.
pub const NONE: &str = "<none>";
/// What docker shows where something cannot be known.
pub const UNKNOWN: &str = "N/A";

/// How rows are told.
#[derive(Debug, Clone, Copy)]
pub struct Telling {
    /// Cut IDs to 12 digits and commands to 45 columns.
    pub truncate: bool,
    /// Sizes and ages as people say them.
    pub human: bool,
    /// The time against which ages are told.
    pub now: Timestamp,
}

impl Telling {
    /// The ID, cut to 12 digits if rows are truncated.
    pub fn id(&self, id: &str) -> String {
        let hex = id.rsplit(':').next().unwrap_or(id);
        match self.truncate {
            true => hex.chars().take(12).collect(),
            false => id.to_owned(),
        }
    }

    /// A size in bytes, for people or as a number; `N/A` if it is not known.
    pub fn size(&self, bytes: Option<u64>) -> String {
        match (bytes, self.human) {
            (None, _) => UNKNOWN.to_owned(),
            (Some(bytes), true) => human::size(bytes),
            (Some(bytes), false) => bytes.to_string(),
        }
    }

    /// The age of a time in RFC 3339; `N/A` if it is not known.
    pub fn since(&self, created: Option<&str>) -> String {
        created
            .and_then(Timestamp::parse)
            .map_or_else(|| UNKNOWN.to_owned(), |time| human::ago(time, self.now))
    }
}
