//! A reconstructed Dockerfile as text and as rows.

use serde_json::{Value, json};

use crate::escape;
use crate::programs::imghistory::dockerfile::{Dockerfile, Finding, Line};
use crate::render::{Column, human, json as lossless};

/// The most columns of a comment; longer ones go on in the next line.
const WIDTH: usize = 110;
/// The most characters of one comment.
const COMMENT: usize = 4000;
/// The most paths of a layer that are listed in comments.
const PATHS: usize = 50;

/// The fields of a row and their headings.
pub const DOCKERFILE_COLUMNS: &[Column] = &[
    Column {
        field: "Kind",
        heading: "KIND",
    },
    Column {
        field: "Instruction",
        heading: "INSTRUCTION",
    },
    Column {
        field: "Confidence",
        heading: "CONFIDENCE",
    },
    Column {
        field: "Entry",
        heading: "ENTRY",
    },
    Column {
        field: "Layer",
        heading: "LAYER",
    },
    Column {
        field: "LayerDigest",
        heading: "LAYER DIGEST",
    },
    Column {
        field: "DiffID",
        heading: "DIFF ID",
    },
    Column {
        field: "SizeBytes",
        heading: "SIZE",
    },
    Column {
        field: "Files",
        heading: "FILES",
    },
    Column {
        field: "Text",
        heading: "TEXT",
    },
    Column {
        field: "CreatedBy",
        heading: "CREATED BY",
    },
];

/// How a Dockerfile is laid out.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    /// Whether each line says where it comes from and how sure it is.
    pub annotate: bool,
    /// Whether people may look at it: then characters that a terminal acts on are escaped.
    pub safe: bool,
}

/// The text of a Dockerfile. The first line is always a comment of our own, so that none of the history can be taken
/// for a directive of the builder.
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

/// Lines of one kind stand together.
fn group(line: &Line) -> &'static str {
    match line.instruction.keyword() {
        "ADD" | "COPY" => "COPY",
        "CMD" | "ENTRYPOINT" | "EXPOSE" | "VOLUME" | "USER" | "STOPSIGNAL" | "HEALTHCHECK" => "CMD",
        word => word,
    }
}

fn annotate(out: &mut String, line: &Line, file: &Dockerfile) {
    let mut what = vec![line.certainty.name().to_owned()];
    match line.entry {
        Some(entry) => what.push(format!("entry {entry}")),
        None if line.instruction.keyword() != "FROM" => what.push("no entry".to_owned()),
        None => {}
    }
    if let Some(layer) = line.layer {
        what.push(format!("layer {layer}"));
        if let Some(digest) = line.layer_digest.as_ref().or(line.diff_id.as_ref()) {
            what.push(digest.clone());
        }
        if let Some(size) = line.size {
            what.push(human::size(size));
        }
        if let Some(files) = line.files {
            what.push(format!(
                "{files} {}",
                if files == 1 { "file" } else { "files" }
            ));
        }
    }
    comment(out, &what.join(", "));
    if let Some(raw) = &line.created_by {
        comment(out, &format!("created by: {raw}"));
    }
    for remark in &line.remarks {
        comment(out, remark);
    }
    for finding in &file.findings {
        if finding.entry.is_some() && finding.entry == line.entry {
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
    for path in line.paths.iter().take(PATHS) {
        comment(out, &format!("  /{}", String::from_utf8_lossy(path)));
    }
    if line.paths.len() > PATHS {
        comment(out, &format!("  … and {} more", line.paths.len() - PATHS));
    }
}

/// A comment, on more lines where it is long.
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

fn text(out: &mut String, text: &str, safe: bool) {
    let shown: Vec<String> = match safe {
        false => text.split('\n').map(str::to_owned).collect(),
        true => text.split('\n').map(shown).collect(),
    };
    if safe && shown.join("\n") != text {
        comment(
            out,
            "characters that a terminal acts on are escaped in what follows",
        );
    }
    for line in shown {
        out.push_str(&line);
        out.push('\n');
    }
}

/// A line with escapes for what a terminal acts on; tabs stay.
fn shown(line: &str) -> String {
    let parts: Vec<_> = line.split('\t').map(escape::text).collect();
    parts.join("\t")
}

/// One row for each instruction, oldest first, then one for each finding.
pub fn dockerfile_rows(file: &Dockerfile) -> impl Iterator<Item = Value> + use<'_> {
    let lines = file.lines.iter().map(|line| row(line, file));
    lines.chain(file.findings.iter().map(finding_row))
}

fn row(line: &Line, file: &Dockerfile) -> Value {
    let of_line = |finding: &&Finding| finding.entry.is_some() && finding.entry == line.entry;
    let lies: Vec<&str> = file
        .findings
        .iter()
        .filter(of_line)
        .filter(|finding| finding.kind != "secret")
        .map(|finding| finding.text.as_str())
        .collect();
    let secrets: Vec<&str> = file
        .findings
        .iter()
        .filter(of_line)
        .filter(|finding| finding.kind == "secret")
        .map(|finding| finding.text.as_str())
        .collect();
    let args: serde_json::Map<String, Value> = line
        .build_args
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let paths: Vec<String> = line
        .paths
        .iter()
        .map(|path| lossless::bytes_lossless(path).0)
        .collect();
    json!({
        "BuildArgs": args,
        "Confidence": line.certainty.name(),
        "CreatedBy": line.created_by,
        "DiffID": line.diff_id,
        "Entry": line.entry,
        "Files": line.files,
        "Instruction": line.instruction.keyword(),
        "Kind": if line.text.is_empty() { "remark" } else { "instruction" },
        "Layer": line.layer,
        "LayerDigest": line.layer_digest,
        "Lies": lies,
        "Notes": line.notes,
        "Paths": paths,
        "Remarks": line.remarks,
        "Secrets": secrets,
        "SizeBytes": line.size,
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
        "Kind": if finding.kind == "secret" { "secret" } else { "lie" },
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
