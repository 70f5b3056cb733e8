//! Bundles, completed by blobs of the store and of other archives.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::args::Args;
use crate::archive::{Archive, Chosen, Content, Open};
use crate::blob::{FileRange, Meter, open_regular, sha256};
use crate::bundle::{Completion, Found, Receipt, Record, Shelf, all_blobs, is_of_set};
use crate::cli::{self, Io, Opened, Openings, Takes};
use crate::error::{At, Result};
use crate::layer::Limits;
use crate::render::human;
use crate::spec::Digest;
use crate::store::Store;
use crate::write::Bundle;

/// Sources of the blobs that bundles omit.
pub(super) struct Base<'a> {
    pub(super) args: &'a Args,
    pub(super) store: &'a Store,
    with: Vec<Shelf>,
    /// Blobs that were found nowhere, with their sizes in bytes.
    missing: BTreeMap<Digest, u64>,
    /// Blobs of the store that were compared with their digests, and the results.
    compared: RefCell<HashMap<Digest, bool>>,
}

impl<'a> Base<'a> {
    /// Opens the sources.
    ///
    /// # Errors
    /// As [`Openings::open`] and [`Opened::check_complete`].
    pub(super) fn open(args: &'a Args, store: &'a Store) -> Result<Self> {
        let mut openings = Openings::of(&args.base.with);
        let mut with = Vec::new();
        for source in &args.base.with {
            let open = Open::with(&args.common, &Meter::default(), args.temp_dir(store)?);
            let opened = openings.open(source, &args.common, open, Takes::Several)?;
            opened.check_complete()?;
            with.push(Shelf::new(opened.archive)?);
        }
        Ok(Base {
            args,
            store,
            with,
            missing: BTreeMap::new(),
            compared: RefCell::default(),
        })
    }

    /// Looks for blobs in these archives, too.
    ///
    /// # Errors
    /// As [`Shelf::new`].
    pub(super) fn take_from(&mut self, archives: &[Opened]) -> Result<()> {
        for opened in archives {
            self.with.push(Shelf::new(Arc::clone(&opened.archive))?);
        }
        Ok(())
    }

    /// Finds the blobs that the selected images of an archive need and the archive lacks.
    ///
    /// # Errors
    /// As [`Completion::of`].
    pub(super) fn complete(
        &self,
        archive: &Archive,
        chosen: &[Chosen<'_>],
        record: Option<&Record>,
        io: &mut Io,
    ) -> Result<Completion> {
        if record.is_none() && self.with.is_empty() && !is_of_set(archive) {
            return Ok(Completion::default());
        }
        let only = &self.args.only;
        let wanted = chosen
            .iter()
            .filter(|one| only.is_empty() || only.iter().any(|name| one.root.matches_name(name)));
        let platform = self.args.common.platform.as_ref();
        let wanted: Vec<Chosen<'_>> = wanted
            .map(|one| Chosen {
                image: platform.map_or(one.image, |platform| {
                    let images = archive.images_of(one.root);
                    one.image
                        .or_else(|| archive.choose(&images, Some(platform)))
                }),
                ..one.clone()
            })
            .collect();
        let mut completion = Completion::of(archive, &wanted, record)?;
        completion.find(|digest, size| self.in_store(digest, size, io))?;
        for shelf in &self.with {
            completion
                .find(|digest, size| Ok(shelf.find(digest, Some(size))?.map(Found::Elsewhere)))?;
        }
        Ok(completion)
    }

    /// Looks for a blob in the store.
    fn in_store(&self, digest: &Digest, size: u64, io: &mut Io) -> Result<Option<Found>> {
        if self.store.blob_size(digest)? != Some(size) {
            return Ok(None);
        }
        if self.args.base.verify_base && !self.is_intact(digest, io)? {
            return Ok(None);
        }
        Ok(Some(match self.args.packing.changes_layers() {
            true => Found::Elsewhere(self.content(digest)?),
            false => Found::There,
        }))
    }

    /// Opens a blob of the store.
    fn content(&self, digest: &Digest) -> Result<Content> {
        let path = self.store.path().join(digest.blob_path());
        let file = open_regular(&path, false).and_then(FileRange::whole);
        Ok(Content::Range(
            file.at(|| path.to_string_lossy().into_owned())?,
        ))
    }

    /// Compares a blob of the store with its digest, once, and warns of damage.
    fn is_intact(&self, digest: &Digest, io: &mut Io) -> Result<bool> {
        if let Some(known) = self.compared.borrow().get(digest) {
            return Ok(*known);
        }
        let is_intact = self.content(digest)?.digest(digest)? == *digest;
        if !is_intact {
            io.warn(&format!("{digest} is damaged in the store"));
        }
        self.compared.borrow_mut().insert(digest.clone(), is_intact);
        Ok(is_intact)
    }

    /// Has the blobs of a bundle written that are damaged in the store. Without `--verify-base`, only those of an answer
    /// are compared, which has few.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn replace_damaged(
        &self,
        blobs: &mut Bundle,
        is_answer: bool,
        io: &mut Io,
    ) -> Result<()> {
        if !is_answer && !self.args.base.verify_base {
            return Ok(());
        }
        let mut damaged = Vec::new();
        for blob in blobs.blobs() {
            let is_there = self.store.blob_size(&blob.digest)? == Some(blob.size);
            if is_there && !self.is_intact(&blob.digest, io)? {
                damaged.push(blob.digest.clone());
            }
        }
        let mut compared = self.compared.borrow_mut();
        compared.retain(|digest, _| !damaged.contains(digest));
        blobs.replace_stored(damaged);
        Ok(())
    }

