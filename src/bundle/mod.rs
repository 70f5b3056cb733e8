//! Receipts of what a site has, and bundles: archives without it.
//!
//! A [`Receipt`] lists blobs, one on each line. A [`Plan`] says which layers of some images a reader with that receipt
//! lacks, and the receipt that it will have; an archive of only those layers carries its plan as a [`Record`]. A
//! [`Completion`] finds the omitted blobs where the bundle is read. Left to others: opening archives, writing them, and
//! the local store.
//!
//! Documents are read, layers never are. Threats: receipts that are cut off, edited, or contradict themselves, which are
//! errors that name the line; records that omit what nobody has, which is found before anything is written.

mod completion;
mod form;
mod held;
mod plan;
mod receipt;
mod record;
mod render;
mod shelf;
mod survey;

pub use completion::{Completion, Found, is_of_set};
pub use form::Form;
pub use held::{Held, Key, Sent};
pub use plan::{NewLayer, Plan, all_blobs, check_record, only_blobs};
pub use receipt::Receipt;
pub use record::{Omitted, RECORD, Record};
pub use shelf::Shelf;
