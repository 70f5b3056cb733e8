//! Running a program: from its arguments to its exit status.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};

use super::args::{ColorWhen, Common};
use super::call::{Call, Description};
use super::page::{Help, Page, Subcommand, has_json_alias, help_text};
use super::streams::{Io, check_epoch};
use super::{complete, image, interrupt, man};
use crate::archive::distance;
use crate::error::{During, Error, Result};
use crate::escape::brief_to;
use crate::spec::Platform;
use crate::store;

/// Result of a successful operation, as its exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Done, equal, sound: 0.
    Yes,
    /// A difference or damage was found: 1.
    No,
}

/// Exit status of an error: invalid usage, unreadable or untrusted input, failed output.
const ERROR: u8 = 2;

/// Runs a program: parses its arguments, runs the operation, and returns the exit status.
///
/// An error has precedence over differences. A closed pipe ends the run without an error.
pub fn run<A: CommandFactory + FromArgMatches>(
    call: Call<'_>,
    page: &'static Page,
    operation: impl FnOnce(&A, &mut Io) -> Result<Verdict>,
) -> ExitCode {
    run_commands(call, page, &[], operation)
}

/// Runs a program with subcommands, which have their own pages; see [`run`].
pub fn run_commands<A: CommandFactory + FromArgMatches>(
    call: Call<'_>,
    page: &'static Page,
    commands: &'static [Subcommand],
    operation: impl FnOnce(&A, &mut Io) -> Result<Verdict>,
) -> ExitCode {
    // Building the texts of help takes longer than everything else before the operation.
    let documented = |help| page.command_of(commands, without_empty(A::command()), help);
    let argv = match call {
        Call::Run(argv) => argv,
        Call::Describe(description) => {
            *description = Some(Description::new(page, commands, documented(Help::Long)));
            return ExitCode::SUCCESS;
        }
    };
    let argv: Vec<OsString> = argv.into_iter().map(image::shield).collect();
    let argv = with_alias(argv, commands, A::command);
    let mut io = Io::new(page.name);
    interrupt::prepare(page.name);
    if let Some(code) = generate(page, commands, || documented(Help::Long), &argv, &mut io) {
        return code;
    }
    let command = page.bare_of(commands, without_empty(A::command()));
    let mut matches = match command.try_get_matches_from(&argv) {
        Ok(matches) => matches,
        Err(error) => return refused(&error, commands, documented, &argv, &mut io),
    };
    let streams = image::standard_inputs(&matches);
    let color = matches.try_get_one::<ColorWhen>("color").ok().flatten();
    let color = color.copied();
    // imgkit has no options of its own that the programs share.
    let common = page.uses.common.then(|| Common::from_arg_matches(&matches));
    let args = common
        .transpose()
        .and_then(|common| Ok((common, A::from_arg_matches_mut(&mut matches)?)));
    let (common, args) = match args {
        Ok(args) => args,
        Err(error) => return refused(&error, commands, documented, &argv, &mut io),
    };
    if let Some(common) = &common {
        io.configure(common, color);
    }
    let platform = common.and_then(|common| common.platform);
    if let Err(error) = check(page, platform.as_ref(), streams) {
        io.fail(&error);
        return ExitCode::from(ERROR);
    }
    let outcome = operation(&args, &mut io);
    for note in image::notes() {
        io.warn(&note);
    }
    let outcome = outcome.and_then(|verdict| match io.finish() {
        // A closed pipe does not change the result.
        Err(error) if !error.is_broken_pipe() => Err(error),
        _ => Ok(verdict),
    });
    interrupt::hold();
    if !matches!(outcome, Ok(Verdict::Yes)) || io.has_failed() {
        store::remove_unfinished();
    }
    match outcome {
        Ok(_) if io.has_failed() => ExitCode::from(ERROR),
        Ok(Verdict::Yes) => ExitCode::SUCCESS,
        Ok(Verdict::No) => ExitCode::from(1),
        Err(error) if error.is_broken_pipe() => {
            if io.has_failed() {
                ExitCode::from(ERROR)
            } else {
                ExitCode::SUCCESS
            }
        }
        Err(error) => {
            io.fail(&error);
            ExitCode::from(ERROR)
        }
    }
}

