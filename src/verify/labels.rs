//! Names of images and layers in findings.

use crate::archive::{Archive, ImageIdx};
use crate::index_vec::IndexVec;

/// Labels of images in findings: the first name of each, or a short ID.
pub(super) struct Labels(IndexVec<ImageIdx, String>);

impl Labels {
    /// Labels of all images of an archive.
    pub fn new(archive: &Archive) -> Self {
        let mut labels = IndexVec::from_elem(String::new(), &archive.images);
        for root in &archive.roots {
            let Some(name) = root.names.first() else {
                continue;
            };
            for image in archive.images_of(root) {
                if labels[image].is_empty() {
                    labels[image] = name.to_string();
                }
            }
        }
        for (label, image) in labels.iter_mut().zip(&archive.images) {
            if label.is_empty() {
                *label = image.id.short().to_owned();
            }
        }
        Labels(labels)
    }

    /// Label of an image.
    pub fn image(&self, image: ImageIdx) -> &str {
        &self.0[image]
    }

    /// Label of an image; `None` if the archive holds one image only.
    pub fn prefix(&self, image: ImageIdx) -> Option<&str> {
        (self.0.len() > 1).then(|| self.image(image))
    }

    /// Label of a layer: its number, and the label of the image if there are several images.
    pub fn layer(&self, archive: &Archive, image: ImageIdx, layer: usize) -> String {
        let of = archive.images[image].layers.len();
        let number = format!("layer {} of {of}", layer + 1);
        match self.0.len() {
            1 => number,
            _ => format!("{}: {number}", self.0[image]),
        }
    }
}
