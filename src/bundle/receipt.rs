//! Receipts: the blobs that a site has.

use std::collections::BTreeMap;
use std::io::BufRead;

use serde::Deserialize;

use super::form::{Form, RECEIPT, REQUEST};
use super::held::{Held, Key, Sent, invalid};
use crate::blob::Hasher;
use crate::error::{At, During, Error, Result, within};
use crate::limits::Limits;
use crate::spec::{Digest, Timestamp};

/// The blobs that a site has, or those that it requests.
///
/// ```
/// use imgkit::bundle::Receipt;
/// use imgkit::limits::Limits;
///
/// let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
/// let list = Receipt::read(digest.as_bytes(), &Limits::default())?;
/// assert_eq!(list.blobs().len(), 1);
/// let receipt = Receipt::read(&list.text()[..], &Limits::default())?;
/// assert_eq!(receipt.blobs(), list.blobs());
/// # Ok::<(), imgkit::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Receipt {
    /// Form of the text.
    pub form: Form,
    /// False if an image of the site lacks blobs, and for a request.
    pub complete: bool,
    /// True if the bytes of every blob were compared with its digest.
    pub verified: bool,
    /// Number of bundles, in a ledger that remembers which of them carried a blob. The identity does not depend on it.
    pub bundles: Option<u64>,
    /// True for a request of blobs that a site lacks.
    pub is_request: bool,
    blobs: BTreeMap<Key, Held>,
    /// Images by name.
    pub(super) names: BTreeMap<String, Key>,
    /// Identity of a list of digests, which has no end line.
    pub(super) list_id: Option<String>,
}

impl Default for Receipt {
    /// The receipt of a site without images.
    fn default() -> Self {
        Receipt {
            form: Form::default(),
            complete: true,
            verified: false,
            bundles: None,
            is_request: false,
            blobs: BTreeMap::new(),
            names: BTreeMap::new(),
            list_id: None,
        }
    }
}

impl Receipt {
    /// A receipt of no blobs, in a form.
    pub fn in_form(form: &Form) -> Self {
        Receipt {
            form: form.clone(),
            ..Receipt::default()
        }
    }

