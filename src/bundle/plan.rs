//! Plans of bundles: what readers with some receipts lack.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::held::{Key, Sent};
use super::receipt::Receipt;
use super::record::{Omitted, RECORD, Record};
use super::shelf::Shelf;
use crate::archive::Archive;
use crate::error::{Error, Result};
use crate::limits::Limits;
use crate::spec::Digest;
use crate::write::{Bundle, Part};

/// Blobs that a bundle for the holder of some receipts has and omits.
///
/// Manifests, indexes and configs are never omitted: they are small, and prove what is meant.
#[derive(Debug)]
pub struct Plan {
    /// The record that the bundle carries.
    pub record: Record,
    /// Number of images and indexes with a name or digest of their own.
    pub images: usize,
    /// Number of blobs of the bundle that no receipt has.
    pub new: usize,
    /// Layers that no receipt has, from the largest to the smallest.
    pub layers: Vec<NewLayer>,
    /// The receipt that the reader will have.
    pub after: Receipt,
    /// Blobs of the bundle.
    carried: HashSet<Digest>,
}

/// A layer that no receipt has.
#[derive(Debug)]
pub struct NewLayer {
    /// Digest of the stored blob.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// Names of the images that need it, those without a name by their digests.
    pub images: BTreeSet<String>,
}

impl Plan {
    /// Plans a bundle of images for a reader that has all blobs of the receipts but the old ones, which may be lost.
    ///
    /// # Errors
    /// As [`Bundle::parts`].
    pub fn of(
        images: &Bundle,
        since: &[Receipt],
        label: Option<&str>,
        is_old: impl Fn(&Digest) -> bool,
    ) -> Result<Self> {
        let mut after = since.first().cloned().unwrap_or_default();
        for receipt in since.get(1..).unwrap_or_default() {
            after.merge(receipt);
        }
        let parts = images.parts()?;
        let omitted: BTreeMap<Digest, Omitted> = parts
            .iter()
            .filter(|(digest, part)| !part.is_config && after.has(digest, part.size))
            .filter(|(digest, _)| !is_old(digest) || images.blob(digest).is_none())
            .filter(|(digest, _)| !images.blob(digest).is_some_and(|blob| blob.is_document()))
            .map(|(digest, part)| {
                let (size, diff_id) = (part.size, part.diff_id.clone());
                let diff_id = diff_id.filter(|diff_id| diff_id != digest);
                (digest.clone(), Omitted { size, diff_id })
            })
            .collect();
        let carried = images
            .blobs()
            .iter()
            .filter(|blob| !omitted.contains_key(&blob.digest));
        let (mut record, mut new) = (Record::default(), 0);
        let mut digests = HashSet::new();
        for blob in carried {
            digests.insert(blob.digest.clone());
            record.blobs += 1;
            record.bytes = record.bytes.saturating_add(blob.size);
            new += usize::from(!after.has(&blob.digest, blob.size));
        }
        let layers = new_layers(images, &parts, &omitted);
        (after.verified, after.list_id, after.bundles) = (false, None, None);
        if let Some(label) = label {
            after.form.label = Some(label.to_owned());
        }
        for blob in images.blobs() {
            after.add(&blob.digest, blob.size, diff_id_of(&parts, &blob.digest));
        }
        for (digest, blob) in &omitted {
            after.add(digest, blob.size, diff_id_of(&parts, digest));
        }
        for listed in &images.listed {
            let digest = &listed.descriptor.digest;
            for name in &listed.names {
                let name = name.name.to_string();
                after.add_name(digest, name.clone());
                record.names.insert(name, digest.clone());
            }
        }
        record.omitted = omitted;
        record.since = since.iter().map(Receipt::id).collect();
        record.after = Some(after.id());
        Ok(Plan {
            images: images.listed.len(),
            record,
            new,
            layers,
            after,
            carried: digests,
        })
    }

    /// Returns the receipt that the reader will have, with the bundle that carried each blob last.
    pub fn ledger(&self, sent: Sent) -> Receipt {
        let keys: HashSet<Key> = self.carried.iter().map(Key::from).collect();
        let brief: HashSet<Key> = keys.iter().map(Key::brief).collect();
        let mut ledger = self.after.clone();
        ledger.mark_sent(sent, |key| keys.contains(key) || brief.contains(key));
        ledger
    }

