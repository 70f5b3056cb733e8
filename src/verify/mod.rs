//! imgverify: is everything here, is it what it claims to be, and do all descriptions agree?
//!
//! Opening has checked every document; what is left is one pass over every blob and layer (on all cores, the largest
//! first, each stored byte read once), and the comparison of what describes the same thing twice.

mod agree;
mod apply;
mod blobs;
pub mod custody;
mod documents;
mod estargz;
mod finding;
mod loading;
mod texts;
mod toc;

pub use finding::{Finding, Severity};
pub use loading::glance;

use std::collections::{HashMap, HashSet};

use finding::Found;

use crate::archive::{Archive, Format, Holder, Image, MemberKind, NodeKind, Presence};
use crate::blob::{Compression, Meter};
use crate::error::{Error, Fault};
use crate::layer::{AnomalyKind, Limits};

/// Bytes of all layers' entries that [`verify`] may keep, as [`Limits::trace`], to apply layers to one another.
pub const TRACE: u64 = 1 << 30;

/// What was found out about one archive.
#[derive(Debug)]
pub struct VerifyReport {
    /// Everything that was found, in the order of the archive's parts; the same on every run.
    pub findings: Vec<Finding>,
    /// Container images.
    pub images: usize,
    /// Distinct layers that are here.
    pub layers: usize,
    /// Distinct blobs and layer members that were read.
    pub blobs: usize,
    /// Stored bytes that were read and hashed.
    pub bytes: u64,
    /// Whether manifests are named that are not here, as in the archives of engines that hold one platform of many.
    pub sparse: bool,
    /// What reading each blob found out, by which bytes it is.
    pub(crate) read: HashMap<blobs::Key, custody::ReadBlob>,
    /// What could not be verified, for reasons that are no damage: limits that were reached, files that cannot be read.
    pub trouble: Vec<Error>,
}

impl VerifyReport {
    /// Whether damage was found.
    pub fn is_damaged(&self) -> bool {
        let mut findings = self.findings.iter();
        findings.any(|finding| finding.severity == Severity::Error)
    }

    /// Whether all that is wrong are paths that escape the root directory: every byte is what it should be.
    pub fn is_unsafe(&self) -> bool {
        let mut errors = self
            .findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
            .peekable();
        errors.peek().is_some()
            && errors.all(|error| matches!(error.code, "climbing-path" | "member-through-link"))
    }

    /// Whether everything could be verified and nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.trouble.is_empty() && !self.is_damaged()
    }
}

/// Verifies an archive. Whatever is wrong with it, and whatever could not be verified, is in the report.
///
/// Of a part of one ([`Archive::part`]) only what the part needs is read.
pub fn verify(archive: &Archive, limits: &Limits, meter: &Meter) -> VerifyReport {
    let gaps = Gaps::of(archive);
    let mut found = Found::default();
    faults(archive, &gaps, &mut found);
    let mut names = archive.container.names(limits).unwrap_or_else(|error| {
        found.error(&error);
        Vec::new()
    });
    if archive.is_part {
        let own = blobs::referenced(archive);
        let own: HashSet<&str> = own.iter().map(|name| bare(name)).collect();
        names.retain(|name| own.contains(name.as_str()));
        container(archive, |name| own.contains(bare(name)), &mut found);
    } else {
        container(archive, |_| true, &mut found);
    }
    let labels = blobs::Labels::new(archive);
    let passes = blobs::read(archive, &names, &labels, limits, meter);
    found.append(passes.found);
    let sparse = presence(archive, &gaps, &labels, &mut found);
    documents::schemas(archive, &mut found);
    documents::types(archive, agree::edges(archive), &mut found);
    agree::documents(archive, &labels, &mut found);
    agree::data(archive, &mut found);
    texts::check(archive, &labels, &mut found);
    agree::halves(archive, &mut found);
    agree::names(archive, &mut found);
    agree::unlisted(archive, &labels, &mut found);
    agree::repositories(archive, &mut found);
    // Where the documents are cut off nothing can be told of the rest.
    let is_cut = archive.roots.is_empty() && archive.container.fault().is_some();
    if !is_cut && !archive.is_part {
        blobs::unreferenced(archive, &names, &mut found);
    }
    dedup(&mut found);
    VerifyReport {
        findings: found.findings,
        images: archive.images.len(),
        layers: passes.layers,
        blobs: passes.blobs,
        bytes: passes.bytes,
        sparse,
        read: passes.read,
        trouble: found.trouble,
    }
}