    /// Reports the blobs that a bundle lacks, and with `--partial` keeps those that it has.
    ///
    /// # Errors
    /// `Volumes` for missing volumes without an option that asks for less; as [`Store::keep`] and [`all_blobs`].
    pub(super) fn report(
        &mut self,
        opened: &Opened,
        record: Option<&Record>,
        completion: &Completion,
        io: &mut Io,
    ) -> Result<()> {
        let archive = &opened.archive;
        if let Some(volumes) = archive.missing_volumes() {
            let options = &self.args.base;
            let volumes = volumes.clone().at(archive.place.clone());
            if !self.args.volumes && options.missing.is_none() && !options.partial {
                return Err(volumes);
            }
            if !self.args.volumes {
                io.note(&volumes.to_string());
            }
        }
        let missing: BTreeMap<Digest, u64> = completion
            .missing()
            .map(|(digest, size)| (digest.clone(), size))
            .collect();
        let count = missing.len();
        let bytes: u64 = missing.values().sum();
        let made_for = record.map_or_else(String::new, |record| {
            format!("made for {}, ", record.made_for())
        });
        let id: String = self.receipt()?.id().chars().take(12).collect();
        let (verb, size) = (if count == 1 { "is" } else { "are" }, human::size(bytes));
        io.note(&format!(
            "{}: {count} of {} blobs {verb} neither here nor in the store ({size}): {made_for}this store is at {id}",
            archive.place, completion.total
        ));
        if self.args.base.missing.is_none() {
            io.hint("--missing FILE writes a request for them");
        }
        self.missing.extend(missing);
        if self.args.base.partial {
            self.keep(archive, false, io)?;
        }
        Ok(())
    }

    /// Stores the blobs of an archive without its images, protected from deletion.
    ///
    /// # Errors
    /// As [`Store::keep`] and [`all_blobs`].
    pub(super) fn keep(&self, archive: &Archive, is_answer: bool, io: &mut Io) -> Result<()> {
        let place = || archive.place.clone();
        let mut blobs = all_blobs(archive, &limits(self.args)).at(place)?;
        self.replace_damaged(&mut blobs, is_answer, io)?;
        let meter = Meter::default();
        let progress = io.progress(&archive.place, None, &meter, self.args.quiet);
        let name = protection(archive).at(place)?;
        self.store.keep(&name, &blobs, &meter).at(place)?;
        drop(progress);
        let count = blobs.blobs().len();
        let plural = if count == 1 { "" } else { "s" };
        io.note(&format!(
            "{}: {count} blob{plural} kept for 30 days",
            archive.place
        ));
        Ok(())
    }

    /// Ends the protection of the blobs of a bundle, which has its images now.
    ///
    /// # Errors
    /// As [`Store::release`].
    pub(super) fn release(&self, archive: &Archive) -> Result<()> {
        self.store.release(&protection(archive)?)
    }

    /// Returns the receipt of the store.
    fn receipt(&self) -> Result<Receipt> {
        let _held = self.store.hold();
        let mut receipt = Receipt::in_form(&self.args.base.form.form());
        if let Some(archive) = cli::open_store(&self.args.common, &Open::default())? {
            let all: Vec<Chosen<'_>> = archive.roots.iter().map(Chosen::whole).collect();
            receipt.add_images(&archive, &all)?;
        }
        Ok(receipt)
    }

    /// Writes the request for missing blobs and the receipt of the store, as the options say.
    ///
    /// # Errors
    /// `Io`.
    pub(super) fn finish(&self) -> Result<()> {
        if let Some(path) = self
            .args
            .base
            .missing
            .as_deref()
            .filter(|_| !self.missing.is_empty())
        {
            let request =
                Receipt::request(self.missing.iter().map(|(digest, size)| (digest, *size)));
            cli::write_receipt(&request, path)?;
        }
        match &self.args.base.receipt {
            Some(path) => cli::write_receipt(&self.receipt()?, path),
            None => Ok(()),
        }
    }
}

/// Name of the file that protects the blobs of a bundle: the same each time, and of no other.
fn protection(archive: &Archive) -> Result<String> {
    let index = archive.oci.as_ref().map(|oci| sha256(&oci.index));
    let record = Record::of(&archive.container)?.unwrap_or_default();
    let both = [
        record.text().to_vec(),
        index
            .map(|digest| digest.to_string())
            .unwrap_or_default()
            .into(),
    ];
    Ok(format!("bundle-{}", sha256(&both.concat()).short()))
}

/// Limits of reading an archive.
fn limits(args: &Args) -> Limits {
    args.common.limits()
}
