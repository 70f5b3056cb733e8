//! Frame of the self-contained HTML pages: head, policy, style, scripts, and data for the scripts.
//!
//! Pages load nothing and work without a network. Hostile input: markup in names, commands and files. Text is written
//! through [`escaped`], data through [`super::json::line_html`], and the page's policy permits no style or script but its own, each by
//! its hash: neither elements nor attributes that a text could smuggle in have an effect.
//!
//! The style (`page.css`) and the script (`page.js`) are those that all pages share: colours of both schemes, header,
//! search, buttons, panel; sizes, treemaps. A page adds its own after them.

use std::io::Write;

use base64::Engine;
use sha2::{Digest, Sha256};

use crate::error::{During, Result};
use crate::escape;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Parts of one kind of page.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// Style sheets of the page, after the shared one.
    pub styles: &'a [&'a str],
    /// Style sheets that the body contains, as those of embedded pictures: permitted, but not written.
    pub inner_styles: &'a [&'a str],
    /// Script of the page, which finds the shared one as `page`.
    pub script: &'a str,
}

impl Page<'_> {
    /// Writes everything up to the start of the body.
    ///
    /// # Errors
    /// `Io` of the writer.
    pub fn open<W: Write + ?Sized>(&self, out: &mut W, title: &str) -> Result<()> {
        let styles = [&[STYLE], self.styles].concat();
        let allowed = |texts: &[&str]| -> String {
            let hashes: Vec<String> = texts.iter().map(|text| hash(text)).collect();
            hashes.join(" ")
        };
        let style_policy = allowed(&[&styles[..], self.inner_styles].concat());
        let script_policy = allowed(&[SCRIPT, self.script]);
        write!(
            out,
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src {style_policy}; \
             script-src {script_policy}; base-uri 'none'; form-action 'none'\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n",
            escaped(title)
        )
        .and_then(|()| {
            styles
                .iter()
                .try_for_each(|style| writeln!(out, "<style>{style}</style>"))
        })
        .and_then(|()| writeln!(out, "</head>\n<body>"))
        .during("write")
    }

    /// Writes the scripts and the end of the page.
    ///
    /// # Errors
    /// `Io` of the writer.
    pub fn close<W: Write + ?Sized>(&self, out: &mut W) -> Result<()> {
        let script = self.script;
        writeln!(
            out,
            "<script>{SCRIPT}</script>\n<script>{script}</script>\n</body>\n</html>"
        )
        .during("write")
    }
}

/// Source of a policy that permits an element with this text.
fn hash(text: &str) -> String {
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text));
    format!("'sha256-{digest}'")
}

/// Text for HTML and XML, between tags and between quotes. Invisible characters are escaped first, as
/// [`escape::text`] does, which includes those that XML cannot hold.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in escape::text(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::json::line_html;
    use super::*;

    #[test]
    fn no_text_becomes_markup() {
        let text = "</script><!--&\u{2028}\u{2029}\u{202e}'\"\u{1b}";
        assert_eq!(
            escaped(text),
            "&lt;/script&gt;&lt;!--&amp;\\u{2028}\\u{2029}\\u{202e}&#39;&quot;\\x1b"
        );
        let line = line_html(&json!([text])).expect("JSON");
        assert!(!line.contains(['<', '>', '&', '\u{2028}', '\u{2029}', '\u{1b}']));
        let read: Value = serde_json::from_str(&line).expect("JSON");
        assert_eq!(read, json!([text]));
    }

    #[test]
    fn the_policy_permits_what_the_page_has_and_no_more() {
        let page = Page {
            styles: &["b{}"],
            inner_styles: &["i{}"],
            script: "1;",
        };
        let mut out = Vec::new();
        page.open(&mut out, "<t>").expect("memory");
        page.close(&mut out).expect("memory");
        let out = String::from_utf8(out).expect("text");
        assert!(out.contains("<title>&lt;t&gt;</title>"));
        assert!(!out.contains("unsafe"));
        let between = |start: &str, end: &str| -> Vec<&str> {
            let parts = out.split(start).skip(1);
            parts.filter_map(|part| part.split(end).next()).collect()
        };
        let mut texts = between("<style>", "</style>");
        texts.extend(between("<script>", "</script>"));
        texts.push("i{}");
        assert_eq!(texts.len(), 5);
        assert_eq!(out.matches("'sha256-").count(), texts.len());
        for text in texts {
            assert!(out.contains(&hash(text)), "{text:.60}");
        }
    }
}
