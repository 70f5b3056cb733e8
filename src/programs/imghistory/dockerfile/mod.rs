//! The Dockerfile back from the image: history for the order, config for the values, layers for the content.
//!
//! In comes an image, and others that may be its base; out goes a [`Dockerfile`]: lines, each with how sure it is,
//! and what the history says that the image does not bear out. [`extract`](fn@extract) makes a build context of it.
//!
//! | file | what it knows |
//! |---|---|
//! | `instruction` | what a Dockerfile can say |
//! | `go`, `pairs` | what Go prints, and lists that lost their quotes |
//! | `read`, `forms` | history entries of all builders read back |
//! | `typed` | entries that hold an instruction as it was typed |
//! | `steps` | which steps made a layer together |
//! | `settings` | what instructions set, and what the config has |
//! | `base` | what the image was built upon |
//! | `layers` | what the layers hold |
//! | `doubts` | contradictions and secrets |
//! | `write`, `wrap` | instructions as text that parses |
//! | `extract` | the files of each step beside the Dockerfile |

mod base;
mod complete;
mod doubts;
mod extract;
mod forms;
mod go;
mod instruction;
mod layers;
mod pairs;
mod read;
mod settings;
mod steps;
mod typed;
mod wrap;
mod write;

use std::collections::{HashMap, HashSet};

pub use base::{Candidate, is_image_name};
pub use extract::extract;
pub use instruction::{Certainty, Command, Copy, Health, Instruction, Pairs};
pub use read::Producer;

use crate::archive::Image;
use crate::blob::Meter;
use crate::error::{Error, Fault, Result};
use crate::layer::Limits;
use base::Base;
use layers::{Facts, Links, Wanted};
use read::{Made, Parsed, Reader};
use settings::Settings;
use steps::Share;
use write::Writer;

/// The most entries of a history, and values of one kind in a config, that a Dockerfile is made of.
const ENTRIES: usize = 10_000;

/// A Dockerfile, as far as it can be known.
#[derive(Debug)]
pub struct Dockerfile {
    /// The image's ID in full.
    pub id: String,
    /// Whether it is for Windows, where the escape character is another one.
    pub windows: bool,
    /// The lines, `FROM` first.
    pub lines: Vec<Line>,
    /// What contradicts the image, and what looks like a secret.
    pub findings: Vec<Finding>,
    /// What is to be said once, at the top.
    pub remarks: Vec<String>,
}

/// One instruction and where it comes from.
#[derive(Debug, Clone)]
pub struct Line {
    /// What it says.
    pub instruction: Instruction,
    /// The same as the text of a Dockerfile, of one or more lines; empty where nothing can stand there.
    pub text: String,
    /// How sure it is.
    pub certainty: Certainty,
    /// What is to be said where it stands, because it was never recorded.
    pub notes: Vec<String>,
    /// What else there is to say, for those who ask.
    pub remarks: Vec<String>,
    /// The build arguments that were set.
    pub build_args: Pairs,
    /// Whether they are worth a comment: other than those of the line before.
    pub new_args: bool,
    /// The number of the history entry, 1 being the oldest; `None` for what the config alone tells.
    pub entry: Option<usize>,
    /// The entry's command as it is.
    pub created_by: Option<String>,
    /// The number of the layer, 1 being the base.
    pub layer: Option<usize>,
    /// The digest of the stored layer, where a manifest states it.
    pub layer_digest: Option<String>,
    /// The digest of the plain layer.
    pub diff_id: Option<String>,
    /// Bytes of the layer's files; `None` for a layer that is not in the archive.
    pub size: Option<u64>,
    /// How many things the layer holds that are no folders.
    pub files: Option<u64>,
    /// What a copy brought: the paths of its layer, sorted.
    pub paths: Vec<Vec<u8>>,
    /// Whether the content of its layer may stand as files in a build context.
    pub(crate) as_files: bool,
    /// The text as it was typed, where that can stand.
    pub(crate) typed: Option<String>,
    /// Options of RUN.
    pub(crate) options: Vec<String>,
    /// Build arguments whose values the config gave away.
    pub(crate) learnt: Pairs,
    /// The number of the layer that has its files with those of other steps, which tell of it.
    pub(crate) in_layer: Option<usize>,
    /// Whether the files of its layer stand for it in a build context, because it cannot be done again.
    pub(crate) stands_for_files: bool,
    /// What its layer removes from those below, as clean paths; a folder's content ends in `/`.
    pub(crate) removed: Vec<Vec<u8>>,
}

