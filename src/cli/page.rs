//! The documentation of a program: help texts and man page from one source.

use std::io::{self, Write};

use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::run::has_json_alias;
use crate::limits;

/// What a program's help and man page say beyond its options, or a subcommand's part of them.
#[derive(Debug)]
pub struct Page {
    /// The program's name.
    pub name: &'static str,
    /// What it does with options and variables that others have, too.
    pub uses: Uses,
    /// Paragraphs of description.
    pub description: &'static [&'static str],
    /// What it prints and in which form: paragraphs.
    pub output: &'static [&'static str],
    /// The keys of its JSON output: name and meaning.
    pub keys: &'static [(&'static str, &'static str)],
    /// Exit statuses: number and meaning; none for a subcommand, which has those of its program.
    pub exit: &'static [(&'static str, &'static str)],
    /// Commands to copy: what for, and the command.
    pub examples: &'static [(&'static str, &'static str)],
    /// Further sections: title and items of term and meaning.
    pub sections: &'static [(&'static str, &'static [(&'static str, &'static str)])],
    /// Related programs.
    pub see_also: &'static [&'static str],
}

/// What a program does with what others have, too.
#[derive(Debug, Clone, Copy)]
pub struct Uses {
    /// What --platform is for: a line, and after a blank line what holds without it. `None` where it has no effect, so
    /// that it is refused.
    pub platform: Option<&'static str>,
    /// The images that it takes.
    pub images: Images,
    /// Whether it makes temporary files in the directory of the system.
    pub temporary: bool,
}

/// Which images a program takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Images {
    /// Wherever they are.
    Any,
    /// Those of the local store.
    Stored,
    /// None.
    None,
}

impl Uses {
    /// A program that shows one image of an index.
    pub const ONE: Uses = Uses {
        platform: Some(
            "Choose this platform in an index: os/architecture[/variant]\n\n\
             Without it the host's platform is chosen, or the only one that is there.",
        ),
        images: Images::Any,
        temporary: false,
    };
    /// One that takes all images of an index.
    pub const ALL: Uses = Uses {
        platform: Some(
            "Take only the images for this platform: os/architecture[/variant]\n\n\
             Without it those for all platforms are taken.",
        ),
        ..Uses::ONE
    };
    /// One that makes images of what is none.
    pub const MAKES: Uses = Uses {
        platform: Some(
            "State this platform for the new image: os/architecture[/variant]\n\n\
             Without it that of what goes into the image where it tells, or the host's.",
        ),
        images: Images::None,
        temporary: true,
    };
    /// One that takes no images.
    pub const NOTHING: Uses = Uses {
        platform: None,
        images: Images::None,
        temporary: false,
    };

