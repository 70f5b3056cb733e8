//! Dockerfile instructions as values.

/// Keys and values, in order.
pub type Pairs = Vec<(String, String)>;

/// Keywords of all instructions.
pub const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// One instruction. Values are final (nothing quoted, escaped or to be expanded), except within a
/// [`Change`](super::Change).
#[derive(Debug, Clone, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "UPPERCASE")]
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
    /// `ARG`: names and default values.
    Arg(Vec<(String, Option<String>)>),
    /// `EXPOSE`: ports and ranges of ports, with or without a protocol.
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
    Healthcheck(Healthcheck),
    /// `ONBUILD`: the text of an instruction.
    OnBuild(String),
    /// `MAINTAINER`.
    Maintainer(String),
}

/// Command in one of the forms of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The JSON form: a program and its arguments. May be empty.
    Exec(Vec<String>),
    /// The shell form: a command line, run by the image's shell.
    Shell(String),
    /// A heredoc with a script for the shell (RUN only).
    Script(String),
    /// A command line with heredocs of its own (RUN only).
    Heredocs(String),
}

/// `COPY` or `ADD`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copy {
    /// True for `ADD`.
    pub add: bool,
    /// Options, as written.
    pub flags: Vec<String>,
    /// Source paths; a placeholder in angle brackets for a source of unknown name.
    pub sources: Vec<String>,
    /// Target path.
    pub destination: String,
    /// Body of a heredoc source.
    pub body: Option<String>,
}

/// `HEALTHCHECK`; durations in nanoseconds, 0 for the default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Healthcheck {
    /// `NONE`; or `CMD` and the words of a command; or `CMD-SHELL` and a command line.
    pub test: Vec<String>,
    /// Time between two checks.
    pub interval: u64,
    /// Time that a check may take.
    pub timeout: u64,
    /// Time in which failures do not count.
    pub start_period: u64,
    /// Time between two checks during the start period.
    pub start_interval: u64,
    /// Number of failures in a row that make a container unhealthy; 0 for the default.
    pub retries: u64,
}

impl Instruction {
    /// Returns the keyword, in upper case.
    pub fn keyword(&self) -> &'static str {
        match self {
            Instruction::Copy(copy) => copy.keyword(),
            other => other.into(),
        }
    }
}

impl Command {
    /// Returns the argument list that a container runs; `shell` precedes a command line.
    pub fn argv(&self, shell: Vec<String>) -> Vec<String> {
        match self {
            Command::Exec(words) => words.clone(),
            Command::Shell(text) | Command::Script(text) | Command::Heredocs(text) => {
                let mut words = shell;
                words.push(text.clone());
                words
            }
        }
    }

    /// Returns the command as one text.
    pub fn text(&self) -> String {
        match self {
            Command::Exec(words) => words.join(" "),
            Command::Shell(text) | Command::Script(text) | Command::Heredocs(text) => text.clone(),
        }
    }
}

impl Copy {
    /// Returns `ADD` or `COPY`.
    pub fn keyword(&self) -> &'static str {
        match self.add {
            true => "ADD",
            false => "COPY",
        }
    }
}

impl Healthcheck {
    /// Names of the flags for [`times_mut`](Self::times_mut), in that order.
    pub const TIME_FLAGS: [&str; 4] = ["interval", "timeout", "start-period", "start-interval"];

    /// Returns the durations: interval, timeout, start period, start interval.
    pub fn times(&self) -> [u64; 4] {
        [
            self.interval,
            self.timeout,
            self.start_period,
            self.start_interval,
        ]
    }

    /// Returns the durations for change: interval, timeout, start period, start interval.
    pub fn times_mut(&mut self) -> [&mut u64; 4] {
        [
            &mut self.interval,
            &mut self.timeout,
            &mut self.start_period,
            &mut self.start_interval,
        ]
    }
}
