//! Manual pages: one for each program, from its options and the prose of its page, and imgkit(7) for everything that
//! programs share.

use std::io::{self, Write};

use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::args::{Coloring, Common};
use super::caching::Caching;
use super::page::{self, COMMON, Images, Page, Subcommand};
use super::prose::{Prose, Section, Terms};

/// Prose of imgkit(7).
const SHARED: &str = include_str!("imgkit.md");

/// Writes imgkit(7), the manual page about everything that programs share, with the programs in groups.
///
/// # Errors
/// Those of the writer.
pub fn write_shared(programs: &[(&str, Terms)], out: &mut dyn Write) -> io::Result<()> {
    let prose = Prose::parse(SHARED);
    title("imgkit", 7, out)?;
    let mut roff = Roff::new();
    roff.control("SH", ["NAME"]);
    roff.text([roman("imgkit - container images as plain files")]);
    for section in prose.sections() {
        match section.title.as_str() {
            "Common options" => {
                roff.to_writer(out)?;
                out.write_all(&common_options(section)?)?;
                roff = Roff::new();
            }
            "Programs" => {
                titled(&mut roff, "SH", section);
                for (group, programs) in programs {
                    roff.control("SS", [*group]);
                    terms(&mut roff, programs);
                }
            }
            "Limits" => {
                titled(&mut roff, "SH", section);
                terms(&mut roff, &page::limits());
            }
            "See also" => see_also(&mut roff, section),
            _ => titled(&mut roff, "SH", section),
        }
    }
    roff.to_writer(out)
}

/// Returns imgkit(7) as plain text, for systems without a viewer of manual pages.
pub fn shared_text(programs: &[(&str, Terms)]) -> String {
    let mut text = String::new();
    for section in Prose::parse(SHARED).sections() {
        let paragraphs = section.paragraphs.iter();
        let mut parts: Vec<String> = paragraphs.map(|text| text.replace('`', "")).collect();
        match section.title.as_str() {
            "Programs" => {
                let groups = programs.iter();
                parts.extend(groups.map(|(group, terms)| page::listed(group, terms)));
            }
            "Limits" => parts.push(page::listed("Limits", &page::limits())),
            _ if section.terms.is_empty() => {}
            title => parts.push(page::listed(title, &section.terms)),
        }
        let parts: Vec<&str> = parts.iter().map(|part| part.trim_end()).collect();
        let title = section.title.to_uppercase();
        text.push_str(&format!("{title}\n{}\n\n", parts.join("\n\n")));
    }
    let command = Command::new("imgkit").after_help(text);
    let wrapped = command
        .help_template("{after-help}")
        .render_help()
        .to_string();
    page::help_text(wrapped.trim())
}

/// Section on the options that all programs, or several, take.
fn common_options(section: &Section) -> io::Result<Vec<u8>> {
    let command = Command::new("imgkit").disable_help_flag(true);
    let command = Caching::augment_args(Coloring::augment_args(Common::augment_args(command)));
    let mut roff = Roff::new();
    titled(&mut roff, "SH", section);
    let mut out = roff.render().into_bytes();
    let mut options = Vec::new();
    Man::new(command).render_options_section(&mut options)?;
    let options = String::from_utf8_lossy(&options);
    let listed = options.split_once(".SH \"COMMON OPTIONS\"\n");
    let (_, listed) = listed.unwrap_or(("", &options));
    out.extend_from_slice(listed.as_bytes());
    Ok(out)
}

/// Writes the manual page of a program, with a section for each subcommand.
///
/// # Errors
/// Those of the writer.
pub(super) fn write(
    page: &Page,
    commands: &[Subcommand],
    command: &Command,
    out: &mut dyn Write,
) -> io::Result<()> {
    let prose = page.prose();
    title(page.name, 1, out)?;
    let man = Man::new(without_shared(command.clone()));
    man.render_name_section(out)?;
    let mut roff = Roff::new();
    synopsis(&mut roff, command);
    roff.to_writer(out)?;
    let mut roff = Roff::new();
    roff.control("SH", ["DESCRIPTION"]);
    paragraphs(&mut roff, &prose.section("Description").paragraphs);
    let images = match page.uses.images {
        Images::Any => {
            "An image is a path to an archive or a layout, `-` for standard input, or a name, ID or digest in the local \
             store; see IMAGES in `imgkit`(7)."
        }
        Images::Stored => {
            "An image is a name, ID or digest in the local store; see IMAGES in `imgkit`(7). Archives and other \
             directories are not changed."
        }
        Images::None => "",
    };
    if !images.is_empty() {
        paragraphs(&mut roff, &[images]);
    }
    roff.to_writer(out)?;
    for (page_of, _) in commands {
        if let Some(subcommand) = command.find_subcommand(page_of.name) {
            write_subcommand(page.name, page_of, subcommand, out)?;
        }
    }
    man.render_options_section(out)?;
    let mut roff = Roff::new();
    shared_options(&mut roff, command);
    for section in prose.own() {
        titled(&mut roff, "SH", section);
    }
    titled(&mut roff, "SH", prose.section("Output format"));
    titled(&mut roff, "SH", prose.section("Exit status"));
    environment(&mut roff, page, command);
    titled(&mut roff, "SH", prose.section("Examples"));
    see_also(&mut roff, prose.section("See also"));
    roff.to_writer(out)
}

