//! Verdict, sizes and identities on top of the page.

use std::io::Write;

use super::super::account::{packing_lines, signed};
use super::super::files::sized;
use super::frame::{PageOptions, bar, counted};
use crate::programs::imgdiff::compare::{ChangeKind, Likeness, Report, Side};
use crate::render::page::escaped;

/// One line with the verdict, the number of paths and the sizes.
pub(super) fn headline(report: &Report) -> String {
    let paths = counted(report.compared.changes.len(), "path");
    let mut line = format!("{}: {paths} differ", report.likeness.text());
    let [old, new] = report.compared.bytes;
    if old != new {
        let growth = signed(old, new).replace('-', "−");
        line.push_str(&format!(
            ", files {} → {} ({growth})",
            sized(old),
            sized(new)
        ));
    }
    line
}

fn causes(report: &Report) -> String {
    let causes = report.packing.causes.iter().map(|cause| cause.text());
    causes.collect::<Vec<_>>().join(", ")
}

/// Writes the section.
pub(super) fn summary<W: Write + ?Sized>(
    out: &mut W,
    report: &Report,
    options: &PageOptions<'_>,
) -> std::io::Result<()> {
    let class = match report.likeness {
        Likeness::SameDigest => "same",
        Likeness::Different => "other",
        _ => "near",
    };
    writeln!(
        out,
        "<section id=\"summary\"><p class=\"verdict {class}\"><b>{}</b> <span>{}</span></p>\n<div class=\"cards\">",
        report.likeness.text(),
        causes(report)
    )?;
    for card in cards(report, options) {
        card.write(out)?;
    }
    writeln!(out, "</div>")?;
    identities(out, &report.sides, report.compared.paths)?;
    if options.strict {
        let lines: Vec<String> = packing_lines(report).collect();
        if !lines.is_empty() {
            writeln!(out, "<h2>Stored differently</h2>\n<ul class=\"mono\">")?;
            for line in lines {
                writeln!(out, "<li class=\"find\">{}</li>", escaped(&line))?;
            }
            writeln!(out, "</ul>")?;
        }
    }
    writeln!(out, "</section>")
}

/// One number of the summary, with a link to its part of the page.
pub(super) struct Card {
    pub title: &'static str,
    pub link: &'static str,
    /// Markup.
    pub big: String,
    pub sub: String,
    pub bars: String,
}

impl Card {
    pub(super) fn write<W: Write + ?Sized>(&self, out: &mut W) -> std::io::Result<()> {
        let Card {
            title,
            link,
            big,
            sub,
            bars,
        } = self;
        writeln!(
            out,
            "<div class=\"card\"><a href=\"#{link}\"><h3>{title}</h3><p class=\"big\">{big}</p><p class=\"sub\">{sub}</p>{bars}</a></div>"
        )
    }
}

fn cards(report: &Report, options: &PageOptions<'_>) -> Vec<Card> {
    let [a, b] = &report.sides;
    let sizes = |title, link, [old, new]: [u64; 2]| {
        let most = old.max(new);
        Card {
            title,
            link,
            big: match old == new {
                true => "±0 B".to_owned(),
                false => signed(old, new).replace('-', "−"),
            },
            sub: format!("{} → {}", sized(old), sized(new)),
            bars: bar(&[(old, "")], most) + &bar(&[(new, "C")], most),
        }
    };
    let mut cards = Vec::new();
    if report.compared.bytes != [0, 0] {
        cards.push(sizes("files", "bytes", report.compared.bytes));
    }
    let stored = [a.stored(), b.stored()];
    if stored != [0, 0] {
        cards.push(sizes("stored layers", "layers", stored));
    }
    let count = |kind| {
        let changes = report.compared.changes.iter();
        changes.filter(|change| change.kind == kind).count()
    };
    let kinds = [
        (count(ChangeKind::Added), "added", "A"),
        (count(ChangeKind::Changed), "changed", "C"),
        (count(ChangeKind::Deleted), "deleted", "D"),
        (count(ChangeKind::Renamed), "renamed", "R"),
    ];
    let paths = report.compared.changes.len();
    cards.push(Card {
        title: "paths that differ",
        link: "files",
        big: paths.to_string(),
        sub: told(&kinds),
        bars: bar(
            &kinds.map(|(count, _, class)| (count as u64, class)),
            paths as u64,
        ),
    });
    let (old, new) = (
        a.layers.len() - report.shared,
        b.layers.len() - report.shared,
    );
    cards.push(Card {
        title: "layers",
        link: "layers",
        big: format!("{} → {}", a.layers.len(), b.layers.len()),
        sub: format!("{} shared, {old} gone, {new} new", report.shared),
        bars: String::new(),
    });
    cards.extend(document_cards(report, options));
    cards
}