/// Checks what holds for all programs, beyond the arguments of each.
fn check(page: &Page, platform: Option<&Platform>, streams: usize) -> Result<()> {
    check_epoch()?;
    if page.uses.platform.is_none() && platform.is_some() {
        return Err(Error::usage("--platform has no effect here"));
    }
    if streams > 1 {
        return Err(Error::usage("cannot read two inputs from standard input"));
    }
    Ok(())
}

/// Ignores an empty `IMGKIT_STORE`. An empty value of --store is an error: it comes from an unset variable of a script,
/// which did not mean the default store.
fn without_empty(command: clap::Command) -> clap::Command {
    let is_empty = std::env::var_os("IMGKIT_STORE").is_some_and(|value| value.is_empty());
    match is_empty && command.get_arguments().any(|arg| arg.get_id() == "store") {
        true => command.mut_arg("store", |arg| arg.env(None::<&'static str>)),
        false => command,
    }
}

/// Replaces `--json` with `--format=json` if the program has only the latter.
fn with_alias(
    argv: Vec<OsString>,
    commands: &[Subcommand],
    command: impl FnOnce() -> clap::Command,
) -> Vec<OsString> {
    let options = argv.iter().take_while(|word| *word != "--").count();
    let is_alias = |word: &OsString| word == "--json";
    // Building the command takes longer than the search for a word.
    if !argv.iter().take(options).any(is_alias) {
        return argv;
    }
    let mut typed = commands
        .iter()
        .filter(|(page, _)| argv.iter().any(|word| word == page.name))
        .map(|(page, arguments)| arguments(clap::Command::new(page.name)));
    if !has_json_alias(&command()) && !typed.any(|command| has_json_alias(&command)) {
        return argv;
    }
    let words = argv.into_iter().enumerate();
    words
        .map(|(at, word)| match at < options && is_alias(&word) {
            true => "--format=json".into(),
            false => word,
        })
        .collect()
}

/// Prints help and version on standard output, and an error about arguments as one line on standard error.
///
/// Messages of clap contain arguments as typed. They are made again with escaped and cut arguments, so that no raw text
/// reaches the terminal or looks like a line of clap's.
fn refused(
    error: &clap::Error,
    commands: &[Subcommand],
    command: impl FnOnce(Help) -> clap::Command,
    argv: &[OsString],
    io: &mut Io,
) -> ExitCode {
    let help = match argv.iter().any(|word| word == "--help") {
        true => Help::Long,
        false => Help::Short,
    };
    let text = match error.kind() {
        ErrorKind::DisplayVersion => error.render().to_string(),
        // With the texts of the page.
        ErrorKind::DisplayHelp => match command(help).try_get_matches_from(argv) {
            Err(again) => again.render().to_string(),
            Ok(_) => error.render().to_string(),
        },
        kind => {
            let safe = argv.iter().map(image::displayed);
            match command(Help::Long).try_get_matches_from(safe) {
                Err(again) if again.kind() == kind => again.render().to_string(),
                // Escaped arguments are valid, as after invalid UTF-8.
                _ => format!("error: {}", brief_to(&kind.to_string(), 1000)),
            }
        }
    };
    let text = image::unshielded(&text);
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        let text = help_text(&text);
        let written = io.out().write_all(text.as_bytes()).during("write");
        return match written.and_then(|()| io.finish()) {
            Err(error) if !error.is_broken_pipe() => {
                io.fail(&error);
                ExitCode::from(ERROR)
            }
            _ => ExitCode::SUCCESS,
        };
    }
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut first = lines
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_owned();
    if first.ends_with(':') {
        // clap lists missing arguments on the lines below.
        let rest: Vec<&str> = lines
            .clone()
            .take_while(|line| !line.starts_with("Usage:"))
            .collect();
        first = format!("{first} {}", rest.join(" "));
    }
    let allowed = lines
        .clone()
        .find(|line| line.starts_with("[possible values: "));
    if let Some(allowed) = allowed {
        first = format!("{first} {allowed}");
    }
    io.say(&first);
    let command = argv.iter().skip(1).find_map(|word| {
        let mut pages = commands.iter().map(|(page, _)| page.name);
        pages.find(|name| word == name)
    });
    let help = || match command {
        Some(command) => format!("see {} {command} --help", io.program()),
        None => format!("see {} --help", io.program()),
    };
    let hint = habit(error, io.program())
        .or_else(|| nearest(error))
        .unwrap_or_else(help);
    io.hint(&hint);
    ExitCode::from(ERROR)
}

/// Returns the strings of one context of a clap error.
fn context(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// Returns a hint for an option that other tools have.
fn habit(error: &clap::Error, program: &str) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let typed = context(error, ContextKind::InvalidArg).pop()?;
    let option = typed.split(['=', ' ']).next()?;
    let text = match option {
        "--exit-code" if program == "imgdiff" => {
            "it is the default: the exit status is 1 for a difference"
        }
        "--input" => "the archive is an argument; - is standard input",
        "-o" | "--output" => "the output is standard output, or an argument",
        "-i" if program != "imgload" => "the archive is an argument; - is standard input",
        _ => return None,
    };
    Some(text.to_owned())
}

/// Returns a hint for a mistyped option or subcommand, if one is similar enough.
fn nearest(error: &clap::Error) -> Option<String> {
    let (kind, typed, suggestions) = match error.kind() {
        ErrorKind::UnknownArgument => (
            "argument",
            ContextKind::InvalidArg,
            ContextKind::SuggestedArg,
        ),
        ErrorKind::InvalidSubcommand => (
            "subcommand",
            ContextKind::InvalidSubcommand,
            ContextKind::SuggestedSubcommand,
        ),
        ErrorKind::InvalidValue => (
            "value",
            ContextKind::InvalidValue,
            ContextKind::SuggestedValue,
        ),
        _ => return None,
    };
    let typed = context(error, typed).pop()?;
    let typed = typed.split('=').next()?;
    let is_near = |known: &String| {
        distance(known, typed) <= 2
            || (typed.len() > 3 && (known.starts_with(typed) || typed.starts_with(known.as_str())))
    };
    let known = context(error, suggestions).into_iter().find(is_near)?;
    Some(format!("a similar {kind} exists: '{known}'"))
}

/// Prints a man page or shell completions for `--generate KIND`; `None` for any other command line.
fn generate(
    page: &Page,
    commands: &[Subcommand],
    command: impl FnOnce() -> clap::Command,
    argv: &[OsString],
    io: &mut Io,
) -> Option<ExitCode> {
    let [_, flag, kind] = argv else { return None };
    if flag != "--generate" {
        return None;
    }
    let kind = kind.to_str()?;
    let command = command();
    let mut bytes = Vec::new();
    if kind == "man" {
        man::write(page, commands, &command, &mut bytes).ok()?;
    } else {
        let shell: clap_complete::Shell = kind.parse().ok()?;
        let mut command = complete::hinted(command);
        clap_complete::generate(shell, &mut command, page.name, &mut bytes);
        if shell == clap_complete::Shell::Bash {
            bytes = complete::with_operands(&bytes, &command);
        }
    }
    let written = io
        .out()
        .write_all(&bytes)
        .during("write")
        .and_then(|()| io.finish());
    Some(match written {
        Err(error) if !error.is_broken_pipe() => {
            io.fail(&error);
            ExitCode::from(ERROR)
        }
        _ => ExitCode::SUCCESS,
    })
}
