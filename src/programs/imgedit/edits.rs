//! Edits of an image: parsed, and applied in order.

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::append::Appended;
use super::args::Typed;
use super::drop::{self, Layers, Listings};
use crate::archive::{Archive, ImageIdx};
use crate::cli::{self, Io};
use crate::error::{At, Error, Result};
use crate::glob::{Dialect, Glob};
use crate::layer::Limits;
use crate::spec::instruction::{self, Change};
use crate::spec::{History, Platform, Timestamp};
use crate::write::{ImageEdit, Packer};

/// An edit.
pub(super) enum Edit {
    /// Instructions that were typed one after the other.
    Changes(Vec<Change>),
    Unset(Unset, String),
    Annotation(Scope, String, String),
    LabelToAnnotation(Glob, String),
    Author(String),
    Created(Timestamp),
    Platform(Platform),
    /// A layer, with its comment.
    Append(PathBuf, Option<String>),
    DropLayer(Layers, String),
}

/// A part to remove.
pub(super) enum Unset {
    /// Entries of a list or map of the config's `config`.
    Entries(&'static str, Glob),
    Annotation(Scope, Glob),
    /// A field of `config`.
    Run(&'static str),
    /// A field of the document.
    Field(&'static str),
}

/// The place of an annotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Manifest,
    Index,
    Descriptor,
}

/// Parses edits.
///
/// # Errors
/// `Usage`; `Instruction`.
pub(super) fn parse(typed: &[Typed], now: Timestamp) -> Result<Vec<Edit>> {
    let mut edits = Vec::new();
    let mut changes: Vec<&str> = Vec::new();
    for one in typed {
        if let Typed::Change(text) = one {
            changes.push(text);
            continue;
        }
        flush(&mut changes, &mut edits)?;
        edits.push(match one {
            // Collected above.
            Typed::Change(_) => continue,
            Typed::Unset(text) => Edit::Unset(unset(text)?, text.clone()),
            Typed::Annotation(text) => {
                let (scope, rest) = scope(text);
                let pair = rest.split_once('=').filter(|(key, _)| !key.is_empty());
                let (key, value) = pair.ok_or_else(|| {
                    let why = "expected [manifest:|index:|descriptor:]KEY=TEXT";
                    invalid("--annotation", text, why)
                })?;
                Edit::Annotation(scope, key.to_owned(), value.to_owned())
            }
            Typed::LabelToAnnotation(text) => {
                Edit::LabelToAnnotation(glob("--label-to-annotation", text, text)?, text.clone())
            }
            Typed::Author(text) => Edit::Author(text.clone()),
            Typed::Created(text) => Edit::Created(time(text, now)?),
            Typed::SetPlatform(text) => Edit::Platform(platform(text)?),
            Typed::DropLayer(text) => {
                let layers = Layers::parse(text);
                let layers = layers.map_err(|why| invalid("--drop-layer", text, &why))?;
                Edit::DropLayer(layers, text.clone())
            }
            Typed::Append(path) => Edit::Append(path.clone(), None),
            Typed::AppendMessage(text) => match edits.last_mut() {
                Some(Edit::Append(_, message)) => {
                    *message = Some(text.clone());
                    continue;
                }
                _ => {
                    let why = "--append-message: expected --append before it";
                    return Err(Error::usage(why));
                }
            },
        });
    }
    flush(&mut changes, &mut edits)?;
    Ok(edits)
}

/// Parses the instructions that were typed since the last other edit: docker takes them as the lines of one file.
fn flush(changes: &mut Vec<&str>, edits: &mut Vec<Edit>) -> Result<()> {
    if !changes.is_empty() {
        let parsed = instruction::parse(changes).at(|| "-c".to_owned())?;
        edits.push(Edit::Changes(parsed));
        changes.clear();
    }
    Ok(())
}

fn invalid(option: &str, text: &str, why: &str) -> Error {
    Error::usage(format!("{option} {text}: {why}"))
}

fn glob(option: &str, text: &str, pattern: &str) -> Result<Glob> {
    // A star also matches the slashes of keys and paths.
    Glob::new(pattern, Dialect::Find).map_err(|why| invalid(option, text, why))
}

fn scope(text: &str) -> (Scope, &str) {
    for (name, scope) in [
        ("manifest:", Scope::Manifest),
        ("index:", Scope::Index),
        ("descriptor:", Scope::Descriptor),
    ] {
        if let Some(rest) = text.strip_prefix(name) {
            return (scope, rest);
        }
    }
    (Scope::Manifest, text)
}

fn unset(text: &str) -> Result<Unset> {
    let pattern = |pattern: &str| glob("--unset", text, pattern);
    if let Some((kind, rest)) = text.split_once(':')
        && !rest.is_empty()
    {
        let field = match kind {
            "env" => Some("Env"),
            "label" => Some("Labels"),
            "port" => Some("ExposedPorts"),
            "volume" => Some("Volumes"),
            _ => None,
        };
        if let Some(field) = field {
            return Ok(Unset::Entries(field, pattern(rest)?));
        }
        if kind == "annotation" {
            let (scope, key) = scope(rest);
            return Ok(Unset::Annotation(scope, pattern(key)?));
        }
    }
    let run = match text {
        "cmd" => "Cmd",
        "entrypoint" => "Entrypoint",
        "user" => "User",
        "workdir" => "WorkingDir",
        "healthcheck" => "Healthcheck",
        "stopsignal" => "StopSignal",
        "shell" => "Shell",
        "onbuild" => "OnBuild",
        "author" => return Ok(Unset::Field("author")),
        "created" => return Ok(Unset::Field("created")),
        _ => {
            let why = "expected env:, label:, port:, volume: or annotation: with a name, or cmd, entrypoint, user, workdir, healthcheck, stopsignal, shell, onbuild, author or created";
            return Err(invalid("--unset", text, why));
        }
    };
    Ok(Unset::Run(run))
}

fn time(text: &str, now: Timestamp) -> Result<Timestamp> {
    let seconds = text.strip_prefix('@').and_then(|text| text.parse().ok());
    let time = match (text, seconds) {
        ("now", _) => Some(now),
        (_, Some(seconds)) => Some(Timestamp::from_unix(seconds, 0)),
        _ => Timestamp::parse(text),
    };
    time.ok_or_else(|| {
        let why = "expected a time as 2026-11-21T03:40:05Z, @SECONDS since 1970, or now";
        invalid("--created", text, why)
    })
}

fn platform(text: &str) -> Result<Platform> {
    let (name, version) = match text.split_once(':') {
        Some((name, version)) => (name, Some(version)),
        None => (text, None),
    };
    let is_whole = name.contains('/') && version.is_none_or(|version| !version.is_empty());
    if !is_whole {
        let why = "expected os/architecture[/variant][:os-version]";
        return Err(invalid("--set-platform", text, why));
    }
    let platform = Platform::parse(name)?;
    Ok(Platform {
        os_version: version.map(str::to_owned),
        ..platform
    })
}

/// Edits that take effect, and whose pattern or field some image or document had.
pub(super) struct Editor<'a> {
    edits: &'a [Edit],
    /// Time and wish of history entries.
    history: Option<Timestamp>,
    /// Layers of the edits that append one, in order.
    appended: Vec<Appended>,
    /// Of all layers, if one is taken out.
    listings: Listings,
    /// Changes of files by layers that were taken out, with the platform.
    effects: RefCell<Vec<(String, String)>>,
    packer: &'a Packer<'a>,
    used: RefCell<Vec<bool>>,
}

impl<'a> Editor<'a> {
    pub(super) fn new(
        edits: &'a [Edit],
        history: Option<Timestamp>,
        packer: &'a Packer<'a>,
    ) -> Self {
        let used = RefCell::new(vec![false; edits.len()]);
        Editor {
            edits,
            history,
            appended: Vec::new(),
            listings: Listings::default(),
            effects: RefCell::default(),
            packer,
            used,
        }
    }

