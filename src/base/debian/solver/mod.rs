//! Dependency resolution: the packages that satisfy a request, with all dependencies and without conflicts.
//!
//! Input: a [`Universe`] of packages and a [`Request`]. Output: a [`Solution`] in installation order, or an
//! [`Unsolvable`] with the facts that contradict each other. The choice follows `apt-get install` on an empty system: an
//! unsatisfied dependency takes its first alternative, a real package before providers of its name, the best version of
//! it, the depender's own architecture first. Choices that lead to a conflict are undone (see `search`), so a solution is
//! found if one exists.
//!
//! Relations are parsed only for packages of the closure. The result depends on the packages and the request alone, not
//! on the order of the input.
//!
//! Threats: an index with millions of relations or with conflicts of every package with every other
//! ([`Fault::Limit`](crate::error::Fault::Limit) from `search`), dependency cycles (nothing here recurses), invalid
//! names (refused where they are parsed).

mod clause;
mod failure;
mod order;
mod request;
mod search;
mod solution;
mod solve;
#[cfg(test)]
mod tests;
mod universe;

pub use failure::{Fact, Unsolvable};
pub(in crate::base::debian) use failure::{display_name, verb};
pub use request::{Request, Variant, Wanted};
pub use solution::{Reason, Solution, Taken};
pub use solve::solve;
pub use universe::{Candidate, Choice, MultiArch, Priority, Universe};
