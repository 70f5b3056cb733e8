//! One export: from the opened image to its output.

use std::fs::OpenOptions;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde_json::Map;

use super::args::{Args, FormatArg, StateArg};
use super::export::{
    ArchiveFormat, Existing, Export, ExportOptions, RecoverOptions, Recovery, Unpack, Unpacked,
    raw_layer,
};
use super::output;
use crate::archive::{Image, Open};
use crate::blob::{Meter, NewFile, PendingFile, StreamDigester};
use crate::cache::Cache;
use crate::cli::{self, ImageArg, Io, Opened, VersionRecords};
use crate::disk::Patterns;
use crate::error::{At, During, Error, Fault, Result};
use crate::escape;
use crate::tree::{Proof, Reading, VersionState};

/// An export with its arguments and input.
pub(super) struct Run<'a> {
    pub args: &'a Args,
    pub opened: &'a Opened,
    pub image: &'a Image,
    /// Name of the image, or its ID.
    pub name: String,
    pub options: ExportOptions,
    pub cache: Option<&'a Cache>,
    /// Output file; `None` for standard output.
    pub output: Option<&'a Path>,
}

/// Opens the archive of an image; `tap` hashes one that is a stream.
pub(super) fn open(
    args: &Args,
    image: &ImageArg,
    tap: Option<StreamDigester>,
    io: &Io,
) -> Result<Opened> {
    let meter = Meter::default();
    let _progress = io.progress(image.text(), None, &meter, args.quiet);
    let open = Open {
        tap,
        ..Open::with(&args.common, &meter, Some(temp_dir(args)))
    };
    image.open_by(&args.common, open)
}

/// Returns the directory for temporary files: on the file system of the output.
fn temp_dir(args: &Args) -> PathBuf {
    let output = args.output.as_deref();
    let output = output.filter(|path| *path != Path::new("-"));
    cli::temporary_directory(output.or(args.directory.as_deref()))
}

/// Returns the options of the export. `include` and `exclude` are the patterns for paths.
pub(super) fn options(
    args: &Args,
    layers: Option<Range<usize>>,
    [include, exclude]: [Patterns; 2],
) -> ExportOptions {
    let paths = args.paths.iter();
    ExportOptions {
        raw: layers.is_some() && !args.applied,
        layers,
        paths: paths.map(|path| path.as_bytes().to_vec()).collect(),
        include,
        exclude,
        top: args.directory.is_some() || args.format.is_listing(),
        clamp: args
            .reproducible
            .then(|| cli::source_date_epoch().unwrap_or(0)),
        verify: args.verify,
    }
}

