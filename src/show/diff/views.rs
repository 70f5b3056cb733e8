//! Layers side by side, numbers by folder, packages, texts, and the life of a path.

use std::io::Write;

use serde_json::{Map, Value, json};
use similar::TextDiff;

use super::account::signed;
use super::files::{change_lines, change_row, kind, put_bytes, rooted, shown_path, spaced};
use crate::error::{Error, Result};
use crate::escape;
use crate::job::diff::{
    Change, ChangeKind, LayerReport, PackageChange, Side, Stat, TextChange, verb,
};
use crate::tree::{Did, NodeKind};

/// Lines of context around what differs.
const CONTEXT: usize = 3;
/// How many pairs of lines are compared at most.
const PAIRS: u64 = 400_000_000;

fn failed(error: std::io::Error) -> Error {
    Error::io("write", error)
}

/// Layer by layer: a line for each two that stand for one another, and below it what differs.
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

/// The same as rows: one for each pair, and after it its changes.
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

/// How much changed below each name at the top, as git counts it.
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
        let numbers = format!("+{} -{}", spaced(stat.bytes_new), spaced(stat.bytes_gone));
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
        spaced(all.bytes_new),
        spaced(all.bytes_gone),
        signed(all.bytes_gone, all.bytes_new)
    ));
    lines.push(last);
    lines
}

/// The same as rows.
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

fn letter(change: &PackageChange) -> char {
    match (change.old.is_empty(), change.new.is_empty()) {
        (true, _) => 'A',
        (_, true) => 'D',
        _ => 'C',
    }
}

/// The same as rows.
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

/// A text file's change as a unified diff. Bytes that would do something to a terminal are escaped.
///
/// # Errors
/// `Io`.
pub fn write_text<W: Write + ?Sized>(
    out: &mut W,
    sides: &[Side; 2],
    change: &Change,
    text: &TextChange,
) -> Result<()> {
    let [a, b] = sides;
    let (old, new) = (change.before(&a.tree), change.after(&b.tree));
    let name = |side: &str, path: Option<Vec<u8>>| match path {
        Some(path) => format!("{side}{}", shown_path(&path)),
        None => "/dev/null".into(),
    };
    let old = name("a", old.map(|node| node.path()));
    let new = name("b", new.map(|node| node.path()));
    match text {
        TextChange::Binary => writeln!(out, "Binary files {old} and {new} differ").map_err(failed),
        TextChange::Large(size) => {
            let size = spaced(*size);
            writeln!(
                out,
                "Files {old} and {new} differ: too large to be shown ({size})"
            )
            .map_err(failed)
        }
        TextChange::Lines(was, is) => {
            writeln!(out, "--- {old}\n+++ {new}").map_err(failed)?;
            unified(out, was, is)
        }
    }
}

fn unified<W: Write + ?Sized>(out: &mut W, was: &[u8], is: &[u8]) -> Result<()> {
    let lines = |text: &[u8]| text.iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
    // Whatever is common at both ends costs nothing.
    let head = was.iter().zip(is).take_while(|(a, b)| a == b).count();
    let tail = was[head..].iter().rev().zip(is[head..].iter().rev());
    let tail = tail.take_while(|(a, b)| a == b).count();
    let (n, m) = (
        lines(&was[head..was.len() - tail]),
        lines(&is[head..is.len() - tail]),
    );
    if n.saturating_mul(m) > PAIRS {
        return writeln!(out, "@@ {n} lines became {m}: too many to be compared @@")
            .map_err(failed);
    }
    let diff = TextDiff::from_lines(was, is);
    for hunk in diff.unified_diff().context_radius(CONTEXT).iter_hunks() {
        writeln!(out, "{}", hunk.header()).map_err(failed)?;
        for change in hunk.iter_changes() {
            let sign = match change.tag() {
                similar::ChangeTag::Equal => ' ',
                similar::ChangeTag::Delete => '-',
                similar::ChangeTag::Insert => '+',
            };
            let line: &[u8] = change.value();
            let (line, whole) = match line.strip_suffix(b"\n") {
                Some(line) => (line, true),
                None => (line, false),
            };
            // A tab is as harmless as a blank, and patches without tabs are hard to read.
            let parts: Vec<_> = line
                .split(|byte| *byte == b'\t')
                .map(escape::bytes)
                .collect();
            writeln!(out, "{sign}{}", parts.join("\t")).map_err(failed)?;
            if !whole {
                writeln!(out, "\\ No newline at end of file").map_err(failed)?;
            }
        }
    }
    Ok(())
}

