//! Documents rewritten for what they point to: manifests for their layers and configs, indexes for their manifests,
//! referrers for their subjects. Everything else in them is kept, unknown fields too.
//!
//! A document is rewritten once, after all that it points to, so its new digest is its last. Tags that stand for a
//! digest (`sha256-<hex>`, as registries without referrers use them, and `.sig`, `.att`, `.sbom` after it) follow the
//! digest. What a signature says inside stays, and is reported where it is about a digest that changed.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fmt;
use std::io::Read;
use std::sync::Arc;

use base64::Engine;
use serde_json::Value;

use super::bundle::{Bundle, Change, Source};
use super::recode::{MediaTypes, Packed, PackedLayer, Recode, annotate, edit, item, media_type};
use crate::archive::Name;
use crate::error::{At, Result};
use crate::spec::{
    Descriptor, Digest, Document, Manifest, MediaType, annotations, fields, json, texts,
};

/// How many bytes of a blob are searched for a digest: a statement names its subject at the beginning.
const SEARCHED: u64 = 4 << 20;

/// How many digits of a digest a tag that stands for it holds (distribution specification, "Referrers Tag Schema").
const TAG_DIGITS: usize = 64;

/// Something that could not be carried along as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loss {
    /// The contents of a referrer name a digest of the source. It points to the new one; what it says does not.
    Names {
        /// The digest of the referrer's manifest in the output.
        referrer: Digest,
        /// The digest that its contents name.
        old: Digest,
    },
    /// A signature of a `dir:` that was left out.
    Signature {
        /// The file that held it.
        file: String,
        /// Why it was left out.
        why: &'static str,
    },
    /// Something that is no image, left out of a format that holds images only.
    NotAnImage {
        /// The digest of its manifest.
        digest: Digest,
    },
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Loss::Names { referrer, old } => write!(
                f,
                "{referrer}: its contents name {old}, the digest before the conversion; a signature in it no longer verifies"
            ),
            Loss::Signature { file, why } => write!(f, "{file}: signature left out: {why}"),
            Loss::NotAnImage { digest } => {
                write!(
                    f,
                    "{digest}: left out: no image, and this format holds only images"
                )
            }
        }
    }
}

/// What documents are rewritten for.
pub(super) struct Rewriting<'a> {
    pub recode: &'a Recode,
    /// By the digest before.
    pub layers: &'a HashMap<Digest, PackedLayer>,
    /// By the digest before.
    pub configs: &'a HashMap<Digest, Packed>,
}

impl Rewriting<'_> {
    fn is_nothing(&self) -> bool {
        self.layers.is_empty()
            && self.configs.is_empty()
            && self.recode.media_types.is_none()
            && !self.recode.prune_sparse
    }
}

/// A document, and the documents of the bundle that it points to.
struct Pointing {
    digest: Digest,
    to: Vec<usize>,
}

impl Bundle {
    /// Rewrites all documents that something they point to changed for, or whose media types are to change. Gives the
    /// new descriptors by the digests before; those have the media type and digest of the new document.
    ///
    /// # Errors
    /// As [`media_type`]; `Json` and `Schema` for what is no document.
    pub(super) fn rewrite_documents(
        &mut self,
        rewriting: &Rewriting<'_>,
    ) -> Result<HashMap<Digest, Descriptor>> {
        let mut renamed: HashMap<Digest, Descriptor> = HashMap::new();
        if rewriting.is_nothing() {
            return Ok(renamed);
        }
        let mut referrers = Vec::new();
        for digest in self.below_first()? {
            self.rewrite(&digest, rewriting, &mut renamed, &mut referrers)
                .at(|| digest.blob_path())?;
        }
        self.rename_tags(&renamed, &mut referrers);
        self.doubt(&renamed, referrers);
        Ok(renamed)
    }

