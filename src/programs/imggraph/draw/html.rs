//! Self-contained HTML page: the picture with zoom, search, details, and a treemap of each image.
//!
//! No text of an archive becomes markup: the picture is escaped as XML, all else is JSON without tags, which the script
//! inserts as text.

use std::io::Write;

use serde_json::{Value, json};

use super::labels::{RankDir, details, heading, lines, totals};
use super::svg::{self, picture};
use crate::error::{During, Result};
use crate::escape;
use crate::programs::imggraph::graph::{Graph, ImageMap};
use crate::render::json::line_html;
use crate::render::page::{Page, escaped};

const PAGE: Page<'_> = Page {
    styles: &[include_str!("page.css")],
    inner_styles: &[svg::STYLE],
    script: include_str!("page.js"),
};

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
    let data = line_html(&json!({"nodes": nodes, "maps": maps}))?;
    let title = heading(graph.view);
    let totals = escaped(&totals(graph));
    let picture = picture(graph, rankdir, false);
    PAGE.open(out, title)?;
    write!(
        out,
        "<header><div><h1>{title}</h1><p>{totals}</p></div>\
         <form id=\"find\" role=\"search\"><input id=\"query\" type=\"search\" placeholder=\"Search names, IDs, commands\" aria-label=\"Search\" autocomplete=\"off\"><output id=\"hits\"></output></form></header>\n\
         <main><div id=\"stage\" tabindex=\"0\" aria-label=\"Graph: drag to move, wheel or pinch to zoom\">{picture}</div>\n\
         <nav><button id=\"in\" aria-label=\"Zoom in\">+</button><button id=\"out\" aria-label=\"Zoom out\">&#8722;</button><button id=\"fit\" aria-label=\"Show all\">fit</button></nav>\n\
         <aside id=\"panel\" hidden><button id=\"close\" aria-label=\"Close\">&#215;</button><h2 id=\"name\"></h2><div id=\"map\" hidden><p class=\"tabs\"><button id=\"by-directory\">by directory</button><button id=\"by-layer\">by layer</button></p><div id=\"tiles\" class=\"tiles\"></div><p id=\"tile\" class=\"tell\"></p></div><dl id=\"details\"></dl></aside></main>\n\
         <script type=\"application/json\" id=\"data\">{data}</script>\n"
    )
    .during("write")?;
    PAGE.close(out)
}
