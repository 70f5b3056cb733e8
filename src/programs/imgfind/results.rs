//! Results for contents, each of which is read once for all images and archives.

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::inside::{self, FileMatches, Patterns};
use super::patterns::Shown;
use crate::cache::KnownFacts;
use crate::contents::{Contents, EntrySet, FileContents, LayerNo, Place};
use crate::error::{Error, Result};
use crate::facts::{Asked, ContentFacts};
use crate::find::ContentTest;
use crate::grep::{Matches, Store};

/// Digests whose results are kept for further archives.
const KEPT_DIGESTS: usize = 2_000_000;

/// Results of the contents that were read: those of the expression's tests, and matches of patterns.
pub(super) struct Results<'a> {
    search: Option<Patterns<'a>>,
    needs: Needs<'a>,
    pub(super) store: Store,
    tested: Known<Tested>,
    /// Facts of contents that the cache has, by layer, with those that are added.
    cached: HashMap<LayerNo, KnownFacts>,
    /// Contents that could not be tested, and are not searched.
    untested: HashMap<Place, Error>,
    matches: Known<FileMatches>,
    /// The first match is enough.
    ends_early: bool,
}

/// Facts of contents that the expression asks for.
#[derive(Clone, Copy, Default)]
pub(super) struct Needs<'a> {
    pub(super) tests: &'a [ContentTest],
    pub(super) md5: bool,
    pub(super) sha1: bool,
}

/// Answers about contents.
#[derive(Default)]
pub(super) struct Tested {
    /// By the numbers of the tests.
    results: Vec<bool>,
    pub(super) md5: Option<[u8; 16]>,
    pub(super) sha1: Option<[u8; 20]>,
}

impl Needs<'_> {
    /// Tests if contents are to be read for it.
    pub(super) fn some(&self) -> bool {
        !self.tests.is_empty() || self.md5 || self.sha1
    }

    fn asked(&self) -> Asked {
        Asked {
            elf: self.tests.iter().any(ContentTest::needs_elf),
            md5: self.md5,
            sha1: self.sha1,
        }
    }

    fn tested(&self, facts: &ContentFacts) -> Tested {
        let results = self.tests.iter().map(|test| test.is_match(facts));
        Tested {
            results: results.collect(),
            md5: facts.md5,
            sha1: facts.sha1,
        }
    }
}

impl Tested {
    /// Result of a test.
    pub(super) fn is_match(&self, number: usize) -> bool {
        self.results.get(number) == Some(&true)
    }
}

/// Results of one kind.
struct Known<T> {
    layers: HashMap<LayerNo, OfLayer<T>>,
    /// By digest, where it is known.
    by_digest: HashMap<[u8; 32], Option<Arc<T>>>,
}

struct OfLayer<T> {
    /// All contents were read.
    is_complete: bool,
    read: EntrySet,
    found: HashMap<u64, Arc<T>>,
}

impl<T> Default for OfLayer<T> {
    fn default() -> Self {
        OfLayer {
            is_complete: false,
            read: EntrySet::default(),
            found: HashMap::new(),
        }
    }
}

impl<T> Known<T> {
    fn new() -> Self {
        Known {
            layers: HashMap::new(),
            by_digest: HashMap::new(),
        }
    }

    fn get(&self, (layer, entry): Place) -> Option<&Arc<T>> {
        self.layers.get(&layer)?.found.get(&entry)
    }

    fn insert(&mut self, (layer, entry): Place, found: Arc<T>) {
        let of_layer = self.layers.entry(layer).or_default();
        of_layer.found.insert(entry, found);
    }

    fn complete(&mut self, layer: LayerNo) {
        self.layers.entry(layer).or_default().is_complete = true;
    }

