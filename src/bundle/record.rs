//! The record of a bundle: the member that says against which receipts it is complete.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::archive::Container;
use crate::error::{At, Error, Result, within};
use crate::limits::{Bound, Limits};
use crate::spec::Digest;

/// Name of the member.
pub const RECORD: &str = "imgkit-bundle.json";

/// Schema of the record.
const SCHEMA: &str = "imgkit-bundle/1";

/// Record of the blobs that a bundle has and omits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Identities of the receipts that it was made for.
    pub since: Vec<String>,
    /// Digests of manifests and indexes by name.
    pub names: BTreeMap<String, Digest>,
    /// Blobs that it omits, by digest.
    pub omitted: BTreeMap<Digest, Omitted>,
    /// Number of blobs in it.
    pub blobs: u64,
    /// Their size in bytes.
    pub bytes: u64,
    /// Identity of the receipt that the reader will have; `None` for the answer to a request.
    pub after: Option<String>,
    /// Identity of the request that it answers with blobs alone.
    pub answers: Option<String>,
}

/// A blob that a bundle omits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Omitted {
    /// Size in bytes.
    pub size: u64,
    /// Digest of the uncompressed tar of a layer.
    pub diff_id: Option<Digest>,
}

/// The record as written.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    schema: String,
    since: Vec<String>,
    names: BTreeMap<String, String>,
    omitted: Vec<Blob>,
    blobs: u64,
    bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answers: Option<String>,
}

/// An omitted blob as written.
#[derive(Debug, Serialize, Deserialize)]
struct Blob {
    digest: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff_id: Option<String>,
}

impl Record {
    /// Reads the record of an archive; `None` if it is no bundle.
    ///
    /// # Errors
    /// As [`Record::parse`]; `Limit` for its size. The context is the member.
    pub fn of(container: &Container) -> Result<Option<Self>> {
        let limits = &container.limits;
        let bound = Bound {
            what: "size of a list in bytes",
            most: limits.list,
        };
        let Some(content) = container.get(RECORD)? else {
            return Ok(None);
        };
        let read = content.bytes(bound);
        let read = read.and_then(|bytes| Record::parse(&bytes, limits));
        read.map(Some).at(|| RECORD.to_owned())
    }

    /// Parses a record.
    ///
    /// # Errors
    /// `Json`; `Schema` for another schema; `BadDigest`; `Ambiguous` for a blob with two sizes; `Limit`.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self> {
        let written: Written =
            serde_json::from_slice(bytes).map_err(|error| Error::json(error.to_string()))?;
        if written.schema != SCHEMA {
            return Err(Error::schema("schema", SCHEMA, written.schema));
        }
        let count = written.omitted.len() as u64;
        within("lines of a receipt", limits.receipt_lines, count)?;
        let mut omitted: BTreeMap<Digest, Omitted> = BTreeMap::new();
        for Blob {
            digest,
            size,
            diff_id,
        } in written.omitted
        {
            let digest = Digest::parse(&digest)?;
            let diff_id = diff_id.map(|diff_id| Digest::parse(&diff_id)).transpose()?;
            let blob = Omitted { size, diff_id };
            match omitted.get(&digest) {
                Some(known) if known.size != size => {
                    let why = format!(
                        "{digest} is omitted with the sizes {} and {size}",
                        known.size
                    );
                    return Err(Error::ambiguous(why));
                }
                _ => omitted.insert(digest, blob),
            };
        }
        let names = written.names.into_iter();
        let names = names.map(|(name, digest)| Ok((name, Digest::parse(&digest)?)));
        Ok(Record {
            since: written.since,
            names: names.collect::<Result<_>>()?,
            omitted,
            blobs: written.blobs,
            bytes: written.bytes,
            after: written.after,
            answers: written.answers,
        })
    }

    /// Returns the text of the record, always the same for the same record.
    pub fn text(&self) -> Arc<[u8]> {
        let omitted = self.omitted.iter().map(|(digest, blob)| Blob {
            digest: digest.to_string(),
            size: blob.size,
            diff_id: blob.diff_id.as_ref().map(ToString::to_string),
        });
        let names = self.names.iter();
        let written = Written {
            schema: SCHEMA.to_owned(),
            since: self.since.clone(),
            names: names
                .map(|(name, digest)| (name.clone(), digest.to_string()))
                .collect(),
            omitted: omitted.collect(),
            blobs: self.blobs,
            bytes: self.bytes,
            after: self.after.clone(),
            answers: self.answers.clone(),
        };
        // Texts and numbers always have a form in JSON.
        serde_json::to_vec(&written).unwrap_or_default().into()
    }

    /// Returns the receipts that it was made for, in words.
    pub fn made_for(&self) -> String {
        let short = |id: &String| id.chars().take(12).collect::<String>();
        match (&self.answers, &self.since[..]) {
            (Some(request), _) => format!("request {}", short(request)),
            (None, []) => "no receipt".to_owned(),
            (None, [one]) => format!("receipt {}", short(one)),
            (None, several) => {
                let ids: Vec<String> = several.iter().map(short).collect();
                format!("receipts {}", ids.join(", "))
            }
        }
    }
}
