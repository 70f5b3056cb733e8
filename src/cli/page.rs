//! The documentation of a program, and the command of its help texts.

use clap::ArgAction;

use super::prose::Prose;
use crate::limits;

/// Width of a short help text, in columns.
const SHORT_WIDTH: usize = 80;

/// Heading of the options that programs share.
pub(super) const COMMON: &str = "Common options";

/// Documentation of a program or of a subcommand, beyond its options.
#[derive(Debug)]
pub struct Page {
    /// Name of the program or subcommand.
    pub name: &'static str,
    /// Use of options and variables that programs share.
    pub uses: Uses,
    /// Prose in Markdown, parsed for help and the manual page only; see `prose`.
    pub text: &'static str,
}

impl Page {
    /// Documentation of a subcommand, whose program states what is shared.
    pub const fn subcommand(name: &'static str, text: &'static str) -> Self {
        let uses = Uses::NOTHING;
        Page { name, uses, text }
    }
}

/// Use of options, variables and images that programs share.
#[derive(Debug, Clone, Copy)]
pub struct Uses {
    /// Help of --platform: a line and, after an empty line, the default. `None` where the option has no effect and is
    /// refused.
    pub platform: Option<&'static str>,
    /// Images that the program takes.
    pub images: Images,
    /// True if the program makes temporary files in the directory of the system.
    pub temporary: bool,
    /// True if the program takes the common options.
    pub common: bool,
}

/// Images that a program takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Images {
    /// Files, standard input and images of the local store.
    Any,
    /// Images of the local store.
    Stored,
    /// No images.
    None,
}

impl Uses {
    /// A program that shows one image of an index.
    pub const ONE: Uses = Uses {
        platform: Some(
            "Select this platform from an index: os/architecture[/variant]\n\n\
             Default: the host's platform, or the only one of the index.",
        ),
        images: Images::Any,
        temporary: false,
        common: true,
    };
    /// A program that takes all images of an index.
    pub const ALL: Uses = Uses {
        platform: Some(
            "Select only the images for this platform: os/architecture[/variant]\n\n\
             Default: the images for all platforms.",
        ),
        ..Uses::ONE
    };
    /// A program that makes images of files.
    pub const MAKES: Uses = Uses {
        platform: Some(
            "Set the platform of the new image: os/architecture[/variant]\n\n\
             Default: the platform of the input if it states one, or the host's.",
        ),
        images: Images::None,
        temporary: true,
        common: true,
    };
    /// A program that takes no images.
    pub const NOTHING: Uses = Uses {
        platform: None,
        images: Images::None,
        temporary: false,
        common: true,
    };
    /// A program that only runs others.
    pub const FRONT: Uses = Uses {
        common: false,
        ..Uses::NOTHING
    };

    /// Returns the uses of a program that also makes temporary files.
    pub const fn with_temporary_files(self) -> Self {
        Uses {
            temporary: true,
            ..self
        }
    }

    /// Returns the command with the help of --platform, and hides the option where it has no effect.
    fn with_platform(self, command: clap::Command) -> clap::Command {
        if !command
            .get_arguments()
            .any(|arg| arg.get_id() == "platform")
        {
            return command;
        }
        command.mut_arg("platform", |arg| match self.platform {
            None => arg.hide(true),
            Some(text) => {
                let line = text.split("\n\n").next().unwrap_or_default();
                arg.help(line).long_help(text)
            }
        })
    }
}

/// A subcommand: its page, and the function that adds its arguments to a command.
pub type Subcommand = (Page, fn(clap::Command) -> clap::Command);

/// Adds subcommands, each of which takes the options of the program, too.
fn with_common(
    command: clap::Command,
    commands: impl ExactSizeIterator<Item = clap::Command>,
) -> clap::Command {
    if commands.len() == 0 {
        return command;
    }
    let command = command.disable_help_subcommand(true).mut_args(|arg| {
        let is_own = ["generate", "help", "version"].map(|id| arg.get_id() == id);
        arg.global(!is_own.contains(&true))
    });
    command.subcommands(commands)
}

impl Page {
    /// Parses the prose of the page.
    pub(super) fn prose(&self) -> Prose {
        Prose::parse(self.text)
    }

    /// Adds examples and documentation to a command made by clap. `shared` has the options that the program adds to a
    /// subcommand.
    pub(super) fn command(
        &self,
        command: clap::Command,
        shared: Option<&clap::Command>,
        help: Help,
    ) -> clap::Command {
        let prose = self.prose();
        let examples = &prose.section("Examples").terms[..];
        if help == Help::Short && self.uses.common {
            let few = &examples[..examples.len().min(SHORT_EXAMPLES)];
            let text = names_of_options(&command, shared) + &listed("Examples", few);
            return shortened(command.name(self.name)).after_help(text);
        }
        let mut text = listed("Examples", examples);
        let statuses = &prose.section("Exit status").terms;
        let statuses: Vec<String> = statuses
            .iter()
            .map(|(code, meaning)| format!("{code} {}", unmarked(meaning)))
            .collect();
        if !statuses.is_empty() {
            text.push_str(&format!("\nExit status: {}\n", statuses.join("; ")));
        }
        let mut long = match self.uses.common {
            true => listed("Limits", &limits()),
            false => String::new(),
        };
        for section in prose.own() {
            long.push('\n');
            long.push_str(&listed(&section.title, &section.terms));
        }
        long.push('\n');
        long.push_str(&text);
        command
            .name(self.name)
            .after_help(text)
            .after_long_help(long.trim_start().to_owned())
    }

