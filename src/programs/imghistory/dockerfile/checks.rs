//! Contradictions between history and image.

use super::copies::Target;
use super::line::Finding;
use super::settings::Settings;
use crate::archive::Image;
use crate::spec::instruction::Copy;
use crate::spec::join_paths;
use crate::spec::{History, Timestamp};

/// Returns a finding for a copy whose target is not in its layer.
pub fn missing_target(copy: &Copy, target: &Target<'_>) -> Option<String> {
    let facts = target.facts;
    // Nothing follows from an unknown variable or an incomplete list of paths. If the same file existed before, the layer
    // of BuildKit is empty or has only directories.
    if copy.destination.contains('$') || facts.incomplete || !facts.has_changes() {
        return None;
    }
    let path = target.absolute(&copy.destination);
    (!target.has(&path)).then(|| {
        let word = copy.keyword();
        format!("{word} to {path}, where its layer has nothing")
    })
}

/// Finds entries that are older than the one below.
pub fn times(history: &[History]) -> Vec<Finding> {
    let mut out = Vec::new();
    let mut last: Option<(usize, Timestamp)> = None;
    for (i, entry) in history.iter().enumerate() {
        let time = entry.created.as_deref().and_then(Timestamp::parse);
        // Reproducible builds have a fixed time.
        let Some(time) = time.filter(|time| time.seconds() > 0) else {
            continue;
        };
        if let Some((before, earlier)) = last
            && time.nanoseconds() < earlier.nanoseconds()
        {
            out.push(Finding {
                kind: "time",
                entry: Some(i + 1),
                layer: None,
                text: format!(
                    "entry {} says it was made at {}, before entry {} below it ({})",
                    i + 1,
                    time.rfc3339(),
                    before + 1,
                    earlier.rfc3339()
                ),
            });
        }
        last = Some((i, time));
    }
    out
}

/// Compares the settings that the history makes with those of the config.
///
/// A committed container may have changed any of them, so after a commit only missing variables count.
pub fn settings(recorded: &Settings, known: &Settings, committed: bool) -> Vec<Finding> {
    let mut out = Vec::new();
    for (key, value) in &recorded.env {
        match known.env.iter().find(|(name, _)| name == key) {
            None => out.push(missing("env", &format!("ENV {key}"))),
            Some((_, actual)) if actual != value && !committed => {
                out.push(changed("env", &format!("ENV {key}")));
            }
            Some(_) => {}
        }
    }
    if committed {
        return out;
    }
    for (key, value) in &recorded.labels {
        match known.labels.iter().find(|(name, _)| name == key) {
            // Some tools omit labels without a value.
            None if !value.is_empty() => out.push(missing("label", &format!("LABEL {key}"))),
            Some((_, actual)) if actual != value => {
                out.push(changed("label", &format!("LABEL {key}")));
            }
            _ => {}
        }
    }
    for (kind, word, recorded, known) in [
        ("user", "USER", &recorded.user, &known.user),
        (
            "stopsignal",
            "STOPSIGNAL",
            &recorded.stop_signal,
            &known.stop_signal,
        ),
    ] {
        if !recorded.is_empty() && recorded != known {
            out.push(different(kind, &format!("{word} {recorded}")));
        }
    }
    let or_root = |path: &str| join_paths("/", path);
    if !recorded.workdir.is_empty() && or_root(&recorded.workdir) != or_root(&known.workdir) {
        let workdir = format!("WORKDIR {}", recorded.workdir);
        out.push(different("workdir", &workdir));
    }
    if !recorded.entrypoint.is_empty() && recorded.entrypoint != known.entrypoint {
        out.push(different("entrypoint", "ENTRYPOINT"));
    }
    if !recorded.cmd.is_empty() && recorded.cmd != known.cmd {
        out.push(different("cmd", "CMD"));
    }
    out
}

fn missing(kind: &'static str, setting: &str) -> Finding {
    Finding::of_image(kind, format!("{setting} is not in the config"))
}

fn changed(kind: &'static str, setting: &str) -> Finding {
    Finding::of_image(kind, format!("{setting} has another value in the config"))
}

fn different(kind: &'static str, setting: &str) -> Finding {
    Finding::of_image(kind, format!("{setting} is not what the config has"))
}

/// Compares the number of layers with that in the history.
pub fn layer_count(image: &Image) -> Option<Finding> {
    let layers = image.layers.len();
    let text = match image.history_mismatch() {
        Some(entries) if entries < layers => format!(
            "the history lists {entries} layers, the image has {layers}: the lowest have no entry"
        ),
        Some(entries) => format!(
            "the history lists {entries} layers, the image has {layers}: the last entries have none"
        ),
        None if image.config.history.is_empty() && layers > 0 => {
            format!("the image has no history, only {layers} layers")
        }
        None => return None,
    };
    Some(Finding::of_image("layers", text))
}
