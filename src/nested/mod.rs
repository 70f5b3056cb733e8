//! Files inside files: what compressed files and archives hold, as a stream of contents.
//!
//! [`Nesting::each`] takes the contents of a file. If they are compressed, or an archive (tar, ar as in Debian's packages,
//! zip as in jars and wheels), it passes what is inside to a visitor, with the [`Step`]s that lead there; otherwise the
//! contents themselves. The form is recognised by the first bytes, not by a name: equal contents have equal insides.
//!
//! # Levels
//!
//! An archive is a level, and so is a compressed file. The compression around an archive is none, and neither are the two
//! archives in a Debian package or a gem. Nesting ends at [`Nesting::depth`]: what lies deeper is visited as it is.
//!
//! # Threats
//!
//! Files inside are hostile. Their bytes together are bounded by [`Limits::nested_size`] and by the expansion ratio of the
//! file, its members by [`Limits::entries`], the stack by the depth; members of a zip that overlap are refused. Damage and
//! limits end the level they are found at and are returned as notes with their steps; nothing else fails because of them.

mod ar;
mod kind;
mod source;
mod step;
mod walk;
mod zip;

#[cfg(doc)]
use crate::limits::Limits;

pub use kind::form_of;
pub(crate) use source::Source;
pub use step::{Step, inner_path};
pub use walk::{Nesting, Note, Notes, Visit};
