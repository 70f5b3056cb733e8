//! One image of a timeline.

use std::ops::Range;

use crate::archive::{Archive, Image};
use crate::layer::Mtime;
use crate::spec::{Digest, History, Timestamp};
use crate::tree::{EntryVersion, Tree};

/// Fact about versions.
pub type OfVersion<'a, T> = dyn Fn(&EntryVersion<'_>) -> T + 'a;

/// An image with its tree, and the choice of its versions.
pub struct TimedImage<'a> {
    /// The archive.
    pub archive: &'a Archive,
    /// The image.
    pub image: &'a Image,
    /// Its name, or its ID without one.
    pub name: String,
    /// Text in front of the names of its versions, if there are several images.
    pub prefix: Option<String>,
    /// The tree of all its layers.
    pub tree: &'a Tree,
    /// Layers that are looked at, from 0.
    pub layers: Range<usize>,
    /// Tests if a version is looked at.
    pub includes: Box<OfVersion<'a, bool>>,
    /// MD5 digest of the contents of a file, where it was computed.
    pub md5: Box<OfVersion<'a, Option<[u8; 16]>>>,
    /// The latest time of the other files of its package, for a file with other contents than the package lists.
    pub altered: Box<OfVersion<'a, Option<Mtime>>>,
    /// Steps of the history, by layer.
    steps: Vec<Option<&'a History>>,
    created_of_layers: Vec<Option<Mtime>>,
}

/// Converts a time as documents write it.
pub fn mtime(text: &str) -> Option<Mtime> {
    let time = Timestamp::parse(text)?;
    let nanos = time.nanoseconds().rem_euclid(1_000_000_000);
    Some(Mtime {
        seconds: time.seconds(),
        nanos: u32::try_from(nanos).unwrap_or_default(),
    })
}

impl<'a> TimedImage<'a> {
    /// An image with all its layers and versions.
    pub fn new(archive: &'a Archive, image: &'a Image, name: String, tree: &'a Tree) -> Self {
        let mut steps = vec![None; image.layers.len()];
        for step in image.steps() {
            if let Some(own) = step.layer.and_then(|layer| steps.get_mut(layer)) {
                *own = step.history;
            }
        }
        let times = steps.iter();
        let times = times.map(|step: &Option<&History>| mtime(step.as_ref()?.created.as_deref()?));
        TimedImage {
            created_of_layers: times.collect(),
            archive,
            image,
            name,
            prefix: None,
            tree,
            layers: 0..image.layers.len(),
            includes: Box::new(|_| true),
            md5: Box::new(|_| None),
            altered: Box::new(|_| None),
            steps,
        }
    }

    /// Tests if all layers are looked at, and so what is of no layer.
    pub fn is_whole(&self) -> bool {
        self.layers.len() == self.image.layers.len()
    }

    /// Creation time of the image.
    pub fn created(&self) -> Option<Mtime> {
        mtime(self.image.config.created.as_deref()?)
    }

    /// Creation time of a layer, from 0.
    pub fn created_of(&self, layer: usize) -> Option<Mtime> {
        self.created_of_layers.get(layer).copied().flatten()
    }

    /// Command that made a layer, from 0.
    pub fn created_by(&self, layer: usize) -> Option<&'a str> {
        let step = self.steps.get(layer).copied().flatten()?;
        Some(&step.created_by)
    }

    /// Diff ID of a layer, from 0.
    pub fn diff_id(&self, layer: usize) -> Option<&str> {
        let layer = self.image.layers.get(layer)?;
        layer.diff_id.as_ref().map(Digest::as_str)
    }
}
