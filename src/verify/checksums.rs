//! Checksums that a package of zarf states of its files: the image is below a directory, the list beside it.
//!
//! `checksums.txt` has a SHA-256 digest and a path on each line; `zarf.yaml` states the digest of the list. Threats:
//! paths that lead out, and lines of anything else: paths are looked up among the members of the tar only.

use std::sync::Arc;

use super::finding::{Found, Severity};
use crate::archive::{Archive, MemberTable};
use crate::blob::sha256;
use crate::error::{At, Error, Result};
use crate::layer::Limits;
use crate::parallel::in_parallel;
use crate::spec::Digest;

/// Name of the list.
const LIST: &str = "checksums.txt";

/// Compares the members of a package with its list. Blobs under their own digest are compared elsewhere.
pub(super) fn check(archive: &Archive, limits: &Limits, found: &mut Found) {
    let Some(table) = archive.container.table() else {
        return;
    };
    if archive.container.top.is_empty() || archive.is_part {
        return;
    }
    match document(table, LIST, limits) {
        Ok(Some(list)) => {
            stated(table, &sha256(&list), limits, found);
            members(
                archive,
                table,
                &String::from_utf8_lossy(&list),
                limits,
                found,
            );
        }
        Ok(None) => {}
        Err(error) => found.error(&error.at(LIST)),
    }
}

/// Compares the list with its digest in `zarf.yaml`.
fn stated(table: &MemberTable, computed: &Digest, limits: &Limits, found: &mut Found) {
    let Ok(Some(package)) = document(table, "zarf.yaml", limits) else {
        return;
    };
    let package = String::from_utf8_lossy(&package);
    let mut lines = package.lines();
    let stated = lines.find_map(|line| line.trim().strip_prefix("aggregateChecksum:"));
    let stated = stated.map(|text| text.trim().trim_matches(['"', '\'']));
    if stated.is_some_and(|stated| !stated.is_empty() && stated != computed.encoded()) {
        let message = format!(
            "zarf.yaml states {}, computed {}",
            stated.unwrap_or_default(),
            computed.encoded()
        );
        found.add(Severity::Error, "checksum-mismatch", LIST, message);
    }
}

fn members(archive: &Archive, table: &MemberTable, list: &str, limits: &Limits, found: &mut Found) {
    let top = &*archive.container.top;
    let mut listed = Vec::new();
    for (number, line) in list.lines().enumerate() {
        let parsed = line.split_once(' ').and_then(|(hex, path)| {
            let digest = Digest::from_hex("sha256", hex).ok()?;
            Some((digest, path.trim_start().trim_start_matches('*')))
        });
        match parsed {
            Some(parsed) => listed.push(parsed),
            None if line.trim().is_empty() => {}
            None => {
                let message = format!("line {}: no SHA-256 digest and path", number + 1);
                found.add(Severity::Warning, "checksum-line", LIST, message);
            }
        }
    }
    let compare = |(digest, path): &(Digest, &str)| -> Result<()> {
        let content = table.get(path, limits.hops)?;
        let content = content.ok_or_else(|| Error::member_missing(*path))?;
        let blob = path.strip_prefix(top).and_then(Digest::from_blob_path);
        if blob.as_ref() == Some(digest) {
            return Ok(());
        }
        let computed = content.digest(digest)?;
        match computed == *digest {
            true => Ok(()),
            false => Err(Error::digest_mismatch(digest, computed)),
        }
    };
    let compared = in_parallel(&listed, |one| compare(one).at(|| one.1.to_owned()));
    for error in compared.into_iter().filter_map(Result::err) {
        found.error(&error);
    }
}

/// Reads a small member; `None` if it is missing.
fn document(table: &MemberTable, name: &str, limits: &Limits) -> Result<Option<Arc<[u8]>>> {
    let content = table.get(name, limits.hops)?;
    let bytes = content.map(|content| content.bytes(limits.of_document()));
    bytes.transpose()
}
