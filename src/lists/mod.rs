//! Lists of images, as deployments name them, and the images of archives that they name.
//!
//! In come text lists, Kubernetes YAML and JSON, kustomizations, compose files, values and annotations of Helm charts,
//! packages of zarf, manifests of hauler and configurations of oc-mirror, each detected by its content; out go
//! [`Listed`] references, each with its file and line. An [`Inventory`] holds what archives have, and answers for each
//! of them. Left to others: opening archives, and printing.
//!
//! Nothing is rendered or looked up: a template or a variable in a value is listed as unresolved.
//!
//! Threats: lists without end, deep nesting, aliases that multiply, and values that look like something else. Documents
//! are read as events and never built as a whole; size, depth, aliases, items in brackets and the number of references
//! are limited, and an alias stands for its scalar or for the few fields of a mapping that matter here.

mod chart;
mod check;
mod collect;
mod inventory;
mod mapping;
mod parse;
mod read;
mod select;
#[cfg(test)]
mod tests;
mod text;
mod yaml;

pub use check::{Answer, Finding, FindingKind, answers, findings};
pub use collect::{Listed, Reading, Unresolved};
pub use inventory::{Held, Inventory, Pick, Target};
pub use parse::parse;
pub use read::{read, read_path};
pub use select::{Selection, select};