    /// A request for some blobs.
    pub fn request<'a>(blobs: impl IntoIterator<Item = (&'a Digest, u64)>) -> Self {
        let mut request = Receipt {
            is_request: true,
            complete: false,
            ..Receipt::default()
        };
        for (digest, size) in blobs {
            request.add(digest, size, None);
        }
        request
    }

    /// Tests if it was read from a list of digests.
    pub fn is_list(&self) -> bool {
        self.list_id.is_some()
    }

    /// The blobs, by digest.
    pub fn blobs(&self) -> &BTreeMap<Key, Held> {
        &self.blobs
    }

    /// Tests if the site has a blob of this size in bytes.
    pub fn has(&self, digest: &Digest, size: u64) -> bool {
        let held = self.held(digest);
        held.is_some_and(|held| held.size.is_none_or(|known| known == size))
    }

    /// Returns what is known of a blob.
    pub fn held(&self, digest: &Digest) -> Option<&Held> {
        let key = Key::from(digest);
        self.blobs
            .get(&key)
            .or_else(|| self.blobs.get(&key.brief()))
    }

    /// Remembers that a bundle carried some of the blobs, and all that no bundle is known to have carried.
    pub fn mark_sent(&mut self, sent: Sent, is_carried: impl Fn(&Key) -> bool) {
        self.bundles = Some(sent.bundle);
        for (key, held) in &mut self.blobs {
            if held.sent.is_none() || is_carried(key) {
                held.sent = Some(sent);
            }
        }
    }

    /// Adds a blob; `diff_id` is the digest of the uncompressed tar if it is a layer.
    pub fn add(&mut self, digest: &Digest, size: u64, diff_id: Option<&Digest>) {
        let key = Key::from(digest);
        let diff_id = diff_id.filter(|diff_id| *diff_id != digest).map(Key::from);
        // A receipt with cut digests stays one.
        let cut = key.brief();
        let key = match self.blobs.contains_key(&cut) {
            true => cut,
            false => key,
        };
        let held = self.blobs.entry(key).or_default();
        held.size = Some(size);
        if held.diff_id.is_none() {
            held.diff_id = diff_id;
        }
    }

    /// Adds a name of an image, which no other image has from then on.
    pub fn add_name(&mut self, image: &Digest, name: String) {
        self.names.insert(name, Key::from(image));
    }

    /// Adds the blobs and names of another receipt.
    pub fn merge(&mut self, other: &Receipt) {
        self.complete &= other.complete;
        self.form.names |= other.form.names;
        self.form.brief |= other.form.brief;
        for (key, held) in &other.blobs {
            let known = self.blobs.entry(key.clone()).or_default();
            known.size = known.size.or(held.size);
            known.sent = known.sent.or(held.sent);
            if known.diff_id.is_none() {
                known.diff_id.clone_from(&held.diff_id);
            }
        }
        let names = other.names.iter();
        self.names
            .extend(names.map(|(name, image)| (name.clone(), image.clone())));
        if self.form.label.is_none() {
            self.form.label.clone_from(&other.form.label);
        }
    }

    /// Removes the blobs for which `keep` is false.
    pub fn retain(&mut self, keep: impl FnMut(&Key, &mut Held) -> bool) {
        self.blobs.retain(keep);
    }

    /// Tests if bytes begin like a receipt or a list of digests, and not like an archive.
    pub fn is_one(head: &[u8]) -> bool {
        let start = head.trim_ascii_start();
        let first = start
            .split(|byte| *byte == b'\n')
            .next()
            .unwrap_or_default();
        let first = first.get(..first.len().min(1024)).unwrap_or_default();
        let Ok(first) = std::str::from_utf8(first) else {
            return false;
        };
        first.starts_with(r#"{"schema":"imgkit-"#)
            || first.starts_with('#')
            || Key::parse(first.trim_end()).is_ok()
    }

    /// Reads a receipt, or a list with one digest on each line.
    ///
    /// # Errors
    /// `Receipt` with the number of the line that is invalid, missing or contradicts another; `Limit`; `Io`.
    pub fn read(input: impl BufRead, limits: &Limits) -> Result<Self> {
        let mut lines = Lines {
            input,
            limits,
            hasher: Hasher::default(),
            number: 0,
            line: Vec::new(),
        };
        let Some(first) = lines.next()? else {
            return Err(invalid(1, "expected a receipt or digests, found nothing"));
        };
        match first.starts_with('{') {
            true => lines.receipt(),
            false => lines.list(),
        }
    }

    /// Adds a line for a blob. Returns false if the digest is not greater than those before.
    fn push(&mut self, key: Key, held: Held) -> bool {
        let is_next = self
            .blobs
            .last_key_value()
            .is_none_or(|(last, _)| *last < key);
        if is_next {
            self.blobs.insert(key, held);
        }
        is_next
    }
}

/// Object on a line of a receipt: the first, a blob, a name, or the last.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    schema: Option<String>,
    blobs: Option<u64>,
    complete: Option<bool>,
    verified: Option<bool>,
    bundles: Option<u64>,
    label: Option<String>,
    digest: Option<String>,
    size: Option<u64>,
    diff_id: Option<String>,
    sent: Option<u64>,
    time: Option<String>,
    image: Option<String>,
    name: Option<String>,
    end: Option<u64>,
    sha256: Option<String>,
}

/// Lines of a receipt.
struct Lines<'a, R> {
    input: R,
    limits: &'a Limits,
    /// Hash of the lines before the current one.
    hasher: Hasher,
    /// Number of the current line, from 1.
    number: usize,
    /// Bytes of the current line, with its newline.
    line: Vec<u8>,
}

