//! IDs, sizes and ages of images as docker prints them.

use super::human;
use crate::spec::Timestamp;

/// Placeholder for an empty value, as in docker.
pub const NONE: &str = "<none>";
/// Placeholder for an unknown value, as in docker.
pub const UNKNOWN: &str = "N/A";

/// Style of the values in a row.
#[derive(Debug, Clone, Copy)]
pub struct RowFormat {
    /// Truncate IDs to 12 digits and commands to 45 columns.
    pub truncate: bool,
    /// Human-readable sizes and ages.
    pub human: bool,
    /// Time that ages are relative to.
    pub now: Timestamp,
}

impl RowFormat {
    /// Returns an image ID, truncated to 12 digits if so asked.
    pub fn id(&self, id: &str) -> String {
        let hex = id.rsplit(':').next().unwrap_or(id);
        match self.truncate {
            true => hex.chars().take(12).collect(),
            false => id.to_owned(),
        }
    }

    /// Returns a size in bytes, human-readable or as a number; `N/A` if it is unknown.
    pub fn size(&self, bytes: Option<u64>) -> String {
        match (bytes, self.human) {
            (None, _) => UNKNOWN.to_owned(),
            (Some(bytes), true) => human::size(bytes),
            (Some(bytes), false) => bytes.to_string(),
        }
    }

    /// Returns the age of a time in RFC 3339; `N/A` if it is unknown.
    pub fn since(&self, created: Option<&str>) -> String {
        created
            .and_then(Timestamp::parse)
            .map_or_else(|| UNKNOWN.to_owned(), |time| human::ago(time, self.now))
    }
}
