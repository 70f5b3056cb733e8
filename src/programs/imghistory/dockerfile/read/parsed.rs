//! Result of reading one history entry.

use crate::programs::imghistory::dockerfile::line::{Certainty, Statement};
use crate::spec::instruction::{Instruction, Pairs};

/// Label that buildah adds to each image.
pub const BUILDAH_LABEL: &str = "io.buildah.version";

/// Remark on a RUN whose words were joined.
pub const EXEC_FORM: &str = "the exec form: where its words end is not recorded";

/// Program that wrote an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Producer {
    /// Docker's builder before BuildKit, and buildah, which writes like it.
    Classic,
    /// BuildKit.
    BuildKit,
    /// A builder that records instructions as in the Dockerfile, such as kaniko.
    Verbatim,
    /// `docker commit`, `buildah commit`.
    Commit,
    /// `docker import`, and makers of root filesystems.
    Import,
    /// A program without Dockerfiles.
    Other,
}

/// History entry, read back.
#[derive(Debug, Clone)]
pub struct ParsedEntry {
    /// Instruction, or placeholder.
    pub statement: Statement,
    /// Confidence in it.
    pub certainty: Certainty,
    /// Comments on facts that were never recorded.
    pub notes: Vec<String>,
    /// Further comments.
    pub remarks: Vec<String>,
    /// Values of build arguments for this instruction.
    pub build_args: Pairs,
    /// Program that wrote the entry.
    pub producer: Producer,
    /// Shell in force for the instruction.
    pub shell: Vec<String>,
    /// Instruction as written in its Dockerfile, if that can be copied.
    pub verbatim: Option<String>,
    /// Options of RUN, as written.
    pub options: Vec<String>,
    /// Build arguments whose values follow from the config.
    pub learnt: Pairs,
    /// True if it sets nothing: the image's format has no field for it.
    pub inert: bool,
    /// Comment of the builder.
    pub comment: String,
    /// True if the entry looks like buildah's.
    pub buildah: bool,
}

impl ParsedEntry {
    /// Returns a result without an instruction, to be filled.
    pub fn new(comment: String) -> Self {
        ParsedEntry {
            statement: Statement::Comment,
            certainty: Certainty::Exact,
            notes: Vec::new(),
            remarks: Vec::new(),
            build_args: Vec::new(),
            producer: Producer::Other,
            shell: Vec::new(),
            verbatim: None,
            options: Vec::new(),
            learnt: Vec::new(),
            inert: false,
            comment,
            buildah: false,
        }
    }

    /// Returns the result for a layer without a history entry. `layer` counts from 0.
    pub fn unrecorded(layer: Option<usize>, shell: Vec<String>) -> Self {
        ParsedEntry {
            statement: Statement::Layer(layer.map_or(0, |layer| layer + 1)),
            certainty: Certainty::Lost,
            notes: vec!["no entry of the history is about this layer".into()],
            shell,
            ..Self::new(String::new())
        }
    }

    /// Returns the instruction, if it is one.
    pub fn instruction(&self) -> Option<&Instruction> {
        self.statement.instruction()
    }

    /// Tests for a RUN that mounted files of another stage or image: it cannot be run again.
    pub fn has_lost_mount(&self) -> bool {
        let is_lost = |option: &String| {
            option.starts_with("--mount=") && option.split([',', '=']).any(|word| word == "from")
        };
        self.options.iter().any(is_lost)
    }

    /// Sets the instruction.
    pub(super) fn set(&mut self, instruction: Instruction) {
        self.statement = instruction.into();
    }

    /// Lowers the confidence to `Inferred`, for the reason given.
    pub(super) fn infer(&mut self, reason: &str) {
        self.certainty = Certainty::Inferred;
        self.remarks.push(reason.to_owned());
    }

    /// Sets the confidence to `Lost`, with a note.
    pub(super) fn lose(&mut self, note: impl Into<String>) {
        self.certainty = Certainty::Lost;
        self.notes.push(note.into());
    }

    /// Leaves the layer's files as the only known fact. `layer` counts from 0.
    pub(super) fn set_layer_only(&mut self, layer: Option<usize>) {
        self.certainty = Certainty::Lost;
        if let Some(layer) = layer {
            self.statement = Statement::Layer(layer + 1);
        }
    }
}
