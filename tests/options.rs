//! Every option of every program beside every other one: it has its effect, or the two are refused.
//!
//! `tests/options/table.txt` has for each program command lines in which its options have an effect. Of each pair of
//! options both are added to such a command line: the run with both must be refused, or differ from the run without
//! the first. What may do nothing beside something else is in the table too, with the reason.

mod debian;
mod inputs;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

use rayon::prelude::*;

use crate::common::repository;
use crate::common::run::{Room, clean, program, words};

/// Options of every program that show in nothing that is compared here, or are the only argument.
const COMMON: [&str; 9] = [
    "--help",
    "--version",
    "--jobs",
    "--color",
    "--progress",
    "--limit",
    "--store",
    "--generate",
    "--cache",
];

/// A program of the table, or a subcommand.
#[derive(Default)]
struct Section {
    name: String,
    bases: BTreeMap<String, String>,
    options: Vec<Tried>,
    neutral: Vec<(Vec<String>, Vec<String>)>,
}

/// An option with a value, and where it has an effect.
struct Tried {
    text: String,
    bases: Vec<String>,
    /// Whether it is refused in all of them.
    is_refused: bool,
    /// Whether the run fails in all of them: that is its effect.
    is_failing: bool,
}

impl Tried {
    /// The option without its value.
    fn name(&self) -> &str {
        let end = self.text.find([' ', '=']).unwrap_or(self.text.len());
        &self.text[..end]
    }

    fn is_any_of(&self, patterns: &[String]) -> bool {
        let fits =
            |pattern: &String| pattern == "*" || pattern == self.name() || *pattern == self.text;
        patterns.iter().any(fits)
    }
}

fn sections() -> Vec<Section> {
    let text = std::fs::read_to_string(repository("tests/options/table.txt")).expect("the table");
    let mut sections: Vec<Section> = Vec::new();
    let list =
        |text: &str| -> Vec<String> { text.split(", ").map(|one| one.trim().to_owned()).collect() };
    let is_root = rustix::process::geteuid().is_root();
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            sections.push(Section {
                name: name.to_owned(),
                ..Section::default()
            });
            continue;
        }
        let section = sections.last_mut().expect("a program before its options");
        if let Some((left, right)) = line
            .strip_prefix("~ ")
            .and_then(|rest| rest.split_once(" | "))
        {
            section.neutral.push((list(left), list(right)));
        } else if line.starts_with(['-', '!', '?']) {
            let (option, bases) = line
                .rsplit_once(" : ")
                .expect("an option and its command lines");
            let bases = list(bases);
            section.options.push(Tried {
                text: option.trim_start_matches(['!', '?']).trim().to_owned(),
                bases: bases
                    .into_iter()
                    .filter(|base| base != "-" && (is_root || !base.starts_with("root-")))
                    .collect(),
                is_refused: line.starts_with('!'),
                is_failing: line.starts_with('?'),
            });
        } else {
            let (name, base) = line.split_once(" = ").expect("a command line and its name");
            section.bases.insert(name.to_owned(), base.to_owned());
        }
    }
    sections
}

/// What a run did: status, what was printed, and what is in the directory afterwards.
#[derive(PartialEq, Eq, Clone)]
struct Outcome {
    code: Option<i32>,
    stdout: Vec<u8>,
    stderr: String,
    left: u64,
}

impl Outcome {
    fn is_refusal(&self) -> bool {
        self.code == Some(2)
    }
}

/// Everything below a directory but what all runs have in common.
fn left(top: &Path) -> u64 {
    let mut found = BTreeSet::new();
    let mut work = vec![top.to_owned()];
    while let Some(folder) = work.pop() {
        for entry in std::fs::read_dir(&folder).expect("a directory").flatten() {
            let path = entry.path();
            let metadata = std::fs::symlink_metadata(&path).expect("metadata");
            let mut hasher = DefaultHasher::new();
            (metadata.mode(), metadata.uid(), metadata.gid()).hash(&mut hasher);
            // What is younger was not asked for: it is the time of this run.
            let age = SystemTime::now().duration_since(metadata.modified().expect("a time"));
            if age.is_ok_and(|age| age.as_secs() > 24 * 3600) {
                metadata.mtime().hash(&mut hasher);
            }
            if metadata.is_file() {
                std::fs::read(&path).unwrap_or_default().hash(&mut hasher);
            } else if metadata.is_symlink() {
                std::fs::read_link(&path).expect("a link").hash(&mut hasher);
            } else if metadata.is_dir() {
                work.push(path.clone());
            }
            found.insert((
                path.strip_prefix(top).expect("below").to_owned(),
                hasher.finish(),
            ));
        }
    }
    let mut hasher = DefaultHasher::new();
    found.hash(&mut hasher);
    hasher.finish()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a directory");
    for entry in std::fs::read_dir(from).expect("a directory").flatten() {
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true => copy(&path, &to),
            false => drop(std::fs::copy(&path, &to).expect("a copy")),
        }
    }
}

fn run(line: &str, inputs: &Path, fresh: &Path) -> Outcome {
    let room = Room::new();
    let top = room.path("");
    copy(fresh, &top);
    let link = room.path("in");
    std::os::unix::fs::symlink(inputs, &link).expect("a link");
    let words = words(line);
    let mut command = std::process::Command::new(program(&words[0]));
    clean(&mut command, &top);
    command.env("IMGKIT_STORE", "store").args(&words[1..]);
    command.env("TMPDIR", "/tmp");
    let output = command.stdin(std::process::Stdio::null()).output();
    let output = output.expect("a program that starts");
    std::fs::remove_file(&link).expect("the link");
    Outcome {
        code: output.status.code(),
        stdout: output.stdout,
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        left: left(&top),
    }
}