/// What opening found out already.
fn faults(archive: &Archive, gaps: &Gaps, found: &mut Found) {
    let cut = archive.container.fault();
    for error in cut.into_iter().chain(&archive.faults) {
        found.error(error);
    }
    let lone = archive.format == Format::Document;
    for (i, node) in archive.nodes.iter().enumerate() {
        let hollow = matches!(node.kind, NodeKind::Image(image) if gaps.hollow[image]);
        for error in &node.faults {
            // The config of an image of which nothing is here is part of the same gap.
            let absent = matches!(error.fault(), Fault::BlobMissing { .. });
            if !(absent && (lone || hollow && !gaps.lost[i])) {
                found.error(error);
            }
        }
    }
    for error in archive.images.iter().flat_map(|image| &image.faults) {
        found.error(error);
    }
}

/// What is missing so that it may lawfully be: an engine that holds one platform of many writes the index of all.
struct Gaps {
    /// For each image, whether nothing below its manifest is here, and only an index names it.
    hollow: Vec<bool>,
    /// For each node, whether something it belongs to has no image that is whole: then nothing excuses a gap.
    lost: Vec<bool>,
}

impl Gaps {
    fn of(archive: &Archive) -> Self {
        let top: HashSet<usize> = archive.roots.iter().filter_map(|root| root.node).collect();
        let here = |image: &Image, wanted: fn(&Presence) -> bool| {
            image.layers.iter().all(|layer| wanted(&layer.presence))
        };
        let whole: Vec<bool> = archive
            .images
            .iter()
            .map(|image| {
                let present = |presence: &Presence| {
                    matches!(presence, Presence::Present(_) | Presence::External)
                };
                image.config_bytes.is_some() && here(image, present)
            })
            .collect();
        let hollow = archive
            .images
            .iter()
            .map(|image| {
                let absent = |presence: &Presence| matches!(presence, Presence::Missing);
                let below = image.node.is_some_and(|node| !top.contains(&node));
                below && image.item.is_none() && !image.layers.is_empty() && here(image, absent)
            })
            .collect();
        let mut lost = vec![false; archive.nodes.len()];
        for root in &archive.roots {
            let Some(node) = root.node else { continue };
            if archive.images_of(root).iter().any(|&image| whole[image]) {
                continue;
            }
            let mut work = vec![node];
            while let Some(node) = work.pop() {
                if std::mem::replace(&mut lost[node], true) {
                    continue;
                }
                if let NodeKind::Index(edges) = &archive.nodes[node].kind {
                    work.extend(edges.iter().map(|edge| edge.node));
                }
            }
        }
        Gaps { hollow, lost }
    }
}

/// Bytes that [`verify`] will read, for progress.
pub fn workload(archive: &Archive) -> u64 {
    match &archive.container.holder {
        Holder::Table(table) if !archive.container.streamed && !archive.is_part => {
            let file = |kind: &MemberKind| match kind {
                MemberKind::File(content) => content.len(),
                _ => 0,
            };
            table
                .members()
                .iter()
                .map(|member| file(&member.kind))
                .sum()
        }
        _ => archive
            .images
            .iter()
            .flat_map(|image| &image.layers)
            .filter_map(|layer| layer.content())
            .map(crate::archive::Content::len)
            .sum(),
    }
}

