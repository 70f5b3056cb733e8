//! What the documentation says is what the programs do.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};

use imgkit::layer::{AnomalyKind, NoteKind};
use strum::VariantArray;

use crate::common::run::{Room, clean, program};
use crate::common::{golden, repository};
use crate::structure::sources;

const SECTIONS: [&str; 9] = [
    "NAME",
    "SYNOPSIS",
    "DESCRIPTION",
    "OPTIONS",
    "OUTPUT FORMAT",
    "EXIT STATUS",
    "ENVIRONMENT",
    "EXAMPLES",
    "SEE ALSO",
];

fn read(path: &str) -> String {
    let file = repository(path);
    std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every program of the suite.
fn programs() -> Vec<String> {
    let sources = std::fs::read_dir(repository("bin")).expect("bin");
    let names = sources.map(|entry| entry.expect("an entry").path());
    let mut names: Vec<String> = names
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort_unstable();
    assert!(names.len() >= 4, "{names:?}");
    names
}

/// The words that start with two dashes.
fn long_options(text: &str) -> BTreeSet<String> {
    let ends = |c: char| !(c.is_ascii_alphanumeric() || c == '-');
    let words = text.split(ends).filter(|word| word.starts_with("--"));
    let options = words.filter(|word| word.len() > 3);
    options.map(str::to_owned).collect()
}

#[test]
fn help_is_as_shown_in_the_golden_files() {
    let room = Room::new();
    for name in programs() {
        let long = room.run(&format!("{name} --help"));
        assert_eq!((long.code, long.err()), (Some(0), ""), "{long}");
        golden(&format!("tests/golden/{name}.help"), long.out());
        check_layout(&name, long.out(), 100);
        if name == "imgkit" {
            let short = room.run("imgkit -h");
            golden("tests/golden/imgkit.short.help", short.code(0).out());
        }
    }
}

/// Lines without blanks at their ends, at most `width` columns wide, and no two blank ones in a row.
fn check_layout(name: &str, text: &str, width: usize) {
    let is_odd = |line: &&str| line.ends_with(' ') || line.chars().count() > width;
    assert_eq!(text.lines().find(is_odd), None, "{name}: {width} columns");
    assert!(!text.contains("\n\n\n"), "{name}: two blank lines in a row");
}

#[test]
fn short_help_fits_on_one_screen_and_names_every_option() {
    let room = Room::new();
    let subcommands = ["deb", "host", "scratch", "pack", "explain"];
    let subcommands = subcommands.map(|name| format!("imgbase {name}"));
    let programs = programs().into_iter().filter(|name| name != "imgkit");
    for name in programs.chain(subcommands) {
        let run = |line: String| room.command(&line).env("COLUMNS", "80").run();
        let short = run(format!("{name} -h"));
        assert_eq!((short.code, short.err()), (Some(0), ""), "{short}");
        let text = short.out();
        golden(
            &format!("tests/golden/{}.short.help", name.replace(' ', "-")),
            text,
        );
        check_layout(&name, text, 80);
        // The last line of the screen is for the prompt.
        assert!(
            text.lines().count() < 40,
            "{name}: {} lines",
            text.lines().count()
        );
        assert!(text.contains("Common options, see --help:\n  -"), "{short}");
        let named: BTreeSet<&str> = text.split([' ', ',', '\n', '[', '=']).collect();
        let long = run(format!("{name} --help"));
        let mut count = 0;
        // Descriptions are indented further; prose may wrap before an option in brackets.
        let is_option = |line: &&str| {
            (line.starts_with("  -") || line.starts_with("      --")) && !line.contains("):")
        };
        for line in long.out().lines().filter(is_option) {
            if line.contains("-h, --help") {
                continue;
            }
            let mut words = line
                .split([' ', ',', '[', '='])
                .filter(|word| word.starts_with('-'));
            assert!(
                words.any(|word| named.contains(word)),
                "{name} -h: no {line}"
            );
            count += 1;
        }
        assert!(count > 6, "{long}");
    }
}

#[test]
fn versions_are_the_one_of_the_crate() {
    let room = Room::new();
    for name in programs() {
        for flag in ["--version", "-V"] {
            let version = format!("{name} {}\n", env!("CARGO_PKG_VERSION"));
            let run = room.run(&format!("{name} {flag}"));
            if name != "imgkit" {
                run.ok(&version);
                continue;
            }
            // A released build states its commit.
            let more = run.out().strip_prefix(&version).expect("a version");
            let features = more
                .split_once("commit: ")
                .map_or(more, |(_, rest)| rest.split_once('\n').expect("features").1);
            assert_eq!(features, "features: base\n", "{run}");
        }
    }
}

#[test]
fn man_pages_are_what_the_programs_print_and_complete() {
    let room = Room::new();
    for name in programs() {
        let page = room.run(&format!("{name} --generate man"));
        assert_eq!((page.code, page.err()), (Some(0), ""), "{page}");
        golden(&format!("man/{name}.1"), page.out());
        let sections: Vec<&str> = page
            .out()
            .lines()
            .filter_map(|line| line.strip_prefix(".SH "))
            .map(|title| title.trim_matches('"'))
            .collect();
        for section in SECTIONS {
            let times = sections.iter().filter(|title| **title == section).count();
            assert_eq!(times, 1, "{name}: {section} in {sections:?}");
        }
        let help = room.run(&format!("{name} --help"));
        let plain = page.out().replace("\\-", "-").replace("\\fB", " ");
        let described = long_options(&plain);
        let missing: Vec<String> = long_options(help.out())
            .difference(&described)
            .cloned()
            .collect();
        assert!(missing.is_empty(), "{name}.1 says nothing of {missing:?}");
        let first = format!(".TH {} 1 \"\" \"imgkit ", name.to_uppercase());
        assert!(page.out().starts_with(&first), "{page}");
        let related = page.out().split(".SH \"SEE ALSO\"").nth(1);
        let related = related.expect("SEE ALSO").split("\\fB").skip(1);
        let related: Vec<&str> = related
            .filter_map(|text| text.split_once("\\fR(1)").map(|(other, _)| other))
            .collect();
        let known = programs();
        assert!(!related.is_empty(), "{page}");
        let shared = "\\fBimgkit\\fR(7)";
        assert!(page.out().contains(shared), "{name}.1: no {shared}");
        for other in related {
            assert!(
                other != name && known.iter().any(|program| program == other),
                "{name}.1 refers to {other}"
            );
        }
    }
}

#[test]
fn the_shared_page_covers_what_the_pages_of_programs_refer_to() {
    let mut page = Vec::new();
    imgkit::programs::write_shared_page(&mut page).expect("a page");
    let page = String::from_utf8(page).expect("UTF-8");
    golden("man/imgkit.7", &page);
    assert!(page.starts_with(".TH IMGKIT 7 \"\" \"imgkit "), "{page}");
    for name in programs() {
        let described = format!(".TP\n\\fB{name}\\fR\n");
        let is_described = name == "imgkit" || page.contains(&described);
        assert!(is_described, "imgkit.7 has no {name}");
        let related = format!("\\fB{name}\\fR(1)");
        assert!(page.contains(&related), "imgkit.7 has no {related}");
        let program = read(&format!("man/{name}.1"));
        for line in program.lines() {
            let Some(names) = line.split_once(" in \\fBimgkit\\fR(7)") else {
                continue;
            };
            let (names, section) = names.0.rsplit_once("see ").expect("a section");
            let (_, text) = page
                .split_once(&format!(".SH {section}\n"))
                .or_else(|| page.split_once(&format!(".SH \"{section}\"\n")))
                .unwrap_or_else(|| panic!("imgkit.7 has no {section}"));
            let text = text.split(".SH ").next().expect("a section");
            for name in names
                .split("\\fB")
                .skip(1)
                .filter_map(|name| name.split("\\fR").next())
            {
                let is_term = text
                    .lines()
                    .any(|line| line.starts_with("\\fB") && line.contains(name));
                assert!(
                    section == "IMAGES" || is_term,
                    "imgkit.7: {section} has no {name}"
                );
            }
        }
    }
}

#[test]
fn completions_know_every_option() {
    let room = Room::new();
    for name in programs() {
        let help = room.run(&format!("{name} --help"));
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
            let script = room.run(&format!("{name} --generate {shell}"));
            assert_eq!((script.code, script.err()), (Some(0), ""), "{script}");
            assert!(script.out().contains(name.as_str()), "{shell}: {name}");
            for option in long_options(help.out()) {
                // The example of imgverify has an option of grep's.
                let option = option.trim_start_matches('-');
                assert!(script.out().contains(option), "{shell}: {name} --{option}");
            }
        }
    }
}