/// Counts that are not 0, with their words.
fn told(kinds: &[(usize, &str, &str)]) -> String {
    let some = kinds.iter().filter(|(count, ..)| *count > 0);
    let told: Vec<String> = some
        .map(|(count, what, _)| format!("{count} {what}"))
        .collect();
    told.join(", ")
}

/// Cards of config, history and packages.
fn document_cards(report: &Report, options: &PageOptions<'_>) -> Vec<Card> {
    let [a, b] = &report.sides;
    let mut cards = Vec::new();
    if a.image.is_some() && b.image.is_some() {
        let added = report.history.iter().filter(|step| step.added).count();
        let gone = report.history.len() - added;
        cards.push(Card {
            title: "config",
            link: "config",
            big: counted(report.config.len(), "value"),
            sub: match report.config.is_empty() {
                true => "no difference".to_owned(),
                false => "differ".to_owned(),
            },
            bars: String::new(),
        });
        cards.push(Card {
            title: "history",
            link: "history",
            big: counted(report.history.len(), "step"),
            sub: told(&[(gone, "gone", ""), (added, "new", "")]),
            bars: String::new(),
        });
    }
    if !options.packages.is_empty() {
        let of = |old: bool, new: bool| {
            let packages = options.packages.iter();
            let some =
                packages.filter(|one| one.old.is_empty() != old && one.new.is_empty() != new);
            some.count()
        };
        cards.push(Card {
            title: "packages",
            link: "packages",
            big: options.packages.len().to_string(),
            sub: told(&[
                (of(false, true), "added", ""),
                (of(true, true), "changed", ""),
                (of(true, false), "removed", ""),
            ]),
            bars: String::new(),
        });
    }
    cards
}

/// Writes names, IDs, digests and platforms of both.
fn identities<W: Write + ?Sized>(
    out: &mut W,
    sides: &[Side; 2],
    paths: [u64; 2],
) -> std::io::Result<()> {
    let names = sides.each_ref().map(|side| escaped(&side.name));
    writeln!(
        out,
        "<table class=\"ids\"><thead><tr><th></th><th>{}</th><th>{}</th></tr></thead><tbody>",
        names[0], names[1]
    )?;
    let facts = |take: &dyn Fn(&Side) -> Option<String>| {
        sides.each_ref().map(|side| take(side).unwrap_or_default())
    };
    let platform = |side: &Side| Some(side.image.as_ref()?.config.platform.to_string());
    let rows = [
        (
            "image ID",
            facts(&|side| Some(side.image.as_ref()?.id.clone())),
        ),
        (
            "manifest",
            facts(&|side| Some(side.image.as_ref()?.manifest_digest.as_ref()?.to_string())),
        ),
        ("platform", facts(&platform)),
        (
            "created",
            facts(&|side| side.image.as_ref()?.config.created.clone()),
        ),
        (
            "paths",
            paths.map(|count| {
                if count == 0 {
                    String::new()
                } else {
                    count.to_string()
                }
            }),
        ),
    ];
    for (title, [old, new]) in rows {
        if !old.is_empty() || !new.is_empty() {
            writeln!(
                out,
                "<tr><th>{title}</th><td>{}</td><td>{}</td></tr>",
                escaped(&old),
                escaped(&new)
            )?;
        }
    }
    writeln!(out, "</tbody></table>")
}
