//! imgverify: is everything here, is it what it claims to be, and do all descriptions agree?
//!
//! Opening has checked every document; what is left is one pass over every blob and layer (on all cores, the largest
//! first, each stored byte read once), and the comparison of what describes the same thing twice.

mod agree;
mod blobs;
mod finding;

pub use finding::{Finding, Severity};

use crate::archive::{Archive, Holder, MemberKind, NodeKind, Presence, Shape};
use crate::blob::{Compression, Meter};
use crate::error::Result;
use crate::layer::{AnomalyKind, Limits};

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
}

impl VerifyReport {
    /// Whether nothing is damaged.
    pub fn is_sound(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity < Severity::Error)
    }
}

/// Verifies an archive.
///
/// # Errors
/// `Io` if something cannot be read at all; whatever is wrong with the archive is in the report.
pub fn verify(archive: &Archive, limits: &Limits, meter: &Meter) -> Result<VerifyReport> {
    let mut findings: Vec<Finding> = archive.all_faults().map(Finding::of).collect();
    container(archive, &mut findings);
    let names = archive.container.names(limits)?;
    let passes = blobs::read(archive, &names, limits, meter)?;
    findings.extend(passes.findings);
    let sparse = presence(archive, &mut findings);
    agree::documents(archive, &mut findings);
    agree::halves(archive, &mut findings);
    agree::repositories(archive, &mut findings);
    blobs::unreferenced(archive, &names, &mut findings);
    dedup(&mut findings);
    Ok(VerifyReport {
        findings,
        images: archive.images.len(),
        layers: passes.layers,
        blobs: passes.blobs,
        bytes: passes.bytes,
        sparse,
    })
}

/// Bytes that [`verify`] will read, for progress.
pub fn workload(archive: &Archive) -> u64 {
    match &archive.container.holder {
        Holder::Table(table) if !archive.container.streamed => {
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

/// What is odd about the outer tar.
fn container(archive: &Archive, findings: &mut Vec<Finding>) {
    if archive.shape == Shape::Oci || archive.shape == Shape::DockerAndOci {
        match archive
            .oci
            .as_ref()
            .and_then(|oci| oci.layout_version.as_deref())
        {
            Some("1.0.0") => {}
            Some(version) => findings.push(Finding::new(
                Severity::Warning,
                "layout-version",
                "oci-layout",
                format!(
                    "version '{}' where 1.0.0 belongs; strict readers refuse it",
                    crate::escape::text(version)
                ),
            )),
            None => findings.push(Finding::new(
                Severity::Warning,
                "layout-version",
                "oci-layout",
                "missing or without a version; strict readers refuse the archive",
            )),
        }
    }
    let Holder::Table(table) = &archive.container.holder else {
        return;
    };
    for anomaly in table.anomalies.iter() {
        if anomaly.kind == AnomalyKind::MissingEndMarker {
            // Layers come without one from some tools, archives do not: this one was cut between two members.
            findings.push(Finding::new(
                Severity::Error,
                "truncated",
                "",
                "the archive ends without its end marker: it was cut short",
            ));
            continue;
        }
        let (severity, message) = finding::oddity(anomaly.kind);
        let place = anomaly.path.as_ref().map_or_else(String::new, |path| {
            String::from_utf8_lossy(path).into_owned()
        });
        findings.push(Finding::new(severity, anomaly.kind.code(), place, message));
    }
    if let Some(offset) = table.tail.and_then(|tail| tail.first_nonzero) {
        findings.push(Finding::new(
            Severity::Warning,
            "trailing-data",
            "",
            format!(
                "data follows the archive's end marker, at byte {offset}; some readers read on"
            ),
        ));
    }
    let mut twice: Vec<(&[u8], &[usize])> = table
        .names()
        .filter(|(_, positions)| positions.len() > 1)
        .collect();
    twice.sort_unstable_by_key(|(_, positions)| positions[0]);
    for (name, positions) in twice {
        if positions
            .iter()
            .all(|&i| matches!(table.members()[i].kind, MemberKind::Folder))
        {
            continue;
        }
        let name = String::from_utf8_lossy(name).into_owned();
        let finding = match table.get(&name) {
            Ok(_) => Finding::new(
                Severity::Warning,
                "duplicate-member",
                name,
                format!(
                    "{} members have this name and are the same",
                    positions.len()
                ),
            ),
            Err(error) => Finding::of(&error).at(name),
        };
        findings.push(finding);
    }
}

/// What is named and not here. Returns whether the archive is sparse.
fn presence(archive: &Archive, findings: &mut Vec<Finding>) -> bool {
    let top: Vec<usize> = archive.roots.iter().filter_map(|root| root.node).collect();
    let mut sparse = false;
    for (i, node) in archive.nodes.iter().enumerate() {
        if !matches!(node.kind, NodeKind::Absent) || !node.faults.is_empty() {
            continue;
        }
        let digest = node.descriptor.digest.to_string();
        let platform = node
            .descriptor
            .platform
            .as_ref()
            .map(|platform| format!(" ({platform})"))
            .unwrap_or_default();
        if top.contains(&i) {
            let message = format!("blob {digest}{platform} is listed and not in the archive");
            findings.push(Finding::new(
                Severity::Error,
                "blob-absent",
                "index.json",
                message,
            ));
        } else if node.descriptor.may_be_absent() {
            let message = format!("blob {digest}{platform} is to be found elsewhere");
            findings.push(Finding::new(Severity::Note, "external", "", message));
        } else {
            sparse = true;
            let message =
                format!("manifest {digest}{platform} is not in the archive: it is sparse");
            findings.push(Finding::new(Severity::Note, "sparse", "", message));
        }
    }
    for (position, image) in archive.images.iter().enumerate() {
        let absent = image
            .layers
            .iter()
            .filter(|layer| matches!(layer.presence, Presence::Absent))
            .count();
        // An engine that holds one platform of many may leave the manifest of another without anything below it.
        let below_index =
            image.node.is_some_and(|node| !top.contains(&node)) && image.item.is_none();
        let hollow = below_index && absent > 0 && absent == image.layers.len();
        for (i, layer) in image.layers.iter().enumerate() {
            let place = blobs::layer_place(archive, position, i);
            match &layer.presence {
                Presence::Here(_) => {}
                Presence::External => findings.push(Finding::new(
                    Severity::Note,
                    "external",
                    place,
                    "the layer is not in the archive and need not be: it is to be found elsewhere",
                )),
                Presence::Absent if hollow => {
                    sparse = true;
                    let message = format!("{} is not in the archive: it is sparse", layer.member);
                    findings.push(Finding::new(
                        Severity::Note,
                        "sparse",
                        place,
                        crate::escape::text(&message),
                    ));
                }
                Presence::Absent => {
                    let message = format!("{} is not in the archive", layer.member);
                    findings.push(Finding::new(
                        Severity::Error,
                        "blob-absent",
                        place,
                        crate::escape::text(&message),
                    ));
                }
            }
        }
        if hollow {
            // The missing config of such an image is part of the same gap.
            findings.retain(|finding| {
                finding.code != "blob-absent"
                    || !finding.places.iter().any(|place| place == "config")
            });
        }
    }
    sparse
}

/// Drops findings that say the same of the same place, the later ones.
fn dedup(findings: &mut Vec<Finding>) {
    let mut seen = std::collections::HashSet::new();
    findings.retain(|finding| {
        seen.insert((
            finding.code,
            finding.places.clone(),
            finding.message.clone(),
        ))
    });
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
