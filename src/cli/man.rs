//! The manual page of a program, from its options and the prose of its page.

use std::io::{self, Write};

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::page::{Images, Page, Subcommand, has_json_alias};
use super::prose::{Prose, Section};
use crate::limits;

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
    let man = Man::new(command.clone().after_help("").after_long_help(""));
    let title = page.name.to_uppercase();
    // No date, because the same source makes the same page. An empty word has to be quoted, and roff does not.
    writeln!(
        out,
        ".TH {title} 1 \"\" \"imgkit {}\" \"imgkit\"",
        env!("CARGO_PKG_VERSION")
    )?;
    man.render_name_section(out)?;
    let mut roff = Roff::new();
    synopsis(&mut roff, command);
    roff.to_writer(out)?;
    let mut roff = Roff::new();
    roff.control("SH", ["DESCRIPTION"]);
    paragraphs(&mut roff, &prose.section("Description").paragraphs);
    images(&mut roff, page.uses.images);
    roff.to_writer(out)?;
    for (page_of, _) in commands {
        if let Some(subcommand) = command.find_subcommand(page_of.name) {
            write_subcommand(page.name, page_of, subcommand, out)?;
        }
    }
    man.render_options_section(out)?;
    let mut roff = Roff::new();
    for section in prose.own() {
        roff.control("SH", [section.title.to_uppercase().as_str()]);
        terms(&mut roff, &section.terms);
    }
    output_format(&mut roff, &prose, command);
    limits(&mut roff);
    roff.control("SH", ["EXIT STATUS"]);
    terms(&mut roff, &prose.section("Exit status").terms);
    environment(&mut roff, page, command);
    roff.control("SH", ["EXAMPLES"]);
    terms(&mut roff, &prose.section("Examples").terms);
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
    let bare = command.clone().after_help("").after_long_help("");
    let usage = bare.clone().bin_name(&full).render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim().to_owned();
    let arguments = usage.strip_prefix(&full).unwrap_or(&usage);
    let mut roff = Roff::new();
    roff.control("SH", [full.to_uppercase().as_str()]);
    roff.text([bold(&full), roman(arguments)]);
    paragraphs(&mut roff, &prose.section("Description").paragraphs);
    roff.to_writer(out)?;
    let mut options = Vec::new();
    Man::new(bare.disable_help_flag(true)).render_options_section(&mut options)?;
    let options = String::from_utf8_lossy(&options).replace(".SH OPTIONS\n", "");
    out.write_all(options.as_bytes())?;
    let mut roff = Roff::new();
    for section in prose.own() {
        roff.control("SS", [section.title.as_str()]);
        terms(&mut roff, &section.terms);
    }
    let output = prose.section("Output format");
    if !output.title.is_empty() {
        roff.control("SS", ["Output"]);
        paragraphs(&mut roff, &output.paragraphs);
        terms(&mut roff, &output.terms);
    }
    roff.control("SS", ["Examples"]);
    terms(&mut roff, &prose.section("Examples").terms);
    roff.to_writer(out)
}

fn synopsis(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["SYNOPSIS"]);
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage: ").trim();
    let (name, arguments) = usage.split_once(' ').unwrap_or((usage, ""));
    roff.text([bold(name), roman(format!(" {arguments}"))]);
}

fn images(roff: &mut Roff, images: Images) {
    let last = IMAGE_FORMS.len() - 1;
    let (forms, rest) = match images {
        Images::Any => (
            IMAGE_FORMS,
            "What exists as a path is a path; ./ forces a path, store: forces the store.",
        ),
        Images::Stored => (
            &IMAGE_FORMS[last..],
            "Archives and other directories are left alone.",
        ),
        Images::None => return,
    };
    roff.control("SH", ["IMAGES"]);
    roff.text([roman("An image is written as one of:")]);
    terms(roff, forms);
    roff.control("PP", []);
    roff.text([roman(rest)]);
}

fn output_format(roff: &mut Roff, prose: &Prose, command: &Command) {
    let section = prose.section("Output format");
    roff.control("SH", ["OUTPUT FORMAT"]);
    paragraphs(roff, &section.paragraphs);
    terms(roff, &section.terms);
    if has_json_alias(command) {
        paragraphs(roff, &["--json is short for --format json."]);
    }
}

fn limits(roff: &mut Roff) {
    roff.control("SH", ["LIMITS"]);
    roff.text([roman(
        "What --limit moves, with the defaults. An error about one of them says what to type. A limit without a \
         maximum here has none, and none stands for the maximum of all others but the two that bound recursion.",
    )]);
    let named = limits::NAMED.iter();
    let named = named.map(|named| {
        (
            format!("{}={}", named.name, named.default),
            named.described(),
        )
    });
    terms(roff, &named.collect::<Vec<_>>());
}

fn environment(roff: &mut Roff, page: &Page, command: &Command) {
    let takes = |id: &str| command.get_arguments().any(|arg| arg.get_id() == id);
    roff.control("SH", ["ENVIRONMENT"]);
    terms(roff, ENVIRONMENT);
    if takes("cache") {
        terms(roff, &[CACHE]);
    }
    if takes("color") {
        terms(roff, &[NO_COLOR]);
    }
    if page.uses.temporary {
        terms(roff, &[TMPDIR]);
    }
}

/// Writes the section SEE ALSO: names of pages, the section of the manual in roman type.
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

fn paragraphs<T: AsRef<str>>(roff: &mut Roff, texts: &[T]) {
    for text in texts {
        roff.control("PP", []);
        roff.text([roman(text.as_ref())]);
    }
}

fn terms<T: AsRef<str>, M: AsRef<str>>(roff: &mut Roff, items: &[(T, M)]) {
    for (term, meaning) in items {
        roff.control("TP", []);
        roff.text([bold(term.as_ref())]);
        roff.text([roman(meaning.as_ref())]);
    }
}
