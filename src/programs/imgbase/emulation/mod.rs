//! Emulation of maintainer scripts, triggers and dpkg: their results, made without running anything.
//!
//! A table of functions over a [`Base`](super::Base), in a fixed order, each with a name that disables it. Those that
//! emulate a helper program (`pam`, `shells`, `cacerts`, …) read the files that it reads and write the files that it
//! writes; `commands` carries out commands of maintainer scripts whose arguments are known: `mkdir`, `chown`, `adduser`,
//! `update-alternatives`. Everything else is left to [`coverage`](super::coverage), which reads the finished tree.
//!
//! Existing files are kept: an emulation only adds missing ones, as the scripts do on a first installation.

mod accounts;
mod actions;
mod alternatives;
mod cacerts;
mod commands;
mod dpkg;
mod editor;
mod ldcache;
mod options;
mod pam;
mod shells;
mod small;
mod systemd;
mod table;
mod usrmerge;

pub use accounts::{Account, Accounts, Group};
pub use actions::{apply, apply_recipes};
pub(super) use dpkg::conffile_names;
pub use options::{Database, EmulationOptions};
pub use table::{EmulationReport, loader_cache, names, run};
pub(super) use table::{unconfigured, would_change};
pub use usrmerge::{is_merged, merge_usr};
