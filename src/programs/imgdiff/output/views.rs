//! Layers side by side, numbers by directory, packages, and the life of a path.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::account::signed;
use super::files::{change_lines, change_row, put_bytes, rooted, shown_path};
use crate::cli::{LifeLayer, did, has_made, kind_name, life_row};
use crate::error::{Error, Result};
use crate::escape;
use crate::programs::imgdiff::compare::{ChangeKind, LayerReport, PackageChange, Side, Stat};
use crate::render::human;
use crate::tree::NodeKind;

pub(super) fn failed(error: std::io::Error) -> Error {
    Error::io("write", error)
}

/// Writes a comparison layer by layer: a line for each pair, and below it the differences.
///
/// # Errors
/// `Io`.
pub fn write_layers<W: Write + ?Sized>(out: &mut W, report: &LayerReport) -> Result<()> {
    let [a, b] = &report.sides;
    for pair in &report.pairs {
        let number = |side: &Side, layer: Option<usize>| match layer {
            Some(layer) => side.number(layer).to_string(),
            None => "-".into(),
        };
        let sign = match (
            pair.old,
            pair.new,
            pair.sides.is_none(),
            pair.changes.is_empty() && pair.markers.is_empty(),
        ) {
            (_, None, ..) => '-',
            (None, ..) => '+',
            (.., true, _) => '=',
            (.., true) => '~',
            _ => '!',
        };
        let (side, layer) = match (pair.old, pair.new) {
            (_, Some(new)) => (b, new),
            (old, None) => (a, old.unwrap_or_default()),
        };
        let id = side
            .layers
            .get(layer)
            .and_then(|layer| layer.layer.diff_id.as_ref());
        writeln!(
            out,
            "{sign} layer {} {}\t{}\t{}",
            number(a, pair.old),
            number(b, pair.new),
            id.map_or("<none>", |id| id.short()),
            escape::text(side.created_by(layer)),
        )
        .map_err(failed)?;
        let Some(sides) = &pair.sides else { continue };
        for line in change_lines(sides, &pair.changes, false) {
            writeln!(out, "  {line}").map_err(failed)?;
        }
        for marker in &pair.markers {
            let sign = if marker.added { 'A' } else { 'D' };
            let what = if marker.opaque {
                "opaque marker"
            } else {
                "whiteout"
            };
            writeln!(out, "  {sign} {}\t{what}", shown_path(&marker.path)).map_err(failed)?;
        }
    }
    Ok(())
}

/// Rows of a comparison layer by layer: one for each pair, then its changes.
pub fn layer_rows(report: &LayerReport) -> Vec<Value> {
    let [a, b] = &report.sides;
    let mut rows = Vec::new();
    for pair in &report.pairs {
        let told = |side: &Side, layer: Option<usize>| match layer {
            None => Value::Null,
            Some(layer) => {
                let own = side.layers.get(layer);
                let id = own.and_then(|own| own.layer.diff_id.as_ref());
                let stored = own
                    .and_then(|own| own.layer.content())
                    .map(crate::archive::Content::len);
                json!({
                    "Layer": side.number(layer),
                    "DiffID": id.map(ToString::to_string),
                    "StoredBytes": stored,
                    "CreatedBy": side.created_by(layer),
                })
            }
        };
        rows.push(json!({
            "Type": "layer",
            "Old": told(a, pair.old),
            "New": told(b, pair.new),
            "Match": pair.by.text(),
            "Changes": pair.changes.len(),
            "Markers": pair.markers.len(),
        }));
        if let Some(sides) = &pair.sides {
            rows.extend(pair.changes.iter().map(|change| change_row(sides, change)));
        }
        for marker in &pair.markers {
            let mut row = Map::new();
            row.insert("Type".into(), "marker".into());
            row.insert("Change".into(), if marker.added { "A" } else { "D" }.into());
            put_bytes(&mut row, "Path", &rooted(&marker.path));
            row.insert("Opaque".into(), marker.opaque.into());
            rows.push(row.into());
        }
    }
    rows
}

/// Lines on the changes below each top-level name, as git counts them.
pub fn stat_lines(stats: &[Stat]) -> Vec<String> {
    let tops: Vec<String> = stats.iter().map(|stat| shown_path(&stat.top)).collect();
    let width = tops
        .iter()
        .map(|top| top.chars().count())
        .max()
        .unwrap_or(0);
    let most = stats
        .iter()
        .map(|stat| stat.bytes_new + stat.bytes_gone)
        .max()
        .unwrap_or(0);
    let mut lines = Vec::new();
    let mut all = Stat::default();
    for (stat, top) in stats.iter().zip(&tops) {
        let count = stat.added + stat.changed + stat.deleted + stat.renamed;
        // A bar of 40 at most; whatever has bytes has a sign.
        let bar = |bytes: u64, sign: &str| -> String {
            let length = (u128::from(bytes) * 40).div_ceil(u128::from(most.max(1)));
            sign.repeat(usize::try_from(length).unwrap_or_default())
        };
        let blanks = " ".repeat(width - top.chars().count());
        let numbers = format!(
            "+{} -{}",
            human::size(stat.bytes_new),
            human::size(stat.bytes_gone)
        );
        let line = format!(
            " {top}{blanks} | {count:>6} {numbers:<20} {}{}",
            bar(stat.bytes_new, "+"),
            bar(stat.bytes_gone, "-")
        );
        lines.push(line.trim_end().to_owned());
        all.added += stat.added;
        all.changed += stat.changed;
        all.deleted += stat.deleted;
        all.renamed += stat.renamed;
        all.bytes_new += stat.bytes_new;
        all.bytes_gone += stat.bytes_gone;
    }
    let mut last = format!(
        " {} added, {} changed, {} deleted",
        all.added, all.changed, all.deleted
    );
    if all.renamed > 0 {
        last.push_str(&format!(", {} moved", all.renamed));
    }
    last.push_str(&format!(
        "; {} new, {} gone ({})",
        human::size(all.bytes_new),
        human::size(all.bytes_gone),
        signed(all.bytes_gone, all.bytes_new)
    ));
    lines.push(last);
    lines
}

