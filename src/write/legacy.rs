//! Archives as docker 1.10 to 24 write them: a directory for each layer, links for repeated ones.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value, json};

use super::bundle::Bundle;
use super::manifest::{images, repo_tags, repositories};
use super::output::{BlobOut, ImageOut, LayerOut, Source};
use super::tar_out::{Body, Member};
use crate::blob::sha256;
use crate::error::{Error, Result};
use crate::spec::Digest;

/// Members of the archive, collected image by image.
#[derive(Default)]
struct Members<'a> {
    members: Vec<Member<'a>>,
    /// Names of directories and configs in the archive.
    names: HashSet<String>,
    /// Directory with the bytes of each layer, by diff ID.
    holders: HashMap<String, String>,
}

/// The members of the archive.
///
/// A directory's name identifies the chain of layers up to it. Docker derived it from random bytes and times; here it
/// follows from the content.
///
/// # Errors
/// `Unsupported` for artifacts and for compressed layers, `BlobMissing`.
pub(super) fn members(bundle: &Bundle) -> Result<Vec<Member<'_>>> {
    if images(bundle).next().is_none() && !bundle.listed.is_empty() {
        let what = "an artifact: this format holds images only";
        return Err(Error::unsupported(what));
    }
    let mut members = Members::default();
    let mut items = Vec::new();
    let mut tops: HashMap<String, String> = HashMap::new();
    for (listed, image) in images(bundle) {
        let config = blob(bundle, &image.config)?;
        let (top, layers) = members.add_layers(bundle, image)?;
        tops.extend(top.map(|directory| (image.config.to_string(), directory)));
        // Docker's image ID, whatever the digest in the manifest.
        let id = match (&config.source, image.config.algorithm()) {
            (Source::Document(bytes), algorithm) if algorithm != "sha256" => sha256(bytes),
            _ => image.config.clone(),
        };
        let config_name = format!("{}.json", id.encoded());
        let tags = repo_tags(&listed.names);
        items.push(json!({
            "Config": config_name,
            "RepoTags": if tags.is_empty() { Value::Null } else { tags.into() },
            "Layers": layers,
        }));
        if members.names.insert(config_name.clone()) {
            members.push(config_name, Body::Blob(config));
        }
    }
    let manifest = Value::Array(items).to_string().into_bytes();
    members.push("manifest.json".into(), Body::Document(manifest));
    if let Some(bytes) = repositories(bundle, |image| tops.get(image.config.as_str()).cloned()) {
        members.push("repositories".into(), Body::Document(bytes));
    }
    Ok(members.members)
}

impl<'a> Members<'a> {
    fn push(&mut self, name: String, body: Body<'a>) {
        self.members.push(Member { name, body });
    }

    /// Adds the layers of an image. Returns the directory of the topmost one, and for `manifest.json` the paths of all.
    fn add_layers(
        &mut self,
        bundle: &'a Bundle,
        image: &ImageOut,
    ) -> Result<(Option<String>, Vec<String>)> {
        let mut parent: Option<String> = None;
        let mut paths = Vec::with_capacity(image.layers.len());
        for (i, layer) in image.layers.iter().enumerate() {
            let count = image.layers.len();
            let stored = bundle.blob(&layer.descriptor.digest);
            if !stored.is_some_and(BlobOut::is_uncompressed) {
                let number = i + 1;
                return Err(Error::unsupported(format!(
                    "layer {number} of {count}: this format holds uncompressed layers only"
                )));
            }
            let above = parent.as_deref().unwrap_or_default();
            let chain = format!("{above} {}", layer.diff_id);
            // The topmost directory depends on the config, too: it is another one for another image.
            let label = match i + 1 == count {
                true => sha256(format!("{chain} {}", image.config).as_bytes()),
                false => sha256(chain.as_bytes()),
            };
            let directory = label.encoded().to_owned();
            if self.names.insert(directory.clone()) {
                self.add_layer(bundle, layer, &directory, parent.as_deref())?;
            }
            parent = Some(directory);
            // skopeo does not follow links in manifest.json, so the path is that of the directory with the bytes.
            let holder = self.holders.get(layer.diff_id.as_str());
            let holder = holder.map(String::as_str).unwrap_or_default();
            paths.push(format!("{holder}/layer.tar"));
        }
        Ok((parent, paths))
    }

    /// Adds the directory of a layer, with its bytes or a link to them.
    fn add_layer(
        &mut self,
        bundle: &'a Bundle,
        layer: &LayerOut,
        directory: &str,
        parent: Option<&str>,
    ) -> Result<()> {
        let mut v1 = Map::new();
        v1.insert("id".into(), directory.into());
        if let Some(parent) = parent {
            v1.insert("parent".into(), parent.into());
        }
        v1.insert("created".into(), "1970-01-01T00:00:00Z".into());
        v1.insert("os".into(), "linux".into());
        let v1 = Value::Object(v1).to_string().into_bytes();
        self.push(directory.to_owned(), Body::Directory);
        self.push(
            format!("{directory}/VERSION"),
            Body::Document(b"1.0".to_vec()),
        );
        self.push(format!("{directory}/json"), Body::Document(v1));
        let stored = blob(bundle, &layer.descriptor.digest)?;
        let body = match self.holders.get(layer.diff_id.as_str()) {
            Some(holder) => Body::Link(format!("../{holder}/layer.tar")),
            None => {
                self.holders
                    .insert(layer.diff_id.to_string(), directory.to_owned());
                Body::Blob(stored)
            }
        };
        self.push(format!("{directory}/layer.tar"), body);
        Ok(())
    }
}

fn blob<'a>(bundle: &'a Bundle, digest: &Digest) -> Result<&'a BlobOut> {
    let blob = bundle.blob(digest);
    blob.ok_or_else(|| Error::blob_missing(digest))
}
