//! Maintainer scripts: what they would do, and what of it the stand-ins did not.
//!
//! Nothing is run. `run` works out what a script comes down to on a first installation; [`report`] compares that with
//! the tree as the stand-ins left it: a command that would change nothing any more is covered, everything else is named.

mod recipe;
mod report;
mod run;
mod shell;
#[cfg(test)]
mod tests;

use crate::base::debian::Unpacked;
use crate::base::rootfs::Rootfs;

pub use recipe::{Act, Recipe};
pub use report::{Class, Left, PackageScripts, report};
pub(in crate::programs::imgbase) use run::{Effect, MADE_UP};

/// What a package's script would do to a tree when the package is installed for the first time; nothing if the package has
/// no such script.
///
/// # Errors
/// The line and what was not understood there.
pub(in crate::programs::imgbase) fn effects_of(
    package: &Unpacked,
    script: &str,
    rootfs: &Rootfs,
) -> Result<Vec<Effect>, (usize, &'static str)> {
    let Some(member) = package.members.get(script) else {
        return Ok(Vec::new());
    };
    if let Some(at) = member.bytes.iter().position(|byte| *byte == 0) {
        // What a shell makes of it depends on the shell.
        let before = member.bytes.get(..at).unwrap_or_default();
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        return Err((line, "a NUL"));
    }
    let args: &[&str] = match script {
        "preinst" => &["install"],
        _ => &["configure", ""],
    };
    let text = String::from_utf8_lossy(&member.bytes);
    run::effects(&text, args, package, rootfs)
}