    /// Wants those of these contents that were not read before, and returns those with known digests. What `recall` has of
    /// contents with a digest is not wanted.
    fn want(
        &mut self,
        contents: &mut Contents<'_>,
        places: impl Iterator<Item = Place>,
        mut recall: impl FnMut(&Contents<'_>, LayerNo, &[u8; 32]) -> Option<T>,
    ) -> Vec<Place> {
        let mut wanted = Vec::new();
        for (layer, entry) in places {
            let of_layer = self.layers.entry(layer).or_default();
            if of_layer.is_complete || !of_layer.read.insert(entry) {
                continue;
            }
            let digest = contents.digest((layer, entry));
            if let Some(digest) = digest
                && !self.by_digest.contains_key(&digest)
                && let Some(known) = recall(contents, layer, &digest)
            {
                self.by_digest.insert(digest, Some(Arc::new(known)));
            }
            match digest.and_then(|digest| self.by_digest.get(&digest)) {
                Some(Some(known)) => {
                    of_layer.found.insert(entry, Arc::clone(known));
                }
                Some(None) => {}
                None => {
                    contents.want((layer, entry));
                    wanted.extend(digest.map(|_| (layer, entry)));
                }
            }
        }
        wanted
    }

    /// Keeps the results of contents that were wanted by their digests.
    fn keep(&mut self, contents: &Contents<'_>, wanted: Vec<Place>) {
        for place in wanted {
            let found = self.get(place).cloned();
            if contents.error(place.0).is_none()
                && let Some(digest) = contents.digest(place)
            {
                self.by_digest.insert(digest, found);
            }
        }
    }

    fn release(&mut self, contents: &Contents<'_>) {
        self.layers.retain(|layer, _| contents.was_decoded(*layer));
        if self.by_digest.len() > KEPT_DIGESTS {
            self.by_digest.clear();
        }
    }
}

impl<'a> Results<'a> {
    pub(super) fn new(search: Option<Patterns<'a>>, needs: Needs<'a>, is_quiet: bool) -> Self {
        Results {
            ends_early: is_quiet
                && search.is_some_and(|search| search.args.shown() != Shown::Others),
            search,
            needs,
            store: Store::new(std::env::temp_dir()),
            tested: Known::new(),
            cached: HashMap::new(),
            untested: HashMap::new(),
            matches: Known::new(),
        }
    }

    pub(super) fn tested(&self, place: Place) -> Option<&Arc<Tested>> {
        self.tested.get(place)
    }

    pub(super) fn matches(&self, place: Place) -> Option<&FileMatches> {
        self.matches.get(place).map(|matches| &**matches)
    }

    pub(super) fn has_search(&self) -> bool {
        self.search.is_some()
    }

    /// The reason why contents could not be tested, once.
    pub(super) fn take_untested(&mut self, place: Place) -> Option<Error> {
        self.untested.remove(&place)
    }

    pub(super) fn has_tests(&self) -> bool {
        self.needs.some()
    }

    /// Reads layers that could be listed only by decoding them, with all that is needed of their contents.
    pub(super) fn read_unlisted(&mut self, contents: &mut Contents<'_>, layers: &[LayerNo]) {
        let is_unlisted = |layer: &LayerNo| !contents.is_listed(&[*layer]);
        let unlisted: Vec<LayerNo> = layers.iter().copied().filter(is_unlisted).collect();
        contents.want_all(&unlisted);
        self.read(contents, self.needs, self.search, false);
        for layer in unlisted {
            if contents.was_decoded(layer) {
                self.tested.complete(layer);
                self.matches.complete(layer);
            }
        }
    }

    /// Tests contents.
    pub(super) fn read_tested(
        &mut self,
        contents: &mut Contents<'_>,
        places: impl Iterator<Item = Place>,
    ) {
        let (needs, cached) = (self.needs, &mut self.cached);
        let recall = |contents: &Contents<'_>, layer, digest: &[u8; 32]| {
            let known = known_facts(cached, contents, layer)?;
            Some(needs.tested(known.get(digest, needs.asked())?))
        };
        let wanted = self.tested.want(contents, places, recall);
        self.read(contents, needs, None, false);
        self.tested.keep(contents, wanted);
    }

    /// Searches contents: all of them, or until one has a match if that is enough.
    pub(super) fn read_matches(
        &mut self,
        contents: &mut Contents<'_>,
        places: impl Iterator<Item = Place>,
    ) {
        let wanted = self.matches.want(contents, places, |_, _, _| None);
        self.read(contents, Needs::default(), self.search, self.ends_early);
        self.matches.keep(contents, wanted);
    }

