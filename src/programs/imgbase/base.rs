//! imgbase: base images from packages, from the host, from binaries, from a ready tree.
//!
//! Each way fills a [`Base`]: a tree and the packages that it is made of. What the packages' maintainer scripts would
//! have done is done by stand-ins, and what is left of them is reported. Then the tree is checked against itself and
//! cut into layers. No script, no program and nothing of the tree is ever run.

use crate::base::debian::Unpacked;
use crate::base::rootfs::{Origin, Rootfs};

/// A base image in the making.
#[derive(Debug, Clone)]
pub struct Base {
    /// Its files.
    pub rootfs: Rootfs,
    /// The packages that are in it, by name and architecture.
    pub packages: Vec<Unpacked>,
    /// The time of what is made here, and the latest that anything has: seconds since 1970.
    pub epoch: i64,
    /// What each [`Origin`] is called: a package, an input, a stand-in. The first is what a node has that says nothing.
    pub origins: Vec<String>,
}

impl Base {
    /// An empty one.
    pub fn new(epoch: i64) -> Self {
        Base {
            rootfs: Rootfs::default(),
            packages: Vec::new(),
            epoch,
            origins: vec!["imgbase".to_owned()],
        }
    }

    /// The time of what is newest in it; 0 if there is nothing.
    pub fn newest(&self) -> i64 {
        let times = self.rootfs.walk().map(|named| named.node.mtime);
        times.max().unwrap_or_default().max(0)
    }

    /// A new origin of that name.
    pub fn origin(&mut self, name: impl Into<String>) -> Origin {
        let origin = Origin(u32::try_from(self.origins.len()).unwrap_or(u32::MAX));
        self.origins.push(name.into());
        origin
    }
}