impl Run<'_> {
    /// Writes, unpacks or lists the selected files.
    pub(super) fn export(&self, io: &mut Io) -> Result<()> {
        if let Some(states) = &self.args.deleted {
            return self.recover(&StateArg::states(states), io);
        }
        if let Some(layer) = self.unchanged_layer() {
            let meter = Meter::default();
            let _progress = self.progress(None, &meter, io);
            let (limits, temp_dir) = (self.args.common.limits(), temp_dir(self.args));
            let written = self.to_output(io, |out| {
                raw_layer(self.image, layer, &limits, &temp_dir, out, &meter)
            });
            return written.map_err(|error| self.of_input(error));
        }
        if self.args.format.is_listing() {
            return self.list(io).map_err(|error| self.of_input(error));
        }
        let reading = Reading {
            limits: self.args.common.limits(),
            ..Reading::default()
        };
        let export = {
            let _progress = self.progress(Some(self.stored_size()), &reading.meter, io);
            let temp_dir = temp_dir(self.args);
            Export::plan(self.image, &self.options, &reading, self.cache, &temp_dir)
                .map_err(|error| self.of_input(error))?
        };
        match &self.args.directory {
            Some(target) => self.unpack(export, target, io),
            None => self.write(&export, io),
        }
    }

    /// Writes or unpacks versions of these states. What could not be recovered is reported when the rest is written.
    fn recover(&self, states: &[VersionState], io: &mut Io) -> Result<()> {
        let args = self.args;
        let reading = Reading {
            digests: true,
            limits: args.common.limits(),
            ..Reading::default()
        };
        let recover = RecoverOptions {
            states: states.to_vec(),
            is_plain: args.directory.is_some() && !args.with_metadata,
            salvage: args.salvage,
        };
        let temp_dir = temp_dir(args);
        let recovery = {
            let _progress = self.progress(Some(self.stored_size()), &reading.meter, io);
            let (image, options) = (self.image, &self.options);
            Recovery::read(image, options, &recover, &reading, self.cache, &temp_dir)
                .map_err(|error| self.of_input(error))?
        };
        let archive = &self.opened.archive;
        let records = VersionRecords::new(archive, self.image, &self.name, 0);
        let record = NewFile::in_directory(&temp_dir, 0o600)?;
        let mut out = BufWriter::new(record.file());
        output::recovered(&recovery, &records, &mut out)?;
        out.flush().during("write")?;
        drop(out);
        let mut faults: Vec<Error> = recovery
            .faults()
            .iter()
            .map(|(_, error)| error.clone())
            .collect();
        let damaged = recovery.versions().filter_map(|version| {
            let path = escape::bytes(&version.version.path()).into_owned();
            Some(version.damage?.clone().at(path))
        });
        faults.extend(damaged);
        let export = recovery.into_export(&record, cli::source_date_epoch().unwrap_or(0))?;
        match &args.directory {
            Some(target) => self.unpack(export, target, io)?,
            None => self.write(&export, io)?,
        }
        let hidden = faults.len().saturating_sub(MAX_FAULTS);
        for fault in faults.into_iter().take(MAX_FAULTS) {
            io.fail(&fault.at(archive.place.clone()));
        }
        if hidden > 0 {
            io.note(&format!(
                "{hidden} more like these are in the record as Damaged"
            ));
        }
        Ok(())
    }

    fn stored_size(&self) -> u64 {
        let stored = self.image.layers.iter().filter_map(|layer| layer.content());
        stored.map(|content| content.len()).sum()
    }

    fn progress(&self, total: Option<u64>, meter: &Meter, io: &Io) -> cli::Progress {
        io.progress(self.args.image.text(), total, meter, self.args.quiet)
    }

    /// Adds the archive as context to an error that is not about the output.
    fn of_input(&self, error: Error) -> Error {
        match error.fault() {
            Fault::Io {
                action: "write", ..
            }
            | Fault::Exists { .. } => error,
            _ => error.at(self.opened.archive.place.clone()),
        }
    }

    /// Returns the layer that is written byte for byte, if nothing but one layer as a tar was requested.
    fn unchanged_layer(&self) -> Option<usize> {
        let (args, options) = (self.args, &self.options);
        let is_unchanged = options.raw
            && args.format == FormatArg::Tar
            && args.directory.is_none()
            && options.paths.is_empty()
            && args.include.is_empty()
            && !args.selecting.is_given()
            && !args.reproducible;
        let layers = options.layers.clone().filter(|_| is_unchanged)?;
        (layers.len() == 1).then_some(layers.start)
    }

    /// Writes a listing.
    fn list(&self, io: &mut Io) -> Result<()> {
        let (args, options) = (self.args, &self.options);
        let reading = Reading {
            digests: args.digests,
            limits: args.common.limits(),
            ..Reading::default()
        };
        let export = {
            let _progress = self.progress(None, &reading.meter, io);
            if args.verify && !args.digests {
                let layers = options.layers.clone();
                let layers = layers.unwrap_or(0..self.image.layers.len());
                Proof::of(self.image, layers)?.check(&reading.meter)?;
            }
            Export::listing(self.image, options, &reading, self.cache)?
        };
        self.to_output(io, |out| {
            let mut out = BufWriter::new(out);
            if args.format == FormatArg::Mtree {
                writeln!(out, "{}", output::MTREE).during("write")?;
            }
            for item in export.items() {
                let line = match args.format {
                    FormatArg::Mtree => output::mtree(&item),
                    FormatArg::List => output::list(&item),
                    _ => output::json(&item, Map::new())?,
                };
                writeln!(out, "{line}").during("write")?;
            }
            out.flush().during("write")
        })
    }

    /// Writes an archive.
    fn write(&self, export: &Export, io: &mut Io) -> Result<()> {
        let format = match self.args.format {
            FormatArg::Cpio => ArchiveFormat::Cpio,
            _ => ArchiveFormat::Tar,
        };
        let label = self
            .output
            .map_or_else(|| "-".into(), |path| path.to_string_lossy().into_owned());
        let meter = Meter::default();
        let _progress = io.progress(&label, Some(export.size()), &meter, self.args.quiet);
        if format == ArchiveFormat::Cpio {
            let with_xattrs = export.items().filter(|item| !item.meta.xattrs.is_empty());
            let lost = with_xattrs.count();
            if lost > 0 {
                io.warn(&format!(
                    "cpio cannot hold extended attributes: omitted from {lost} entries"
                ));
            }
        }
        let is_file = |path: &&Path| std::fs::metadata(path).map_or(true, |found| found.is_file());
        let written = match self.output.filter(is_file) {
            Some(path) => cli::write_file(path, MODE, |file| {
                export.to_file(format, file.file(), &meter)
            }),
            None => self.to_output(io, |out| export.to_stream(format, out, &meter)),
        };
        written.map_err(|error| self.of_input(error))
    }

    /// Writes to standard output, to a new file, or to an existing device or FIFO.
    fn to_output(
        &self,
        io: &mut Io,
        write: impl FnOnce(&mut dyn Write) -> Result<()>,
    ) -> Result<()> {
        let Some(path) = self.output else {
            return write(&mut io.raw_out()?);
        };
        if std::fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            let file = OpenOptions::new().write(true).open(path);
            let opened = file.during("open");
            return write(&mut opened.at(|| path.to_string_lossy().into_owned())?);
        }
        cli::write_file(path, MODE, |file: &NewFile| write(&mut file.file()))
    }

    /// Unpacks into a directory, and reports the metadata that was not applied: in full to a file, or as a summary.
    fn unpack(&self, mut export: Export, target: &Path, io: &mut Io) -> Result<()> {
        let args = self.args;
        let record = args
            .record
            .as_deref()
            .map(PendingFile::reserve)
            .transpose()?;
        // Nothing but contents is to be applied.
        let is_plain = args.deleted.is_some() && !args.with_metadata;
        let unpack = Unpack {
            target: target.to_owned(),
            existing: match args.overwrite {
                true => Existing::Replace,
                false => Existing::Refuse,
            },
            rootless: is_plain || args.rootless || !cli::is_root(),
        };
        let unpacked: Unpacked = {
            let meter = Meter::default();
            let label = target.to_string_lossy().into_owned();
            let _progress = io.progress(&label, Some(export.size()), &meter, args.quiet);
            let unpacked = export.unpack(&unpack, &meter);
            unpacked.map_err(|error| match error.fault() {
                Fault::Limit { .. }
                | Fault::DiffIdMismatch { .. }
                | Fault::DigestMismatch { .. }
                | Fault::SizeMismatch { .. }
                | Fault::Volumes(_) => error.at(self.opened.archive.place.clone()),
                _ => error,
            })?
        };
        if let Some(mut file) = record {
            file.write(output::record(&export, &unpacked)?.as_bytes())?;
            return file.commit();
        }
        if let Some(summary) = output::not_applied(&unpacked).filter(|_| !args.quiet && !is_plain) {
            io.warn(&summary);
        }
        Ok(())
    }
}

/// Most errors that are printed about what could not be recovered.
const MAX_FAULTS: usize = 10;

/// Permissions of a new archive: readable by its owner alone, as an image can hold secrets.
const MODE: u32 = 0o600;
