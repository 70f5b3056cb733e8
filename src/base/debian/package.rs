//! Unpacked packages.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::Control;
use crate::base::rootfs::Origin;
use crate::spec::Digest;

/// File of a control archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Permission bits.
    pub mode: u16,
    /// Contents.
    pub bytes: Vec<u8>,
}

/// Package whose files are in a tree: input for the emulation of its maintainer scripts and for the package database.
#[derive(Debug, Clone, Default)]
pub struct Unpacked {
    /// Control data of the package.
    pub control: Control,
    /// Fields that the index of the repository overrides: `Priority` and `Section`.
    pub overrides: Control,
    /// Other members of the control archive by name: `preinst`, `md5sums`, `conffiles`, `triggers`, ….
    pub members: BTreeMap<String, Member>,
    /// Paths of the data archive in archive order, as dpkg lists them: `/.`, `/usr`, `/usr/bin/env`, links not resolved,
    /// without a trailing `/`.
    pub paths: Vec<Vec<u8>>,
    /// Origin of its nodes in the tree.
    pub origin: Origin,
    /// Set if the package was requested by name.
    pub is_requested: bool,
    /// Digest of the `.deb`, SHA-256 unless the index lists another; `None` for packages from other sources.
    pub digest: Option<Digest>,
}

impl Unpacked {
    /// Returns the name.
    pub fn name(&self) -> &str {
        self.control.get("Package").unwrap_or_default()
    }

    /// Returns the version.
    pub fn version(&self) -> &str {
        self.control.get("Version").unwrap_or_default()
    }

    /// Returns the architecture, or `all`.
    pub fn architecture(&self) -> &str {
        self.control.get("Architecture").unwrap_or_default()
    }

    /// Returns the base name of its files in dpkg's directory `info`.
    pub fn file_name(&self) -> String {
        match self.is_multi_arch_same() {
            true => format!("{}:{}", self.name(), self.architecture()),
            false => self.name().to_owned(),
        }
    }

    /// Returns the text of a member of the control archive; empty if it is missing.
    pub fn text(&self, member: &str) -> Cow<'_, str> {
        let member = self.members.get(member);
        String::from_utf8_lossy(member.map_or(&[][..], |member| member.bytes.as_slice()))
    }

    /// Returns whether the package is `Multi-Arch: same`, so that dpkg names its files `NAME:ARCH`.
    pub fn is_multi_arch_same(&self) -> bool {
        self.control.get("Multi-Arch") == Some("same")
    }
}
