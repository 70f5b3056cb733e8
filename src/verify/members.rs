//! Members of the outer tar.

use super::finding::{self, Found, Severity};
use crate::archive::{Archive, Format, MemberKind, MemberTable};
use crate::layer::AnomalyKind;

/// Adds the anomalies of the outer tar and of the members that `is_asked_for` selects.
pub(super) fn members(archive: &Archive, is_asked_for: impl Fn(&str) -> bool, found: &mut Found) {
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
    let Some(table) = archive.container.table() else {
        return;
    };
    if !archive.container.top.is_empty() {
        let message =
            "the image is below this directory: engines load images at the top of a tar only";
        let place = archive.container.top.trim_end_matches('/');
        found.add(Severity::Warning, "below-directory", place, message);
    }
    headers(table, found);
    paths_through_links(table, &is_asked_for, found);
    if let Some(tail) = &table.tail {
        finding::tail(tail, "some readers read on", &[], found);
    }
    repeated_names(archive, table, &is_asked_for, found);
}

/// Adds the anomalies of the members' headers.
fn headers(table: &MemberTable, found: &mut Found) {
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
}

/// Adds members whose path leads through a link of the archive.
fn paths_through_links(
    table: &MemberTable,
    is_asked_for: impl Fn(&str) -> bool,
    found: &mut Found,
) {
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
}

/// Adds names that several members have.
fn repeated_names(
    archive: &Archive,
    table: &MemberTable,
    is_asked_for: impl Fn(&str) -> bool,
    found: &mut Found,
) {
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
        match table.get(&name, archive.container.limits.hops) {
            Ok(_) => {
                let message = format!(
                    "{} members have this name and are the same",
                    positions.len()
                );
                found.add(Severity::Warning, "duplicate-member", name, message);
            }
            Err(error) => found.error(&error.at(name)),
        }
    }
}
