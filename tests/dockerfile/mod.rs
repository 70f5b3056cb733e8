//! imghistory --dockerfile: forms of history entries and their instructions.

mod buildkit;
mod classic;
mod hostile;
mod others;
mod whole;

use serde_json::{Value, json};

use crate::common::build::{self, Image};
use crate::common::run::Room;

/// One step: command, comment, and layer (empty for none).
pub type Step<'a> = (&'a str, &'a str, &'a str);

pub const BUILDKIT: &str = "buildkit.dockerfile.v0";
pub const SUM: &str = "9bd9f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f60718293a4b5c6d";

pub fn image(config: Value, author: &str, steps: &[Step<'_>]) -> Image {
    let mut image = build::image("demo:1").set("config", config);
    let mut history = Vec::new();
    for (created_by, comment, layer) in steps {
        let mut entry = json!({"created": build::CREATED, "created_by": created_by});
        if !comment.is_empty() {
            entry["comment"] = (*comment).into();
        }
        if !author.is_empty() {
            entry["author"] = author.into();
        }
        if layer.is_empty() {
            entry["empty_layer"] = true.into();
        } else {
            image = image.layer(layer);
        }
        history.push(entry);
    }
    image.history(history.into())
}

/// Returns the lines below FROM, without blank lines.
pub fn body(output: &str) -> String {
    let lines = output.lines().skip_while(|line| !line.starts_with("FROM "));
    let lines: Vec<&str> = lines.skip(1).filter(|line| !line.is_empty()).collect();
    lines.join("\n")
}

#[track_caller]
pub fn becomes(what: &str, config: Value, author: &str, steps: &[Step<'_>], expected: &[&str]) {
    let image = image(config, author, steps);
    let room = Room::with("app.tar", &build::docker(&[&image]));
    let run = room.run("imghistory --dockerfile app.tar");
    run.code(0);
    assert_eq!(body(run.out()), expected.join("\n"), "{what}\n{run}");
    parses(run.out());
}

/// Checks a Dockerfile with an independent parser.
#[track_caller]
fn parses(text: &str) {
    if let Err(error) = parse_dockerfile::parse(&without_bodies(text)) {
        panic!("{error}\n{text}");
    }
}

/// Removes heredocs that do not begin with the first word of a RUN, which that parser does not read. BuildKit reads each
/// body up to the line with its delimiter, which must exist.
fn without_bodies(text: &str) -> String {
    let mut out = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        // Docker reads an empty list as no command.
        if matches!(line, "ENTRYPOINT []" | "CMD []") {
            continue;
        }
        let command = line.strip_prefix("RUN ").unwrap_or_default();
        let is_list = command.starts_with('[');
        let names = command
            .split(' ')
            .filter_map(|word| word.strip_prefix("<<"));
        let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
        if command.starts_with("<<") || is_list || names.is_empty() {
            out.push(line.to_owned());
            continue;
        }
        for name in names {
            let name = name.trim_start_matches('-').trim_matches(['"', '\'']);
            let found = lines
                .by_ref()
                .any(|line| line.trim_start_matches('\t') == name);
            assert!(found, "a heredoc without its end: {line}\n{text}");
        }
        out.push(command.replace("<<", "").replacen("", "RUN ", 1));
    }
    out.join("\n") + "\n"
}