    fn read(
        &mut self,
        contents: &mut Contents<'_>,
        needs: Needs<'_>,
        search: Option<Patterns<'_>>,
        ends_early: bool,
    ) {
        let is_over = AtomicBool::new(false);
        let store = &self.store;
        let is_cached = contents.has_cache();
        let directory = std::env::temp_dir();
        let read = contents.read(&|file: &mut FileContents<'_>| {
            if is_over.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let size = file.size();
            let (mut tested, mut head, mut all_facts) = (None, None, None);
            if needs.some() {
                let (asked, kept) = (needs.asked(), search.is_some());
                let (facts, read) = ContentFacts::read(file, size, asked, kept, &directory)?;
                tested = Some(Arc::new(needs.tested(&facts)));
                all_facts = is_cached.then_some(facts);
                head = Some(read);
            }
            let matches = match search {
                Some(search) if search.args.max_filesize.is_none_or(|most| size <= most) => {
                    match head {
                        Some(head) => inside::search(search, store, &mut head.chain(file), size)?,
                        None => inside::search(search, store, file, size)?,
                    }
                }
                _ => None,
            };
            if ends_early && matches.as_ref().is_some_and(FileMatches::is_match) {
                is_over.store(true, Ordering::Relaxed);
            }
            let matches = matches.map(Arc::new);
            // Most contents have no matches: nothing is kept of them.
            let is_some = tested.is_some() || matches.is_some();
            Ok(is_some.then_some((tested, matches, all_facts)))
        });
        for (place, error) in read.refused() {
            if search.is_none() {
                self.untested.insert(*place, error.clone());
                continue;
            }
            let own = Matches {
                refused: Some(error.clone()),
                ..Matches::default()
            };
            let matches = FileMatches {
                own: Some(own),
                ..FileMatches::default()
            };
            self.matches.insert(*place, Arc::new(matches));
        }
        for (place, found) in read.iter() {
            let (tested, matches, facts) = &**found;
            if let (Some(facts), Some(digest)) = (facts, contents.digest(place))
                && let Some(known) = known_facts(&mut self.cached, contents, place.0)
            {
                known.add(digest, needs.asked(), facts.clone());
            }
            if let Some(tested) = tested {
                self.tested.insert(place, Arc::clone(tested));
            }
            if let Some(matches) = matches {
                self.matches.insert(place, Arc::clone(matches));
            }
        }
    }

    /// Searches a text.
    pub(super) fn search_text(&self, text: &[u8]) -> Result<Option<Matches>> {
        self.search(&mut &*text, Some(text.len() as u64))
    }

    /// Searches bytes.
    pub(super) fn search(
        &self,
        bytes: &mut dyn Read,
        size: Option<u64>,
    ) -> Result<Option<Matches>> {
        let Some(Patterns { grep, .. }) = self.search else {
            return Ok(None);
        };
        grep.search(bytes, size, &self.store)
    }

    /// Saves what is new to the cache.
    pub(super) fn save(&self, contents: &Contents<'_>) {
        for (layer, known) in &self.cached {
            if let Some((cache, layer)) = contents.cached(*layer) {
                cache.keep_facts(layer, known);
            }
        }
    }

    /// Forgets the layers that were forgotten ([`Contents::release`]).
    pub(super) fn release(&mut self, contents: &Contents<'_>) {
        self.untested.clear();
        self.cached.clear();
        self.tested.release(contents);
        self.matches.release(contents);
    }
}

/// Facts of the contents of a layer that the cache has; `None` without a cache, and for a layer that failed.
fn known_facts<'k>(
    cached: &'k mut HashMap<LayerNo, KnownFacts>,
    contents: &Contents<'_>,
    layer: LayerNo,
) -> Option<&'k mut KnownFacts> {
    let (cache, of) = contents.cached(layer)?;
    Some(cached.entry(layer).or_insert_with(|| cache.facts(of)))
}
