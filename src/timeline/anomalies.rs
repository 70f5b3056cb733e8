//! Times that do not fit others: each by its rule, with both times. Nothing is called tampering.
//!
//! First it is decided whether the times of a layer mean anything. They are **clamped** if 90 % of its files share one, if
//! all steps of the image have one time, or if no file is later than the layer and many are as old as it: builds with
//! SOURCE_DATE_EPOCH and BuildKit's `rewrite-timestamp` make such. Rules that compare times of files with others are off
//! for clamped layers.

use std::collections::HashMap;

use super::constants::placeholder;
use super::documents::Document;
use super::event::EventKind;
use super::image::TimedImage;
use crate::layer::{EntryKind, Mtime};
use crate::spec::Timestamp;
use crate::tree::{EntryVersion, VersionKind, VersionState};

/// Seconds by which a time may be later than another without being remarkable: clocks and time zones differ.
const DAY: i64 = 86_400;
/// Number of files that a layer has at least if their times can be alike by intent.
const MIN_ALIKE: usize = 4;
/// Number of files that a layer has at least if fractions of their times tell something.
const MIN_FRACTIONS: usize = 20;

/// Rules for times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A file is a day newer than its layer.
    NewerThanLayer,
    /// A file is a day newer than the image, or newer than now.
    Future,
    /// The time is a constant of a tool, or beyond the year 2100.
    Placeholder,
    /// A file has other contents than its package lists, and is not newer than the package's other files.
    ContentWithoutTime,
    /// A file is older than the version of other content that it replaces.
    OlderThanBelow,
    /// A time has no fraction where nearly all others of the layer have one.
    ZeroFraction,
    /// A step is older than the one below it.
    StepsBackwards,
    /// The archive or a compressed layer is a day newer than the image.
    StoredLater,
}

/// A time that does not fit another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Anomaly {
    /// Rule.
    pub rule: Rule,
    /// The time.
    pub time: Mtime,
    /// The time that it was compared with.
    pub other: Option<Mtime>,
    /// Event that has that time.
    pub of: &'static str,
    /// Number of the layer that has it, from 0.
    pub layer: Option<usize>,
}

/// Reason why the times of a layer mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clamped {
    /// 90 % of its files share one time.
    Shared(Mtime),
    /// All steps of the image have one time.
    Steps,
    /// No file is later than the layer, and many are as old.
    Capped(Mtime),
}

/// Image, layer and entry of a version; for documents the greatest image, and the position.
pub(super) type Key = (u32, u16, u32);

/// Anomalies by key, and the clamped layers of each image.
#[derive(Debug, Default)]
pub(super) struct Anomalies {
    pub(super) found: Vec<(Key, Anomaly)>,
    pub(super) clamped: Vec<Vec<Option<Clamped>>>,
}

impl Anomalies {
    /// The anomalies of a key.
    pub(super) fn of(&self, key: Key) -> &[(Key, Anomaly)] {
        let start = self.found.partition_point(|(other, _)| *other < key);
        let found = self.found.get(start..).unwrap_or_default();
        let count = found.iter().take_while(|(other, _)| *other == key).count();
        found.get(..count).unwrap_or_default()
    }
}

impl Rule {
    /// The code.
    pub fn code(self) -> &'static str {
        match self {
            Rule::NewerThanLayer => "newer-than-layer",
            Rule::Future => "future",
            Rule::Placeholder => "placeholder",
            Rule::ContentWithoutTime => "content-without-time",
            Rule::OlderThanBelow => "older-than-below",
            Rule::ZeroFraction => "zero-fraction",
            Rule::StepsBackwards => "steps-backwards",
            Rule::StoredLater => "stored-later",
        }
    }
}

impl Anomaly {
    /// The rule with both times.
    pub fn text(&self) -> String {
        let other = match self.other {
            Some(other) => format!(" {}", shown(other)),
            None => String::new(),
        };
        let layer = match self.layer {
            Some(layer) => format!(" of layer {}", layer + 1),
            None => String::new(),
        };
        let (code, time, of) = (self.rule.code(), shown(self.time), self.of);
        format!("{code}: {time}, {of}{layer}{other}")
    }
}