/// A text change as a row.
pub fn text_row(sides: &[Side; 2], change: &Change, text: &TextChange) -> Result<Value> {
    let mut patch = Vec::new();
    if let TextChange::Lines(was, is) = text {
        unified(&mut patch, was, is)?;
    }
    let mut row = change_row(sides, change);
    if let Value::Object(row) = &mut row {
        row.insert("Type".into(), "text".into());
        let why = match text {
            TextChange::Lines(..) => "text",
            TextChange::Binary => "binary",
            TextChange::Large(_) => "large",
        };
        row.insert("Contents".into(), why.into());
        row.insert(
            "Patch".into(),
            String::from_utf8_lossy(&patch).into_owned().into(),
        );
    }
    Ok(row)
}

/// The life of a path: what each layer did to it, the oldest first.
pub fn life_rows(side: &Side, path: &[u8]) -> Option<Vec<Value>> {
    let past = side.tree.past(path)?;
    let life = past.life();
    if life.is_empty() {
        return None;
    }
    let rows = life.iter().map(|step| {
        let meta = step.meta();
        let made = matches!(step.did, Did::Added | Did::Replaced);
        let id = side
            .layers
            .get(step.layer)
            .and_then(|layer| layer.layer.diff_id.as_ref());
        let mut row = Map::new();
        row.insert("Type".into(), "life".into());
        put_bytes(&mut row, "Path", &rooted(&past.path()));
        row.insert("Layer".into(), side.number(step.layer).into());
        row.insert("Did".into(), verb(step.did).into());
        row.insert("Kind".into(), kind(step.kind()).into());
        row.insert(
            "Size".into(),
            if made {
                step.size().into()
            } else {
                Value::Null
            },
        );
        row.insert(
            "Mode".into(),
            if made {
                format!("{:04o}", meta.mode).into()
            } else {
                Value::Null
            },
        );
        row.insert(
            "Uid".into(),
            if made {
                meta.owner.uid.into()
            } else {
                Value::Null
            },
        );
        row.insert(
            "Gid".into(),
            if made {
                meta.owner.gid.into()
            } else {
                Value::Null
            },
        );
        row.insert("HardLink".into(), step.is_hard_link().into());
        row.insert("DiffID".into(), id.map(ToString::to_string).into());
        row.insert("CreatedBy".into(), side.created_by(step.layer).into());
        Value::Object(row)
    });
    Some(rows.collect())
}

/// The same as lines.
pub fn life_lines(side: &Side, path: &[u8]) -> Option<Vec<String>> {
    let past = side.tree.past(path)?;
    let life = past.life();
    let mut lines: Vec<String> = life
        .iter()
        .map(|step| {
            let meta = step.meta();
            let mut what = format!("{} {}", verb(step.did), kind(step.kind()));
            if matches!(step.did, Did::Added | Did::Replaced) {
                if step.kind() == NodeKind::File {
                    what.push_str(&format!(" {}", spaced(step.size())));
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
        Some(node) => format!("now\t{}", kind(node.kind())),
        None => "now\tnot there".into(),
    };
    lines.push(now);
    Some(lines)
}

/// How a change is drawn in colour: green for what is new, red for what is gone, yellow for what changed.
pub fn painted(kind: ChangeKind, line: &str) -> String {
    let color = match kind {
        ChangeKind::Added => "32",
        ChangeKind::Deleted => "31",
        ChangeKind::Changed => "33",
        ChangeKind::Renamed => "36",
    };
    format!("\x1b[{color}m{line}\x1b[0m")
}