fn line(section: &Section, base: &str, options: &[&Tried]) -> String {
    let mut texts: Vec<&str> = options.iter().map(|option| option.text.as_str()).collect();
    texts.sort_unstable();
    let base = section
        .bases
        .get(base)
        .unwrap_or_else(|| panic!("{}: no '{base}'", section.name));
    format!("{} {} {base}", section.name, texts.join(" "))
}

/// Long options in a help text.
fn options_of(help: &str) -> BTreeSet<String> {
    // Their descriptions are indented further.
    let is_option = |line: &&str| line.starts_with("  -") || line.starts_with("      --");
    let lines = help.lines().filter(is_option).map(str::trim_start);
    let options = lines.filter_map(|line| {
        let at = line.find("--")?;
        let end = line[at..]
            .find([' ', '[', '=', ','])
            .map_or(line.len(), |end| at + end);
        Some(line[at..end].to_owned())
    });
    options.collect()
}

#[test]
fn the_table_has_every_option() {
    let room = Room::new();
    let mut programs = BTreeSet::new();
    for section in sections() {
        programs.insert(section.name.split(' ').next().expect("a name").to_owned());
        let help = room.run(&format!("{} --help", section.name));
        let mut expected = options_of(help.out());
        for common in COMMON {
            expected.remove(common);
        }
        let found: BTreeSet<String> = section
            .options
            .iter()
            .map(|option| option.name().to_owned())
            .collect();
        assert_eq!(
            found, expected,
            "{}: left: the table; right: the help",
            section.name
        );
    }
    let all: BTreeSet<String> = crate::common::run::PROGRAMS.map(str::to_owned).into();
    assert_eq!(programs, all);
}

#[test]
fn every_option_has_its_effect_or_is_refused_beside_every_other() {
    let room = Room::new();
    let (inputs, fresh) = (room.path("inputs"), room.path("fresh"));
    let id = inputs::write(&inputs, &fresh);
    for (archive, options) in [
        ("a.tar", "--rename demo:1=else:1"),
        ("a.tar", ""),
        ("b.tar", "--rename demo:1=demo:2"),
        ("two.tar", "--only other:2"),
        ("multi.tar", ""),
    ] {
        room.run(&format!(
            "imgload --store fresh/store {options} inputs/{archive}"
        ))
        .code(0);
    }
    for (archive, name) in [
        ("b.tar", "demo:1"),
        ("a.tar", "demo:2"),
        ("multi.tar", "multi:1"),
    ] {
        room.run(&format!(
            "imgpush -q --as {name} inputs/{archive} fresh/tree"
        ))
        .code(0);
    }
    room.run(
        "imgbase deb --debs inputs/debs --arch amd64 --include srv --lock inputs/lock -o inputs/x",
    )
    .code(0);
    room.run("imgverify -q --custody inputs/rec.json inputs/a.tar")
        .code(0);
    let mut sections = sections();
    for base in sections
        .iter_mut()
        .flat_map(|section| section.bases.values_mut())
    {
        *base = base.replace("{ID}", &id);
    }
    // A run is needed for each command line with one option and with two.
    let mut lines = BTreeSet::new();
    for section in &sections {
        for one in &section.options {
            for base in &one.bases {
                lines.insert(line(section, base, &[]));
                lines.insert(line(section, base, &[one]));
                for other in pairs(section, one) {
                    lines.insert(line(section, base, &[other]));
                    lines.insert(line(section, base, &[one, other]));
                }
            }
        }
    }
    let lines: Vec<String> = lines.into_iter().collect();
    let before = left(&inputs);
    let found = lines
        .par_iter()
        .map(|line| (line.as_str(), run(line, &inputs, &fresh)));
    let found: HashMap<&str, Outcome> = found.collect();
    // All runs share the inputs: one that writes to them changes what others find.
    assert!(before == left(&inputs), "a run has changed its inputs");
    let outcome =
        |section, base: &str, options: &[&Tried]| &found[line(section, base, options).as_str()];
    let mut wrong = BTreeSet::new();
    for section in &sections {
        for one in &section.options {
            for base in &one.bases {
                let (without, with) = (outcome(section, base, &[]), outcome(section, base, &[one]));
                let shown = line(section, base, &[one]);
                if with.is_refusal() != (one.is_refused || one.is_failing) {
                    wrong.insert(format!("{shown}\n    {:?}: {}", with.code, with.stderr));
                } else if without == with {
                    wrong.insert(format!("{shown}\n    {} does nothing", one.text));
                }
                for other in pairs(section, one).filter(|_| !one.is_refused) {
                    let (without, with) = (
                        outcome(section, base, &[other]),
                        outcome(section, base, &[one, other]),
                    );
                    if !with.is_refusal() && without == with {
                        let shown = line(section, base, &[one, other]);
                        wrong.insert(format!(
                            "{shown}\n    {} does nothing beside {}",
                            one.text, other.text
                        ));
                    }
                }
            }
        }
    }
    let list: Vec<String> = wrong.into_iter().collect();
    assert!(
        list.is_empty(),
        "{} of {} runs:\n{}",
        list.len(),
        lines.len(),
        list.join("\n")
    );
}

/// The options that `one` has to have its effect beside.
fn pairs<'a>(section: &'a Section, one: &'a Tried) -> impl Iterator<Item = &'a Tried> {
    section.options.iter().filter(move |other| {
        let is_neutral = section
            .neutral
            .iter()
            .any(|(left, right)| one.is_any_of(left) && other.is_any_of(right));
        one.name() != other.name() && !other.is_refused && !is_neutral
    })
}