    /// Reads the layers to append. With `in_place`, archives are read again when the image is written.
    ///
    /// # Errors
    /// As [`Appended::read`].
    pub(super) fn read_layers(
        &mut self,
        in_place: bool,
        packer: &Packer<'_>,
        io: &Io,
    ) -> Result<()> {
        let lists = self.needs_listings();
        for edit in self.edits {
            if let Edit::Append(path, message) = edit {
                let mut layer = Appended::read(path, in_place, lists, packer, io)?;
                layer.message.clone_from(message);
                if let (Some(diff_id), Some(listing)) = (layer.diff_id(), &layer.listing) {
                    self.listings.insert(diff_id, Arc::clone(listing));
                }
                self.appended.push(layer);
            }
        }
        Ok(())
    }

    /// Lists the layers of the images, if that is needed.
    ///
    /// # Errors
    /// As [`Listings::add`].
    pub(super) fn list_layers(
        &mut self,
        archive: &Archive,
        images: &[ImageIdx],
        limits: Limits,
    ) -> Result<()> {
        if self.needs_listings() {
            for &image in images {
                self.listings.add(archive, image, limits)?;
            }
        }
        Ok(())
    }

    fn needs_listings(&self) -> bool {
        let mut edits = self.edits.iter();
        edits.any(|edit| matches!(edit, Edit::DropLayer(..)))
    }

