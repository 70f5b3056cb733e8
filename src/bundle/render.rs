//! Receipts as text.

use std::io::Write;

use super::held::Key;
use super::receipt::Receipt;
use crate::blob::Hasher;
use crate::error::{During, Error, Result};

/// Schema of a receipt.
pub(super) const RECEIPT: &str = "imgkit-receipt/1";

/// Schema of a request for blobs.
pub(super) const REQUEST: &str = "imgkit-request/1";

/// Form of a receipt.
#[derive(Debug, Clone, Default)]
pub struct Form {
    /// Text for people, as the name of the site.
    pub label: Option<String>,
    /// True with the names of images.
    pub names: bool,
    /// True with digests cut to 32 digits.
    pub brief: bool,
}

impl Receipt {
    /// Writes the receipt: one JSON object on each line, sorted by digest.
    ///
    /// # Errors
    /// `Io`.
    pub fn write(&self, out: &mut dyn Write) -> Result<()> {
        let (lines, id) = self.lines(|line| out.write_all(line.as_bytes()).during("write"))?;
        writeln!(out, r#"{{"end":{lines},"sha256":"{id}"}}"#).during("write")
    }

    /// Returns the text of the receipt.
    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        // Memory takes all bytes.
        let _ = self.write(&mut text);
        text
    }

    /// Returns the identity of the receipt, 64 hexadecimal digits: the SHA-256 of all its lines but the last.
    pub fn id(&self) -> String {
        if let Some(id) = &self.list_id {
            return id.clone();
        }
        let lines = self.lines(|_| Ok::<_, Error>(()));
        lines.map(|(_, id)| id).unwrap_or_default()
    }

    /// Passes on all lines but the last, each with its newline. Returns the number of lines after the first, and the
    /// SHA-256 of all in hexadecimal digits.
    fn lines(&self, mut put: impl FnMut(&str) -> Result<()>) -> Result<(usize, String)> {
        let mut hasher = Hasher::default();
        let mut lines = 0;
        let mut line = |text: String| {
            hasher.update(text.as_bytes());
            lines += 1;
            put(&text)
        };
        let shown = |key: &Key| match self.form.brief {
            true => key.brief(),
            false => key.clone(),
        };
        line(self.header())?;
        for (key, held) in self.blobs() {
            let mut text = format!(r#"{{"digest":"{}""#, shown(key));
            if let Some(size) = held.size {
                text += &format!(r#","size":{size}"#);
            }
            if let Some(diff_id) = &held.diff_id {
                text += &format!(r#","diff_id":"{}""#, shown(diff_id));
            }
            line(text + "}\n")?;
        }
        for (image, name) in self.names.iter().filter(|_| self.form.names) {
            line(format!(
                "{{\"image\":\"{}\",\"name\":{}}}\n",
                shown(image),
                quoted(name)
            ))?;
        }
        Ok((lines - 1, hasher.finish().encoded().to_owned()))
    }

    fn header(&self) -> String {
        let schema = match self.is_request {
            true => REQUEST,
            false => RECEIPT,
        };
        let mut text = format!(
            r#"{{"schema":"{schema}","blobs":{},"complete":{}"#,
            self.blobs().len(),
            self.complete
        );
        if self.verified {
            text += r#","verified":true"#;
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
