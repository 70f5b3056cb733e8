//! `imgls --search`: images whose names, labels or annotations contain a term, with the columns of docker search.

use serde_json::{Value, json};

use super::args::Args;
use super::filter::Filters;
use super::list::{ListOptions, Selected};
use super::places::Place;
use super::rows::ListRow;
use super::sources;
use crate::archive::{Archive, Chosen, Filter, Name, NodeKind, Root, Sizes};
use crate::cli::{self, Io, Opened, Verdict};
use crate::error::{Error, Result};
use crate::render::format::Kind;
use crate::render::images::{NONE, RowFormat};
use crate::render::{Column, Format, human};
use crate::spec::{Document, Reference};

/// Fields of a hit and their headings.
const COLUMNS: &[Column] = &[
    Column::new("Name", "NAME"),
    Column::new("Description", "DESCRIPTION"),
    Column::new("StarCount", "STARS"),
    Column::new("IsOfficial", "OFFICIAL"),
    Column::new("IsAutomated", "AUTOMATED"),
    Column::new("ID", "IMAGE ID"),
    Column::new("Archive", "ARCHIVE"),
    Column::new("Matched", "MATCHED"),
];
const TABLE: &str =
    r"table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}\t{{.ID}}\t{{.Archive}}";
/// Width of a description, as in docker search.
const DESCRIPTION_WIDTH: usize = 45;

/// Common start of the keys for descriptions (image specification, "Pre-Defined Annotation Keys").
const PREFIX: &str = "org.opencontainers.image.";
/// Keys after this start that are searched in annotations.
const KEYS: [&str; 6] = ["title", "description", "vendor", "source", "url", "version"];

/// An image that has the term.
struct Hit {
    row: ListRow,
    /// 0 for the best.
    rank: u8,
    matched: Vec<String>,
    description: String,
    is_official: bool,
}

/// Lists the images that have the term; the answer is no if there are none.
///
/// # Errors
/// `Usage` for an invalid filter or format; those of the local store without inputs.
pub(super) fn run(args: &Args, term: &str, io: &mut Io) -> Result<Verdict> {
    let default = if args.quiet { "{{.ID}}" } else { TABLE };
    let format = Format::parse(&args.format, default)?.fitted(io.window(args.no_trunc));
    let (official, others) = official_filter(&args.filters)?;
    let mut filters = Filters::parse(&others, cli::now())?;
    let term = Term::new(term);
    let mut hits = Vec::new();
    sources::each(args, io, |opened, _, io| {
        filters.search(&opened.archive);
        for fault in opened.faults()? {
            io.fail(&fault);
        }
        hits.extend(hits_in(opened, &term, &filters, args)?);
        Ok(())
    })?;
    hits.retain(|hit| official.is_none_or(|wanted| hit.is_official == wanted));
    let mut hits = filters.retain_by_age(hits, |hit| &hit.row)?;
    hits.sort_by_cached_key(|hit| (hit.rank, name_of(&hit.row)));
    let total = hits.len();
    if args.max_rows > 0 && total > args.max_rows {
        hits.truncate(args.max_rows);
        io.note(&format!(
            "{} of {total} images are shown: --max-rows 0 shows all",
            args.max_rows
        ));
    }
    let style = RowFormat {
        truncate: !args.no_trunc,
        human: true,
        now: cli::now(),
    };
    let is_json = format.kind() == Kind::Json;
    let rows = hits.iter().map(|hit| hit_row(hit, &style, is_json));
    format.write(io.out(), Some(COLUMNS), rows)?;
    Ok(if total == 0 {
        Verdict::No
    } else {
        Verdict::Yes
    })
}

/// Separates `is-official=` from the filters of listings. The last one counts.
fn official_filter(texts: &[String]) -> Result<(Option<bool>, Vec<String>)> {
    let mut official = None;
    let mut others = Vec::new();
    for text in texts {
        match Filter::split(text) {
            Some((key, value)) if key == "is-official" => {
                let value = value.to_ascii_lowercase();
                official = Some(match value.as_str() {
                    "true" | "1" | "t" => true,
                    "false" | "0" | "f" => false,
                    _ => {
                        let why = format!("filter '{text}': expected true or false");
                        return Err(Error::usage(why));
                    }
                });
            }
            _ => others.push(text.clone()),
        }
    }
    Ok((official, others))
}

/// Returns the hits of one archive, a row for each name.
fn hits_in(opened: &Opened, term: &Term, filters: &Filters, args: &Args) -> Result<Vec<Hit>> {
    let archive = &*opened.archive;
    let options = ListOptions {
        all: args.all,
        tree: false,
        platform: args.common.platform.as_ref(),
    };
    let chosen = match args.all {
        true => opened.everything()?,
        false => opened.chosen()?,
    };
    let mut hits = Vec::new();
    for one in chosen {
        let texts = Texts::of(archive, &one, &args.places);
        let of_one = Selected::new(archive, &opened.pick, vec![one], false, filters, options);
        for row in of_one.rows(&Sizes::default(), filters, options)? {
            hits.extend(texts.hit(term, row));
        }
    }
    Ok(hits)
}

/// Searched texts of a root beside its names.
struct Texts {
    /// Where it stands, and the text.
    texts: Vec<(String, String)>,
    title: Option<String>,
    description: String,
}

