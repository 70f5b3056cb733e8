//! Self-contained HTML page: the picture with zoom, search, details, and a treemap of each image.
//!
//! The page fetches nothing, and no text of an archive becomes markup: the picture is escaped as XML, all else is JSON
//! without tags, which the script inserts as text. The page's content security policy allows this script only.

use std::io::Write;

use base64::Engine;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::labels::{RankDir, details, heading, lines, totals};
use super::svg::{picture, xml};
use crate::error::{During, Result};
use crate::escape;
use crate::programs::imggraph::graph::{Graph, ImageMap};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Writes the page. `maps` are the treemaps of images, with the image IDs.
///
/// # Errors
/// `Io` of the writer.
pub fn html(
    graph: &Graph,
    maps: &[(String, ImageMap)],
    rankdir: RankDir,
    out: &mut dyn Write,
) -> Result<()> {
    let nodes: Vec<Value> = graph
        .nodes
        .iter()
        .map(|node| {
            let visible = |text: &str| {
                let lines: Vec<_> = text.lines().map(escape::text).collect();
                lines.join("\n")
            };
            let details: Vec<[String; 2]> = details(node)
                .iter()
                .map(|(key, value)| [key.clone(), visible(value)])
                .collect();
            json!({"t": visible(&lines(node)[0]), "d": details, "i": node.digest})
        })
        .collect();
    let maps: Vec<Value> = maps
        .iter()
        .map(|(id, map)| {
            let rows: Vec<Value> = map
                .directories
                .iter()
                .map(|row| json!([row.path, row.layer, row.bytes, row.files]))
                .collect();
            json!({"i": id, "f": rows})
        })
        .collect();
    let data = json!({"nodes": nodes, "maps": maps, "grows": rankdir.name()});
    // So that no tag or comment can begin or end in it.
    let data = data
        .to_string()
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    let hash = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(SCRIPT));
    let title = heading(graph.view);
    let totals = xml(&totals(graph));
    let picture = picture(graph, rankdir, false);
    write!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header><div><h1>{title}</h1><p>{totals}</p></div>\
         <form id=\"find\" role=\"search\"><input id=\"query\" type=\"search\" placeholder=\"Search names, IDs, commands\" aria-label=\"Search\" autocomplete=\"off\"><output id=\"hits\"></output></form></header>\n\
         <main><div id=\"stage\" tabindex=\"0\" aria-label=\"Graph: drag to move, wheel or pinch to zoom\">{picture}</div>\n\
         <nav><button id=\"in\" aria-label=\"Zoom in\">+</button><button id=\"out\" aria-label=\"Zoom out\">&#8722;</button><button id=\"fit\" aria-label=\"Show all\">fit</button></nav>\n\
         <aside id=\"panel\" hidden><button id=\"close\" aria-label=\"Close\">&#215;</button><h2 id=\"name\"></h2><div id=\"map\" hidden><p class=\"tabs\"><button id=\"by-folder\">by folder</button><button id=\"by-layer\">by layer</button></p><div id=\"tiles\"></div><p id=\"tile\"></p></div><dl id=\"details\"></dl></aside></main>\n\
         <script type=\"application/json\" id=\"data\">{data}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
    .during("write")
}
