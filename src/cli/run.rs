//! From `main` to exit code.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches};

use super::args::{ColorWhen, Common};
use super::page::{Page, Subcommand, has_json_alias};
use super::streams::{Io, check_epoch};
use super::{complete, image, interrupt, man};
use crate::archive::distance;
use crate::error::{Error, Fault, Result};
use crate::escape::brief_to;
use crate::store;

/// What a job that worked has to say through the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Done, the same, sound: 0.
    Yes,
    /// A difference or damage was found: 1.
    No,
}

/// The exit status of trouble: bad usage, input that cannot be read or trusted, output that cannot be written.
const TROUBLE: u8 = 2;

/// Runs a program: its arguments, then its job, then its exit status.
///
/// Trouble wins over "no"; a reader that goes away ends the run quietly with what is known so far.
pub fn run<A: CommandFactory + FromArgMatches + AsRef<Common>>(
    page: &Page,
    job: impl FnOnce(&A, &mut Io) -> Result<Verdict>,
) -> ExitCode {
    run_commands(page, &[], job)
}

/// The same for a program with subcommands, which have pages of their own.
pub fn run_commands<A: CommandFactory + FromArgMatches + AsRef<Common>>(
    page: &Page,
    commands: &[Subcommand],
    job: impl FnOnce(&A, &mut Io) -> Result<Verdict>,
) -> ExitCode {
    let argv: Vec<OsString> = std::env::args_os().map(image::shield).collect();
    let argv = with_alias(argv, A::command);
    // The texts for who asks for help take longer to put together than all else that is done before the job.
    let documented = || page.command_of(commands, without_empty(A::command()));
    let mut io = Io::new(page.name);
    interrupt::prepare(page.name);
    if let Some(code) = generate(page, commands, documented, &argv, &mut io) {
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
    let args = match A::from_arg_matches_mut(&mut matches) {
        Ok(args) => args,
        Err(error) => return refused(&error, commands, documented, &argv, &mut io),
    };
    io.configure(args.as_ref(), color);
    if let Err(error) = check_epoch() {
        io.fail(&error);
        return ExitCode::from(TROUBLE);
    }
    if page.uses.platform.is_none() && args.as_ref().platform.is_some() {
        let why = "--platform has no effect here";
        io.fail(&Fault::Usage(why.into()).into());
        return ExitCode::from(TROUBLE);
    }
    if streams > 1 {
        let why = "standard input can be read once, and is named more often";
        io.fail(&Fault::Usage(why.into()).into());
        return ExitCode::from(TROUBLE);
    }
    let outcome = job(&args, &mut io);
    for note in image::notes() {
        io.warn(&note);
    }
    let outcome = outcome.and_then(|verdict| match io.finish() {
        // A reader that went away changes nothing about what was found.
        Err(error) if !error.is_broken_pipe() => Err(error),
        _ => Ok(verdict),
    });
    interrupt::hold();
    if outcome.is_err() || io.has_failed() {
        store::remove_unfinished();
    }
    match outcome {
        Ok(_) if io.has_failed() => ExitCode::from(TROUBLE),
        Ok(Verdict::Yes) => ExitCode::SUCCESS,
        Ok(Verdict::No) => ExitCode::from(1),
        Err(error) if error.is_broken_pipe() => {
            if io.has_failed() {
                ExitCode::from(TROUBLE)
            } else {
                ExitCode::SUCCESS
            }
        }
        Err(error) => {
            io.fail(&error);
            ExitCode::from(TROUBLE)
        }
    }
}

/// Takes an empty `IMGKIT_STORE` for one that is not set. An empty value of --store stays an error: it is a variable of a
/// script that was not set, and the default store is not what was meant.
fn without_empty(command: clap::Command) -> clap::Command {
    match std::env::var_os("IMGKIT_STORE").is_some_and(|value| value.is_empty()) {
        true => command.mut_arg("store", |arg| arg.env(None::<&'static str>)),
        false => command,
    }
}

/// Arguments with `--format=json` for `--json`, where the program has the one and not the other.
fn with_alias(argv: Vec<OsString>, command: impl FnOnce() -> clap::Command) -> Vec<OsString> {
    let options = argv.iter().take_while(|word| *word != "--").count();
    let is_alias = |word: &OsString| word == "--json";
    // A command takes longer to make than to look for a word.
    if !argv.iter().take(options).any(is_alias) || !has_json_alias(&command()) {
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

/// Help and version go to standard output; what cannot be understood is one line on standard error.
///
/// clap puts into its message what was typed, as it was typed. So that nothing of it reaches the terminal raw, and no
/// line of it is taken for one of clap's, the same message is asked for again with arguments that are escaped and cut.
fn refused(
    error: &clap::Error,
    commands: &[Subcommand],
    command: impl FnOnce() -> clap::Command,
    argv: &[OsString],
    io: &mut Io,
) -> ExitCode {
    let text = match error.kind() {
        ErrorKind::DisplayVersion => error.render().to_string(),
        // With the texts this time.
        ErrorKind::DisplayHelp => match command().try_get_matches_from(argv) {
            Err(again) => again.render().to_string(),
            Ok(_) => error.render().to_string(),
        },
        kind => {
            let safe = argv.iter().map(image::shown);
            match command().try_get_matches_from(safe) {
                Err(again) if again.kind() == kind => again.render().to_string(),
                // Escaping has cured it, as it does what is no UTF-8.
                _ => format!("error: {}", brief_to(&kind.to_string(), 1000)),
            }
        }
    };
    let text = image::unshielded(&text);
    if matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    ) {
        // clap indents its blank lines.
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let text = lines.join("\n") + "\n";
        let written = io
            .out()
            .write_all(text.as_bytes())
            .map_err(|error| Error::io("write", error));
        return match written.and_then(|()| io.finish()) {
            Err(error) if !error.is_broken_pipe() => {
                io.fail(&error);
                ExitCode::from(TROUBLE)
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
        // clap lists what is missing on the lines below.
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
        Some(command) => format!("{} {command} --help shows how it is used", io.program()),
        None => format!("{} --help shows how it is used", io.program()),
    };
    let hint = habit(error, io.program())
        .or_else(|| nearest(error))
        .unwrap_or_else(help);
    io.hint(&hint);
    ExitCode::from(TROUBLE)
}

/// What a string context of clap's error holds.
fn context(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

/// The remedy for an option that users of other tools have in their fingers.
fn habit(error: &clap::Error, program: &str) -> Option<String> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let typed = context(error, ContextKind::InvalidArg).pop()?;
    let option = typed.split(['=', ' ']).next()?;
    let makes = matches!(program, "imgimport" | "imgcommit" | "imgtag");
    let text = match option {
        "-t" | "--tag" if makes => "the name of the result is the last argument",
        "-t" | "--tag" if program == "imgsave" => "--name NAME[:TAG] names the saved image",
        "-t" | "--tag" if program == "imgload" => "--rename OLD=NEW names what is loaded",
        "-t" | "--tag" if program == "imgconvert" => {
            "the name follows the destination: oci:DIR:TAG"
        }
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

/// The option or subcommand that was mistyped, if one is close enough not to mislead.
fn nearest(error: &clap::Error) -> Option<String> {
    let (what, typed, kinds) = match error.kind() {
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
    let known = context(error, kinds).into_iter().find(is_near)?;
    Some(format!("a similar {what} exists: '{known}'"))
}

/// `--generate KIND` prints a man page or shell completions, whatever else a command line would need.
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
        .map_err(|error| Error::io("write", error))
        .and_then(|()| io.finish());
    Some(match written {
        Err(error) if !error.is_broken_pipe() => {
            io.fail(&error);
            ExitCode::from(TROUBLE)
        }
        _ => ExitCode::SUCCESS,
    })
}
