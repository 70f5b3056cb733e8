//! A reconstructed Dockerfile as text and as rows.

use serde_json::{Value, json};

use crate::escape;
use crate::programs::imghistory::dockerfile::{Dockerfile, Finding, Line};
use crate::render::{Column, human, json as lossless};

/// Columns of a comment; a longer one continues on the next line.
const WIDTH: usize = 110;
/// Limit on the characters of one comment.
const COMMENT: usize = 4000;
/// Limit on the paths of a layer in comments.
const PATHS: usize = 50;

/// Fields of a row and their headings.
pub const DOCKERFILE_COLUMNS: &[Column] = &[
    Column::new("Kind", "KIND"),
    Column::new("Instruction", "INSTRUCTION"),
    Column::new("Confidence", "CONFIDENCE"),
    Column::new("Entry", "ENTRY"),
    Column::new("Layer", "LAYER"),
    Column::new("LayerDigest", "LAYER DIGEST"),
    Column::new("DiffID", "DIFF ID"),
    Column::new("SizeBytes", "SIZE"),
    Column::new("Files", "FILES"),
    Column::new("Text", "TEXT"),
    Column::new("CreatedBy", "CREATED BY"),
];

/// Form of a Dockerfile's text.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Adds the source of each line and the confidence in it.
    pub annotate: bool,
    /// Escapes characters that a terminal acts on.
    pub safe: bool,
}

/// Returns the text of a Dockerfile. Its first line is a comment of imghistory, so that no text of the history can become
/// a directive.
pub fn dockerfile(file: &Dockerfile, layout: Layout) -> String {
    let mut out = String::new();
    if file.windows {
        // Directives come before anything else.
        out.push_str("# escape=`\n");
    }
    comment(
        &mut out,
        &format!("Reconstructed from {} by imghistory", file.id),
    );
    for remark in &file.remarks {
        comment(&mut out, remark);
    }
    let mut last_group = "";
    for line in &file.lines {
        let group = group(line);
        if layout.annotate || group != last_group || group == "RUN" || !line.notes.is_empty() {
            out.push('\n');
        }
        last_group = group;
        if layout.annotate {
            annotate(&mut out, line, file);
        }
        for note in &line.notes {
            comment(&mut out, note);
        }
        if line.new_args || layout.annotate && !line.build_args.is_empty() {
            let args: Vec<String> = line
                .build_args
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            comment(&mut out, &format!("build-args: {}", args.join(", ")));
        }
        if !line.text.is_empty() {
            text(&mut out, &line.text, layout.safe);
        }
    }
    out
}

/// Returns the group of a line: lines of one group have no blank line between them.
fn group(line: &Line) -> &'static str {
    match line.statement.keyword() {
        "ADD" | "COPY" => "COPY",
        "CMD" | "ENTRYPOINT" | "EXPOSE" | "VOLUME" | "USER" | "STOPSIGNAL" | "HEALTHCHECK" => "CMD",
        word => word,
    }
}

/// Writes the annotations of a line as comments.
fn annotate(out: &mut String, line: &Line, file: &Dockerfile) {
    let mut facts = vec![line.certainty.name().to_owned()];
    match line.entry_number() {
        Some(entry) => facts.push(format!("entry {entry}")),
        None if line.statement.keyword() != "FROM" => facts.push("no entry".to_owned()),
        None => {}
    }
    if let Some(layer) = &line.layer {
        facts.push(format!("layer {}", layer.number));
        if let Some(digest) = layer.digest.as_ref().or(layer.diff_id.as_ref()) {
            facts.push(digest.clone());
        }
        if let Some(size) = layer.size {
            facts.push(human::size(size));
        }
        if let Some(files) = layer.files {
            facts.push(format!(
                "{files} {}",
                if files == 1 { "file" } else { "files" }
            ));
        }
    }
    comment(out, &facts.join(", "));
    if let Some(entry) = &line.entry {
        comment(out, &format!("created by: {}", entry.created_by));
    }
    for remark in &line.remarks {
        comment(out, remark);
    }
    for finding in &file.findings {
        if finding.is_about(line) {
            comment(
                out,
                &format!("contradicted: {}", finding.text).replacen(
                    "contradicted: the value",
                    "secret: the value",
                    1,
                ),
            );
        }
    }
    for path in line.paths().iter().take(PATHS) {
        comment(out, &format!("  /{}", String::from_utf8_lossy(path)));
    }
    if line.paths().len() > PATHS {
        let more = line.paths().len() - PATHS;
        comment(out, &format!("  … and {more} more"));
    }
}