fn shown(time: Mtime) -> String {
    Timestamp::from_unix(time.seconds, time.nanos).rfc3339_nano()
}

/// Tests if a time is later than another by more than a day.
fn is_later(time: Mtime, other: Mtime) -> bool {
    let limit = Mtime {
        seconds: other.seconds.saturating_add(DAY),
        ..other
    };
    time > limit
}

/// Property that the times of a layer's files have in common.
#[derive(Debug, Clone, Copy, Default)]
struct LayerTimes {
    clamped: Option<Clamped>,
    /// Nearly all times have a fraction.
    has_fractions: bool,
}

impl LayerTimes {
    /// Judges the sorted times of a layer's files.
    fn of(times: &[Mtime], created: Option<Mtime>) -> Self {
        let count = times.len();
        let most = times.chunk_by(|a, b| a == b).max_by_key(|run| run.len());
        let shared = most.filter(|run| count >= MIN_ALIKE && run.len() * 10 >= count * 9);
        let is_equal = |time: &&Mtime, created: Mtime| time.seconds == created.seconds;
        let capped = created.filter(|created| {
            let equal = times.iter().filter(|time| is_equal(time, *created)).count();
            let last = times.last().map(|last| last.seconds);
            equal >= MIN_ALIKE && equal * 10 >= count && last == Some(created.seconds)
        });
        let fractions = times.iter().filter(|time| time.nanos != 0).count();
        LayerTimes {
            clamped: match (shared.and_then(|run| run.first()), capped) {
                (Some(time), _) => Some(Clamped::Shared(*time)),
                (None, capped) => capped.map(Clamped::Capped),
            },
            // Of the others, if one is left out that has none.
            has_fractions: count > MIN_FRACTIONS && fractions * 100 >= (count - 1) * 95,
        }
    }
}

fn times_of_layers(image: &TimedImage<'_>) -> Vec<LayerTimes> {
    let files = image.tree.versions().filter(is_file);
    let mut times: Vec<(u16, Mtime)> = files
        .map(|version| {
            let layer = u16::try_from(version.layer()).unwrap_or(u16::MAX);
            (layer, version.meta().mtime)
        })
        .collect();
    times.sort_unstable();
    let count = image.image.layers.len();
    let mut steps = (0..count).filter_map(|layer| image.created_of(layer));
    let first = steps.next();
    let is_one_time = count > 1 && first.is_some() && steps.all(|time| Some(time) == first);
    let mut found = vec![LayerTimes::default(); count];
    for run in times.chunk_by(|a, b| a.0 == b.0) {
        let Some(&(layer, _)) = run.first() else {
            continue;
        };
        let own: Vec<Mtime> = run.iter().map(|(_, time)| *time).collect();
        if let Some(layer_times) = found.get_mut(usize::from(layer)) {
            *layer_times = LayerTimes::of(&own, image.created_of(layer.into()));
        }
    }
    if is_one_time {
        for layer in &mut found {
            layer.clamped = layer.clamped.or(Some(Clamped::Steps));
        }
    }
    found
}

fn is_file(version: &EntryVersion<'_>) -> bool {
    version.kind() == VersionKind::Entry(EntryKind::File)
}