    /// The documents, each after those that it points to. Documents that point to each other in a circle, which takes
    /// a broken digest algorithm, come last.
    fn below_first(&self) -> Result<Vec<Digest>> {
        let digests = self.manifest_digests();
        let positions: HashMap<&Digest, usize> = digests.iter().zip(0..).collect();
        let mut pointing = Vec::with_capacity(digests.len());
        for digest in &digests {
            let mut to = Vec::new();
            let mut point = |digest: &Digest| to.extend(positions.get(digest).copied());
            if let Some(bytes) = self.document(digest) {
                match Document::parse_known(&bytes).at(|| digest.blob_path())? {
                    Document::Index(index) => {
                        index.manifests.iter().for_each(|child| {
                            point(&child.digest);
                            if let Some(about) = about(child) {
                                point(&about);
                            }
                        });
                        index.subject.iter().for_each(|of| point(&of.digest));
                    }
                    Document::Manifest(manifest) => {
                        manifest.subject.iter().for_each(|of| point(&of.digest));
                    }
                    Document::Schema1(_) => {}
                }
            }
            to.sort_unstable();
            to.dedup();
            pointing.push(Pointing {
                digest: digest.clone(),
                to,
            });
        }
        let mut above: Vec<Vec<usize>> = vec![Vec::new(); pointing.len()];
        let mut waiting: Vec<usize> = Vec::with_capacity(pointing.len());
        for (i, document) in pointing.iter().enumerate() {
            waiting.push(document.to.len());
            document.to.iter().for_each(|&below| above[below].push(i));
        }
        let mut ready: VecDeque<usize> = (0..pointing.len()).filter(|&i| waiting[i] == 0).collect();
        let mut order = Vec::with_capacity(pointing.len());
        let mut done = vec![false; pointing.len()];
        while let Some(i) = ready.pop_front() {
            done[i] = true;
            order.push(pointing[i].digest.clone());
            for &next in &above[i] {
                waiting[next] -= 1;
                if waiting[next] == 0 {
                    ready.push_back(next);
                }
            }
        }
        let circles = pointing.into_iter().zip(done);
        order.extend(
            circles
                .filter(|(_, done)| !done)
                .map(|(document, _)| document.digest),
        );
        Ok(order)
    }