/// Something that the image contradicts, or that should not be public.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind: `secret`, `copy`, `mount`, `form`, `time`, `layers`, or the setting that is not in the config.
    pub kind: &'static str,
    /// The number of the history entry, 1 being the oldest.
    pub entry: Option<usize>,
    /// The number of the layer, 1 being the base.
    pub layer: Option<usize>,
    /// What it is.
    pub text: String,
}

/// Reconstructs the Dockerfile of an image. `candidates` are images that may be its base.
///
/// All layers are walked once, on all cores: of plain ones the headers are read, packed ones are decoded and verified.
///
/// # Errors
/// What is wrong with a damaged layer: `DigestMismatch`, `DiffIdMismatch`, `Tar`, `Codec`, `Limit` or `Io`.
pub fn dockerfile(
    image: &Image,
    candidates: &[Candidate<'_>],
    limits: &Limits,
    meter: &Meter,
) -> Result<Dockerfile> {
    let known = Settings::of(image.config.config());
    let windows = image.platform.os == "windows";
    let history = &image.config.history;
    for (what, found) in [
        ("history entries", history.len()),
        ("settings of one kind", known.most()),
    ] {
        if found > ENTRIES {
            return Err(Error::new(Fault::Limit {
                what,
                limit: ENTRIES as u64,
                found: found as u64,
            }));
        }
    }
    let mut reader = Reader::new(&known, windows, history, Made::of(&image.config));
    let steps = image.steps();
    let count = steps.len();
    // What is learnt at the end of one pass is of use from the start of the next: ends of values, then values.
    for _ in 0..2 {
        for (i, step) in steps.iter().enumerate() {
            if let Some(entry) = step.history {
                reader.read(entry, step.layer, i + 1 == count);
            }
        }
        reader = reader.again();
    }
    let mut parsed = Vec::with_capacity(count);
    for (i, step) in steps.into_iter().enumerate() {
        let entry = match step.history {
            Some(entry) => reader.read(entry, step.layer, i + 1 == count),
            None => unrecorded(&reader, step.layer),
        };
        parsed.push((step, entry));
    }
    let base = base::find(image, &parsed, candidates);
    if let Some(known_base) = base.image {
        let unrecorded = parsed.iter().take_while(|(step, _)| step.history.is_none());
        let entries = base.steps.saturating_sub(unrecorded.count());
        reader = reader.upon(entries, Settings::of(known_base.config.config()));
        for (i, (step, entry)) in parsed.iter_mut().enumerate() {
            if let Some(recorded) = step.history {
                *entry = reader.read(recorded, step.layer, i + 1 == count);
            }
        }
    }
    let shares = steps::together(&mut parsed, base.steps, reader.is_buildah());
    let own = parsed.get(base.steps..).unwrap_or_default();

    let mut wanted = vec![Wanted::default(); image.layers.len()];
    let mut looked_for: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut mentions: Vec<Vec<usize>> = vec![Vec::new(); parsed.len()];
    for (i, (step, entry)) in parsed.iter().enumerate() {
        let is_own = i >= base.steps;
        match &entry.instruction {
            Instruction::Copy(_) | Instruction::Layer(_) => {
                if let Some(slot) = step.layer.and_then(|layer| wanted.get_mut(layer)) {
                    slot.paths = true;
                    slot.body = is_own;
                }
            }
            _ if shares.get(i) == Some(&Share::Whole) || has_lost_mount(entry) => {
                if let Some(slot) = step.layer.and_then(|layer| wanted.get_mut(layer)) {
                    slot.paths = true;
                }
            }
            Instruction::Run(command)
                if is_own && entry.producer == Producer::BuildKit && looked_for.len() < 10_000 =>
            {
                for path in doubts::mentioned(command) {
                    let path = path.trim_start_matches('/').as_bytes().to_vec();
                    let next = looked_for.len();
                    mentions[i].push(*looked_for.entry(path).or_insert(next));
                }
            }
            _ => {}
        }
    }
    let facts = layers::facts(image, &wanted, &looked_for, limits, meter)?;
    let mut seen = vec![false; looked_for.len()];
    for at in facts.iter().flatten().flat_map(|facts| &facts.seen) {
        seen[*at] = true;
    }

    let mut names_of: Vec<Option<String>> = vec![None; looked_for.len()];
    for (path, &at) in &looked_for {
        names_of[at] = Some(format!("/{}", String::from_utf8_lossy(path)));
    }
    let mut findings = Vec::new();
    let mut lines = vec![from(&base, windows)];
    let mut so_far = start(&base, &parsed, windows);
    let before = so_far.clone();
    let mut cmd_set = false;
    let mut links = Links::default();
    let mut below = 0;
    let facts_of = |layer: usize| facts.get(layer)?.as_ref();
    let all_known = facts.iter().all(Option::is_some);
    for (i, (step, entry)) in own.iter().enumerate() {
        let number = base.steps + i;
        if let Some(layer) = step.layer {
            for facts in facts.get(below..layer).unwrap_or_default().iter().flatten() {
                links.add(facts);
            }
            below = layer.max(below);
        }
        let facts = step.layer.and_then(facts_of);
        let mut line = line(image, entry, step.layer, facts);
        line.entry = step.history.map(|_| entry_number(&parsed, number));
        line.created_by = step.history.map(|entry| entry.created_by.clone());
        let share = shares.get(number).copied().unwrap_or(Share::None);
        line.in_layer = match share {
            Share::Part(layer) => Some(layer + 1),
            _ => None,
        };
        line.stands_for_files = share == Share::Whole || has_lost_mount(entry);
        if has_lost_mount(entry) {
            findings.push(Finding {
                kind: "mount",
                entry: line.entry,
                layer: step.layer.map(|layer| layer + 1),
                text: "RUN read from another stage or image by --mount, which this image does not hold"
                    .to_owned(),
            });
        }
        if let Instruction::Run(Command::Exec(words)) = &entry.instruction
            && entry.remarks.iter().any(|remark| remark == read::EXEC_FORM)
            && words.len() > 1
            && !words.last().is_some_and(|word| word.contains(' '))
        {
            findings.push(Finding {
                kind: "form",
                entry: line.entry,
                layer: line.layer,
                text: "RUN in the exec form: where its words end is not recorded".to_owned(),
            });
        }
        if let Some(layer) = line.in_layer {
            line.remarks.push(format!(
                "its files are in layer {layer}, with those of other steps"
            ));
        }
        if let Share::Part(layer) = share
            && let Some(facts) = facts_of(layer)
        {
            complete::owner(&mut line, &so_far.workdir, facts, &links);
        }
        if let Some(facts) = facts {
            if matches!(entry.producer, Producer::BuildKit | Producer::Plain) && !windows {
                complete::blanks(&mut line, &so_far.workdir, facts, &links);
            }
            if (entry.producer == Producer::BuildKit || reader.is_buildah()) && !windows {
                complete::owner(&mut line, &so_far.workdir, facts, &links);
            }
            let said = match &line.instruction {
                Instruction::Copy(copy) if !windows && share == Share::None => {
                    doubts::copy(copy, &so_far.workdir, facts, &links)
                }
                _ => None,
            };
            if let Some(text) = said {
                findings.push(Finding {
                    kind: "copy",
                    entry: line.entry,
                    layer: line.layer,
                    text,
                });
            }
            let own: HashSet<&[u8]> = facts
                .links
                .iter()
                .map(|(link, _)| link.as_slice())
                .collect();
            let replaced = |path: &Vec<u8>| links.has(path) && !own.contains(path.as_slice());
            line.as_files &= !windows && !facts.paths.iter().any(replaced);
            // A directory in the place of a link hides nothing.
            line.removed
                .retain(|path| path.strip_suffix(b"/").is_none_or(|path| !links.has(path)));
        }
        let missing = mentions
            .get(number)
            .into_iter()
            .flatten()
            .filter(|&&at| !seen[at]);
        let missing: Vec<usize> = missing.copied().collect();
        if !missing.is_empty() {
            let names = missing.iter().filter_map(|&at| names_of.get(at)?.clone());
            let names: Vec<String> = names.collect();
            mount(&mut line, &names);
            if let (Some(text), true) = (lost_mount(&line, &names, &links), all_known) {
                findings.push(Finding {
                    kind: "mount",
                    entry: line.entry,
                    layer: line.layer,
                    text,
                });
            }
        }
        let shell = match entry.shell.is_empty() {
            true => so_far.shell(windows),
            false => entry.shell.clone(),
        };
        complete::body(&mut line, facts);
        line.write(&Writer {
            escape: escape(windows),
            shell: &shell,
            heredocs: matches!(entry.producer, Producer::BuildKit | Producer::Plain),
        });
        if !entry.inert {
            so_far.apply(&line.instruction, windows, &mut cmd_set);
        }
        lines.push(line);
    }

    let mut remarks = base.remarks.clone();
    if lines
        .iter()
        .any(|line| line.notes.iter().any(|note| note.starts_with("--from ")))
    {
        remarks.push("other stages of a multi-stage build leave nothing in the image".into());
    }
    findings.extend(counts(image));
    let committed = parsed
        .iter()
        .any(|(_, entry)| entry.producer == Producer::Commit);
    findings.extend(doubts::times(history));
    findings.extend(doubts::settings(reader.so_far(), &known, committed));
    complete::args(&mut lines, escape(windows));
    complete::config(&mut lines, &before, &so_far, &known, windows);
    let is_placed = |line: &Line| line.entry.is_some() || line.text.is_empty();
    if lines
        .iter()
        .any(|line| matches!(line.instruction, Instruction::Onbuild(_)) && !is_placed(line))
    {
        findings.push(Finding {
            kind: "onbuild",
            entry: None,
            layer: None,
            text: "ONBUILD is in the config and in no entry of the history: where it stood is not known"
                .to_owned(),
        });
    }
    findings.extend(doubts::secrets(&lines));
    for finding in &findings {
        let line = lines
            .iter_mut()
            .find(|line| line.entry.is_some() && line.entry == finding.entry);
        if let Some(line) = line.filter(|_| finding.kind == "copy") {
            line.certainty = doubts::worst(line.certainty, Certainty::Inferred);
        }
    }
    Ok(Dockerfile {
        id: image.id.to_string(),
        windows,
        lines,
        findings,
        remarks,
    })
}

/// The escape character of a Dockerfile.
fn escape(windows: bool) -> char {
    if windows { '`' } else { '\\' }
}

/// The number of a step's entry in the history, from 1: steps without one stand below all others.
fn entry_number(steps: &[(crate::archive::Step<'_>, Parsed)], number: usize) -> usize {
    let unrecorded = steps
        .iter()
        .take_while(|(step, _)| step.history.is_none())
        .count();
    number + 1 - unrecorded
}

/// Whether a RUN had something mounted that was in another stage: it cannot be run again.
fn has_lost_mount(entry: &Parsed) -> bool {
    let is_lost = |option: &String| {
        option.starts_with("--mount=") && option.split([',', '=']).any(|word| word == "from")
    };
    entry.options.iter().any(is_lost)
}

/// A layer that no entry speaks of.
fn unrecorded(reader: &Reader<'_>, layer: Option<usize>) -> Parsed {
    let number = layer.map_or(0, |layer| layer + 1);
    Parsed {
        instruction: Instruction::Layer(format!("layer:{number}")),
        certainty: Certainty::Lost,
        notes: vec!["no entry of the history speaks of this layer".into()],
        remarks: Vec::new(),
        build_args: Vec::new(),
        producer: Producer::Other,
        shell: reader.so_far().shell.clone(),
        typed: None,
        options: Vec::new(),
        learnt: Vec::new(),
        inert: false,
        comment: String::new(),
        buildah: false,
    }
}

/// What is set before the first line of one's own.
fn start(base: &Base<'_>, steps: &[(crate::archive::Step<'_>, Parsed)], windows: bool) -> Settings {
    if let Some(image) = base.image {
        let mut settings = Settings::of(image.config.config());
        // They run when something is built upon it, and are gone then.
        settings.onbuild.clear();
        return settings;
    }
    let mut settings = Settings::default();
    let mut cmd_set = false;
    let own = steps.get(..base.steps).unwrap_or_default();
    for (_, parsed) in own.iter().filter(|(_, parsed)| !parsed.inert) {
        settings.apply(&parsed.instruction, windows, &mut cmd_set);
    }
    settings.onbuild.clear();
    settings
}

fn from(base: &Base<'_>, windows: bool) -> Line {
    let certainty = match base.sure {
        true => Certainty::Exact,
        false => Certainty::Inferred,
    };
    let mut line = Line::new(Instruction::From(base.name.clone()), certainty);
    line.notes.push(format!("FROM: {}", base.how));
    line.write(&Writer {
        escape: escape(windows),
        shell: &[],
        heredocs: false,
    });
    line
}

fn line(image: &Image, entry: &Parsed, layer: Option<usize>, facts: Option<&Facts>) -> Line {
    let mut line = Line::new(entry.instruction.clone(), entry.certainty);
    line.notes.clone_from(&entry.notes);
    line.remarks.clone_from(&entry.remarks);
    line.build_args.clone_from(&entry.build_args);
    line.typed.clone_from(&entry.typed);
    line.options.clone_from(&entry.options);
    line.learnt.clone_from(&entry.learnt);
    line.layer = layer.map(|layer| layer + 1);
    let stored = layer.and_then(|layer| image.layers.get(layer));
    line.layer_digest = stored
        .and_then(|layer| layer.descriptor.as_ref())
        .map(|descriptor| descriptor.digest.to_string());
    let ids = image.config.diff_ids.as_ref();
    line.diff_id = layer
        .and_then(|layer| ids?.get(layer))
        .map(ToString::to_string);
    line.size = match layer {
        None => Some(0),
        Some(_) => facts.map(|facts| facts.size),
    };
    if let Some(facts) = facts {
        line.files = Some(facts.files);
        line.paths.clone_from(&facts.paths);
        line.as_files = facts.as_files && matches!(entry.instruction, Instruction::Copy(_));
        line.removed.clone_from(&facts.removed);
        let inside = facts
            .opaque
            .iter()
            .map(|path| [path.as_slice(), b"/"].concat());
        line.removed.extend(inside);
    }
    line
}

/// A RUN that speaks of files in no layer probably had them mounted.
fn mount(line: &mut Line, names: &[String]) {
    let secret = names
        .iter()
        .find_map(|name| name.strip_prefix("/run/secrets/"));
    match secret {
        Some(id) => line.notes.push(format!(
            "options of this RUN are not recorded; it probably had --mount=type=secret,id={id}"
        )),
        None => line.remarks.push(format!(
            "options of RUN are not recorded; no layer has {}, which may have been mounted or removed again",
            names.join(", ")
        )),
    }
}

/// What to warn of where a RUN needs files of a mount that BuildKit did not record.
fn lost_mount(line: &Line, names: &[String], links: &Links) -> Option<String> {
    let Instruction::Run(command) = &line.instruction else {
        return None;
    };
    let lost = names.iter().find(|name| {
        // What the builder itself mounts, and what is behind a link.
        let is_builders = matches!(
            name.as_str(),
            "/etc/hosts" | "/etc/resolv.conf" | "/etc/hostname"
        );
        let is_linked = links.resolve(name) != name.trim_start_matches('/').as_bytes();
        !is_builders
            && !is_linked
            && (name.starts_with("/run/secrets/") || doubts::reads(command, name))
    })?;
    Some(format!(
        "RUN reads {lost}, which no layer has: it probably had a --mount, which BuildKit does not record"
    ))
}

/// Whether history and layers are as many.
fn counts(image: &Image) -> Vec<Finding> {
    let layers = image.layers.len();
    let text = match image.history_mismatch() {
        Some(entries) if entries < layers => format!(
            "the history speaks of {entries} layers, the image has {layers}: the lowest have no entry"
        ),
        Some(entries) => format!(
            "the history speaks of {entries} layers, the image has {layers}: the last entries have none"
        ),
        None if image.config.history.is_empty() && layers > 0 => {
            format!("the image has no history, only {layers} layers")
        }
        None => return Vec::new(),
    };
    vec![Finding {
        kind: "layers",
        entry: None,
        layer: None,
        text,
    }]
}

impl Line {
    fn new(instruction: Instruction, certainty: Certainty) -> Self {
        Line {
            instruction,
            text: String::new(),
            certainty,
            notes: Vec::new(),
            remarks: Vec::new(),
            build_args: Vec::new(),
            new_args: false,
            entry: None,
            created_by: None,
            layer: None,
            layer_digest: None,
            diff_id: None,
            size: Some(0),
            files: None,
            paths: Vec::new(),
            as_files: false,
            typed: None,
            options: Vec::new(),
            learnt: Vec::new(),
            in_layer: None,
            stands_for_files: false,
            removed: Vec::new(),
        }
    }

    /// Makes the text, and notes what it could not hold.
    fn write(&mut self, writer: &Writer<'_>) {
        let written = writer.write(&self.instruction);
        self.text = match &self.typed {
            Some(typed) if writer.can_stand(typed) => return self.text = writer.fold(typed),
            _ => written.text,
        };
        if let Some(command) = self.text.strip_prefix("RUN ")
            && !self.options.is_empty()
        {
            self.text = format!("RUN {} {command}", self.options.join(" "));
        }
        if !written.lost.is_empty() {
            self.certainty = Certainty::Lost;
            self.notes.extend(written.lost);
        }
    }
}