#[test]
fn generating_something_unknown_is_refused() {
    let kinds = "[possible values: man, bash, elvish, fish, powershell, zsh]";
    let room = Room::new();
    for name in programs() {
        room.run(&format!("{name} --generate klingon"))
            .fails(&format!(
                "{name}: invalid value 'klingon' for '--generate <KIND>' {kinds}\n\
                 hint: see {name} --help\n"
            ));
        room.run(&format!("{name} --generate man x")).code(2);
    }
}

/// Texts in quotes that stand where a finding gets its code.
fn finding_codes() -> BTreeSet<String> {
    let is_code = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    let mut codes = BTreeSet::new();
    let mut files = Vec::new();
    sources(&repository("src/verify"), &mut files);
    for file in files {
        let source = std::fs::read_to_string(file).expect("a source");
        for starter in ["Severity::Error,", "Severity::Warning,", "Severity::Note,"] {
            for rest in source.split(starter).skip(1) {
                let quoted = rest.trim_start().strip_prefix('"');
                let quoted = quoted.or_else(|| rest.trim_start().strip_prefix("code: \""));
                codes.extend(
                    quoted
                        .and_then(|text| text.split('"').next())
                        .map(str::to_owned),
                );
            }
        }
        for starter in [
            "push(\"",
            "let code = \"",
            "code: \"",
            "push(\n            \"",
            "=> (\"",
            "    (\n        \"",
            "found.within(severity, \"",
        ] {
            for rest in source.split(starter).skip(1) {
                codes.extend(rest.split('"').next().map(str::to_owned));
            }
        }
    }
    let finding = read("src/verify/finding.rs");
    let faults = finding.split("=> \"").skip(1);
    codes.extend(
        faults
            .filter_map(|rest| rest.split('"').next())
            .map(str::to_owned),
    );
    let anomalies = AnomalyKind::VARIANTS.iter().map(Into::into);
    let codes_of_layers = anomalies.chain(NoteKind::VARIANTS.iter().map(Into::into));
    codes.extend(codes_of_layers.map(|code: &'static str| code.to_owned()));
    for severity in ["note", "warning", "error"] {
        codes.remove(severity);
    }
    codes.retain(|code| is_code(code));
    codes
}

#[test]
fn every_finding_is_explained_and_nothing_else() {
    let page = read("man/imgverify.1").replace("\\-", "-");
    let section = page.split(".SH FINDINGS").nth(1).expect("FINDINGS");
    let section = section.split(".SH ").next().expect("a section");
    let terms = section.lines().filter_map(|line| line.strip_prefix("\\fB"));
    let explained: BTreeSet<String> = terms
        .flat_map(|term| term.trim_end_matches("\\fR").split(", "))
        .map(str::to_owned)
        .collect();
    let codes = finding_codes();
    assert!(codes.len() > 40, "{codes:?}");
    assert_eq!(explained, codes, "left: man page; right: the source");
}

/// The day on which the output in README.md was taken, 2026-11-29: ages in it are told from then.
const README_TIME: &str = "1795910400";

/// The examples of README.md: each command and the output below it, up to the next command.
fn console_blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match (inside, line) {
            (false, "```console") => inside = true,
            (true, "```") => inside = false,
            (true, line) => match (line.strip_prefix("$ "), blocks.last_mut()) {
                (Some(command), _) => blocks.push((command.to_owned(), String::new())),
                (None, Some((_, output))) => {
                    output.push_str(line);
                    output.push('\n');
                }
                (None, None) => panic!("README.md: output before a command: {line}"),
            },
            _ => {}
        }
    }
    blocks
}