/// The name of a member without a leading `./`, with which `manifest.json` may write it.
fn bare(name: &str) -> &str {
    name.trim_start_matches("./")
}

/// What is odd about the outer tar; of its members, about those that are asked for.
fn container(archive: &Archive, is_asked_for: impl Fn(&str) -> bool, found: &mut Found) {
    let has = |name: &str| matches!(archive.container.get(name), Ok(Some(_)));
    if archive.oci.is_none() && has("oci-layout") && !has("index.json") {
        found.add(
            Severity::Warning,
            "half-missing",
            "index.json",
            "missing, though oci-layout says that there is one",
        );
    }
    if archive.docker.is_none() && has("repositories") && !has("manifest.json") {
        found.add(
            Severity::Warning,
            "half-missing",
            "manifest.json",
            "missing, though repositories names images",
        );
    }
    if archive
        .docker
        .as_ref()
        .is_some_and(|docker| docker.manifest.is_some() && docker.items.is_empty())
    {
        found.add(
            Severity::Warning,
            "no-images",
            "manifest.json",
            "it lists no image",
        );
    }
    if archive.format == Format::Document {
        found.add(
            Severity::Note,
            "document",
            "",
            "a document on its own: what it points to is not here, so only its form was checked",
        );
    }
    if archive.oci.is_some() && matches!(archive.format, Format::Oci | Format::DockerAndOci) {
        match archive
            .oci
            .as_ref()
            .and_then(|oci| oci.layout_version.as_deref())
        {
            Some("1.0.0") => {}
            Some(version) => found.add(
                Severity::Warning,
                "layout-version",
                "oci-layout",
                format!(
                    "version '{}' where 1.0.0 belongs; strict readers refuse it",
                    version
                ),
            ),
            None => found.add(
                Severity::Warning,
                "layout-version",
                "oci-layout",
                "missing or without a version; strict readers refuse the archive",
            ),
        }
    }
    let Holder::Table(table) = &archive.container.holder else {
        return;
    };
    for anomaly in table.anomalies.iter() {
        if anomaly.kind == AnomalyKind::MissingEndMarker {
            // Layers come without one from some tools, archives do not: this one was cut between two members.
            found.add(
                Severity::Error,
                "truncated",
                "",
                "the archive ends without its end marker: it was cut short",
            );
            continue;
        }
        let (severity, message) = finding::oddity(anomaly.kind);
        let place = anomaly.path.as_ref().map_or_else(String::new, |path| {
            String::from_utf8_lossy(path).into_owned()
        });
        found.add(severity, anomaly.kind.code(), place, message);
    }
    for detour in table.detours.members() {
        let Some(link) = &detour.link else {
            // An oddity of its name, told above.
            continue;
        };
        let message = format!(
            "its path goes through the link '{}' of the archive; loaders that unpack it put the member elsewhere",
            String::from_utf8_lossy(link)
        );
        let name = String::from_utf8_lossy(&table.members()[detour.position].name);
        if is_asked_for(&name) {
            found.add(Severity::Error, "member-through-link", name, message);
        }
    }
    if let Some(tail) = &table.tail {
        finding::tail(tail, "some readers read on", &[], found);
    }
    let mut twice: Vec<(&[u8], &[usize])> = table
        .names()
        .filter(|(_, positions)| positions.len() > 1)
        .collect();
    twice.sort_unstable_by_key(|(_, positions)| positions[0]);
    for (name, positions) in twice {
        if positions
            .iter()
            .all(|&i| matches!(table.members()[i].kind, MemberKind::Directory))
        {
            continue;
        }
        let name = String::from_utf8_lossy(name).into_owned();
        if !is_asked_for(&name) {
            continue;
        }
        match archive.container.get(&name) {
            Ok(_) => {
                let message = format!(
                    "{} members have this name and are the same",
                    positions.len()
                );
                found.add(Severity::Warning, "duplicate-member", name, message);
            }
            Err(error) => found.error(&error),
        }
    }
}

