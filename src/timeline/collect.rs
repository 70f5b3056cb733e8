//! All events of several images, in the order of time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::anomalies::{self, Anomalies, Anomaly, Clamped, Key};
use super::documents::{self, Document};
use super::event::{Event, EventKind};
use super::image::TimedImage;
use crate::layer::Mtime;
use crate::tree::{EntryVersion, VersionState};

/// The events of images.
pub struct Timeline<'a> {
    images: &'a [TimedImage<'a>],
    /// Versions by path, layer and image.
    versions: Vec<(u32, EntryVersion<'a>)>,
    documents: Vec<Document>,
    events: Vec<Event>,
    anomalies: Anomalies,
}

/// An event with what it is about.
#[derive(Clone, Copy)]
pub enum EventRef<'t> {
    /// Of a version.
    Version {
        /// The event.
        event: Event,
        /// Its image.
        image: &'t TimedImage<'t>,
        /// The version.
        version: &'t EntryVersion<'t>,
        /// Anomalies of the time.
        anomalies: &'t [(Key, Anomaly)],
    },
    /// Of a document.
    Document {
        /// The event.
        event: Event,
        /// Its image; `None` for the archive.
        image: Option<&'t TimedImage<'t>>,
        /// The document.
        document: &'t Document,
        /// Anomalies of the time.
        anomalies: &'t [(Key, Anomaly)],
    },
}

impl<'t> EventRef<'t> {
    /// The event.
    pub fn event(&self) -> Event {
        match self {
            EventRef::Version { event, .. } | EventRef::Document { event, .. } => *event,
        }
    }

    /// The image; `None` for the archive.
    pub fn image(&self) -> Option<&'t TimedImage<'t>> {
        match self {
            EventRef::Version { image, .. } => Some(image),
            EventRef::Document { image, .. } => *image,
        }
    }

    /// Number of the layer, from 0.
    pub fn layer(&self) -> Option<usize> {
        match self {
            EventRef::Version { version, .. } => Some(version.layer()),
            EventRef::Document { document, .. } => document.layer,
        }
    }

    /// plaso's description of the time.
    pub fn description(&self) -> &'static str {
        match self {
            EventRef::Version { event, .. } => event.kind.description(),
            EventRef::Document { document, .. } => document.description,
        }
    }

    /// Subject for people, escaped: the name of the version, or the document.
    pub fn message(&self) -> String {
        match self {
            EventRef::Version { image, version, .. } => super::Label::of(image, version).text(),
            EventRef::Document { document, .. } => {
                crate::escape::brief_to(&document.message, 1000).into_owned()
            }
        }
    }

    /// Anomalies of the time, sorted by rule.
    pub fn anomalies(&self) -> impl Iterator<Item = &'t Anomaly> + use<'t> {
        let (EventRef::Version { anomalies, .. } | EventRef::Document { anomalies, .. }) = self;
        anomalies.iter().map(|(_, anomaly)| anomaly)
    }

    /// The path: `/` and that of the version, or that of the document; empty if there is none.
    pub fn path(&self) -> Vec<u8> {
        match self {
            EventRef::Version { version, .. } => [b"/", &version.path()[..]].concat(),
            EventRef::Document { document, .. } => document.path.clone(),
        }
    }
}

