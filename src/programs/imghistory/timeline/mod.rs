//! `--timeline`: what archives, documents and files record of times, as one line of events.

mod altered;
mod files;
mod installed;
mod load;
mod output;
mod span;

use std::path::Path;

use serde_json::Map;

use crate::cli::{self, CustodyRecord, ImageArg, Io, Verdict};
use crate::error::Result;
use crate::facts::Asked;
use crate::layer::Mtime;
use crate::programs::imghistory::args::Args;
use crate::spec::Timestamp;
use crate::timeline::{Clamped, TimedImage, Timeline};
use altered::key;
use load::Inputs;
use output::{Form, Output};
use span::Span;

/// Prints the timeline of the images.
pub fn run(args: &Args, io: &mut Io) -> Result<Verdict> {
    let span = Span::of(args)?;
    let form = Form::parse(args, io)?;
    for image in args.images() {
        cli::reject_same_file(args.times.file(), image.input_path()?.as_deref())?;
    }
    let cache = args.times.caching.open()?;
    let record = begin(args, io)?;
    let tap = record.as_ref().map(|record| &record.tap);
    let inputs = Inputs::open(args, tap, io)?;
    let named = inputs.images(args, io)?;
    if named.is_empty() && io.has_failed() {
        return Ok(Verdict::Yes);
    }
    let reading = load::reading(args, &form);
    let asked = Asked {
        md5: args.times.hashes.is_some() || args.times.anomalies,
        sha1: args.times.anomalies,
        elf: false,
    };
    let loaded = load::trees(&named, asked, &reading, cache.as_ref(), io)?;
    let (trees, found) = (&loaded.trees, &loaded.found);
    let has_md5 = args.times.hashes.is_some();
    let has_archives = named
        .windows(2)
        .any(|pair| !std::ptr::eq(pair[0].named.archive, pair[1].named.archive));
    let mut images = Vec::new();
    for ((named, tree), layers) in named.iter().zip(trees).zip(&found.layers) {
        let one = &named.named;
        let mut image = TimedImage::new(one.archive, one.image, one.name.clone(), tree);
        image.layers = named.choice.layers();
        let choice = &named.choice;
        image.includes = Box::new(|version| choice.includes(version));
        image.md5 = Box::new(move |version| {
            let digests = found.digests(version, layers).filter(|_| has_md5)?;
            digests.md5
        });
        if let Some(altered) = loaded.altered.get(images.len()) {
            image.altered = Box::new(|version| altered.get(&key(version)).copied());
        }
        image.prefix = match (trees.len() > 1, has_archives) {
            (false, _) => None,
            (true, false) => Some(one.name.clone()),
            (true, true) => Some(format!("{}:{}", one.archive.place, one.name)),
        };
        images.push(image);
    }
    let packages = found.documents(&images)?;
    let now = Mtime::from_seconds(cli::now().seconds());
    let timeline = Timeline::of(&images, packages, now);
    if args.times.anomalies {
        note_clamped(&timeline, io);
    }
    let output = Output {
        form: &form,
        args,
        timeline: &timeline,
        span,
    };
    output.write(io)?;
    if let Some(record) = record {
        let written: Vec<&Path> = args.times.file().into_iter().collect();
        record.finish(io, None, &written, Map::new())?;
    }
    cli::warn_of_cache(cache.as_ref(), io);
    Ok(Verdict::Yes)
}

/// Begins the custody record, if one is requested.
fn begin<'a>(args: &'a Args, io: &mut Io) -> Result<Option<CustodyRecord<'a>>> {
    let images: Vec<&ImageArg> = args.images().collect();
    let record = &args.times.record;
    match args.times.file() {
        Some(_) => record.begin(&images),
        None => record.begin_on_stdout(&images, "--output FILE", io),
    }
}

/// Notes the layers whose times mean nothing.
fn note_clamped(timeline: &Timeline<'_>, io: &Io) {
    for (at, image) in timeline.images().iter().enumerate() {
        let layers = timeline.clamped(at);
        for run in layers.chunk_by(|a, b| a.1 == b.1) {
            let numbers: Vec<String> = run.iter().map(|(at, _)| (at + 1).to_string()).collect();
            let why = match run.first() {
                Some((_, Clamped::Shared(time))) => {
                    format!("90 % of the files have {}", shown(*time))
                }
                Some((_, Clamped::Capped(time))) => {
                    format!("no file is later than {}", shown(*time))
                }
                Some((_, Clamped::Steps)) => "all steps of the image have one time".to_owned(),
                None => continue,
            };
            let (place, numbers) = (&image.archive.place, numbers.join(", "));
            io.note(&format!(
                "{place}: {}: clamped times in layer {numbers}: {why}: rules newer-than-layer and older-than-below are off",
                image.name
            ));
        }
    }
}

fn shown(time: Mtime) -> String {
    Timestamp::from_unix(time.seconds, time.nanos).rfc3339_nano()
}