#[test]
fn the_commands_of_the_readme_print_what_it_shows() {
    let Ok(readme) = std::fs::read_to_string(repository("README.md")) else {
        // Nothing to compare yet; the block reader itself still has to work.
        let block = "x\n```console\n$ imgls a\nA\nB\n$ imgls b\n```\n$ not\n";
        let expected = [("imgls a", "A\nB\n"), ("imgls b", "")];
        let expected = expected.map(|(command, output)| (command.to_owned(), output.to_owned()));
        assert_eq!(console_blocks(block), expected);
        return;
    };
    let blocks = console_blocks(&readme);
    assert!(
        !blocks.is_empty(),
        "README.md shows no command in a ```console block"
    );
    let programs = program("imgls");
    let programs = programs.parent().expect("a folder of programs");
    let mut path = programs.as_os_str().to_owned();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    for (line, expected) in blocks {
        // Readers without the programs are shown how to run one from the sources; here they are built.
        let from_sources = line.strip_prefix("cargo run --release --locked --quiet --bin ");
        let directory = repository(match from_sources {
            Some(_) => "",
            None => "testdata/foreign",
        });
        let line = from_sources.map_or(line.clone(), |line| line.replacen(" -- ", " ", 1));
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("exec 2>&1; {line}"));
        clean(&mut command, &directory);
        command
            .env("PATH", &path)
            .env("SOURCE_DATE_EPOCH", README_TIME)
            .stdin(Stdio::null());
        let output = command.output().expect("sh");
        let found = String::from_utf8_lossy(&output.stdout);
        assert_eq!(
            found, expected,
            "README.md: $ {line} (SOURCE_DATE_EPOCH={README_TIME})"
        );
    }
}