/// Rows on the changes below each top-level name.
pub fn stat_rows(stats: &[Stat]) -> impl Iterator<Item = Value> + '_ {
    stats.iter().map(|stat| {
        let mut row = Map::new();
        row.insert("Type".into(), "stat".into());
        put_bytes(&mut row, "Path", &rooted(&stat.top));
        for (key, value) in [
            ("Added", stat.added),
            ("Changed", stat.changed),
            ("Deleted", stat.deleted),
            ("Renamed", stat.renamed),
            ("BytesNew", stat.bytes_new),
            ("BytesGone", stat.bytes_gone),
        ] {
            row.insert(key.into(), value.into());
        }
        row.into()
    })
}

/// Packages that were added, removed, upgraded.
pub fn package_lines(changes: &[PackageChange]) -> impl Iterator<Item = String> + '_ {
    changes.iter().map(|change| {
        let (old, new) = (change.old.join(", "), change.new.join(", "));
        let letter = letter(change);
        let versions = match letter {
            'A' => new,
            'D' => old,
            _ => format!("{} -> {}", none(&old), none(&new)),
        };
        let mut name = change.name.clone();
        if !change.architecture.is_empty() {
            name = format!("{name}:{}", change.architecture);
        }
        format!(
            "{letter} {} {}\t{}",
            change.manager.name(),
            escape::text(&name),
            escape::text(&versions)
        )
    })
}

fn none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}

/// docker's letter for a change of a package.
pub(super) fn letter(change: &PackageChange) -> char {
    match (change.old.is_empty(), change.new.is_empty()) {
        (true, _) => 'A',
        (_, true) => 'D',
        _ => 'C',
    }
}

/// Rows of package changes.
pub fn package_rows(changes: &[PackageChange]) -> impl Iterator<Item = Value> + '_ {
    changes.iter().map(|change| {
        json!({
            "Type": "package",
            "Change": letter(change).to_string(),
            "Manager": change.manager.name(),
            "Name": change.name,
            "Architecture": change.architecture,
            "Old": change.old,
            "New": change.new,
        })
    })
}

/// Rows on the life of a path: the changes of each layer, the oldest first.
pub fn life_rows(side: &Side, path: &[u8]) -> Option<Vec<Value>> {
    let past = side.tree.history(path)?;
    let life = past.steps();
    if life.is_empty() {
        return None;
    }
    let rows = life.iter().map(|step| {
        let layer = side.layers.get(step.layer);
        let layer = LifeLayer {
            number: side.number(step.layer),
            diff_id: layer.and_then(|layer| layer.layer.diff_id.as_ref()),
            created_by: side.created_by(step.layer),
        };
        Value::Object(life_row(&past, step, layer))
    });
    Some(rows.collect())
}

/// Lines on the life of a path: the changes of each layer, the oldest first.
pub fn life_lines(side: &Side, path: &[u8]) -> Option<Vec<String>> {
    let past = side.tree.history(path)?;
    let life = past.steps();
    let mut lines: Vec<String> = life
        .iter()
        .map(|step| {
            let meta = step.meta();
            let mut what = format!("{} {}", did(step.event), kind_name(step.kind()));
            if has_made(step) {
                if step.kind() == NodeKind::File {
                    what.push_str(&format!(" {}", human::size(step.size())));
                }
                if step.is_hard_link() {
                    what.push_str(" (hard link)");
                }
                what.push_str(&format!(
                    " {:04o} {}:{}",
                    meta.mode, meta.owner.uid, meta.owner.gid
                ));
            }
            let by = escape::text(side.created_by(step.layer)).into_owned();
            format!("layer {}\t{what}\t{by}", side.number(step.layer))
        })
        .collect();
    if lines.is_empty() {
        return None;
    }
    let now = match past.node() {
        Some(node) => format!("now\t{}", kind_name(node.kind())),
        None => "now\tdeleted".into(),
    };
    lines.push(now);
    Some(lines)
}

/// Colours a line: green for added, red for deleted, yellow for changed paths.
pub fn painted(kind: ChangeKind, line: &str) -> String {
    let color = match kind {
        ChangeKind::Added => "32",
        ChangeKind::Deleted => "31",
        ChangeKind::Changed => "33",
        ChangeKind::Renamed => "36",
    };
    format!("\x1b[{color}m{line}\x1b[0m")
}
