//! Command line of imgedit.

use std::path::PathBuf;

use clap::{ArgMatches, Command, Error, FromArgMatches};

use crate::cli::{Common, ImageArg, OutputArgs};

/// Edit parts of an image
#[derive(clap::Parser)]
#[command(
    version,
    override_usage = "imgedit [OPTIONS] IMAGE EDIT... [NAME[:TAG]]"
)]
pub struct Args {
    /// Image to edit
    #[arg(value_name = "IMAGE")]
    pub image: ImageArg,
    /// Name of the new image
    #[arg(value_name = "NAME[:TAG]", conflicts_with_all = ["tag", "replace"])]
    pub name: Option<String>,
    #[command(flatten)]
    pub edits: Edits,
    /// Add history entries for the changes
    #[arg(long)]
    pub history: bool,
    /// Move the name, or replace the archive
    #[arg(long, conflicts_with_all = ["tag", "output"])]
    pub replace: bool,
    /// Print what would change, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Write digests to FILE as JSON
    ///
    /// Those that changed, and those that did not.
    #[arg(long, value_name = "FILE")]
    pub digest_map: Option<PathBuf>,
    /// Copy attestations and other referrers of the image
    ///
    /// They are about the image before the change. By default they are left out, with a note.
    #[arg(long, hide_short_help = true)]
    pub keep_referrers: bool,
    #[command(flatten)]
    pub destination: OutputArgs,
    #[command(flatten)]
    pub common: Common,
}

/// Options of edits that only this program has. They are applied in the order in which they are typed.
#[derive(Debug, clap::Args)]
struct EditArgs {
    /// Remove a part of the config
    ///
    /// See EDITS. Repeatable.
    #[arg(long, value_name = "WHAT")]
    unset: Vec<String>,
    /// Set an annotation
    ///
    /// As [SCOPE:]KEY=TEXT, with SCOPE manifest, index or descriptor. Repeatable.
    #[arg(long, value_name = "KEY=TEXT")]
    annotation: Vec<String>,
    /// Copy labels to annotations
    ///
    /// Repeatable.
    #[arg(long, value_name = "GLOB")]
    label_to_annotation: Vec<String>,
    /// Set the author
    #[arg(long, value_name = "TEXT")]
    author: Vec<String>,
    /// Set the time of creation
    ///
    /// As in RFC 3339, @SECONDS since 1970, or now.
    #[arg(long, value_name = "TIME")]
    created: Vec<String>,
    /// Set the platform of the image
    ///
    /// As os/architecture[/variant][:os-version].
    #[arg(long, value_name = "PLATFORM")]
    set_platform: Vec<String>,
    /// Append a tar as a layer, or a directory
    ///
    /// The bytes of a tar, plain or in gzip or zstd, stay as they are. Repeatable.
    #[arg(long, value_name = "FILE|DIR")]
    append: Vec<PathBuf>,
    /// Comment on the layer before it
    #[arg(long, value_name = "TEXT", hide_short_help = true)]
    append_message: Vec<String>,
    /// Take layers out
    ///
    /// As N, N..M, a digest, or created-by:REGEX. Repeatable.
    #[arg(long, value_name = "LAYERS")]
    drop_layer: Vec<String>,
}

/// An edit as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// `--change`
    Change(String),
    /// `--unset`
    Unset(String),
    /// `--annotation`
    Annotation(String),
    /// `--label-to-annotation`
    LabelToAnnotation(String),
    /// `--author`
    Author(String),
    /// `--created`
    Created(String),
    /// `--set-platform`
    SetPlatform(String),
    /// `--append`
    Append(PathBuf),
    /// `--append-message`
    AppendMessage(String),
    /// `--drop-layer`
    DropLayer(String),
}

/// Edits in the order in which they were typed.
#[derive(Debug, Clone)]
pub struct Edits(pub Vec<Typed>);

impl FromArgMatches for Edits {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let args = EditArgs::from_arg_matches(matches)?;
        let changes = matches.get_many::<String>("changes");
        let changes = changes.into_iter().flatten().cloned().collect();
        let mut found = Vec::new();
        let at = |id: &str| matches.indices_of(id).into_iter().flatten();
        let mut add = |id: &str, texts: Vec<String>, typed: fn(String) -> Typed| {
            found.extend(at(id).zip(texts.into_iter().map(typed)));
        };
        add("changes", changes, Typed::Change);
        add("unset", args.unset, Typed::Unset);
        add("annotation", args.annotation, Typed::Annotation);
        let labels = args.label_to_annotation;
        add("label_to_annotation", labels, Typed::LabelToAnnotation);
        add("author", args.author, Typed::Author);
        add("created", args.created, Typed::Created);
        add("set_platform", args.set_platform, Typed::SetPlatform);
        add("append_message", args.append_message, Typed::AppendMessage);
        add("drop_layer", args.drop_layer, Typed::DropLayer);
        found.extend(at("append").zip(args.append.into_iter().map(Typed::Append)));
        found.sort_by_key(|(position, _)| *position);
        Ok(Edits(found.into_iter().map(|(_, typed)| typed).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Edits::from_arg_matches(matches)?;
        Ok(())
    }
}

impl clap::Args for Edits {
    fn augment_args(command: Command) -> Command {
        EditArgs::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        EditArgs::augment_args_for_update(command)
    }
}
