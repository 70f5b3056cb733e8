//! The table of emulations, in the order in which they run.

use super::editor::TreeEditor;
use super::options::EmulationOptions;
use super::{accounts, cacerts, commands, dpkg, ldcache, pam, shells, small};
use crate::base::rootfs::Origin;
use crate::error::{Fault, Result};
use crate::programs::imgbase::Base;
use crate::programs::imgbase::scripts::Effect;

impl EmulationOptions {
    /// Disables the emulation with this name.
    ///
    /// # Errors
    /// `Usage` for an unknown name.
    pub fn disable(&mut self, name: &str) -> Result<()> {
        if !names().any(|(known, _)| known == name) {
            let known: Vec<&str> = names().map(|(name, _)| name).collect();
            let why = format!(
                "unknown emulation '{name}': expected one of {}",
                known.join(", ")
            );
            return Err(Fault::Usage(why).into());
        }
        self.without.insert(name.to_owned());
        Ok(())
    }
}

/// Changes that one emulation made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EmulationReport {
    /// Name of the emulation.
    pub name: &'static str,
    /// Paths that it made or changed, from the root directory, sorted.
    pub made: Vec<Vec<u8>>,
    /// Notes for the user, in the order in which they came up.
    pub notes: Vec<String>,
}

/// A row of the table.
struct Emulation {
    name: &'static str,
    about: &'static str,
    make: fn(&mut TreeEditor<'_>) -> Result<()>,
}

/// The emulations in the order in which they run: accounts before files that they own; those that read the whole tree
/// last.
const TABLE: [Emulation; 9] = [
    Emulation {
        name: "accounts",
        about: "passwd, group, shadow and gshadow from the masters of base-passwd",
        make: accounts::make,
    },
    Emulation {
        name: "cacerts",
        about: "/etc/ssl/certs: the bundle and the links by subject",
        make: cacerts::make,
    },
    Emulation {
        name: "commands",
        about: "commands of maintainer scripts with known arguments: mkdir, chown, adduser, update-alternatives, ...",
        make: commands::make,
    },
    Emulation {
        name: "pam",
        about: "/etc/pam.d/common-* from the profiles in /usr/share/pam-configs",
        make: pam::make,
    },
    Emulation {
        name: "shells",
        about: "/etc/shells from /usr/share/debianutils/shells.d",
        make: shells::make,
    },
    Emulation {
        name: "timezone",
        about: "/etc/localtime and /etc/timezone",
        make: small::time_zone,
    },
    Emulation {
        name: "apt",
        about: "owner of apt's download directories",
        make: small::apt,
    },
    Emulation {
        name: "ldcache",
        about: "/etc/ld.so.cache",
        make: ldcache::make,
    },
    Emulation {
        name: "database",
        about: "dpkg's database, or /var/lib/dpkg/status.d",
        make: dpkg::make,
    },
];

/// Returns the name of each emulation and a description of its result, in the order in which they run.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.iter().map(|one| (one.name, one.about))
}

/// Runs all enabled emulations on a tree of unpacked packages.
///
/// # Errors
/// As [`Rootfs::put`](crate::base::rootfs::Rootfs::put); for input files that are too large, or damaged where that
/// matters. The context is the emulation, then the path.
pub fn run(base: &mut Base, options: &EmulationOptions) -> Result<Vec<EmulationReport>> {
    let mut reports = Vec::new();
    for one in &TABLE {
        if options.without.contains(one.name) {
            continue;
        }
        let origin = base.origin(one.name);
        let mut editor = TreeEditor::new(base, options, origin);
        (one.make)(&mut editor).map_err(|error| error.at(one.name))?;
        let (made, notes) = (editor.made, editor.notes);
        reports.push(EmulationReport {
            name: one.name,
            made: made.into_iter().collect(),
            notes,
        });
    }
    Ok(reports)
}

/// Carries out a command of a script, and returns whether that changed the tree; `None` if the command is not
/// understood.
pub fn would_change(base: &mut Base, effect: &Effect) -> Option<bool> {
    let options = EmulationOptions::default();
    let mut editor = TreeEditor::new(base, &options, Origin::default());
    commands::perform(&mut editor, effect)?;
    Some(!editor.made.is_empty())
}

/// Prepares a tree whose packages are still to be configured: makes the accounts, and a database that lists the
/// packages as unpacked.
///
/// # Errors
/// As [`run`].
pub fn unconfigured(base: &mut Base, options: &EmulationOptions) -> Result<()> {
    let origin = base.origin("database");
    let mut editor = TreeEditor::new(base, options, origin);
    accounts::make(&mut editor)?;
    dpkg::full(&mut editor, dpkg::State::Unpacked)
}

/// Writes glibc's library cache into a tree that is not made of packages.
///
/// # Errors
/// As [`run`].
pub fn loader_cache(base: &mut Base) -> Result<()> {
    let options = EmulationOptions::default();
    let origin = base.origin("ldcache");
    let mut editor = TreeEditor::new(base, &options, origin);
    ldcache::make(&mut editor)
}