    /// Removes the omitted blobs from the images, and adds the record.
    pub fn apply(&self, images: &mut Bundle) {
        let omitted: HashSet<Digest> = self.record.omitted.keys().cloned().collect();
        images.omit(&omitted);
        images.documents.push((RECORD, self.record.text()));
    }
}

fn diff_id_of<'a>(parts: &'a BTreeMap<Digest, Part>, digest: &Digest) -> Option<&'a Digest> {
    parts.get(digest)?.diff_id.as_ref()
}

fn new_layers(
    images: &Bundle,
    parts: &BTreeMap<Digest, Part>,
    omitted: &BTreeMap<Digest, Omitted>,
) -> Vec<NewLayer> {
    let mut users: HashMap<&Digest, BTreeSet<String>> = HashMap::new();
    for listed in &images.listed {
        let names = listed.names.iter().map(|name| name.name.to_string());
        let mut names: Vec<String> = names.collect();
        if names.is_empty() {
            names.push(listed.descriptor.digest.to_string());
        }
        for layer in listed.image.iter().flat_map(|image| &image.layers) {
            let users = users.entry(&layer.descriptor.digest).or_default();
            users.extend(names.iter().cloned());
        }
    }
    let is_new = |digest: &Digest| images.blob(digest).is_some() && !omitted.contains_key(digest);
    let new = parts
        .iter()
        .filter(|(digest, part)| !part.is_config && is_new(digest));
    let new = new.map(|(digest, part)| NewLayer {
        digest: digest.clone(),
        size: part.size,
        images: users.remove(digest).unwrap_or_default(),
    });
    let mut new: Vec<NewLayer> = new.collect();
    new.sort_by_key(|layer| Reverse(layer.size));
    new
}

/// Collects the requested blobs from archives, with the record of the answer, and returns the digests that no archive
/// has.
///
/// # Errors
/// `BadDigest` for a request with cut digests; as [`Shelf::find`].
pub fn only_blobs(request: &Receipt, shelves: &[Shelf]) -> Result<(Bundle, Vec<Digest>)> {
    let (mut answer, mut missing) = (Bundle::default(), Vec::new());
    let mut record = Record {
        answers: Some(request.id()),
        ..Record::default()
    };
    for (key, held) in request.blobs() {
        let digest = key.digest()?;
        let mut found = None;
        for shelf in shelves {
            found = shelf.find(&digest, held.size)?;
            if found.is_some() {
                break;
            }
        }
        match found {
            Some(content) => {
                record.blobs += 1;
                record.bytes = record.bytes.saturating_add(content.len());
                answer.add_blob(&digest, content);
            }
            None => missing.push(digest),
        }
    }
    answer.documents.push((RECORD, record.text()));
    Ok((answer, missing))
}

/// Collects all blobs of an archive without the images that need them.
///
/// # Errors
/// `Limit` and `Io` from listing a directory; as [`Container::get`](crate::archive::Container::get).
pub fn all_blobs(archive: &Archive, limits: &Limits) -> Result<Bundle> {
    let mut blobs = Bundle::default();
    for name in archive.container.names(limits)? {
        let Some(digest) = Digest::from_blob_path(&name) else {
            continue;
        };
        if let Some(content) = archive.container.get(&name)? {
            blobs.add_blob(&digest, content);
        }
    }
    Ok(blobs)
}

/// Compares a record with the bundle that carries it: the number of blobs and their size in bytes.
///
/// # Errors
/// `Ambiguous` if they differ; as [`all_blobs`].
pub fn check_record(record: &Record, archive: &Archive, limits: &Limits) -> Result<()> {
    let blobs = all_blobs(archive, limits)?;
    let bytes: u64 = blobs.blobs().iter().map(|blob| blob.size).sum();
    let found = (blobs.blobs().len() as u64, bytes);
    if found != (record.blobs, record.bytes) {
        let why = format!(
            "the record states {} blobs of {} bytes, the bundle has {} of {bytes}",
            record.blobs, record.bytes, found.0
        );
        return Err(Error::ambiguous(why));
    }
    Ok(())
}