    /// Changes of the images' files by layers that were taken out, one line each.
    pub(super) fn effects(&self) -> Vec<String> {
        let effects = self.effects.borrow();
        let first = effects.first();
        let has_several = effects
            .iter()
            .any(|one| first.is_some_and(|first| one.0 != first.0));
        let lines = effects.iter().map(|(platform, line)| match has_several {
            true => format!("{platform}: {line}"),
            false => line.clone(),
        });
        lines.collect()
    }

    /// The platform that images get.
    pub(super) fn platform(&self) -> Option<&'a Platform> {
        let mut platforms = self.edits.iter().filter_map(|edit| match edit {
            Edit::Platform(platform) => Some(platform),
            _ => None,
        });
        platforms.next_back()
    }

    /// Applies the edits of annotations outside of manifests.
    pub(super) fn annotate(&self, scope: Scope, annotations: &mut Map<String, Value>) {
        for (number, edit) in self.edits.iter().enumerate() {
            let hit = match edit {
                Edit::Annotation(of, key, text) if *of == scope => {
                    annotations.insert(key.clone(), text.as_str().into());
                    true
                }
                Edit::Unset(Unset::Annotation(of, glob), _) if *of == scope => {
                    remove(annotations, glob)
                }
                _ => false,
            };
            self.mark(number, hit);
        }
    }