    /// The command with the help of --platform; without the option where it has no effect.
    fn told(self, command: clap::Command) -> clap::Command {
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

/// How an image is written, for every page that takes one.
const IMAGE_FORMS: &[(&str, &str)] = &[
    (
        "PATH, PATH:NAME[:TAG], PATH:@N, PATH@DIGEST",
        "a file or folder of any kind, detected by its content; with a reference, a position (from 0) or a digest where it holds several images",
    ),
    (
        "docker-archive:PATH[:REF], oci-archive:PATH[:REF], oci:PATH[:REF], dir:PATH",
        "the same in skopeo's spelling, with the kind forced",
    ),
    (
        "-, -:REF",
        "the archive on standard input, read in one pass",
    ),
    (
        "NAME[:TAG], NAME@DIGEST, ID",
        "an image in the local store; an ID may be cut to a unique start",
    ),
];

/// The variable of programs that take --cache.
const CACHE: (&str, &str) = (
    "IMGKIT_CACHE",
    "the folder for indexes of packed layers, where --cache does not name one",
);

/// The variable of programs that make temporary files.
const TMPDIR: (&str, &str) = (
    "TMPDIR",
    "the directory of temporary files, which are needed where something is read twice, as what comes through a pipe, and no output names a directory; by default /tmp",
);

/// The variable of programs that have colour.
const NO_COLOR: (&str, &str) = ("NO_COLOR", "no colour, if it is set and not empty");

/// The variables that every program looks at.
const ENVIRONMENT: &[(&str, &str)] = &[
    (
        "IMGKIT_STORE",
        "the folder of the local store, where --store does not name one",
    ),
    (
        "XDG_DATA_HOME, HOME",
        "where the store is without either: $XDG_DATA_HOME/imgkit, or ~/.local/share/imgkit",
    ),
    (
        "SOURCE_DATE_EPOCH",
        "seconds since 1970 that stand for now, so that ages, and the times of what is made, are the same on every run",
    ),
];

/// A subcommand: its page, and what adds what it takes to a command.
pub type Subcommand = (Page, fn(clap::Command) -> clap::Command);

/// Options of a program with subcommands are those of each of them, too.
fn with_common(
    command: clap::Command,
    commands: impl ExactSizeIterator<Item = clap::Command>,
) -> clap::Command {
    if commands.len() == 0 {
        return command;
    }
    let command = command.disable_help_subcommand(true).mut_args(|arg| {
        let is_own = arg.get_id() == "generate";
        arg.global(!is_own)
    });
    command.subcommands(commands)
}

impl Page {
    /// Adds examples and documentation to a command made by clap.
    pub(super) fn command(&self, command: clap::Command) -> clap::Command {
        let mut text = String::from("Examples:\n");
        for (what, example) in self.examples {
            text.push_str(&format!("  {example}\n      {what}\n"));
        }
        if !self.exit.is_empty() {
            text.push_str("\nExit status: ");
        }
        let statuses: Vec<String> = self
            .exit
            .iter()
            .map(|(code, meaning)| format!("{code} {meaning}"))
            .collect();
        text.push_str(&statuses.join("; "));
        if !self.exit.is_empty() {
            text.push('\n');
        }
        let mut long = String::new();
        long.push_str("Limits:\n");
        for named in &limits::NAMED {
            let (name, default, meaning) = (named.name, named.default, named.described());
            long.push_str(&format!("  {name}={default}\n      {meaning}\n"));
        }
        long.push('\n');
        for (title, items) in self.sections {
            long.push_str(&format!("{}:\n", capitalized(title)));
            for (term, meaning) in *items {
                long.push_str(&format!("  {term}\n      {meaning}\n"));
            }
            long.push('\n');
        }
        long.push_str(&text);
        command
            .name(self.name)
            .after_help(text)
            .after_long_help(long)
    }

    /// The command without the page's texts. What a subcommand takes is only set up when it is the one that is typed.
    pub(super) fn bare_of(&self, commands: &[Subcommand], command: clap::Command) -> clap::Command {
        let bare = |command: &Subcommand| clap::Command::new(command.0.name).defer(command.1);
        let command = self.uses.told(command.name(self.name));
        with_common(command, commands.iter().map(bare))
    }

    /// The same with them, and with those of each subcommand.
    pub(super) fn command_of(
        &self,
        commands: &[Subcommand],
        command: clap::Command,
    ) -> clap::Command {
        let whole = |(page, arguments): &Subcommand| {
            let command = arguments(clap::Command::new(page.name));
            page.command(command)
        };
        let command = self.uses.told(self.command(command));
        with_common(command, commands.iter().map(whole))
    }

    /// A subcommand's section of the man page.
    fn section(
        &self,
        program: &str,
        command: &clap::Command,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let full = format!("{program} {}", self.name);
        let plain = command.clone().after_help("").after_long_help("");
        let usage = plain.clone().bin_name(&full).render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").trim().to_owned();
        let arguments = usage.strip_prefix(&full).unwrap_or(&usage);
        let mut roff = Roff::new();
        roff.control("SH", [full.to_uppercase().as_str()]);
        roff.text([bold(&full), roman(arguments)]);
        paragraphs(&mut roff, self.description);
        roff.to_writer(out)?;
        let mut options = Vec::new();
        Man::new(plain.disable_help_flag(true)).render_options_section(&mut options)?;
        let options = String::from_utf8_lossy(&options).replace(".SH OPTIONS\n", "");
        out.write_all(options.as_bytes())?;
        let mut roff = Roff::new();
        for (title, items) in self.sections {
            roff.control("SS", [capitalized(title).as_str()]);
            terms(&mut roff, items);
        }
        if !self.output.is_empty() || !self.keys.is_empty() {
            roff.control("SS", ["Output"]);
            paragraphs(&mut roff, self.output);
            terms(&mut roff, self.keys);
        }
        roff.control("SS", ["Examples"]);
        for (what, example) in self.examples {
            roff.control("TP", []);
            roff.text([bold(*example)]);
            roff.text([roman(*what)]);
        }
        roff.to_writer(out)
    }

    /// Writes the man page, with a section for each subcommand.
    ///
    /// # Errors
    /// Those of the writer.
    pub(super) fn man(
        &self,
        commands: &[Subcommand],
        command: &clap::Command,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let man = Man::new(command.clone().after_help("").after_long_help(""));
        let title = self.name.to_uppercase();
        // No date, because the same source makes the same page. An empty word has to be quoted, and roff does not.
        writeln!(
            out,
            ".TH {title} 1 \"\" \"imgkit {}\" \"imgkit\"",
            env!("CARGO_PKG_VERSION")
        )?;
        man.render_name_section(out)?;
        let mut roff = Roff::new();
        roff.control("SH", ["SYNOPSIS"]);
        let usage = command.clone().render_usage().to_string();
        let usage = usage.trim_start_matches("Usage: ").trim();
        let (name, arguments) = usage.split_once(' ').unwrap_or((usage, ""));
        roff.text([bold(name), roman(format!(" {arguments}"))]);
        roff.to_writer(out)?;
        let mut roff = Roff::new();
        roff.control("SH", ["DESCRIPTION"]);
        paragraphs(&mut roff, self.description);
        let last = IMAGE_FORMS.len() - 1;
        let (forms, rest) = match self.uses.images {
            Images::Any => (
                IMAGE_FORMS,
                "What exists as a path is a path; ./ forces a path, store: forces the store.",
            ),
            Images::Stored => (
                &IMAGE_FORMS[last..],
                "Archives and other directories are left alone.",
            ),
            Images::None => (&IMAGE_FORMS[..0], ""),
        };
        if !forms.is_empty() {
            roff.control("SH", ["IMAGES"]);
            roff.text([roman("An image is written as one of:")]);
            terms(&mut roff, forms);
            roff.control("PP", []);
            roff.text([roman(rest)]);
        }
        roff.to_writer(out)?;
        for (page, _) in commands {
            if let Some(subcommand) = command.find_subcommand(page.name) {
                page.section(self.name, subcommand, out)?;
            }
        }
        man.render_options_section(out)?;
        let mut roff = Roff::new();
        for (title, items) in self.sections {
            roff.control("SH", [*title]);
            terms(&mut roff, items);
        }
        roff.control("SH", ["OUTPUT FORMAT"]);
        paragraphs(&mut roff, self.output);
        terms(&mut roff, self.keys);
        if has_json_alias(command) {
            paragraphs(&mut roff, &["--json is short for --format json."]);
        }
        roff.control("SH", ["LIMITS"]);
        roff.text([roman(
            "What --limit moves, with the defaults. An error about one of them says what to type. A limit without a \
             maximum here has none, and none stands for the maximum of all others but the two that bound recursion.",
        )]);
        let moved = limits::NAMED.iter().map(|named| {
            let term = format!("{}={}", named.name, named.default);
            (term, named.described())
        });
        let moved: Vec<(String, String)> = moved.collect();
        let moved: Vec<(&str, &str)> = moved
            .iter()
            .map(|(term, meaning)| (term.as_str(), meaning.as_str()))
            .collect();
        terms(&mut roff, &moved);
        roff.control("SH", ["EXIT STATUS"]);
        terms(&mut roff, self.exit);
        roff.control("SH", ["ENVIRONMENT"]);
        terms(&mut roff, ENVIRONMENT);
        if command.get_arguments().any(|arg| arg.get_id() == "cache") {
            terms(&mut roff, &[CACHE]);
        }
        if command.get_arguments().any(|arg| arg.get_id() == "color") {
            terms(&mut roff, &[NO_COLOR]);
        }
        if self.uses.temporary {
            terms(&mut roff, &[TMPDIR]);
        }
        roff.control("SH", ["EXAMPLES"]);
        for (what, example) in self.examples {
            roff.control("TP", []);
            roff.text([bold(*example)]);
            roff.text([roman(*what)]);
        }
        roff.control("SH", ["SEE ALSO"]);
        let mut line: Vec<Inline> = Vec::new();
        for (i, name) in self.see_also.iter().enumerate() {
            line.push(bold(*name));
            line.push(roman(if i + 1 == self.see_also.len() {
                "(1)"
            } else {
                "(1), "
            }));
        }
        roff.text(line);
        roff.to_writer(out)
    }
}

fn paragraphs(roff: &mut Roff, texts: &[&str]) {
    for text in texts {
        roff.control("PP", []);
        roff.text([roman(*text)]);
    }
}

fn terms(roff: &mut Roff, items: &[(&str, &str)]) {
    for (term, meaning) in items {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*meaning)]);
    }
}

/// `FILTERS` as a heading of the help.
fn capitalized(title: &str) -> String {
    let rest = title.get(1..).unwrap_or_default().to_lowercase();
    format!("{}{rest}", title.get(..1).unwrap_or_default())
}