impl<R: BufRead> Lines<'_, R> {
    /// Reads the next line; `None` at the end.
    fn next(&mut self) -> Result<Option<String>> {
        self.hasher.update(&self.line);
        self.line.clear();
        self.number += 1;
        let most = self.limits.entry.name;
        let mut input = std::io::Read::take(&mut self.input, most.saturating_add(1));
        let read = input.read_until(b'\n', &mut self.line).during("read")?;
        if read == 0 {
            return Ok(None);
        }
        within(
            "lines of a receipt",
            self.limits.receipt_lines,
            self.number as u64,
        )?;
        within("name", most, read as u64).at(|| format!("line {}", self.number))?;
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        match std::str::from_utf8(line) {
            Ok(line) => Ok(Some(line.to_owned())),
            Err(_) => Err(invalid(self.number, "expected UTF-8")),
        }
    }

    fn invalid(&self, why: impl Into<String>) -> Error {
        invalid(self.number, why)
    }

    /// Parses the current line.
    fn parsed(&self, line: &str) -> Result<Line> {
        serde_json::from_str(line).map_err(|error| {
            let why = error.to_string();
            self.invalid(format!("expected a JSON object: {why}"))
        })
    }

    /// Parses a digest of the current line.
    fn key(&self, text: &str) -> Result<Key> {
        Key::parse(text).map_err(|error| self.invalid(error.fault().to_string()))
    }

    /// Reads a receipt, of which the first line was read.
    fn receipt(mut self) -> Result<Receipt> {
        let first = String::from_utf8_lossy(&self.line).into_owned();
        let header = self.parsed(&first)?;
        let mut receipt = Receipt {
            is_request: match header.schema.as_deref() {
                Some(RECEIPT) => false,
                Some(REQUEST) => true,
                other => {
                    let found = other.unwrap_or("none");
                    return Err(self.invalid(format!("schema: expected {RECEIPT}, found {found}")));
                }
            },
            complete: header.complete.unwrap_or_default(),
            verified: header.verified.unwrap_or_default(),
            bundles: header.bundles,
            form: Form {
                label: header.label,
                ..Form::default()
            },
            ..Receipt::default()
        };
        loop {
            let Some(text) = self.next()? else {
                return Err(self.invalid("cut off: expected the end line"));
            };
            let line = self.parsed(&text)?;
            if let (Some(end), Some(sha256)) = (line.end, line.sha256) {
                self.end(&receipt, header.blobs, end, &sha256)?;
                return Ok(receipt);
            }
            match (line.digest, line.image, line.name) {
                (Some(digest), None, None) => {
                    let diff_id = line.diff_id.as_deref();
                    let diff_id = diff_id.map(|diff_id| self.key(diff_id)).transpose()?;
                    let time = line.time.as_deref().and_then(Timestamp::parse);
                    let sent = line.sent.zip(time);
                    let held = Held {
                        size: line.size,
                        diff_id,
                        sent: sent.map(|(bundle, time)| Sent {
                            bundle,
                            time: time.seconds(),
                        }),
                    };
                    self.blob(&mut receipt, &digest, held)?
                }
                (None, Some(image), Some(name)) => {
                    receipt.names.insert(name, self.key(&image)?);
                    receipt.form.names = true;
                }
                _ => {
                    return Err(
                        self.invalid("expected a digest, a name with its image, or the end line")
                    );
                }
            }
        }
    }

    /// Adds the blob on the current line.
    fn blob(&self, receipt: &mut Receipt, digest: &str, held: Held) -> Result<()> {
        let key = self.key(digest)?;
        receipt.form.brief |= key.is_brief();
        if let Some(known) = receipt.blobs.get(&key) {
            let text = |size: Option<u64>| size.map_or("none".to_owned(), |size| size.to_string());
            return Err(self.invalid(format!(
                "{key} is listed twice, with the sizes {} and {}",
                text(known.size),
                text(held.size)
            )));
        }
        match receipt.push(key, held) {
            true => Ok(()),
            false => Err(self.invalid("the digest is not greater than the one before")),
        }
    }

    /// Compares the last line with all lines before it.
    fn end(mut self, receipt: &Receipt, blobs: Option<u64>, end: u64, sha256: &str) -> Result<()> {
        let found = self.hasher.clone().finish();
        let lines = self.number as u64 - 2;
        if end != lines {
            return Err(self.invalid(format!(
                "edited: expected {end} lines before it, found {lines}"
            )));
        }
        if found.encoded() != sha256 {
            let last = self.number - 1;
            return Err(self.invalid(format!(
                "edited: lines 1 to {last} have the SHA-256 {}, expected {sha256}",
                found.encoded()
            )));
        }
        let count = receipt.blobs.len() as u64;
        if blobs != Some(count) {
            let stated = blobs.map_or("none".to_owned(), |blobs| blobs.to_string());
            let why = format!("blobs: expected {count}, found {stated}");
            return Err(invalid(1, why));
        }
        match self.next()? {
            Some(line) if !line.trim().is_empty() => {
                Err(self.invalid("unexpected line after the end"))
            }
            _ => Ok(()),
        }
    }

    /// Reads a list of digests, of which the first line was read.
    fn list(mut self) -> Result<Receipt> {
        let mut receipt = Receipt::default();
        let mut line = Some(String::from_utf8_lossy(&self.line).into_owned());
        while let Some(text) = line {
            let text = text.trim();
            if !text.is_empty() && !text.starts_with('#') {
                let key = self.key(text)?;
                receipt.form.brief |= key.is_brief();
                receipt.blobs.insert(key, Held::default());
            }
            line = self.next()?;
        }
        receipt.list_id = Some(self.hasher.finish().encoded().to_owned());
        Ok(receipt)
    }
}
