//! What a Dockerfile can say, as values.

/// How sure a reconstructed line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Certainty {
    /// The history holds all of it.
    Exact,
    /// The history or the config suggests it.
    Inferred,
    /// Something of it was never recorded, or cannot be written in a Dockerfile.
    Lost,
}

impl Certainty {
    /// The word for it in JSON and in comments.
    pub fn name(self) -> &'static str {
        match self {
            Certainty::Exact => "exact",
            Certainty::Inferred => "inferred",
            Certainty::Lost => "lost",
        }
    }
}

/// Keys and values, in order.
pub type Pairs = Vec<(String, String)>;

/// One instruction, values plain: nothing is quoted, escaped or expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instruction {
    /// `FROM`.
    From(String),
    /// `RUN`.
    Run(Command),
    /// `COPY` and `ADD`.
    Copy(Copy),
    /// `ENV`.
    Env(Pairs),
    /// `LABEL`.
    Label(Pairs),
    /// `ARG`, one line for each name.
    Arg(Vec<(String, Option<String>)>),
    /// `EXPOSE`.
    Expose(Vec<String>),
    /// `VOLUME`.
    Volume(Vec<String>),
    /// `USER`.
    User(String),
    /// `WORKDIR`.
    Workdir(String),
    /// `STOPSIGNAL`.
    StopSignal(String),
    /// `SHELL`.
    Shell(Vec<String>),
    /// `CMD`.
    Cmd(Command),
    /// `ENTRYPOINT`.
    Entrypoint(Command),
    /// `HEALTHCHECK`.
    Healthcheck(Health),
    /// `ONBUILD`.
    Onbuild(String),
    /// `MAINTAINER`.
    Maintainer(String),
    /// All files of a layer that no instruction speaks of: a commit, an import, another producer.
    Layer(String),
    /// Nothing but a remark.
    Nothing,
}

/// A command in one of the forms a Dockerfile has for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// A text for the shell that is set.
    Shell(String),
    /// A program and its arguments.
    Exec(Vec<String>),
    /// A script for the shell as a heredoc, which is that text as it is (RUN only).
    Script(String),
    /// A command line with heredocs of its own (RUN only).
    Heredocs(String),
}

/// `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copy {
    /// Whether it is `ADD`.
    pub add: bool,
    /// Options in front, as written.
    pub flags: Vec<String>,
    /// What was copied; a placeholder in angle brackets where only a checksum is known.
    pub sources: Vec<String>,
    /// Where to.
    pub destination: String,
    /// The body of a heredoc source.
    pub body: Option<String>,
}

/// `HEALTHCHECK`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Health {
    /// Docker's own form: `NONE`, `CMD` with words, `CMD-SHELL` with a text.
    pub test: Vec<String>,
    /// Nanoseconds, 0 where it is not set: interval, timeout, start period, start interval.
    pub times: [u64; 4],
    /// How many failures it takes; 0 where it is not set.
    pub retries: u64,
}

impl Instruction {
    /// The word that starts it; empty for a mere remark.
    pub fn keyword(&self) -> &'static str {
        match self {
            Instruction::From(_) => "FROM",
            Instruction::Run(_) => "RUN",
            Instruction::Copy(copy) if copy.add => "ADD",
            Instruction::Copy(_) | Instruction::Layer(_) => "COPY",
            Instruction::Env(_) => "ENV",
            Instruction::Label(_) => "LABEL",
            Instruction::Arg(_) => "ARG",
            Instruction::Expose(_) => "EXPOSE",
            Instruction::Volume(_) => "VOLUME",
            Instruction::User(_) => "USER",
            Instruction::Workdir(_) => "WORKDIR",
            Instruction::StopSignal(_) => "STOPSIGNAL",
            Instruction::Shell(_) => "SHELL",
            Instruction::Cmd(_) => "CMD",
            Instruction::Entrypoint(_) => "ENTRYPOINT",
            Instruction::Healthcheck(_) => "HEALTHCHECK",
            Instruction::Onbuild(_) => "ONBUILD",
            Instruction::Maintainer(_) => "MAINTAINER",
            Instruction::Nothing => "",
        }
    }
}
