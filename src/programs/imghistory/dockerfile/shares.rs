//! Layers that several steps made: buildah makes one layer of a stage by default, a squashed build one of all.

use super::history::ReadStep;
use super::read::Producer;
use crate::spec::instruction::Instruction;

/// Relation of a step to a layer that it made together with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// No layer, or one of its own.
    None,
    /// The layer of this position, from 0, which is shown at a later step, has its files.
    Part(usize),
    /// Its layer has the files of earlier steps, too.
    All,
}

/// Finds the steps from `start` that made a layer together, and moves the layer to the last of them that makes files.
///
/// The history has the layer on the last entry of the stage. Commands alone can be run again and share nothing; with
/// copies among them, the files of each step are unknown.
pub fn share_layers(steps: &mut [ReadStep<'_>], start: usize, buildah: bool) -> Vec<Share> {
    let mut shares = vec![Share::None; steps.len()];
    let mut makers: Vec<usize> = Vec::new();
    for at in start..steps.len() {
        let Some(step) = steps.get(at) else {
            break;
        };
        let parsed = &step.parsed;
        let squashed = parsed.comment.starts_with("merge sha256:");
        let makes_files = matches!(
            parsed.instruction(),
            Some(Instruction::Run(_) | Instruction::Copy(_))
        );
        let Some(layer) = step.layer else {
            if makes_files {
                makers.push(at);
            }
            continue;
        };
        let mut members = std::mem::take(&mut makers);
        if members.is_empty() || !(squashed || buildah && parsed.producer == Producer::Classic) {
            continue;
        }
        if makes_files || squashed {
            members.push(at);
        }
        let Some(&last) = members.last() else {
            continue;
        };
        if last != at {
            steps[at].layer = None;
            steps[last].layer = Some(layer);
        }
        let copies = |&member: &usize| {
            let parsed = &steps[member].parsed;
            parsed.statement.copy().is_some() || parsed.has_lost_mount()
        };
        if members.len() == 1 || !squashed && !members.iter().any(copies) {
            continue;
        }
        for member in members {
            shares[member] = match member == last {
                true => Share::All,
                false => Share::Part(layer),
            };
        }
    }
    shares
}