    /// Rewrites one document, if it has to be.
    fn rewrite(
        &mut self,
        digest: &Digest,
        rewriting: &Rewriting<'_>,
        renamed: &mut HashMap<Digest, Descriptor>,
        referrers: &mut Vec<(Digest, Digest)>,
    ) -> Result<()> {
        let Some(bytes) = self.document(digest) else {
            return Ok(());
        };
        let before: Value = texts::exact(&bytes)?;
        let mut value = before.clone();
        let recode = rewriting.recode;
        let document = Document::from_value(&value)?;
        let subject = match &document {
            Document::Manifest(manifest) => manifest.subject.clone(),
            Document::Index(index) => index.subject.clone(),
            Document::Schema1(_) => return Ok(()),
        };
        // The config may be a new one already.
        let is_image = |bundle: &Bundle, manifest: &Manifest| {
            let config = manifest.config.as_ref();
            config.is_some_and(|config| rewriting.configs.contains_key(&config.digest))
                || bundle.is_image(manifest)
        };
        let mut types = None;
        let (mut pointed, mut pruned) = (false, false);
        match document {
            Document::Manifest(manifest) if is_image(self, &manifest) => {
                for (i, layer) in manifest.layers.iter().enumerate() {
                    let new = rewriting.layers.get(&layer.digest);
                    let kind = media_type(&layer.media_type, new, recode)?;
                    let blob = new.map(|new| (&new.blob.digest, new.blob.size));
                    edit(&mut value, "layers", i, blob, &kind);
                    pointed |= new.is_some();
                    if let Some(new) = new {
                        annotate(item(&mut value, "layers", i), &new.annotations);
                    }
                }
                let config = manifest.config.as_ref();
                if let Some(new) = config.and_then(|config| rewriting.configs.get(&config.digest)) {
                    point(
                        fields::of_mut(&mut value, "config"),
                        &new.digest,
                        new.size,
                        None,
                    );
                    pointed = true;
                }
                if let (Some(types), Some(Value::Object(config))) =
                    (recode.media_types, fields::of_mut(&mut value, "config"))
                {
                    fields::set(config, "mediaType", types.config().into());
                }
                types = recode.media_types.map(MediaTypes::manifest);
            }
            Document::Index(index) => {
                for (i, child) in index.manifests.iter().enumerate() {
                    if let Some(new) = renamed.get(&child.digest) {
                        let kind = match new.media_type.as_str() {
                            "" => &child.media_type,
                            _ => &new.media_type,
                        };
                        let blob = Some((&new.digest, new.size));
                        edit(&mut value, "manifests", i, blob, kind);
                        pointed = true;
                    }
                    let Some(old) = about(child) else { continue };
                    let Some(new) = renamed.get(&old) else {
                        continue;
                    };
                    let annotations = item(&mut value, "manifests", i)
                        .and_then(|item| fields::get_mut(item, "annotations"));
                    if let Some(Value::Object(map)) = annotations {
                        let key = annotations::REFERENCE_DIGEST;
                        map.insert(key.into(), new.digest.as_str().into());
                    }
                    referrers.push((child.digest.clone(), old));
                }
                if recode.prune_sparse {
                    let here = index.manifests.iter().map(|child| {
                        let now = renamed.get(&child.digest).map(|new| &new.digest);
                        self.blob(now.unwrap_or(&child.digest)).is_some() || child.may_be_absent()
                    });
                    let mut here = here.collect::<Vec<bool>>().into_iter();
                    if let Some(Value::Array(list)) = fields::of_mut(&mut value, "manifests") {
                        let count = list.len();
                        list.retain(|_| here.next().unwrap_or(true));
                        pruned = list.len() < count;
                    }
                }
                types = recode.media_types.map(MediaTypes::index);
            }
            Document::Manifest(_) | Document::Schema1(_) => {}
        }
        if let Some((old, new)) = subject
            .map(|subject| subject.digest)
            .and_then(|old| renamed.get(&old).map(|new| (old, new)))
        {
            let kind = Some(new.media_type.as_str()).filter(|kind| !kind.is_empty());
            let descriptor = fields::of_mut(&mut value, "subject");
            point(descriptor, &new.digest, new.size, kind);
            pointed = true;
            referrers.push((digest.clone(), old));
        }
        if let (Some(types), Value::Object(document)) = (types, &mut value) {
            fields::set(document, "mediaType", types.into());
        }
        if value == before {
            return Ok(());
        }
        let kind = Document::from_value(&value)?.media_type().to_owned();
        let new = Packed::document(texts::bytes(&value).into());
        let mut descriptor = self.descriptor_of(digest);
        if !kind.is_empty() {
            descriptor.media_type = MediaType::new(kind);
        }
        (descriptor.digest, descriptor.size) = (new.digest.clone(), new.size);
        self.changes.push(Change {
            what: "manifest",
            old: Some(digest.to_string()),
            new: new.digest.to_string(),
            why: match (pointed, pruned) {
                (true, _) => "what it points to changed",
                (false, true) => "missing manifests taken out",
                (false, false) => "other media types",
            },
        });
        self.replace(digest, &new);
        renamed.insert(digest.clone(), descriptor);
        Ok(())
    }

    pub(super) fn document(&self, digest: &Digest) -> Option<Arc<[u8]>> {
        match &self.blob(digest)?.source {
            Source::Document(bytes) => Some(Arc::clone(bytes)),
            Source::Stored(_) | Source::Decoded(_) => None,
        }
    }

    /// Lets tags that stand for a digest follow it.
    fn rename_tags(
        &mut self,
        renamed: &HashMap<Digest, Descriptor>,
        referrers: &mut Vec<(Digest, Digest)>,
    ) {
        let mut tags: HashMap<String, (&Digest, &Digest)> = HashMap::new();
        for (old, new) in renamed {
            tags.insert(tag_of(old), (old, &new.digest));
        }
        for listed in &mut self.listed {
            for listed_name in &mut listed.names {
                let tag = match &listed_name.name {
                    Name::Full(reference) => reference.tag().unwrap_or_default(),
                    Name::Tag(tag) => tag,
                    Name::Text(_) => continue,
                }
                .to_owned();
                let (stem, suffix) = match tag.split_once('.') {
                    Some((stem, _)) => tag.split_at(stem.len()),
                    None => (tag.as_str(), ""),
                };
                let Some((old, new)) = tags.get(stem) else {
                    continue;
                };
                listed_name.retag(&tag, &format!("{}{suffix}", tag_of(new)));
                referrers.push((listed.descriptor.digest.clone(), (*old).clone()));
            }
        }
    }