/// Finds all anomalies; `now` is the time of the clock.
pub(super) fn find(images: &[TimedImage<'_>], documents: &[Document], now: Mtime) -> Anomalies {
    let mut all = Anomalies::default();
    for (at, image) in images.iter().enumerate() {
        let layers = times_of_layers(image);
        let judge = Judge {
            image,
            layers: &layers,
            created: image.created(),
            now,
        };
        let at = u32::try_from(at).unwrap_or(u32::MAX);
        let mut path: Vec<EntryVersion<'_>> = Vec::new();
        for version in image.tree.versions() {
            if path
                .first()
                .is_some_and(|first| first.path() != version.path())
            {
                path.clear();
            }
            if (image.includes)(&version) {
                let found = judge.version(&version, &path);
                let key = key(at, &version);
                all.found.extend(found.into_iter().map(|one| (key, one)));
            }
            path.push(version);
        }
        let clamped = layers.iter().map(|layer| layer.clamped);
        all.clamped.push(clamped.collect());
    }
    of_documents(images, documents, &mut all);
    all.found.sort_by_key(|(key, anomaly)| (*key, anomaly.rule));
    all
}

pub(super) fn key(image: u32, version: &EntryVersion<'_>) -> Key {
    let layer = u16::try_from(version.layer()).unwrap_or(u16::MAX);
    (
        image,
        layer,
        u32::try_from(version.entry()).unwrap_or(u32::MAX),
    )
}

pub(super) fn key_of_document(at: usize) -> Key {
    (u32::MAX, 0, u32::try_from(at).unwrap_or(u32::MAX))
}

/// Rules for the versions of one image.
struct Judge<'j> {
    image: &'j TimedImage<'j>,
    layers: &'j [LayerTimes],
    created: Option<Mtime>,
    now: Mtime,
}

impl Judge<'_> {
    /// Judges a version; `path` are those of its path before it.
    fn version(&self, version: &EntryVersion<'_>, path: &[EntryVersion<'_>]) -> Vec<Anomaly> {
        if !matches!(version.kind(), VersionKind::Entry(_)) {
            return Vec::new();
        }
        let (layer, time) = (version.layer(), version.meta().mtime);
        let times = self.layers.get(layer).copied().unwrap_or_default();
        let is_clamped = times.clamped.is_some();
        let anomaly = |rule, other, of, layer| Anomaly {
            rule,
            time,
            other,
            of,
            layer,
        };
        let mut found = Vec::new();
        let created = self.image.created_of(layer);
        if let Some(created) = created.filter(|created| !is_clamped && is_later(time, *created)) {
            let rule = Rule::NewerThanLayer;
            found.push(anomaly(rule, Some(created), "creation", Some(layer)));
        }
        match self.created.filter(|created| is_later(time, *created)) {
            Some(created) => {
                found.push(anomaly(
                    Rule::Future,
                    Some(created),
                    "creation of the image",
                    None,
                ));
            }
            None if time > self.now => {
                found.push(anomaly(Rule::Future, Some(self.now), "now", None));
            }
            None => {}
        }
        if let Some(of) = placeholder(time) {
            found.push(anomaly(Rule::Placeholder, None, of, None));
        }
        if let Some(latest) = (self.image.altered)(version).filter(|latest| time <= *latest) {
            let of = "contents are not those of its package, whose other files have at most";
            found.push(anomaly(Rule::ContentWithoutTime, Some(latest), of, None));
        }
        if let Some(below) = self.below(version, path).filter(|_| !is_clamped) {
            let other = below.meta().mtime;
            if time < other {
                let rule = Rule::OlderThanBelow;
                found.push(anomaly(rule, Some(other), "version", Some(below.layer())));
            }
        }
        if is_file(version) && times.has_fractions && time.nanos == 0 {
            let of = "without a fraction, which 95 % of the layer's other files have";
            found.push(anomaly(Rule::ZeroFraction, None, of, None));
        }
        found
    }

    /// The version of other content that a file replaced, in a layer that is not clamped.
    fn below<'v, 't>(
        &self,
        version: &EntryVersion<'_>,
        path: &'v [EntryVersion<'t>],
    ) -> Option<&'v EntryVersion<'t>> {
        let replaced = path.iter().rev().find(|below| {
            below.state() == VersionState::Replaced && below.ended_by() == Some(version.layer())
        })?;
        let is_other = replaced.size() != version.size()
            || matches!((replaced.digest(), version.digest()), (Some(a), Some(b)) if a != b);
        let is_clamped = self.layers.get(replaced.layer())?.clamped.is_some();
        (is_file(version) && is_file(replaced) && is_other && !is_clamped).then_some(replaced)
    }
}

