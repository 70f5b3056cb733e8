//! Fourth stage: parts of instructions that the history does not record, taken from layers and later entries.

use std::collections::HashSet;

use super::base::Base;
use super::copies::{self, Target};
use super::draft::Draft;
use super::layer_facts::{LayerFacts, Links};
use super::line::{Certainty, Files, Finding, Line, LineEntry, LineLayer};
use super::place::{Placed, PlacedStep};
use super::read::{EXEC_FORM, Producer};
use super::settings::Settings;
use super::shares::Share;
use super::{build_args, checks, mounts};
use crate::archive::Image;
use crate::spec::instruction::{Command, Instruction};

/// Result of the fourth stage.
#[derive(Debug)]
pub struct Completed {
    /// Image ID in full.
    pub id: String,
    /// True for an image for Windows.
    pub windows: bool,
    /// Drafts of all lines, `FROM` first.
    pub drafts: Vec<Draft>,
    /// Findings so far.
    pub findings: Vec<Finding>,
    /// Comments for the top of the file.
    pub remarks: Vec<String>,
    /// Settings of the base.
    pub start: Settings,
    /// Settings of the base and all lines.
    pub sum: Settings,
}

impl Placed<'_> {
    /// Completes all instructions; `known` are the settings in the config.
    pub fn complete(self, known: &Settings) -> Completed {
        let mut drafts = vec![from(&self.base)];
        let mut completion = Completion {
            image: self.image,
            windows: self.windows,
            buildah: self.buildah,
            all_known: self.facts.iter().all(Option::is_some),
            facts: &self.facts,
            links: Links::default(),
            below: 0,
            settings: self.start.clone(),
            cmd_set: false,
            findings: Vec::new(),
        };
        drafts.extend(self.steps.into_iter().map(|step| completion.draft(step)));
        let (sum, mut findings) = (completion.settings, completion.findings);
        let mut remarks = self.base.remarks;
        let is_of_stage = |note: &String| note.starts_with("--from ");
        if drafts
            .iter()
            .any(|draft| draft.line.notes.iter().any(is_of_stage))
        {
            remarks.push("other stages of a multi-stage build leave nothing in the image".into());
        }
        findings.extend(checks::layer_count(self.image));
        findings.extend(checks::times(&self.image.config.history));
        findings.extend(checks::settings(&self.recorded, known, self.committed));
        build_args::complete(&mut drafts);
        Completed {
            id: self.image.id.to_string(),
            windows: self.windows,
            drafts,
            findings,
            remarks,
            start: self.start,
            sum,
        }
    }
}

/// Returns the draft of `FROM`.
fn from(base: &Base<'_>) -> Draft {
    let certainty = match base.sure {
        true => Certainty::Exact,
        false => Certainty::Inferred,
    };
    let mut line = Line::new(Instruction::From(base.name.clone()), certainty);
    line.notes.push(format!("FROM: {}", base.reason));
    Draft::of(line)
}

/// State between steps.
struct Completion<'a> {
    image: &'a Image,
    windows: bool,
    buildah: bool,
    facts: &'a [Option<LayerFacts>],
    /// True if all layers are in the archive.
    all_known: bool,
    /// Symbolic links of the layers below the current one.
    links: Links,
    /// Number of layers in `links`.
    below: usize,
    /// Settings so far.
    settings: Settings,
    cmd_set: bool,
    findings: Vec<Finding>,
}

impl<'a> Completion<'a> {
    /// Completes one step.
    fn draft(&mut self, placed: PlacedStep<'_>) -> Draft {
        let PlacedStep {
            step,
            entry,
            share,
            missing,
        } = placed;
        self.add_links(step.layer);
        let facts = step.layer.and_then(|layer| self.facts_of(layer));
        let producer = step.parsed.producer;
        let inert = step.parsed.inert;
        let has_lost_mount = step.parsed.has_lost_mount();
        let heredocs = matches!(producer, Producer::BuildKit | Producer::Verbatim);
        let mut draft = Draft::of_entry(step.parsed, heredocs);
        let line = &mut draft.line;
        line.entry = entry.zip(step.history).map(|(number, entry)| LineEntry {
            number,
            created_by: entry.created_by.clone(),
        });
        line.layer = step
            .layer
            .map(|layer| line_layer(self.image, layer, facts, line.statement.copy().is_some()));
        line.files = match share {
            Share::Part(layer) => Files::InLayer(layer + 1),
            Share::All => Files::Layer,
            Share::None if has_lost_mount => Files::Layer,
            Share::None => Files::Own,
        };
        if has_lost_mount {
            let text =
                "RUN read from another stage or image by --mount, which this image does not hold";
            self.find("mount", line, text.to_owned());
        }
        self.check_exec_form(line);
        if let Share::Part(layer) = share {
            line.remarks.push(format!(
                "its files are in layer {}, with those of other steps",
                layer + 1
            ));
            if let Some(facts) = self.facts_of(layer) {
                copies::add_owner(line, &self.target(facts));
            }
        }
        if let Some(facts) = facts {
            self.complete_copy(line, facts, producer, share);
        }
        self.check_mounts(line, &missing);
        copies::add_body(line, facts);
        if draft.shell.is_empty() {
            draft.shell = self.settings.shell(self.windows);
        }
        if let Some(instruction) = draft.line.statement.instruction().filter(|_| !inert) {
            self.settings
                .apply(instruction, self.windows, &mut self.cmd_set);
        }
        draft
    }