    /// Notes the referrers whose contents name a digest that they do not point to any more.
    fn doubt(&mut self, renamed: &HashMap<Digest, Descriptor>, referrers: Vec<(Digest, Digest)>) {
        let mut said = HashSet::new();
        for (referrer, old) in referrers {
            let referrer = renamed
                .get(&referrer)
                .map_or(referrer, |new| new.digest.clone());
            if said.insert((referrer.clone(), old.clone())) && self.contents_name(&referrer, &old) {
                self.losses.push(Loss::Names { referrer, old });
            }
        }
    }

    /// Whether a blob of an artifact or attestation speaks of a digest. What cannot be read does not.
    fn contents_name(&self, manifest: &Digest, old: &Digest) -> bool {
        let Some(bytes) = self.document(manifest) else {
            return false;
        };
        let Ok(Document::Manifest(manifest)) = Document::parse_known(&bytes) else {
            return false;
        };
        let blobs = manifest.layers.iter().chain(&manifest.config);
        let mut contents = blobs.filter(|blob| blob.media_type.layer_kind().is_none());
        contents.any(|blob| {
            let bytes = match self.blob(&blob.digest).map(|blob| &blob.source) {
                Some(Source::Document(bytes)) => bytes.to_vec(),
                Some(Source::Stored(content)) => {
                    let mut bytes = Vec::new();
                    let read = content.reader().map(|reader| reader.take(SEARCHED));
                    if read.is_ok_and(|mut read| read.read_to_end(&mut bytes).is_err()) {
                        return false;
                    }
                    bytes
                }
                Some(Source::Decoded(_)) | None => return false,
            };
            names(&bytes, old.encoded())
        })
    }
}

/// The digest that an attestation in an index is about.
fn about(child: &Descriptor) -> Option<Digest> {
    Digest::parse(child.annotation(annotations::REFERENCE_DIGEST)?).ok()
}

/// The tag that stands for a digest.
fn tag_of(digest: &Digest) -> String {
    let encoded = digest.encoded();
    let digits = &encoded[..encoded.len().min(TAG_DIGITS)];
    format!("{}-{digits}", digest.algorithm())
}

/// Points a descriptor at another blob.
fn point(value: Option<&mut Value>, digest: &Digest, size: u64, media_type: Option<&str>) {
    let Some(Value::Object(descriptor)) = value else {
        return;
    };
    fields::set(descriptor, "digest", digest.as_str().into());
    fields::set(descriptor, "size", size.into());
    if let Some(media_type) = media_type {
        fields::set(descriptor, "mediaType", media_type.into());
    }
    fields::remove(descriptor, "data");
}

/// Whether bytes hold a text, as it is or in the base64 text that a JSON envelope calls its payload.
fn names(bytes: &[u8], text: &str) -> bool {
    let holds = |bytes: &[u8]| {
        let mut windows = bytes.windows(text.len());
        windows.any(|window| window == text.as_bytes())
    };
    if holds(bytes) {
        return true;
    }
    let Ok(value) = json::parse(bytes) else {
        return false;
    };
    let engines = [
        base64::engine::general_purpose::STANDARD,
        base64::engine::general_purpose::STANDARD_NO_PAD,
        base64::engine::general_purpose::URL_SAFE,
        base64::engine::general_purpose::URL_SAFE_NO_PAD,
    ];
    let mut work = vec![&value];
    while let Some(value) = work.pop() {
        match value {
            Value::Array(items) => work.extend(items),
            Value::Object(map) => {
                for (key, value) in map {
                    let payload = value
                        .as_str()
                        .filter(|_| key.to_ascii_lowercase().ends_with("payload"));
                    let decoded = payload.and_then(|payload| {
                        engines
                            .iter()
                            .find_map(|engine| engine.decode(payload).ok())
                    });
                    if decoded.is_some_and(|decoded| holds(&decoded)) {
                        return true;
                    }
                    work.push(value);
                }
            }
            _ => {}
        }
    }
    false
}