/// Rules for steps, compressed layers and members of archives.
fn of_documents(images: &[TimedImage<'_>], documents: &[Document], all: &mut Anomalies) {
    let mut below: HashMap<(usize, usize), Mtime> = HashMap::new();
    for (at, image) in images.iter().enumerate() {
        let mut last = None;
        for (number, step) in image.image.steps().iter().enumerate() {
            let created = step.history.and_then(|history| history.created.as_deref());
            let created = created.and_then(super::mtime);
            if let Some(last) = last {
                below.insert((at, number), last);
            }
            last = created.or(last);
        }
    }
    for (at, document) in documents.iter().enumerate() {
        let of_archive = || {
            let images = images.iter();
            let own =
                images.filter(|image| Some(&*image.archive.place) == document.archive.as_deref());
            own.filter_map(TimedImage::created).max()
        };
        let created = || match document.image {
            Some(image) => images.get(image)?.created(),
            None => of_archive(),
        };
        let step = document.image.zip(document.step);
        let last = step.and_then(|step| below.get(&step).copied());
        let time = document.time;
        let (rule, other, of) = match (document.kind, last) {
            (EventKind::Layer, Some(last)) if time < last => {
                (Rule::StepsBackwards, last, "creation of the step below")
            }
            (EventKind::Stored, _) => match created() {
                Some(created) if is_later(time, created) => {
                    (Rule::StoredLater, created, "creation of the image")
                }
                _ => continue,
            },
            _ => continue,
        };
        let anomaly = Anomaly {
            rule,
            time,
            other: Some(other),
            of,
            layer: None,
        };
        all.found.push((key_of_document(at), anomaly));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(seconds: &[i64]) -> Vec<Mtime> {
        let mut times: Vec<Mtime> = seconds
            .iter()
            .map(|&time| Mtime::from_seconds(time))
            .collect();
        times.sort_unstable();
        times
    }

    #[test]
    fn a_layer_is_clamped_if_its_times_are_alike_by_intent() {
        let at = |seconds| Some(Mtime::from_seconds(seconds));
        let clamped = |seconds: &[i64], created| LayerTimes::of(&times(seconds), created).clamped;
        // Few files are alike by chance.
        assert_eq!(clamped(&[5, 5, 5], at(9)), None);
        assert_eq!(
            clamped(&[5, 5, 5, 5], at(9)),
            Some(Clamped::Shared(Mtime::from_seconds(5)))
        );
        assert_eq!(
            clamped(&[5, 5, 5, 5, 5, 5, 5, 5, 5, 7], None),
            Some(Clamped::Shared(Mtime::from_seconds(5)))
        );
        assert_eq!(clamped(&[5, 5, 5, 5, 5, 5, 5, 5, 6, 7], None), None);
        assert_eq!(
            clamped(&[1, 2, 3, 4, 5, 9, 9, 9, 9], at(9)),
            Some(Clamped::Capped(Mtime::from_seconds(9)))
        );
        assert_eq!(clamped(&[1, 2, 3, 4, 5, 9, 9, 9, 9, 10], at(9)), None);
        assert_eq!(clamped(&[1, 2, 3, 4, 5, 9, 9, 9], at(9)), None);
        assert_eq!(clamped(&[], at(9)), None);
    }

    #[test]
    fn one_time_without_a_fraction_among_many() {
        let mut times: Vec<Mtime> = (0..30).map(|seconds| Mtime { seconds, nanos: 1 }).collect();
        assert!(LayerTimes::of(&times, None).has_fractions);
        times[3].nanos = 0;
        times[4].nanos = 0;
        assert!(LayerTimes::of(&times, None).has_fractions);
        times[5].nanos = 0;
        assert!(!LayerTimes::of(&times, None).has_fractions);
        times.truncate(20);
        assert!(!LayerTimes::of(&times, None).has_fractions);
    }
}
