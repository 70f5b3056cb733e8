//! Software bills of materials (SBOM): the packages of a tree as SPDX 2.3 or CycloneDX 1.5, both in JSON.
//!
//! The output is reproducible: identifiers derive from the packages' names, and the time is that of the tree.

use serde_json::{Value, json};

use super::Base;
use crate::base::debian::Unpacked;
use crate::blob::sha256;
use crate::spec::Timestamp;

/// Format of an SBOM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// SPDX 2.3.
    Spdx,
    /// CycloneDX 1.5.
    CycloneDx,
}

/// Returns the SBOM of the packages in a tree. The distribution is read from `os_release`, by default from the tree's own.
pub fn document(base: &Base, kind: Kind, os_release: Option<&[u8]>) -> Vec<u8> {
    let mut packages: Vec<&Unpacked> = base.packages.iter().collect();
    packages.sort_by_key(|package| (package.name(), package.architecture()));
    let distribution = distribution(base, os_release);
    // Seed of the identifiers: equal for the same packages.
    let text: Vec<String> = packages
        .iter()
        .map(|package| purl(package, &distribution))
        .collect();
    let seed = sha256(text.join("\n").as_bytes());
    let document = match kind {
        Kind::Spdx => spdx(&packages, &distribution, seed.encoded(), base.epoch),
        Kind::CycloneDx => cyclonedx(&packages, &distribution, seed.encoded(), base.epoch),
    };
    let mut bytes = serde_json::to_vec_pretty(&document).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Returns `ID`, and `ID` with `VERSION_ID`, of os-release: `debian`, `debian-12`.
fn distribution(base: &Base, os_release: Option<&[u8]>) -> (String, String) {
    let own = || base.rootfs.read(b"etc/os-release", 64 << 10).ok().flatten();
    let text = os_release.map(<[u8]>::to_vec).or_else(own);
    let text = text.unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    let field = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(|value| value.trim_matches(['"', '\'']).to_owned())
    };
    let id = field("ID").unwrap_or_else(|| "debian".to_owned());
    let release = field("VERSION_ID").map_or_else(String::new, |version| format!("{id}-{version}"));
    (id, release)
}

/// Returns the package URL (purl specification, type `deb`).
fn purl(package: &Unpacked, (id, release): &(String, String)) -> String {
    let mut purl = format!(
        "pkg:deb/{}/{}@{}?arch={}",
        encoded(id),
        encoded(package.name()),
        encoded(package.version()),
        encoded(package.architecture())
    );
    if !release.is_empty() {
        purl.push_str(&format!("&distro={}", encoded(release)));
    }
    purl
}

/// Percent-encodes all bytes that a purl does not allow.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b'~' | b':' => {
                out.push(byte.into());
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// Returns the name and version of the source package.
fn source(package: &Unpacked) -> String {
    let stated = package.control.get("Source").unwrap_or(package.name());
    match stated.split_once(" (") {
        Some((name, version)) => format!("{name} {}", version.trim_end_matches(')')),
        None => format!("{stated} {}", package.version()),
    }
}

/// Returns an identifier for SPDX: letters, digits, `.` and `-`.
fn spdx_id(package: &Unpacked) -> String {
    let text = format!("{}-{}", package.name(), package.architecture());
    // `+` and `_` have different replacements, so that identifiers stay distinct.
    let text = text.replace('+', ".plus.").replace('_', ".low.");
    format!("SPDXRef-Package-{text}")
}

fn spdx(packages: &[&Unpacked], distribution: &(String, String), seed: &str, epoch: i64) -> Value {
    let created = Timestamp::from_unix(epoch, 0).rfc3339();
    let mut list = vec![json!({
        "SPDXID": "SPDXRef-Image",
        "name": "image",
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "primaryPackagePurpose": "CONTAINER",
    })];
    list.extend(packages.iter().map(|package| {
        let mut entry = json!({
            "SPDXID": spdx_id(package),
            "name": package.name(),
            "versionInfo": package.version(),
            "downloadLocation": "NOASSERTION",
            "filesAnalyzed": false,
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": "NOASSERTION",
            "copyrightText": "NOASSERTION",
            "sourceInfo": format!("built from {}", source(package)),
            "externalRefs": [{
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": purl(package, distribution),
            }],
        });
        if let Some(maintainer) = package.control.get("Maintainer") {
            entry["supplier"] = format!("Organization: {maintainer}").into();
        }
        if let Some(page) = package.control.get("Homepage") {
            entry["homepage"] = page.into();
        }
        entry
    }));
    let mut relations = vec![json!({
        "spdxElementId": "SPDXRef-DOCUMENT",
        "relationshipType": "DESCRIBES",
        "relatedSpdxElement": "SPDXRef-Image",
    })];
    relations.extend(packages.iter().map(|package| {
        json!({
            "spdxElementId": "SPDXRef-Image",
            "relationshipType": "CONTAINS",
            "relatedSpdxElement": spdx_id(package),
        })
    }));
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": "image",
        "documentNamespace": format!("urn:imgkit:{seed}"),
        "creationInfo": {
            "created": created,
            "creators": [format!("Tool: imgbase-{}", env!("CARGO_PKG_VERSION"))],
        },
        "packages": list,
        "relationships": relations,
    })
}

fn cyclonedx(
    packages: &[&Unpacked],
    distribution: &(String, String),
    seed: &str,
    epoch: i64,
) -> Value {
    let components = packages.iter().map(|package| {
        let purl = purl(package, distribution);
        let mut entry = json!({
            "type": "library",
            "bom-ref": purl,
            "name": package.name(),
            "version": package.version(),
            "purl": purl,
            "properties": [{"name": "imgkit:source", "value": source(package)}],
        });
        if let Some(maintainer) = package.control.get("Maintainer") {
            entry["publisher"] = maintainer.into();
        }
        entry
    });
    // A UUID in the format of version 5, from the seed.
    let part = |from: usize, to: usize| seed.get(from..to).unwrap_or_default();
    let serial = format!(
        "urn:uuid:{}-{}-5{}-8{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 15),
        part(15, 18),
        part(18, 30)
    );
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": serial,
        "version": 1,
        "metadata": {
            "timestamp": Timestamp::from_unix(epoch, 0).rfc3339(),
            "tools": {"components": [{
                "type": "application",
                "name": "imgbase",
                "version": env!("CARGO_PKG_VERSION"),
            }]},
            "component": {"type": "container", "bom-ref": "image", "name": "image"},
        },
        "components": components.collect::<Vec<_>>(),
    })
}
