//! Errors as facts.
//!
//! An [`Error`] is a [`Fault`] (the problem, with the numbers and digests that prove it) and its context, outermost
//! first: archive, image, layer, entry. Its text is made here and nowhere else, and so is the hint, which depends on the
//! variant and never on the text.

mod candidates;
mod context;
mod display;
mod fault;
mod hint;
mod kinds;
mod make;

pub use candidates::Candidates;
pub use context::{At, During, Error, Result};
pub use fault::Fault;
pub use kinds::{NotAnImage, TarFault, VolumeFault};
pub use make::{same_digest, same_size, within};
