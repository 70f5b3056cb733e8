//! Which steps made a layer together: buildah makes one of a whole stage unless it is told otherwise, and a squashed
//! build one of all.

use super::instruction::Instruction;
use super::read::Parsed;
use crate::archive::Step;

/// What a step has to do with a layer that others made with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// It has none, or one of its own.
    None,
    /// What it did is in the layer of this number, from 0, which is told with a later step.
    Part(usize),
    /// What earlier steps did is in its layer, too: its files stand for all of them.
    Whole,
}

/// Finds the steps from `start` that made a layer together, and gives the layer to the last of them that makes files.
///
/// The history has the layer on the last entry of the stage, whatever that is. Commands alone can be run again and
/// share nothing; where copies are among them, nothing tells what of the layer is whose.
pub fn together(steps: &mut [(Step<'_>, Parsed)], start: usize, buildah: bool) -> Vec<Share> {
    let mut shares = vec![Share::None; steps.len()];
    let mut makers: Vec<usize> = Vec::new();
    for at in start..steps.len() {
        let Some((step, parsed)) = steps.get(at) else {
            break;
        };
        let squashed = parsed.comment.starts_with("merge sha256:");
        let is_run = matches!(parsed.instruction, Instruction::Run(_));
        let makes = is_run || matches!(parsed.instruction, Instruction::Copy(_));
        let Some(layer) = step.layer else {
            if makes {
                makers.push(at);
            }
            continue;
        };
        let mut members = std::mem::take(&mut makers);
        if members.is_empty()
            || !(squashed || buildah && parsed.producer == super::Producer::Classic)
        {
            continue;
        }
        if makes || squashed {
            members.push(at);
        }
        let Some(&last) = members.last() else {
            continue;
        };
        if last != at {
            steps[at].0.layer = None;
            steps[last].0.layer = Some(layer);
        }
        let copies = |&member: &usize| {
            let parsed = &steps[member].1;
            matches!(parsed.instruction, Instruction::Copy(_)) || super::has_lost_mount(parsed)
        };
        if members.len() == 1 || !squashed && !members.iter().any(copies) {
            continue;
        }
        for member in members {
            shares[member] = match member == last {
                true => Share::Whole,
                false => Share::Part(layer),
            };
        }
    }
    shares
}
