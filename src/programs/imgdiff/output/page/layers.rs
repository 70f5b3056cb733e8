//! Stacks of layers as bars.

use std::io::Write;

use super::super::files::sized;
use super::frame::{PageOptions, anchor, bar, counted};
use super::words::alike_pairs;
use crate::escape;
use crate::programs::imgdiff::compare::{Made, Match, Report, Side};
use crate::render::page::escaped;

/// Number of equal layers in a row from which they are folded.
const RUN: usize = 4;
/// Limit on the characters of a command; the history has all of it.
const COMMAND: usize = 160;

/// Layers that stand for one another, from 0, and why.
type Pair = (Option<usize>, Option<usize>, Match);

/// Pairs layers that stand alone by the words of their commands.
pub(super) fn by_command(sides: &[Side; 2], pairs: Vec<Pair>) -> Vec<Pair> {
    let mut all = Vec::new();
    let mut alone: [Vec<usize>; 2] = Default::default();
    // The last one has no layer: it ends what stands alone before it.
    for (old, new, by) in pairs.into_iter().chain([(None, None, Match::DiffId)]) {
        if by == Match::Alone {
            alone[0].extend(old);
            alone[1].extend(new);
            continue;
        }
        let [left, right] = std::mem::take(&mut alone);
        let commands = |side: usize, layers: &[usize]| -> Vec<&str> {
            let own = layers.iter().map(|layer| sides[side].created_by(*layer));
            own.collect()
        };
        let found = alike_pairs(&commands(0, &left), &commands(1, &right));
        all.extend(found.into_iter().map(|(i, j)| {
            let by = match i.is_some() && j.is_some() {
                true => Match::Instruction,
                false => Match::Alone,
            };
            (i.map(|i| left[i]), j.map(|j| right[j]), by)
        }));
        if old.is_some() || new.is_some() {
            all.push((old, new, by));
        }
    }
    all
}

/// Writes both stacks, aligned, from the base upward.
pub(super) fn stacks<W: Write + ?Sized>(
    out: &mut W,
    report: &Report,
    pairs: &[Pair],
    options: &PageOptions<'_>,
) -> std::io::Result<()> {
    let sides = &report.sides;
    let most = sides.iter().flat_map(|side| {
        let layers = 0..side.layers.len();
        layers.map(|layer| weight(side, layer))
    });
    let most = most.max().unwrap_or_default();
    writeln!(
        out,
        "<section id=\"layers\"><h2>Layers <small>from the base upward; bars show the bytes of the files that each adds</small></h2>\n\
         <div class=\"stack\"><div class=\"row2 heads\"><b>{}</b><i></i><b>{}</b></div>",
        escaped(&sides[0].name),
        escaped(&sides[1].name)
    )?;
    let is_same = |pair: &Pair| pair.2 == Match::DiffId;
    let mut rest = pairs;
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|pair| is_same(pair)).count();
        let (these, others) = rest.split_at(run.max(1));
        // What the image has below a part of its layers is not listed, so the end of a run is worth seeing.
        let folded = run >= RUN && options.path.is_none();
        if folded {
            let bytes: u64 = these
                .iter()
                .filter_map(|pair| pair.0)
                .map(|layer| weight(&sides[0], layer))
                .sum();
            writeln!(
                out,
                "<details class=\"run\"><summary>= {} in both, {}</summary>",
                counted(run, "layer"),
                sized(bytes)
            )?;
        }
        for pair in if is_same(first) { these } else { &these[..1] } {
            row(out, sides, pair, most)?;
        }
        if folded {
            writeln!(out, "</details>")?;
        }
        rest = others;
    }
    writeln!(out, "</div></section>")
}

/// Bytes that a bar shows: of the files, or as stored if the layer was not read.
fn weight(side: &Side, layer: usize) -> u64 {
    match side.layers.get(layer) {
        Some(own) if !own.listing.is_empty() => own.listing.file_bytes(),
        Some(own) => own.layer.content().map_or(0, crate::archive::Content::len),
        None => 0,
    }
}

fn row<W: Write + ?Sized>(
    out: &mut W,
    sides: &[Side; 2],
    &(old, new, by): &Pair,
    most: u64,
) -> std::io::Result<()> {
    let (class, sign) = match (old, new, by) {
        (_, _, Match::DiffId) => ("same", "="),
        (Some(_), Some(_), _) => ("changed", "≈"),
        (Some(_), None, _) => ("gone", "−"),
        _ => ("new", "+"),
    };
    writeln!(out, "<div class=\"row2 {class}\">")?;
    for (i, layer) in [old, new].into_iter().enumerate() {
        match layer {
            Some(layer) => {
                let made = Made { side: i, layer };
                let shade = match class {
                    "same" => "",
                    "changed" => "C",
                    "gone" => "D",
                    _ => "A",
                };
                let bars = bar(&[(weight(&sides[i], layer), shade)], most);
                cell(out, sides, made, &sized(weight(&sides[i], layer)), &bars)?;
            }
            None => writeln!(out, "<span class=\"empty\"></span>")?,
        }
        if i == 0 {
            writeln!(out, "<i>{sign}</i>")?;
        }
    }
    writeln!(out, "</div>")
}

/// Writes a layer as a button that filters the tree.
pub(super) fn cell<W: Write + ?Sized>(
    out: &mut W,
    sides: &[Side],
    made: Made,
    size: &str,
    bars: &str,
) -> std::io::Result<()> {
    let Some((side, own)) = sides
        .get(made.side)
        .and_then(|side| Some((side, side.layers.get(made.layer)?)))
    else {
        return Ok(());
    };
    let mut about = Vec::new();
    if !own.listing.is_empty() {
        let word = if own.listing.len() == 1 {
            "entry"
        } else {
            "entries"
        };
        about.push(format!("{} {word}", own.listing.len()));
    }
    if let Some(content) = own.layer.content() {
        about.push(format!("{} stored", sized(content.len())));
    }
    let id = own.layer.diff_id.as_ref().map_or("", |id| id.short());
    let command = escape::brief_to(side.created_by(made.layer), COMMAND);
    writeln!(
        out,
        "<button class=\"layer\" data-by=\"{}\"><span><b>{}</b> <small>{}</small> <small class=\"mono\">{id}</small> <b class=\"size\">{size}</b></span>{bars}<code>{}</code></button>",
        anchor(sides, made),
        side.number(made.layer),
        about.join(", "),
        escaped(&command),
    )
}