    /// Returns the command without the texts of the page. Arguments of a subcommand are added only if it is typed.
    pub(super) fn bare_of(&self, commands: &[Subcommand], command: clap::Command) -> clap::Command {
        let bare = |command: &Subcommand| clap::Command::new(command.0.name).defer(command.1);
        let command = self.uses.with_platform(command.name(self.name));
        with_common(command, commands.iter().map(bare))
    }

    /// Returns the command with the texts of the page and of its subcommands' pages.
    pub(super) fn command_of(
        &self,
        commands: &[Subcommand],
        command: clap::Command,
        help: Help,
    ) -> clap::Command {
        let command = self.uses.with_platform(command);
        let whole = |(page, arguments): &Subcommand| {
            let own = arguments(clap::Command::new(page.name));
            page.command(own, Some(&command), help)
        };
        let commands: Vec<clap::Command> = commands.iter().map(whole).collect();
        with_common(self.command(command, None, help), commands.into_iter())
    }
}

/// Form of a help text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Help {
    /// `-h`: one screen of 80 columns and 40 lines.
    Short,
    /// `--help`: everything.
    Long,
}

/// Number of examples in a short help text.
const SHORT_EXAMPLES: usize = 2;

/// Returns the names of the options that a short help text does not describe: first the program's own, then those that
/// all programs take.
fn names_of_options(command: &clap::Command, shared: Option<&clap::Command>) -> String {
    let is_shared = |arg: &&clap::Arg| arg.get_help_heading() == Some(COMMON);
    let inherited = shared.into_iter().flat_map(clap::Command::get_arguments);
    let inherited = inherited.filter(|arg| arg.get_id() != "generate");
    let all = command.get_arguments().chain(inherited);
    let (common, own): (Vec<_>, Vec<_>) = all.filter(|arg| !arg.is_hide_set()).partition(is_shared);
    let own = own.into_iter().filter(|arg| arg.is_hide_short_help_set());
    let name = |arg: &clap::Arg| match (arg.get_short(), arg.get_long()) {
        (Some(short), _) => format!("-{short}"),
        (None, long) => format!("--{}", long.unwrap_or_default()),
    };
    let version = command.get_version().map(|_| "-V".to_owned());
    let common = common.into_iter().map(name).chain(version);
    listed_names("More options", own.map(name)) + &listed_names("Common options", common)
}

/// Returns lines with names of options, below a heading that points to `--help`; nothing without names.
fn listed_names(heading: &str, names: impl Iterator<Item = String>) -> String {
    let mut lines: Vec<String> = Vec::new();
    for name in names {
        match lines.last_mut() {
            Some(line) if line.len() + name.len() < SHORT_WIDTH => {
                line.push(' ');
                line.push_str(&name);
            }
            _ => lines.push(format!("  {name}")),
        }
    }
    match lines.is_empty() {
        true => String::new(),
        false => format!("{heading}, see --help:\n{}\n\n", lines.join("\n")),
    }
}

/// Returns the command for a short help text: one line for each option that is not among those of
/// [`names_of_options`].
fn shortened(command: clap::Command) -> clap::Command {
    let help = clap::Arg::new("help").short('h').long("help");
    let version = clap::Arg::new("version").short('V').long("version");
    let command = command.mut_args(|arg| {
        let is_hidden = arg.is_hide_short_help_set() || arg.get_help_heading() == Some(COMMON);
        let arg = arg.hide_short_help(is_hidden);
        match arg.get_action().takes_values() {
            true => {
                let arg = arg.hide_possible_values(true).hide_default_value(true);
                arg.hide_env(true)
            }
            false => arg,
        }
    });
    let command = match command.get_version() {
        None => command,
        Some(_) => command
            .disable_version_flag(true)
            .arg(version.action(ArgAction::Version).hide(true)),
    };
    command
        .disable_help_flag(true)
        .arg(help.action(ArgAction::HelpShort).hide(true))
}

/// Limits that --limit sets, with their defaults and meanings.
pub(super) fn limits() -> Vec<(String, String)> {
    let named = limits::NAMED.iter();
    let named = named.map(|named| {
        (
            format!("{}={}", named.name, named.default),
            named.described(),
        )
    });
    named.collect()
}

/// Text without the backticks of its code spans.
fn unmarked(text: &str) -> String {
    text.replace('`', "")
}

/// Terms and meanings under a heading, as help shows them.
pub(super) fn listed<M: AsRef<str>>(heading: &str, items: &[(String, M)]) -> String {
    let items = items.iter();
    let items =
        items.map(|(term, meaning)| format!("  {term}\n      {}\n", unmarked(meaning.as_ref())));
    format!("{heading}:\n{}", items.collect::<String>())
}

/// Tests if a command has an option --format that takes `json`, and no option --json of its own.
pub(super) fn has_json_alias(command: &clap::Command) -> bool {
    let takes_json = |arg: &clap::Arg| {
        let values = arg.get_possible_values();
        arg.get_id() == "format"
            && (values.is_empty() || values.iter().any(|value| value.get_name() == "json"))
    };
    let has_own = command.get_arguments().any(|arg| arg.get_id() == "json");
    !has_own && command.get_arguments().any(takes_json)
}

/// Returns clap's text of help or version without the blanks that clap indents empty lines with.
pub(super) fn help_text(text: &str) -> String {
    let lines = text.lines().map(str::trim_end);
    lines.collect::<Vec<_>>().join("\n") + "\n"
}
