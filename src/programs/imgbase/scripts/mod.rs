//! Maintainer scripts: their commands on a first installation, and replacements for them.
//!
//! Nothing is run. `evaluate` reduces a script to the commands that depend on no unknown condition, or may;
//! [`Recipe`] and [`Action`] are changes to the tree that a user requests instead.

mod action;
mod condition;
mod effect;
mod environment;
mod evaluate;
mod recipe;
mod shell;
mod status;

pub use action::Action;
pub(crate) use effect::{Effect, TEMPORARY};
pub(crate) use evaluate::effects_of;
pub use recipe::Recipe;
