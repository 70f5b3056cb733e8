//! The base image that every subcommand builds.
//!
//! Each subcommand fills a [`Base`]: a tree and the packages that it is made of. Maintainer scripts are emulated, and
//! commands that the emulation does not cover are reported. Then the tree is checked for consistency and divided into
//! layers. No script and no program of the tree is ever run.

use crate::base::debian::Unpacked;
use crate::base::rootfs::{Origin, Rootfs};

/// A base image under construction.
#[derive(Debug, Clone)]
pub struct Base {
    /// Files of the image.
    pub rootfs: Rootfs,
    /// Installed packages, in the order of installation.
    pub packages: Vec<Unpacked>,
    /// Time of generated files, and the latest time of any file, in seconds since 1970.
    pub epoch: i64,
    /// Name of each [`Origin`]: a package, an input, an emulation. The first one is the default.
    pub origins: Vec<String>,
}

impl Base {
    /// Creates an empty base.
    pub fn new(epoch: i64) -> Self {
        Base {
            rootfs: Rootfs::default(),
            packages: Vec::new(),
            epoch,
            origins: vec!["imgbase".to_owned()],
        }
    }

    /// Returns the time of the newest file, in seconds since 1970; 0 for an empty tree.
    pub fn newest(&self) -> i64 {
        let times = self.rootfs.walk().map(|named| named.node.mtime);
        times.max().unwrap_or_default().max(0)
    }

    /// Adds an origin.
    pub fn origin(&mut self, name: impl Into<String>) -> Origin {
        let origin = Origin(u32::try_from(self.origins.len()).unwrap_or(u32::MAX));
        self.origins.push(name.into());
        origin
    }
}