/// Writes the section of a subcommand.
fn write_subcommand(
    program: &str,
    page: &Page,
    command: &Command,
    out: &mut dyn Write,
) -> io::Result<()> {
    let prose = page.prose();
    let full = format!("{program} {}", page.name);
    let command = without_shared(command.clone()).disable_help_flag(true);
    let usage = command.clone().bin_name(&full).render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let arguments = usage.strip_prefix(&full).unwrap_or(usage);
    let mut roff = Roff::new();
    roff.control("SH", [full.to_uppercase().as_str()]);
    roff.text([bold(&full), roman(arguments)]);
    paragraphs(&mut roff, &prose.section("Description").paragraphs);
    roff.to_writer(out)?;
    let mut options = Vec::new();
    Man::new(command).render_options_section(&mut options)?;
    let options = String::from_utf8_lossy(&options).replace(".SH OPTIONS\n", "");
    out.write_all(options.as_bytes())?;
    let mut roff = Roff::new();
    for section in prose.own() {
        titled(&mut roff, "SS", section);
    }
    for section in ["Output format", "Examples"].map(|title| prose.section(title)) {
        if !section.title.is_empty() {
            titled(&mut roff, "SS", section);
        }
    }
    roff.to_writer(out)
}

/// Writes the first line of a page.
fn title(name: &str, section: u8, out: &mut dyn Write) -> io::Result<()> {
    // No date, because the same source makes the same page. An empty word has to be quoted, and roff does not.
    let (title, version) = (name.to_uppercase(), env!("CARGO_PKG_VERSION"));
    writeln!(
        out,
        ".TH {title} {section} \"\" \"imgkit {version}\" \"imgkit\""
    )
}

fn synopsis(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["SYNOPSIS"]);
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let (name, arguments) = usage.split_once(' ').unwrap_or((usage, ""));
    roff.text([bold(name), roman(format!(" {arguments}"))]);
}

/// Tests if imgkit(7) describes an option. The effect of --platform depends on the program.
fn is_shared(arg: &clap::Arg) -> bool {
    arg.get_help_heading() == Some(COMMON) && arg.get_id() != "platform"
}

/// Returns the command without the options that imgkit(7) describes, and without the texts of its page.
fn without_shared(command: Command) -> Command {
    let command = command.after_help("").after_long_help("");
    command.mut_args(|arg| {
        let is_hidden = arg.is_hide_set() || is_shared(&arg);
        arg.hide(is_hidden)
    })
}

/// Writes the names of the options that imgkit(7) describes.
fn shared_options(roff: &mut Roff, command: &Command) {
    let shared = command
        .get_arguments()
        .filter(|arg| is_shared(arg) && !arg.is_hide_set());
    let names = shared.filter_map(|arg| arg.get_long().map(|long| format!("`--{long}`")));
    let names = listed(&names.collect::<Vec<_>>());
    paragraphs(
        roff,
        &[format!("{names}: see COMMON OPTIONS in `imgkit`(7).")],
    );
}

/// Writes the names of the variables that the program reads.
fn environment(roff: &mut Roff, page: &Page, command: &Command) {
    let takes = |id: &str| command.get_arguments().any(|arg| arg.get_id() == id);
    if !page.uses.common {
        return titled(roff, "SH", page.prose().section("Environment"));
    }
    let variables = [
        ("`IMGKIT_STORE`", true),
        ("`SOURCE_DATE_EPOCH`", true),
        ("`IMGKIT_CACHE`", takes("cache")),
        ("`NO_COLOR`", takes("color")),
        ("`TMPDIR`", page.uses.temporary),
    ];
    let variables = variables.into_iter().filter(|(_, is_used)| *is_used);
    let names = variables.map(|(name, _)| name.to_owned());
    let names = listed(&names.collect::<Vec<_>>());
    roff.control("SH", ["ENVIRONMENT"]);
    roff.text(inline(&format!("{names}: see ENVIRONMENT in `imgkit`(7).")));
}

/// Returns names as a list in a sentence: `A, B and C`.
fn listed(names: &[String]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        _ => names.concat(),
    }
}

/// Writes the section SEE ALSO, which starts with imgkit(7): names of pages in bold type, their sections in roman.
fn see_also(roff: &mut Roff, section: &Section) {
    let mut line: Vec<Inline> = Vec::new();
    for page in section
        .paragraphs
        .iter()
        .flat_map(|text| text.split_inclusive(' '))
    {
        let (name, number) = page.split_at(page.find('(').unwrap_or(page.len()));
        line.extend([bold(name), roman(number)]);
    }
    roff.control("SH", ["SEE ALSO"]);
    roff.text(line);
}

/// Writes a section: `SH` with its title in capitals, or `SS`.
fn titled(roff: &mut Roff, control: &str, section: &Section) {
    let title = match control {
        "SH" => section.title.to_uppercase(),
        _ => section.title.clone(),
    };
    roff.control(control, [title.as_str()]);
    paragraphs(roff, &section.paragraphs);
    terms(roff, &section.terms);
}

fn paragraphs<T: AsRef<str>>(roff: &mut Roff, texts: &[T]) {
    for text in texts {
        roff.control("PP", []);
        roff.text(inline(text.as_ref()));
    }
}

fn terms<M: AsRef<str>>(roff: &mut Roff, items: &[(String, M)]) {
    for (term, meaning) in items {
        roff.control("TP", []);
        roff.text([bold(term)]);
        roff.text(inline(meaning.as_ref()));
    }
}

/// Returns text with its code spans in bold type.
fn inline(text: &str) -> Vec<Inline> {
    let parts = text.split('`').enumerate();
    let parts = parts.filter(|(_, part)| !part.is_empty());
    let parts = parts.map(|(at, part)| match at % 2 {
        0 => roman(part),
        _ => bold(part),
    });
    parts.collect()
}
