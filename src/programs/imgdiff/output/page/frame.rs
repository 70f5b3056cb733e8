//! Header, panel and small parts of all pages of imgdiff.

use std::io::Write;

use super::super::views::failed;
use crate::error::Result;
use crate::programs::imgdiff::compare::{Fields, Made, PackageChange, Side};
use crate::render::page::Page;

/// The frame, with the style and the script of these pages.
pub(super) const PAGE: Page<'_> = Page {
    styles: &[include_str!("page.css")],
    inner_styles: &[],
    script: include_str!("page.js"),
};

/// Parts of a page that depend on options.
#[derive(Debug, Clone, Copy)]
pub struct PageOptions<'a> {
    /// The fields that were compared.
    pub fields: Fields,
    /// Lists how layers with the same contents are stored differently.
    pub strict: bool,
    /// Positions of the changes whose texts [`super::write_page_text`] adds, ascending.
    pub texts: &'a [usize],
    /// The path that the report was reduced to; everything about whole images is left out then.
    pub path: Option<&'a [u8]>,
    /// Changes of installed packages.
    pub packages: &'a [PackageChange],
}

/// Writes the header with the search, and links to the parts: identifier, title and number of each.
pub(super) fn head<W: Write + ?Sized>(
    out: &mut W,
    title: &str,
    line: &str,
    parts: &[(&str, &str, String)],
) -> std::io::Result<()> {
    writeln!(
        out,
        "<header><div><h1>{title}</h1><p>{line}</p></div>\
         <form id=\"find\" role=\"search\"><input id=\"query\" type=\"search\" placeholder=\"Filter paths, values, commands\" aria-label=\"Filter\" autocomplete=\"off\"><output id=\"hits\"></output></form></header>\n\
         <main>\n<nav class=\"parts\">"
    )?;
    for (id, title, count) in parts {
        if count != "0" {
            writeln!(out, "<a href=\"#{id}\">{title} <small>{count}</small></a>")?;
        }
    }
    writeln!(out, "</nav>")
}

/// Writes the panel for details, and the end of the page.
pub(super) fn end<W: Write + ?Sized>(out: &mut W) -> Result<()> {
    writeln!(
        out,
        "<footer>Made by imgdiff {}</footer>\n</main>\n\
         <aside id=\"panel\" hidden><button id=\"close\" aria-label=\"Close\">&#215;</button><h2 id=\"name\"></h2><dl id=\"details\"></dl><p id=\"more\" class=\"tabs\"></p></aside>",
        env!("CARGO_PKG_VERSION")
    )
    .map_err(failed)?;
    PAGE.close(out)
}

/// Identifier of a layer in the page: `o` or `n` for the side, and its number.
pub(super) fn anchor(sides: &[Side], made: Made) -> String {
    let letter = if made.side == 0 && sides.len() > 1 {
        "o"
    } else {
        "n"
    };
    let number = sides
        .get(made.side)
        .map_or(0, |side| side.number(made.layer));
    format!("{letter}{number}")
}

/// A bar of the share that each part has in `whole`, by class.
pub(super) fn bar(parts: &[(u64, &str)], whole: u64) -> String {
    let mut rects = String::new();
    let mut x = 0;
    for (bytes, class) in parts {
        let width = u128::from(*bytes) * 1000 / u128::from(whole.max(1));
        // Whatever has bytes can be seen.
        let width = width.max(u128::from(*bytes > 0) * 4);
        if width > 0 {
            rects.push_str(&format!(
                "<rect x=\"{x}\" width=\"{width}\" height=\"6\" class=\"{class}\"/>"
            ));
        }
        x += width;
    }
    format!(
        "<svg class=\"bar\" viewBox=\"0 0 1000 6\" preserveAspectRatio=\"none\" aria-hidden=\"true\">{rects}</svg>"
    )
}

/// A badge with the letter of a change.
pub(super) fn badge(letter: char) -> String {
    format!("<span class=\"badge {letter}\">{letter}</span>")
}

/// A number with its noun: `1 path`, `2 paths`.
pub(super) fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}
