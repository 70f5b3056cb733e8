//! Frame of the HTML pages: head, styles, script and escaped text.
//!
//! Hostile input: markup in names, commands and files. Every text is written through [`html`],
//! and the page's policy permits no script or style but its own and loads nothing.

use std::io::Write;

use base64::Engine;
use sha2::{Digest, Sha256};

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;color:#222}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}pre,td,summary{font-family:ui-monospace,monospace;font-size:12px}\
pre{overflow:auto;background:#f6f6f6;padding:.6rem}table{border-collapse:collapse;width:100%}\
th{text-align:left;padding:.15rem .6rem}td{border-top:1px solid #ddd;padding:.15rem .6rem;vertical-align:top}td:last-child,#rows td{overflow-wrap:anywhere}\
td a{color:inherit}tr:target,tr:has(:target){background:#fff3c4}details{margin:.8rem 0}summary{cursor:pointer}\
p.legend span{margin-right:1.2rem}.A{color:#1a7f37}.D{color:#b42318}.C{color:#8a5a00}.R{color:#0b6b8a}\
input{width:100%;padding:.4rem;box-sizing:border-box}";
/// Filters rows and texts, and shows the command of a layer where the pointer is on its number.
const SCRIPT: &str = "const q=document.getElementById('q'),rows=[...document.querySelectorAll('#rows tr,details')];\
q.addEventListener('input',()=>{const t=q.value.toLowerCase();for(const r of rows){const s=r.querySelector('summary')||r;\
r.hidden=!s.textContent.toLowerCase().includes(t)}});\
document.addEventListener('mouseover',e=>{const a=e.target.closest('td a'),c=a&&document.getElementById(a.hash.slice(1)),\
r=c&&c.closest('tr');if(r)a.title=r.lastElementChild.textContent});";

/// The meaning of the letters and colours.
pub(super) const LEGEND: &str = "<p class=\"legend\"><span class=\"A\">A added</span><span class=\"C\">C changed</span>\
<span class=\"D\">D deleted</span><span class=\"R\">R renamed</span></p>";

/// Text without markup. Control characters are not changed: the caller escapes them as for a terminal.
pub(super) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
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

/// Writes everything up to the main heading. `title` is not escaped yet.
pub(super) fn open<W: Write + ?Sized>(out: &mut W, title: &str) -> std::io::Result<()> {
    let title = html(title);
    let hash = |text: &str| {
        let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(text));
        format!("'sha256-{digest}'")
    };
    let (style, script) = (hash(STYLE), hash(SCRIPT));
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src {style}; script-src {script}\">\n\
         <title>imgdiff: {title}</title>\n<style>{STYLE}</style></head><body>\n<h1>{title}</h1>"
    )
}

/// Writes lines of text as a block; nothing if there are none.
pub(super) fn block<W: Write + ?Sized>(
    out: &mut W,
    title: &str,
    lines: &[String],
) -> std::io::Result<()> {
    if lines.is_empty() {
        return Ok(());
    }
    if !title.is_empty() {
        writeln!(out, "<h2>{}</h2>", html(title))?;
    }
    writeln!(out, "<pre>{}</pre>", html(&lines.join("\n")))
}

/// Writes the heading, the filter and the head of the page's one table that can be filtered.
pub(super) fn filtered_table<W: Write + ?Sized>(
    out: &mut W,
    title: &str,
    paths: usize,
    columns: &[&str],
) -> std::io::Result<()> {
    writeln!(
        out,
        "<h2>{}</h2>\n<input id=\"q\" placeholder=\"filter {paths} paths\">",
        html(title)
    )?;
    table(out, columns, " id=\"rows\"")
}

/// Writes the head of a table. `attributes` are those of its body.
pub(super) fn table<W: Write + ?Sized>(
    out: &mut W,
    columns: &[&str],
    attributes: &str,
) -> std::io::Result<()> {
    write!(out, "<table><thead><tr>")?;
    for column in columns {
        write!(out, "<th>{column}</th>")?;
    }
    writeln!(out, "</tr></thead><tbody{attributes}>")
}

/// Writes the end of a table.
pub(super) fn end_table<W: Write + ?Sized>(out: &mut W) -> std::io::Result<()> {
    writeln!(out, "</tbody></table>")
}

/// Writes the end of the page.
pub(super) fn close<W: Write + ?Sized>(out: &mut W) -> std::io::Result<()> {
    writeln!(out, "<script>{SCRIPT}</script>\n</body></html>")
}

/// Writer that turns the lines of a unified diff into markup, added and deleted ones coloured.
pub(super) struct DiffLines<'w, W: ?Sized> {
    out: &'w mut W,
    line: Vec<u8>,
    number: usize,
}

impl<'w, W: Write + ?Sized> DiffLines<'w, W> {
    /// Writes to `out`. Text after the last line feed is not written.
    pub(super) fn new(out: &'w mut W) -> Self {
        DiffLines {
            out,
            line: Vec::new(),
            number: 0,
        }
    }
}

impl<W: Write + ?Sized> Write for DiffLines<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend_from_slice(piece);
            if !piece.ends_with(b"\n") {
                continue;
            }
            let line = String::from_utf8_lossy(&self.line);
            let text = html(line.trim_end_matches('\n'));
            // The first two lines are the names of the files.
            match text.as_bytes().first() {
                Some(b'+') if self.number >= 2 => {
                    writeln!(self.out, "<span class=\"A\">{text}</span>")?;
                }
                Some(b'-') if self.number >= 2 => {
                    writeln!(self.out, "<span class=\"D\">{text}</span>")?;
                }
                _ => writeln!(self.out, "{text}")?,
            }
            self.line.clear();
            self.number += 1;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