/// Files and directories that a page for contributors names in code spans; NAME stands for any program.
fn named_files(page: &str) -> Vec<String> {
    let spans = page.split('`').skip(1).step_by(2);
    let is_file = |span: &&str| {
        (span.contains('/') || span.ends_with(".rs")) && !span.contains(char::is_whitespace)
    };
    spans
        .filter(is_file)
        .map(|span| span.replace("NAME", "imgls"))
        .collect()
}

#[test]
fn the_pages_for_contributors_name_existing_files() {
    for (page, directory) in [("src/README.md", "src"), ("tests/README.md", "tests")] {
        let named = named_files(&read(page));
        assert!(named.len() > 20, "{page}: {named:?}");
        let mut known = Vec::new();
        sources(&repository(directory), &mut known);
        for name in named {
            let is_known = match name.contains('/') {
                true => repository(directory).join(&name).exists() || repository(&name).exists(),
                false => known.iter().any(|file| file.ends_with(&name)),
            };
            assert!(is_known, "{page}: '{name}' does not exist");
        }
    }
}

#[test]
fn the_page_about_tests_describes_every_file() {
    let page = read("tests/README.md");
    for directory in ["tests", "tests/regress", "tests/base", "tests/dockerfile"] {
        for entry in std::fs::read_dir(repository(directory)).expect("tests") {
            let name = entry.expect("an entry").file_name();
            let name = name.to_str().expect("UTF-8").to_owned();
            assert!(
                name == "mod.rs" || page.contains(&name),
                "{directory}/{name} is not described in tests/README.md"
            );
        }
    }
}

#[test]
fn the_readme_and_the_manual_say_alike_what_is_verified() {
    let page = read("src/cli/imgkit.md");
    let listed = page.lines().filter_map(|line| {
        let (programs, rest) = line
            .strip_prefix("- `")?
            .split_once("`: uncompressed layers: ")?;
        let (plain, compressed) = rest.split_once("; compressed layers: ")?;
        let programs = programs.replace(", ", "`, `");
        Some(format!("  | `{programs}` | {plain} | {compressed} |"))
    });
    let listed: Vec<String> = listed.collect();
    assert!(listed.len() > 4, "{listed:?}");
    let readme = read("README.md");
    let head = "  | program | uncompressed layers | compressed layers |";
    let rows = readme.lines().skip_while(|line| *line != head).skip(2);
    let rows: Vec<&str> = rows.take_while(|line| line.starts_with("  |")).collect();
    assert_eq!(rows, listed);
}

#[test]
fn the_readme_lists_every_dependency() {
    let manifest = read("Cargo.toml");
    let rest = manifest
        .split("\n[dependencies]\n")
        .nth(1)
        .expect("dependencies");
    let lines = rest.lines().take_while(|line| !line.starts_with('['));
    let direct: BTreeSet<&str> = lines
        .filter_map(|line| Some(line.split_once(" = ")?.0))
        .collect();
    let readme = read("README.md");
    let table = readme
        .split("| crate | used for | why this one |")
        .nth(1)
        .expect("the table");
    let rows = table
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let crates = rows.filter_map(|row| row.split('|').nth(1));
    let listed: BTreeSet<&str> = crates
        .flat_map(|names| names.split(','))
        .map(|name| name.trim().trim_end_matches(" (`base`)"))
        .collect();
    assert!(direct.len() > 30, "{direct:?}");
    assert_eq!(listed, direct);
}