    fn facts_of(&self, layer: usize) -> Option<&'a LayerFacts> {
        self.facts.get(layer)?.as_ref()
    }

    fn target<'b>(&'b self, facts: &'b LayerFacts) -> Target<'b> {
        Target {
            workdir: &self.settings.workdir,
            facts,
            links: &self.links,
        }
    }

    /// Adds the links of all layers below `layer`.
    fn add_links(&mut self, layer: Option<usize>) {
        let Some(layer) = layer else { return };
        let new = self.facts.get(self.below..layer).unwrap_or_default();
        for facts in new.iter().flatten() {
            self.links.add(facts);
        }
        self.below = layer.max(self.below);
    }

    /// Adds a finding about a line.
    fn find(&mut self, kind: &'static str, line: &Line, text: String) {
        self.findings.push(Finding {
            kind,
            entry: line.entry_number(),
            layer: line.layer_number(),
            text,
        });
    }

    /// Reports a RUN in the exec form whose words are uncertain.
    fn check_exec_form(&mut self, line: &Line) {
        if let Some(Instruction::Run(Command::Exec(words))) = line.statement.instruction()
            && line.remarks.iter().any(|remark| remark == EXEC_FORM)
            && words.len() > 1
            && !words.last().is_some_and(|word| word.contains(' '))
        {
            let text = "RUN in the exec form: where its words end is not recorded";
            self.find("form", line, text.to_owned());
        }
    }

    /// Completes a copy from its layer and compares it with the layer.
    fn complete_copy(
        &mut self,
        line: &mut Line,
        facts: &LayerFacts,
        producer: Producer,
        share: Share,
    ) {
        let target = self.target(facts);
        if !self.windows {
            if matches!(producer, Producer::BuildKit | Producer::Verbatim) {
                copies::join_names(line, &target);
            }
            if producer == Producer::BuildKit || self.buildah {
                copies::add_owner(line, &target);
            }
        }
        let missing = match line.statement.copy() {
            Some(copy) if !self.windows && share == Share::None => {
                checks::missing_target(copy, &target)
            }
            _ => None,
        };
        if let Some(text) = missing {
            self.find("copy", line, text);
        }
        let own: HashSet<&[u8]> = facts
            .links
            .iter()
            .map(|(link, _)| link.as_slice())
            .collect();
        let links = &self.links;
        let replaced = |path: &Vec<u8>| links.has(path) && !own.contains(path.as_slice());
        if let Some(layer) = &mut line.layer {
            layer.as_files &= !self.windows && !facts.paths.iter().any(replaced);
            // A directory that replaces a link hides nothing.
            layer
                .removed
                .retain(|path| path.strip_suffix(b"/").is_none_or(|path| !links.has(path)));
        }
    }

    /// Notes mentioned files that no layer has: a mount may have had them.
    fn check_mounts(&mut self, line: &mut Line, missing: &[String]) {
        if missing.is_empty() {
            return;
        }
        mounts::add_note(line, missing);
        if let Some(text) = mounts::lost_mount(line, missing, &self.links)
            && self.all_known
        {
            self.find("mount", line, text);
        }
    }
}

/// Returns the facts about a layer that a line shows; `layer` counts from 0.
fn line_layer(image: &Image, layer: usize, facts: Option<&LayerFacts>, is_copy: bool) -> LineLayer {
    let stored = image.layers.get(layer);
    let ids = image.config.diff_ids.as_ref();
    let mut out = LineLayer {
        number: layer + 1,
        digest: stored
            .and_then(|layer| layer.descriptor.as_ref())
            .map(|descriptor| descriptor.digest.to_string()),
        diff_id: ids.and_then(|ids| ids.get(layer)).map(ToString::to_string),
        ..LineLayer::default()
    };
    if let Some(facts) = facts {
        out.size = Some(facts.size);
        out.files = Some(facts.files);
        out.paths.clone_from(&facts.paths);
        out.as_files = facts.as_files && is_copy;
        out.removed.clone_from(&facts.removed);
        let inside = facts
            .opaque
            .iter()
            .map(|path| [path.as_slice(), b"/"].concat());
        out.removed.extend(inside);
    }
    out
}
