//! Summary after the files: config, history, sizes, and likeness.

use serde_json::{Value, json};

use crate::escape;
use crate::programs::imgdiff::compare::{DocChange, Report, StepChange};
use crate::render::human;

/// The most names that a line of the account lists.
const NAMED: usize = 8;

/// The account: some lines, the last of them the verdict.
pub fn account(report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    let [a, b] = &report.sides;
    if !report.config.is_empty() {
        let mut names: Vec<&str> = report
            .config
            .iter()
            .map(|change| change.path.as_str())
            .collect();
        let more = names.len().saturating_sub(NAMED);
        names.truncate(NAMED);
        let mut line = format!("config: {}", escape::brief_to(&names.join(", "), 1000));
        if more > 0 {
            line.push_str(&format!(" and {more} more"));
        }
        lines.push(line);
    }
    if !report.history.is_empty() {
        let added = report.history.iter().filter(|step| step.added).count();
        let gone = report.history.len() - added;
        lines.push(format!("history: {gone} steps removed, {added} added"));
    }
    let [old, new] = report.compared.bytes;
    if old != new {
        lines.push(format!(
            "files: {} -> {} ({})",
            human::size(old),
            human::size(new),
            signed(old, new)
        ));
    }
    let (old, new) = (
        a.layers.len() - report.shared,
        b.layers.len() - report.shared,
    );
    if old + new > 0 && (a.image.is_some() || b.image.is_some() || a.of + b.of > 2) {
        lines.push(format!(
            "layers: {} shared, {old} gone, {new} new",
            report.shared
        ));
    }
    lines.push(verdict(report));
    lines
}

fn verdict(report: &Report) -> String {
    let causes = report.packing.cause_texts();
    match causes.is_empty() {
        true => format!("verdict: {}", report.likeness.text()),
        false => format!(
            "verdict: {} ({})",
            report.likeness.text(),
            causes.join(", ")
        ),
    }
}

/// Lines on paired layers that are stored as different bytes.
pub fn packing_lines(report: &Report) -> impl Iterator<Item = String> + '_ {
    report.packing.layers.iter().map(|layer| {
        let causes: Vec<&str> = layer.causes.iter().map(|cause| cause.text()).collect();
        format!("layer {} {}: {}", layer.old, layer.new, causes.join(", "))
    })
}

/// The way from one number of bytes to another.
pub(super) fn signed(old: u64, new: u64) -> String {
    let sign = if new < old { '-' } else { '+' };
    format!("{sign}{}", human::size(old.abs_diff(new)))
}

/// A value as compact JSON that is safe to print.
pub(super) fn value(value: &Value) -> String {
    let text = crate::render::json::line(value).unwrap_or_default();
    escape::text(&text).into_owned()
}

/// Lines on the differences of the configs, with docker's letters.
pub fn config_lines(changes: &[DocChange]) -> impl Iterator<Item = String> + '_ {
    changes.iter().map(|change| {
        let path = escape::text(&change.path);
        match (&change.old, &change.new) {
            (Some(old), Some(new)) => format!("C {path}\t{} -> {}", value(old), value(new)),
            (None, Some(new)) => format!("A {path}\t{}", value(new)),
            (Some(old), None) => format!("D {path}\t{}", value(old)),
            (None, None) => String::new(),
        }
    })
}

/// The steps that only one of them has.
pub fn history_lines(changes: &[StepChange]) -> impl Iterator<Item = String> + '_ {
    changes.iter().map(|change| {
        let sign = if change.added { 'A' } else { 'D' };
        let layer = match change.layer {
            Some(layer) => format!("layer {layer}"),
            None => "no layer".into(),
        };
        let mut command = escape::text(&change.step.created_by).into_owned();
        if command.is_empty() {
            command = escape::text(&change.step.comment).into_owned();
        }
        format!("{sign} step {} ({layer})\t{command}", change.number)
    })
}

/// Rows on the differences of the configs and histories.
pub fn document_rows(report: &Report) -> Vec<Value> {
    let config = report.config.iter().map(|change| {
        let letter = match (&change.old, &change.new) {
            (None, _) => "A",
            (_, None) => "D",
            _ => "C",
        };
        json!({
            "Type": "config",
            "Change": letter,
            "Key": change.path,
            "Old": change.old,
            "New": change.new,
        })
    });
    let history = report.history.iter().map(|change| {
        json!({
            "Type": "history",
            "Change": if change.added { "A" } else { "D" },
            "Step": change.number,
            "Layer": change.layer,
            "Created": change.step.created,
            "CreatedBy": change.step.created_by,
            "Comment": change.step.comment,
            "EmptyLayer": change.step.empty_layer,
        })
    });
    config.chain(history).collect()
}

/// The last row: how alike the two are.
pub fn summary_row(report: &Report) -> Value {
    let [a, b] = &report.sides;
    let count = |letter| {
        let found = report
            .compared
            .changes
            .iter()
            .filter(|change| change.kind.letter() == letter);
        found.count()
    };
    let side = |i: usize| {
        let side = &report.sides[i];
        let image = side.image.as_ref();
        json!({
            "Name": side.name,
            "ID": image.map(|image| image.id.clone()),
            "Digest": image.and_then(|image| image.manifest_digest.as_ref()).map(ToString::to_string),
            "Layers": side.layers.len(),
            "StoredBytes": side.stored(),
            "FileBytes": report.compared.bytes[i],
            "Paths": report.compared.paths[i],
        })
    };
    let causes = report.packing.cause_texts();
    let layers: Vec<Value> = report
        .packing
        .layers
        .iter()
        .map(|layer| {
            let causes: Vec<&str> = layer.causes.iter().map(|cause| cause.text()).collect();
            json!({"Old": layer.old, "New": layer.new, "Causes": causes})
        })
        .collect();
    json!({
        "Type": "summary",
        "Differs": report.differs,
        "Verdict": report.likeness.text(),
        "Causes": causes,
        "Added": count('A'),
        "Changed": count('C'),
        "Deleted": count('D'),
        "Renamed": count('R'),
        "SharedLayers": report.shared,
        "OldLayers": a.layers.len() - report.shared,
        "NewLayers": b.layers.len() - report.shared,
        "Repacked": layers,
        "Old": side(0),
        "New": side(1),
    })
}