impl Texts {
    /// Collects the texts of all images of a root, whatever their platform.
    fn of(archive: &Archive, one: &Chosen<'_>, places: &[Place]) -> Self {
        let images = match one.image {
            Some(image) => vec![image],
            None => archive.images_of(one.root),
        };
        let images = || images.iter().map(|&image| &archive.images[image]);
        let mut texts = Vec::new();
        let mut known = Vec::new();
        for (key, value) in images().flat_map(|image| image.config.labels()) {
            texts.push((format!("label {key}"), format!("{key}={value}")));
            known.push((key, value));
        }
        for (key, value) in annotations(archive, one.root) {
            if key
                .strip_prefix(PREFIX)
                .is_some_and(|key| KEYS.contains(&key))
            {
                texts.push((format!("annotation {key}"), value.clone()));
                known.push((key, value));
            }
        }
        for place in places {
            let more = images().flat_map(|image| place.texts(image));
            texts.extend(more.map(|text| (place.name().to_owned(), text)));
        }
        let value = |wanted: &str| {
            let mut known = known.iter();
            let found = known.find(|(key, _)| key.strip_prefix(PREFIX) == Some(wanted));
            found.map(|(_, value)| value.clone())
        };
        Texts {
            title: value("title"),
            description: value("description").unwrap_or_default(),
            texts,
        }
    }

    /// Returns the hit if the row's name or one of the texts has the term.
    fn hit(&self, term: &Term, row: ListRow) -> Option<Hit> {
        let by_name = row.name.as_ref().and_then(|name| term.rank(name));
        let found = self.texts.iter().filter(|(_, text)| term.is_in(text));
        let mut matched: Vec<String> = found.map(|(place, _)| place.clone()).collect();
        matched.sort();
        matched.dedup();
        let by_title = self.title.as_ref().is_some_and(|title| term.is_in(title));
        let rank = match by_name {
            Some(rank) => rank,
            None if by_title => 3,
            None if !matched.is_empty() => 4,
            None => return None,
        };
        if by_name.is_some() {
            matched.insert(0, "name".to_owned());
        }
        Some(Hit {
            is_official: row.name.as_ref().is_some_and(is_official),
            rank,
            matched,
            description: self.description.clone(),
            row,
        })
    }
}

/// Returns the annotations of a root: of its entries in `index.json`, then of its index or manifest.
fn annotations(archive: &Archive, root: &Root) -> Vec<(String, String)> {
    let entries = archive.oci.iter().flat_map(|oci| {
        let edges = root.positions.iter();
        edges.filter_map(|&position| oci.edges.get(position))
    });
    let mut all: Vec<_> = entries
        .flat_map(|edge| edge.descriptor.annotations.clone())
        .collect();
    let Some(node) = root.node.map(|node| &archive.nodes[node]) else {
        return all;
    };
    all.extend(
        match &node.kind {
            NodeKind::Image(image) => {
                let manifest = archive.images[*image].manifest.as_ref();
                manifest.map(|manifest| manifest.annotations.clone())
            }
            NodeKind::Attestation(manifest) | NodeKind::Artifact(manifest) => {
                Some(manifest.annotations.clone())
            }
            // The graph keeps only the edges of an index.
            NodeKind::Index(_) => match node
                .bytes
                .as_ref()
                .map(|bytes| Document::parse_known(bytes))
            {
                Some(Ok(Document::Index(index))) => Some(index.annotations),
                _ => None,
            },
            NodeKind::Schema1 | NodeKind::Missing | NodeKind::Opaque => None,
        }
        .unwrap_or_default(),
    );
    all
}

/// Tests if a name is in the default directory of the default registry, docker's official images.
fn is_official(name: &Name) -> bool {
    match name {
        Name::Full(reference) => reference.repository().starts_with("docker.io/library/"),
        Name::Tag(_) | Name::Text(_) => false,
    }
}

/// Searched term: a part of a text, or with `*` a pattern for a whole text. Case does not matter.
struct Term {
    /// In lower case; more than one between `*`.
    parts: Vec<String>,
}

impl Term {
    fn new(text: &str) -> Self {
        // Names are listed without the default host.
        let text = Reference::without_default(text).to_lowercase();
        Term {
            parts: text.split('*').map(str::to_owned).collect(),
        }
    }

    /// Tests if a text has the term.
    fn is_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let [first, middle @ .., last] = self.parts.as_slice() else {
            return self.parts.iter().all(|part| text.contains(part));
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        for part in middle {
            match rest.split_once(part.as_str()) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }

    /// Returns the rank of a name that has the term: 0 if it or its repository is the term, 1 if it starts so, else 2.
    fn rank(&self, name: &Name) -> Option<u8> {
        let full = name.to_string();
        let forms = [name.repository(), Some(full)];
        let mut forms = forms.iter().flatten().map(|form| form.to_lowercase());
        if !forms.clone().any(|form| self.is_in(&form)) {
            return None;
        }
        let [term] = self.parts.as_slice() else {
            return Some(2);
        };
        match forms.clone().any(|form| form == *term) {
            true => Some(0),
            false => Some(if forms.any(|form| form.starts_with(term)) {
                1
            } else {
                2
            }),
        }
    }
}

fn name_of(row: &ListRow) -> String {
    row.name
        .as_ref()
        .map_or_else(|| NONE.to_owned(), ToString::to_string)
}

/// Returns the fields of a hit, with docker's values: text for truths and numbers.
fn hit_row(hit: &Hit, style: &RowFormat, is_json: bool) -> Value {
    let truth = |is_true: bool| match (is_json, is_true) {
        (true, true) => "true",
        (true, false) => "false",
        (false, true) => "[OK]",
        (false, false) => "",
    };
    let description = hit.description.replace(['\n', '\r', '\t'], " ");
    json!({
        "Archive": hit.row.archive,
        "Description": match style.truncate {
            true => human::ellipsis(&description, DESCRIPTION_WIDTH),
            false => description,
        },
        "ID": style.id(&hit.row.id),
        "IsAutomated": truth(false),
        "IsOfficial": truth(hit.is_official),
        "Matched": hit.matched,
        "Name": name_of(&hit.row),
        "StarCount": "0",
    })
}
