//! Receipts as text.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use super::form::{RECEIPT, REQUEST};
use super::held::{Held, Key, Sent};
use super::receipt::Receipt;
use crate::blob::Hasher;
use crate::error::{During, Error, Result};
use crate::spec::Timestamp;

impl Receipt {
    /// Writes the receipt: one JSON object on each line, sorted by digest.
    ///
    /// # Errors
    /// `Io`.
    pub fn write(&self, out: &mut dyn Write) -> Result<()> {
        let is_ledger = self.bundles.is_some();
        let put = |line: &str| out.write_all(line.as_bytes()).during("write");
        let (lines, id) = self.lines(is_ledger, put)?;
        writeln!(out, r#"{{"end":{lines},"sha256":"{id}"}}"#).during("write")
    }

    /// Returns the text of the receipt.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Memory takes all bytes.
        let _ = self.write(&mut text);
        text
    }

    /// Returns the identity of the receipt, 64 hexadecimal digits: the SHA-256 of all its lines but the last. A ledger has
    /// that of the receipt that the site will have.
    pub fn id(&self) -> String {
        if let Some(id) = &self.list_id {
            return id.clone();
        }
        let lines = self.lines(false, |_| Ok::<_, Error>(()));
        lines.map(|(_, id)| id).unwrap_or_default()
    }

    /// Passes on all lines but the last, each with its newline. Returns the number of lines after the first, and the
    /// SHA-256 of all in hexadecimal digits.
    fn lines(
        &self,
        is_ledger: bool,
        mut put: impl FnMut(&str) -> Result<()>,
    ) -> Result<(usize, String)> {
        let mut hasher = Hasher::default();
        let mut lines = 0;
        let mut line = |text: String| {
            hasher.update(text.as_bytes());
            lines += 1;
            put(&text)
        };
        let blobs = self.shown_blobs();
        line(self.header(blobs.len(), is_ledger))?;
        for (key, held) in &*blobs {
            let mut text = format!(r#"{{"digest":"{key}""#);
            if let Some(size) = held.size {
                text += &format!(r#","size":{size}"#);
            }
            if let Some(diff_id) = &held.diff_id {
                text += &format!(r#","diff_id":"{diff_id}""#);
            }
            if let Some(Sent { bundle, time }) = held.sent.filter(|_| is_ledger) {
                let time = Timestamp::from_unix(time, 0).rfc3339_nano();
                text += &format!(r#","sent":{bundle},"time":"{time}""#);
            }
            line(text + "}\n")?;
        }
        let names = self.names.iter().filter(|_| self.form.names);
        let names: BTreeSet<(Key, &String)> = names
            .map(|(name, image)| (self.shown(image), name))
            .collect();
        for (image, name) in names {
            let name = quoted(name);
            line(format!("{{\"image\":\"{image}\",\"name\":{name}}}\n"))?;
        }
        Ok((lines - 1, hasher.finish().encoded().to_owned()))
    }

    /// Returns a digest as the form writes it.
    fn shown(&self, key: &Key) -> Key {
        match self.form.brief {
            true => key.brief(),
            false => key.clone(),
        }
    }

    /// Returns the blobs as the form writes them, each once.
    fn shown_blobs(&self) -> Cow<'_, BTreeMap<Key, Held>> {
        if !self.form.brief {
            return Cow::Borrowed(self.blobs());
        }
        let blobs = self.blobs().iter().map(|(key, held)| {
            let diff_id = held.diff_id.as_ref().map(Key::brief);
            let held = Held {
                diff_id,
                ..held.clone()
            };
            (key.brief(), held)
        });
        Cow::Owned(blobs.collect())
    }

    fn header(&self, blobs: usize, is_ledger: bool) -> String {
        let schema = match self.is_request {
            true => REQUEST,
            false => RECEIPT,
        };
        let mut text = format!(
            r#"{{"schema":"{schema}","blobs":{blobs},"complete":{}"#,
            self.complete
        );
        if self.verified {
            text += r#","verified":true"#;
        }
        if let Some(bundles) = self.bundles.filter(|_| is_ledger) {
            text += &format!(r#","bundles":{bundles}"#);
        }
        if let Some(label) = &self.form.label {
            text += &format!(r#","label":{}"#, quoted(label));
        }
        text + "}\n"
    }
}

/// A text as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
