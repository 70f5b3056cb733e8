//! A report as one page that needs nothing else.
//!
//! What a hostile archive could try here: markup in names and commands. Every text is written through [`html`], and
//! the page's policy lets no script run but its own and nothing load.

use std::io::Write;

use base64::Engine;
use sha2::{Digest, Sha256};

use super::account::{account, config_lines, history_lines};
use super::files::change_lines;
use super::views::stat_lines;
use crate::error::{Error, Result};
use crate::escape;
use crate::programs::imgdiff::compare::{Report, stat};

const STYLE: &str = "body{font:14px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;color:#222}\
h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}pre,td{font-family:ui-monospace,monospace;font-size:12px}\
pre{overflow:auto;background:#f6f6f6;padding:.6rem}table{border-collapse:collapse;width:100%}\
th{text-align:left;padding:.15rem .6rem}td{border-top:1px solid #ddd;padding:.15rem .6rem;vertical-align:top;word-break:break-all}\
p.legend span{margin-right:1.2rem}.A{color:#1a7f37}.D{color:#b42318}.C{color:#8a5a00}.R{color:#0b6b8a}input{width:100%;padding:.4rem;box-sizing:border-box}";
const SCRIPT: &str = "const q=document.getElementById('q'),rows=[...document.querySelectorAll('tbody tr')];\
q.addEventListener('input',()=>{const t=q.value.toLowerCase();for(const r of rows)r.hidden=!r.textContent.toLowerCase().includes(t)});";

/// The meaning of the letters and colours.
const LEGEND: &str = "<span class=\"A\">A added</span><span class=\"C\">C changed</span>\
<span class=\"D\">D deleted</span><span class=\"R\">R renamed</span>";

/// Text for a page: shown as it would be on a terminal, and no markup.
fn html(text: &str) -> String {
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

/// Writes the page.
///
/// # Errors
/// `Io`.
pub fn write_page<W: Write + ?Sized>(out: &mut W, report: &Report) -> Result<()> {
    page(out, report).map_err(|error| Error::io("write", error))
}

fn page<W: Write + ?Sized>(out: &mut W, report: &Report) -> std::io::Result<()> {
    let [a, b] = &report.sides;
    let names = [&a.name, &b.name].map(|name| html(&escape::text(name)));
    let title = format!("{} and {}", names[0], names[1]);
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(SCRIPT));
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n<meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'\">\n\
         <title>imgdiff: {title}</title>\n<style>{STYLE}</style></head><body>\n<h1>{title}</h1>"
    )?;
    writeln!(out, "<pre>{}</pre>", html(&account(report).join("\n")))?;
    let changes = &report.compared.changes;
    if !changes.is_empty() {
        let stats = stat_lines(&stat(&report.sides, changes));
        writeln!(
            out,
            "<h2>Changes by directory</h2>\n<pre>{}</pre>",
            html(&stats.join("\n"))
        )?;
    }
    let config: Vec<String> = config_lines(&report.config).collect();
    let history: Vec<String> = history_lines(&report.history).collect();
    for (title, lines) in [("Config", config), ("History", history)] {
        if !lines.is_empty() {
            writeln!(
                out,
                "<h2>{title}</h2>\n<pre>{}</pre>",
                html(&lines.join("\n"))
            )?;
        }
    }
    writeln!(
        out,
        "<h2>Files</h2>\n<p class=\"legend\">{LEGEND}</p>\n<input id=\"q\" placeholder=\"filter {} paths\">\n\
         <table><thead><tr><th></th><th>Path</th><th>What differs</th><th>Layer and command</th></tr></thead><tbody>",
        changes.len()
    )?;
    for (change, line) in changes
        .iter()
        .zip(change_lines(&report.sides, changes, true))
    {
        let mut cells = line.splitn(3, '\t');
        let first = cells.next().unwrap_or_default();
        let path = first.get(2..).unwrap_or_default();
        let letter = change.kind.letter();
        write!(
            out,
            "<tr><td class=\"{letter}\">{letter}</td><td>{}</td>",
            html(path)
        )?;
        for _ in 0..2 {
            write!(out, "<td>{}</td>", html(cells.next().unwrap_or_default()))?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(
        out,
        "</tbody></table>\n<script>{SCRIPT}</script>\n</body></html>"
    )
}