/// What is named and not here. Returns whether the archive is sparse.
fn presence(archive: &Archive, gaps: &Gaps, labels: &blobs::Labels, found: &mut Found) -> bool {
    if archive.format == Format::Document {
        return false;
    }
    let top: HashSet<usize> = archive.roots.iter().filter_map(|root| root.node).collect();
    let mut sparse = false;
    for (i, node) in archive.nodes.iter().enumerate() {
        let digest = &node.descriptor.digest;
        for layer in blobs::schema1_layers(node) {
            if let Ok(None) = archive.container.get(&blobs::path(archive, &layer)) {
                let message = format!("blob {layer} is not in the archive");
                let place = format!("manifest {}", digest.short());
                found.add(Severity::Error, "blob-absent", place, message);
            }
        }
        if !matches!(node.kind, NodeKind::Missing) || !node.faults.is_empty() {
            continue;
        }
        let platform = node
            .descriptor
            .platform
            .as_ref()
            .map(|platform| format!(" ({platform})"))
            .unwrap_or_default();
        if node.descriptor.may_be_absent() && !top.contains(&i) {
            let message = format!("blob {digest}{platform} is to be found elsewhere");
            found.add(Severity::Note, "external", "", message);
        } else if top.contains(&i) {
            let message = format!("blob {digest}{platform} is listed and not in the archive");
            found.add(Severity::Error, "blob-absent", "index.json", message);
        } else if gaps.lost[i] {
            let message = format!(
                "manifest {digest}{platform} is not in the archive, and no image beside it is whole"
            );
            found.add(Severity::Error, "blob-absent", "", message);
        } else {
            sparse = true;
            let message =
                format!("manifest {digest}{platform} is not in the archive: it is sparse");
            found.add(Severity::Note, "sparse", "", message);
        }
    }
    for (position, image) in archive.images.iter().enumerate() {
        let lost = image.node.is_none_or(|node| gaps.lost[node]);
        let hollow = gaps.hollow[position] && !lost;
        for (i, layer) in image.layers.iter().enumerate() {
            let place = || labels.layer(archive, position, i);
            match &layer.presence {
                // Why something cannot be read is a fault that is said already.
                Presence::Present(_) | Presence::Unreadable => {}
                Presence::External => found.add(
                    Severity::Note,
                    "external",
                    place(),
                    "the layer is not in the archive and need not be: it is to be found elsewhere",
                ),
                Presence::Missing if hollow => {
                    sparse = true;
                    let message = format!("{} is not in the archive: it is sparse", layer.member);
                    found.add(Severity::Note, "sparse", place(), message);
                }
                Presence::Missing => {
                    let message = format!("{} is not in the archive", layer.member);
                    found.add(Severity::Error, "blob-absent", place(), message);
                }
            }
        }
    }
    sparse
}

/// Drops what says the same of the same place, the later ones.
fn dedup(found: &mut Found) {
    let mut seen = HashSet::new();
    let fresh: Vec<bool> = found
        .findings
        .iter()
        .map(|finding| seen.insert((finding.code, &finding.places, finding.message())))
        .collect();
    let mut fresh = fresh.into_iter();
    found.findings.retain(|_| fresh.next().unwrap_or(true));
    let mut said = HashSet::new();
    found.trouble.retain(|error| said.insert(error.to_string()));
}

/// What a layer's media type says of its packing, if that is not how it is packed.
fn media_type_lies(
    media_type: &crate::spec::MediaType,
    compression: Compression,
) -> Option<&'static str> {
    use crate::spec::LayerKind;
    let claimed = match media_type.layer_kind()? {
        LayerKind::Tar => Compression::None,
        LayerKind::Gzip => Compression::Gzip,
        LayerKind::Zstd => Compression::Zstd,
        LayerKind::Encrypted => return None,
    };
    (claimed != compression).then(|| claimed.name())
}