/// Writes a comment, a long one on several lines.
fn comment(out: &mut String, text: &str) {
    let text = escape::brief_to(text, COMMENT);
    let mut width = 0;
    out.push('#');
    for word in text.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + length > WIDTH {
            out.push_str("\n#  ");
            width = 2;
        }
        out.push(' ');
        out.push_str(word);
        width += length + 1;
    }
    out.push('\n');
}

/// Writes the text of an instruction; with `safe`, escaped.
fn text(out: &mut String, text: &str, safe: bool) {
    let lines: Vec<String> = match safe {
        false => text.split('\n').map(str::to_owned).collect(),
        true => text.split('\n').map(visible).collect(),
    };
    if safe && lines.join("\n") != text {
        comment(
            out,
            "characters that a terminal acts on are escaped in what follows",
        );
    }
    for line in lines {
        out.push_str(&line);
        out.push('\n');
    }
}

/// Escapes the characters of a line that a terminal acts on; tabs stay.
fn visible(line: &str) -> String {
    let parts: Vec<_> = line.split('\t').map(escape::text).collect();
    parts.join("\t")
}

/// Returns a row for each instruction, oldest first, then one for each finding.
pub fn dockerfile_rows(file: &Dockerfile) -> impl Iterator<Item = Value> + use<'_> {
    let lines = file.lines.iter().map(|line| row(line, file));
    lines.chain(file.findings.iter().map(finding_row))
}

fn row(line: &Line, file: &Dockerfile) -> Value {
    let findings = file
        .findings
        .iter()
        .filter(|finding| finding.is_about(line));
    let (secrets, others): (Vec<&Finding>, Vec<_>) =
        findings.partition(|finding| finding.kind == "secret");
    let texts = |findings: &[&Finding]| -> Vec<Value> {
        let texts = findings.iter().map(|finding| finding.text.as_str().into());
        texts.collect()
    };
    let layer = line.layer.as_ref();
    let args: serde_json::Map<String, Value> = line
        .build_args
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let paths: Vec<String> = line
        .paths()
        .iter()
        .map(|path| lossless::bytes_lossless(path).0)
        .collect();
    json!({
        "BuildArgs": args,
        "Confidence": line.certainty.name(),
        "CreatedBy": line.entry.as_ref().map(|entry| &entry.created_by),
        "DiffID": layer.and_then(|layer| layer.diff_id.as_ref()),
        "Entry": line.entry_number(),
        "Files": layer.and_then(|layer| layer.files),
        "Instruction": line.statement.keyword(),
        "Kind": if line.text.is_empty() { "remark" } else { "instruction" },
        "Layer": line.layer_number(),
        "LayerDigest": layer.and_then(|layer| layer.digest.as_ref()),
        "Lies": texts(&others),
        "Notes": line.notes,
        "Paths": paths,
        "Remarks": line.remarks,
        "Secrets": texts(&secrets),
        "SizeBytes": line.size(),
        "Text": line.text,
    })
}

fn finding_row(finding: &Finding) -> Value {
    json!({
        "BuildArgs": {},
        "Confidence": null,
        "CreatedBy": null,
        "DiffID": null,
        "Entry": finding.entry,
        "Files": null,
        "Instruction": finding.kind,
        "Kind": if finding.kind == "secret" { "secret" } else { "contradiction" },
        "Layer": finding.layer,
        "LayerDigest": null,
        "Lies": [],
        "Notes": [],
        "Paths": [],
        "Remarks": [],
        "Secrets": [],
        "SizeBytes": null,
        "Text": finding.text,
    })
}
