//! Documents of an archive that list its images: `index.json`, and docker's `manifest.json` and `repositories`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::bundle::Bundle;
use super::listed::{Listed, ListedName, descriptor_json};
use super::output::ImageOut;
use crate::archive::Name;
use crate::error::{Error, Result};
use crate::spec::{Descriptor, MediaType, texts};

/// Content of `oci-layout`; readers accept no other.
pub(crate) const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// An `index.json` that lists images with their names.
pub(super) fn index(listed: &[Listed]) -> Vec<u8> {
    let mut manifests: Vec<Value> = Vec::new();
    for listed in listed {
        if listed.names.is_empty() {
            manifests.push(listed.entry(None).into());
        }
        let names = listed.names.iter();
        manifests.extend(names.map(|name| Value::from(listed.entry(Some(name)))));
    }
    let index =
        json!({"schemaVersion": 2, "mediaType": MediaType::OCI_INDEX, "manifests": manifests});
    texts::bytes(&index)
}

/// Names as docker writes them in `RepoTags`: repository and tag.
pub(super) fn repo_tags(names: &[ListedName]) -> Vec<String> {
    let full = names.iter().filter_map(|listed| match &listed.name {
        Name::Full(reference) => Some(format!(
            "{}:{}",
            reference.familiar_repository(),
            reference.tag_or_latest()?
        )),
        Name::Tag(_) | Name::Text(_) => None,
    });
    full.collect()
}

pub(super) fn images(bundle: &Bundle) -> impl Iterator<Item = (&Listed, &ImageOut)> {
    bundle
        .listed
        .iter()
        .filter_map(|listed| Some((listed, listed.image.as_ref()?)))
}

/// Docker's `manifest.json` over the blobs of the layout.
pub(super) fn manifest(bundle: &Bundle) -> Result<Vec<u8>> {
    let items = images(bundle).map(|(listed, image)| {
        let tags = repo_tags(&listed.names);
        let mut sources = Map::new();
        for layer in &image.layers {
            let descriptor = Descriptor {
                annotations: Vec::new(),
                ..layer.descriptor.clone()
            };
            sources.insert(layer.diff_id.to_string(), descriptor_json(&descriptor).into());
        }
        json!({
            "Config": image.config.blob_path(),
            "RepoTags": if tags.is_empty() { Value::Null } else { tags.into() },
            "Layers": image.layers.iter().map(|layer| layer.descriptor.digest.blob_path()).collect::<Vec<_>>(),
            "LayerSources": sources,
        })
    });
    Ok(Value::Array(items.collect()).to_string().into_bytes())
}

/// Docker's `repositories`; `None` if no image has a name, as docker omits it then.
pub(super) fn repositories(
    bundle: &Bundle,
    top: impl Fn(&ImageOut) -> Option<String>,
) -> Option<Vec<u8>> {
    let mut repositories: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (listed, image) in images(bundle) {
        for name in &listed.names {
            if let (Name::Full(reference), Some(top)) = (&name.name, top(image)) {
                let tags = repositories
                    .entry(reference.familiar_repository())
                    .or_default();
                tags.insert(reference.tag_or_latest()?.to_owned(), top);
            }
        }
    }
    (!repositories.is_empty()).then(|| json!(repositories).to_string().into_bytes())
}

/// The only image of a bundle, for formats that hold one.
///
/// # Errors
/// `Unsupported` for several images.
pub(super) fn one_only(bundle: &Bundle) -> Result<&Listed> {
    match &bundle.listed[..] {
        [one] => Ok(one),
        many => Err(Error::unsupported(format!(
            "{} images: this format holds one",
            many.len()
        ))),
    }
}
