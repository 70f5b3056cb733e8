//! A package as it was unpacked.

use std::collections::BTreeMap;

use super::Control;
use crate::base::rootfs::Origin;
use crate::spec::Digest;

/// A file of a package's control archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its permission bits.
    pub mode: u16,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A package whose files are in a tree: what stand-ins for its maintainer scripts and the package database are made of.
#[derive(Debug, Clone, Default)]
pub struct Unpacked {
    /// Its control data, as in the package.
    pub control: Control,
    /// The repository's word on it where that differs, as `Priority` and `Section` may.
    pub overrides: Control,
    /// The other members of the control archive by name: `preinst`, `md5sums`, `conffiles`, `triggers`, ….
    pub members: BTreeMap<String, Member>,
    /// Every entry of the data archive in its order, as dpkg lists it: `/.`, `/usr`, `/usr/bin/env`, before any
    /// resolving of links and without a `/` at the end.
    pub paths: Vec<Vec<u8>>,
    /// What its nodes in the tree have as origin.
    pub origin: Origin,
    /// Whether somebody asked for it by name, and not another package.
    pub asked_for: bool,
    /// The digest of its `.deb`, by SHA-256 where nobody said what it must be; none where it came from elsewhere.
    pub digest: Option<Digest>,
}

impl Unpacked {
    /// The package's name.
    pub fn name(&self) -> &str {
        self.control.get("Package").unwrap_or_default()
    }

    /// Its version.
    pub fn version(&self) -> &str {
        self.control.get("Version").unwrap_or_default()
    }

    /// Its architecture, or `all`.
    pub fn architecture(&self) -> &str {
        self.control.get("Architecture").unwrap_or_default()
    }

    /// Whether it can be installed for several architectures at once, so that dpkg's files are named `NAME:ARCH`.
    pub fn is_multi_arch_same(&self) -> bool {
        self.control.get("Multi-Arch") == Some("same")
    }
}
