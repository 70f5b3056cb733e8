//! The order of the checks.

use std::collections::HashSet;

use super::finding::Found;
use super::labels::Labels;
use super::members::members;
use super::presence::{opening, presence};
use super::references::{bare, note_strays, referenced};
use super::report::VerifyReport;
use super::{agree, blobs, bundle, checksums, documents, texts, tree};
use crate::archive::{Archive, Content, Gaps, Holder, MemberKind};
use crate::blob::Meter;
use crate::layer::Limits;

/// Verifies an archive. The report has all findings, and the errors that kept something from being verified.
///
/// Of a part of an archive ([`Archive::part`]) only the blobs of that part are read.
pub fn verify(archive: &Archive, limits: &Limits, meter: &Meter) -> VerifyReport {
    let mut found = Found::default();
    let record = bundle::record(archive, limits, &mut found);
    let omitted = record.as_ref();
    let gaps = Gaps::beside(archive, |digest| {
        omitted.is_some_and(|record| record.omitted.contains_key(digest))
    });
    opening(archive, &gaps, &mut found);
    let mut names = archive.container.names(limits).unwrap_or_else(|error| {
        found.error(&error);
        Vec::new()
    });
    if archive.is_part {
        let own = referenced(archive);
        let own: HashSet<&str> = own.iter().map(|name| bare(name)).collect();
        names.retain(|name| own.contains(name.as_str()));
        let top = &*archive.container.top;
        let is_own = |name: &str| {
            name.strip_prefix(top)
                .is_some_and(|name| own.contains(bare(name)))
        };
        members(archive, is_own, &mut found);
    } else {
        members(archive, |_| true, &mut found);
    }
    let labels = Labels::new(archive);
    let passes = blobs::read(archive, &names, &labels, omitted, limits, meter);
    found.append(passes.found);
    let sparse = presence(archive, &gaps, omitted, &labels, &mut found);
    if let Some(record) = &record {
        bundle::completeness(record, &mut found);
    }
    documents::schemas(archive, &mut found);
    documents::types(archive, agree::edges(archive), &mut found);
    agree::documents(archive, &labels, &mut found);
    agree::data(archive, &mut found);
    texts::check(archive, &labels, &mut found);
    agree::halves(archive, &mut found);
    agree::names(archive, &mut found);
    agree::unlisted(archive, &labels, &mut found);
    agree::repositories(archive, &mut found);
    tree::links(archive, limits, &mut found);
    checksums::check(archive, limits, &mut found);
    // Without the documents of a truncated archive all members would be unreferenced.
    let is_cut = archive.roots.is_empty() && archive.container.fault().is_some();
    let is_answer = record.is_some_and(|record| record.answers.is_some());
    if !is_cut && !archive.is_part && !is_answer {
        note_strays(archive, &names, &mut found);
    }
    found.dedup();
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

/// Number of bytes that [`verify`] will read, for progress.
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
            .map(Content::len)
            .sum(),
    }
}
