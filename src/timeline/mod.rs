//! Times of an image as one line of events: of the versions of all paths, and of what documents and archive record.
//!
//! Input: images with their trees, and what the caller read about installed packages. Output: events in the order of
//! time, and records of other tools: bodyfiles, l2tcsv, Timesketch. Nothing here reads an archive.
//!
//! | file | holds |
//! |---|---|
//! | `event` | kinds of events, events |
//! | `image` | one image with what its versions have in common |
//! | `documents` | events of history, config, annotations, attestations, archive |
//! | `logs` | installations out of the logs of Debian's tools |
//! | `collect` | all events of all images, sorted |
//! | `label` | how a version is named |
//! | `anomalies`, `constants` | times that do not fit others, times that tools write |
//! | `bodyfile`, `l2tcsv`, `timesketch` | records of other tools |
//!
//! A time that is not recorded makes no event. All times are UTC.
//!
//! # Cost
//!
//! Memory: 48 bytes for each version, 24 for each of its times and 80 for each anomaly, beside the trees.

mod anomalies;
mod bodyfile;
mod collect;
mod constants;
mod documents;
mod event;
mod image;
mod l2tcsv;
mod label;
mod logs;
mod timesketch;

pub use anomalies::{Anomaly, Clamped, Rule};
pub use bodyfile::{Dialect, Written, unescaped_name};
pub use collect::{EventRef, Timeline};
pub use documents::Document;
pub use event::{Event, EventKind};
pub use image::{OfVersion, TimedImage, mtime};
pub use l2tcsv::{HEADING as L2TCSV_HEADING, line as l2tcsv_line};
pub use label::Label;
pub use logs::{Installed, installed_by_log};
pub use timesketch::{Row, csv_heading, datetime};