impl<'a> Timeline<'a> {
    /// Collects the events of images; `further` are those that the caller read, `now` is the time of the clock.
    pub fn of(images: &'a [TimedImage<'a>], further: Vec<Document>, now: Mtime) -> Self {
        let mut documents = further;
        for (at, image) in images.iter().enumerate() {
            documents.extend(documents::of_image(at, image));
            let is_first = images.get(..at).unwrap_or_default().iter();
            let mut known = is_first.map(|known| std::ptr::from_ref(known.archive));
            let is_new = known.all(|known| !std::ptr::eq(known, image.archive));
            if is_new && image.is_whole() {
                documents.extend(documents::of_archive(image.archive));
            }
        }
        documents.sort_by(|a, b| (&a.path, a.layer, a.image).cmp(&(&b.path, b.layer, b.image)));
        let mut timeline = Timeline {
            anomalies: anomalies::find(images, &documents, now),
            images,
            versions: versions(images),
            documents,
            events: Vec::new(),
        };
        timeline.events = timeline.collect();
        timeline.events.sort_unstable();
        timeline
    }

    fn collect(&self) -> Vec<Event> {
        let position = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        let mut events = Vec::with_capacity(self.versions.len() + self.documents.len());
        for (at, (image, version)) in self.versions.iter().enumerate() {
            let others = version.other_times();
            let by = version
                .ended_by()
                .filter(|_| version.state() != VersionState::Repeated);
            let image = self.images.get(*image as usize);
            let gone = by.and_then(|by| image?.created_of(by));
            for (kind, time) in [
                (EventKind::Content, Some(version.meta().mtime)),
                (EventKind::Access, others.access),
                (EventKind::Change, others.change),
                (EventKind::Birth, others.birth),
                (EventKind::Gone, gone),
            ] {
                let source = position(at);
                events.extend(time.map(|time| Event { time, kind, source }));
            }
        }
        for (at, document) in self.documents.iter().enumerate() {
            events.push(Event {
                time: document.time,
                kind: document.kind,
                source: position(at),
            });
        }
        events
    }

    /// The events in the order of time, then of kind, path and layer.
    pub fn events(&self) -> impl Iterator<Item = EventRef<'_>> {
        self.events.iter().filter_map(|event| self.event(*event))
    }

    /// The events between two times, both included.
    pub fn within(
        &self,
        from: Option<Mtime>,
        to: Option<Mtime>,
    ) -> impl Iterator<Item = EventRef<'_>> {
        let events = self.span(from, to).iter();
        events.filter_map(|event| self.event(*event))
    }

    fn span(&self, from: Option<Mtime>, to: Option<Mtime>) -> &[Event] {
        let before = |time: Mtime| self.events.partition_point(|event| event.time < time);
        let until = |time: Mtime| self.events.partition_point(|event| event.time <= time);
        let (start, end) = (from.map_or(0, before), to.map_or(self.events.len(), until));
        self.events.get(start..end).unwrap_or_default()
    }

    /// The events between two times, both included, those that one version or document has at one time together.
    pub fn moments(
        &self,
        from: Option<Mtime>,
        to: Option<Mtime>,
    ) -> impl Iterator<Item = Vec<EventRef<'_>>> {
        let runs = self.span(from, to).chunk_by(|a, b| a.time == b.time);
        runs.flat_map(|run| {
            let about = |event: &Event| (event.kind.is_of_version(), event.source);
            let mut run = run.to_vec();
            run.sort_by_key(|event| (about(event), event.kind));
            let mut moments: Vec<_> = run.chunk_by(|a, b| about(a) == about(b)).collect();
            moments.sort_by_key(|moment| moment.first());
            let moments = moments.into_iter().map(|moment| {
                let events = moment.iter();
                events.filter_map(|event| self.event(*event)).collect()
            });
            moments.collect::<Vec<_>>()
        })
    }

    /// The images.
    pub fn images(&self) -> &'a [TimedImage<'a>] {
        self.images
    }

    /// The versions by path, layer and image: the event of the contents of each.
    pub fn versions(&self) -> impl Iterator<Item = EventRef<'_>> {
        let versions = self.versions.iter().enumerate();
        versions.filter_map(|(at, (_, version))| {
            self.event(Event {
                time: version.meta().mtime,
                kind: EventKind::Content,
                source: u32::try_from(at).unwrap_or(u32::MAX),
            })
        })
    }

    /// Layers of an image, by its position, whose times mean nothing: their numbers from 0, with the reason.
    pub fn clamped(&self, image: usize) -> Vec<(usize, Clamped)> {
        let layers = self.anomalies.clamped.get(image);
        let layers = layers.into_iter().flatten().enumerate();
        layers
            .filter_map(|(at, clamped)| Some((at, (*clamped)?)))
            .collect()
    }

    fn event(&self, event: Event) -> Option<EventRef<'_>> {
        let at = event.source as usize;
        if event.kind.is_of_version() {
            let (number, version) = self.versions.get(at)?;
            let image = self.images.get(*number as usize)?;
            let is_content = event.kind == EventKind::Content;
            let anomalies = match is_content {
                true => self.anomalies.of(anomalies::key(*number, version)),
                false => &[],
            };
            return Some(EventRef::Version {
                event,
                image,
                version,
                anomalies,
            });
        }
        let document = self.documents.get(at)?;
        let image = document.image.and_then(|image| self.images.get(image));
        Some(EventRef::Document {
            event,
            image,
            document,
            anomalies: self.anomalies.of(anomalies::key_of_document(at)),
        })
    }
}

/// The chosen versions of all images, by path, layer, entry and image. Each image has them in order.
fn versions<'a>(images: &'a [TimedImage<'a>]) -> Vec<(u32, EntryVersion<'a>)> {
    let mut found = Vec::new();
    let mut sources: Vec<_> = images
        .iter()
        .map(|image| {
            image
                .tree
                .versions()
                .filter(|version| (image.includes)(version))
        })
        .collect();
    let mut heads = BinaryHeap::new();
    let mut waiting: Vec<Option<EntryVersion<'a>>> = vec![None; sources.len()];
    let mut advance =
        |at: usize, heads: &mut BinaryHeap<_>, waiting: &mut [Option<EntryVersion<'a>>]| {
            let next = sources.get_mut(at).and_then(Iterator::next);
            if let (Some(version), Some(place)) = (next, waiting.get_mut(at)) {
                heads.push(Reverse((
                    version.path(),
                    version.layer(),
                    version.entry(),
                    at,
                )));
                *place = Some(version);
            }
        };
    for at in 0..images.len() {
        advance(at, &mut heads, &mut waiting);
    }
    while let Some(Reverse((.., at))) = heads.pop() {
        let version = waiting.get_mut(at).and_then(Option::take);
        found.extend(version.map(|version| (u32::try_from(at).unwrap_or(u32::MAX), version)));
        advance(at, &mut heads, &mut waiting);
    }
    found
}
