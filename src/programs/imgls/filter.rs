//! Selection of images and rows by `--filter`.

use super::rows::ListRow;
use crate::archive::{Archive, Filter, Image, ImageIdx, Pick};
use crate::error::{Candidates, Error, Result};
use crate::spec::{Digest, Timestamp};

/// All conditions of one run, with the images that `before=` and `since=` name.
///
/// These are looked up in every archive that is listed, whether the other conditions match them or not.
#[derive(Debug)]
pub(super) struct Filters {
    conditions: Vec<Filter>,
    ages: Vec<AgeLimit>,
    /// Names of the images in all archives that were searched.
    names: Candidates,
}

/// Image named by `before=` or `since=`.
#[derive(Debug)]
struct AgeLimit {
    wanted: String,
    before: bool,
    /// Creation time of the image, once it was found; the inner value is `None` if its config states none.
    created: Option<Option<i128>>,
}

impl Filters {
    /// Parses the arguments of `--filter`; ages are relative to `now`.
    ///
    /// # Errors
    /// As [`Filter::parse`].
    pub(super) fn parse(texts: &[String], now: Timestamp) -> Result<Self> {
        let conditions = texts.iter().map(|text| Filter::parse(text, now));
        let conditions = conditions.collect::<Result<Vec<_>>>()?;
        let ages = conditions.iter().filter_map(|filter| {
            let (wanted, before) = match filter {
                Filter::Before(wanted) => (wanted.clone(), true),
                Filter::Since(wanted) => (wanted.clone(), false),
                _ => return None,
            };
            Some(AgeLimit {
                wanted,
                before,
                created: None,
            })
        });
        Ok(Filters {
            ages: ages.collect(),
            conditions,
            names: Candidates::default(),
        })
    }

    /// Searches an archive for the images of `before=` and `since=` that were not found yet.
    pub(super) fn search(&mut self, archive: &Archive) {
        if self.ages.is_empty() {
            return;
        }
        for age in &mut self.ages {
            if age.created.is_none() {
                let image = find(archive, &age.wanted).map(|image| &archive.images[image]);
                age.created = image.map(|image| nanoseconds(image.config.created.as_deref()));
            }
        }
        for name in archive.roots.iter().flat_map(|root| &root.names) {
            if self.names.total < Candidates::LISTED {
                self.names.first.push(name.to_string());
            }
            self.names.total += 1;
        }
    }

    /// Tests if an image has the labels of all `label=` conditions.
    pub(super) fn match_labels(&self, image: &Image) -> bool {
        self.conditions
            .iter()
            .all(|filter| filter.label_matches(image))
    }

    /// Removes the rows that do not satisfy `dangling=`, `until=` and `reference=`, with their rows of greater depth.
    pub(super) fn retain(&self, rows: &mut Vec<ListRow>) {
        retain_roots(
            rows,
            |row| row,
            |row| {
                let conditions = self.conditions.iter();
                let matches = conditions.clone().all(|filter| match filter {
                    Filter::Dangling(wanted) => row.name.is_none() == *wanted,
                    filter => filter.time_matches(row.created.as_deref()),
                });
                // As in docker, several references are alternatives.
                let mut references = conditions
                    .filter(|filter| matches!(filter, Filter::Reference(_)))
                    .peekable();
                matches
                    && (references.peek().is_none()
                        || references.any(|filter| filter.reference_matches(row.name.as_ref())))
            },
        );
    }

    /// Returns the rows that satisfy `before=` and `since=`, with their rows of greater depth.
    ///
    /// # Errors
    /// `NoSuchImage` for an image that no archive has.
    pub(super) fn retain_by_age<T>(
        self,
        mut rows: Vec<T>,
        row_of: impl Fn(&T) -> &ListRow,
    ) -> Result<Vec<T>> {
        for age in self.ages {
            let limit = age
                .created
                .ok_or_else(|| Error::no_such_image(age.wanted.clone(), self.names.clone()))?;
            retain_roots(&mut rows, &row_of, |row| {
                let created = nanoseconds(row.created.as_deref());
                match age.before {
                    true => created < limit,
                    false => created > limit,
                }
            });
        }
        Ok(rows)
    }
}

/// Removes the rows of depth 0 that are not to be kept, each with the rows below it.
fn retain_roots<T>(
    rows: &mut Vec<T>,
    row_of: impl Fn(&T) -> &ListRow,
    keep_root: impl Fn(&ListRow) -> bool,
) {
    let mut keep = true;
    rows.retain(|row| {
        let row = row_of(row);
        if row.depth == 0 {
            keep = keep_root(row);
        }
        keep
    });
}

/// Finds an image by name, ID or digest; in an index the host's, or else the first.
fn find(archive: &Archive, wanted: &str) -> Option<ImageIdx> {
    let by_name = || Pick::Name(wanted.to_owned());
    let pick = match wanted.split_once('@') {
        Some((_, digest)) => Digest::parse(digest).map_or_else(|_| by_name(), Pick::Digest),
        None => by_name(),
    };
    if let Ok(selection) = archive.find(&pick, None) {
        return Some(selection.index);
    }
    let root = archive.root(&pick).ok()?;
    archive.images_of(root).first().copied()
}

/// Returns the nanoseconds since 1970 of a time in RFC 3339.
fn nanoseconds(created: Option<&str>) -> Option<i128> {
    created
        .and_then(Timestamp::parse)
        .map(Timestamp::nanoseconds)
}