    /// Applies the edits of an image and its manifest, in order.
    ///
    /// # Errors
    /// As [`crate::spec::NewConfig::apply`] and [`crate::spec::NewConfig::unset_entries`].
    pub(super) fn apply(&self, image: &mut ImageEdit) -> Result<()> {
        let mut appended = self.appended.iter();
        for (number, edit) in self.edits.iter().enumerate() {
            let before = self.history.map(|_| image.config.clone());
            let hit = match edit {
                Edit::Changes(changes) => {
                    self.change(image, changes)?;
                    self.mark(number, true);
                    continue;
                }
                Edit::Append(..) => {
                    if let Some(layer) = appended.next() {
                        layer.apply(image, self.packer, cli::now())?;
                    }
                    self.mark(number, true);
                    continue;
                }
                Edit::DropLayer(layers, _) => {
                    let lines = drop::drop(image, layers, &self.listings)
                        .at(|| "--drop-layer".to_owned())?;
                    self.mark(number, lines.is_some());
                    let lines = lines.into_iter().flatten();
                    let platform = image.platform.to_string();
                    let mut effects = self.effects.borrow_mut();
                    effects.extend(lines.map(|line| (platform.clone(), line)));
                    continue;
                }
                Edit::Unset(Unset::Entries(field, glob), _) => {
                    let matches = |name: &str| glob.is_match(name.as_bytes());
                    image.config.unset_entries(field, matches)? > 0
                }
                Edit::Unset(Unset::Run(field), _) => {
                    if matches!(*field, "Cmd" | "Entrypoint") {
                        image.config.unset_run("ArgsEscaped");
                    }
                    image.config.unset_run(field)
                }
                Edit::Unset(Unset::Field(field), _) => image.config.unset(field),
                Edit::Unset(Unset::Annotation(Scope::Manifest, glob), _) => {
                    remove(&mut image.annotations, glob)
                }
                Edit::Annotation(Scope::Manifest, key, text) => {
                    image.annotations.insert(key.clone(), text.as_str().into());
                    true
                }
                Edit::LabelToAnnotation(glob, _) => {
                    let labels = image.config.labels().into_iter();
                    let labels = labels.filter(|(key, _)| glob.is_match(key.as_bytes()));
                    let mut hit = false;
                    for (key, text) in labels {
                        image.annotations.insert(key, text.into());
                        hit = true;
                    }
                    hit
                }
                Edit::Author(text) => {
                    image.config.set("author", text.as_str().into());
                    true
                }
                Edit::Created(time) => {
                    image.config.set("created", time.rfc3339_nano().into());
                    true
                }
                Edit::Platform(platform) => {
                    image.config.set_platform(platform);
                    true
                }
                Edit::Annotation(..) | Edit::Unset(Unset::Annotation(..), _) => false,
            };
            self.mark(number, hit);
            if before.is_some_and(|before| before != image.config) {
                self.add_history(image, &edit.text())?;
            }
        }
        Ok(())
    }

    fn change(&self, image: &mut ImageEdit, changes: &[Change]) -> Result<()> {
        image.config.apply(changes).at(|| "-c".to_owned())?;
        for change in changes {
            self.add_history(image, &change.text)?;
        }
        Ok(())
    }

    /// Adds an entry as buildah writes it, which every reader of histories knows.
    fn add_history(&self, image: &mut ImageEdit, text: &str) -> Result<()> {
        let Some(time) = self.history else {
            return Ok(());
        };
        image.config.add_history(&History {
            created: Some(time.rfc3339_nano()),
            created_by: format!("/bin/sh -c #(nop) {text}"),
            empty_layer: true,
            ..History::default()
        })
    }

    fn mark(&self, number: usize, hit: bool) {
        if let Some(used) = self.used.borrow_mut().get_mut(number) {
            *used |= hit;
        }
    }

    /// The edits that found nothing to change in any image.
    pub(super) fn unused(&self) -> Vec<String> {
        let used = self.used.borrow();
        let edits = self.edits.iter().zip(used.iter());
        let unused = edits.filter(|(_, used)| !**used);
        unused.map(|(edit, _)| edit.text()).collect()
    }
}

impl Edit {
    /// The edit as the user types it.
    fn text(&self) -> String {
        match self {
            Edit::Changes(changes) => {
                let texts: Vec<&str> = changes.iter().map(|change| &*change.text).collect();
                texts.join("; ")
            }
            Edit::Unset(_, text) => format!("--unset {text}"),
            Edit::Annotation(scope, key, _) => {
                let scope = match scope {
                    Scope::Manifest => "manifest",
                    Scope::Index => "index",
                    Scope::Descriptor => "descriptor",
                };
                format!("--annotation {scope}:{key}")
            }
            Edit::LabelToAnnotation(_, text) => format!("--label-to-annotation {text}"),
            Edit::Author(text) => format!("--author {text}"),
            Edit::Created(time) => format!("--created {}", time.rfc3339_nano()),
            Edit::Platform(platform) => format!("--set-platform {platform}"),
            Edit::DropLayer(_, text) => format!("--drop-layer {text}"),
            Edit::Append(path, _) => format!("--append {}", path.display()),
        }
    }
}

fn remove(annotations: &mut Map<String, Value>, glob: &Glob) -> bool {
    let count = annotations.len();
    annotations.retain(|key, _| !glob.is_match(key.as_bytes()));
    annotations.len() < count
}
