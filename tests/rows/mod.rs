//! Every row of the catalogue of hostile inputs, against every program that can meet it.
//!
//! A case is an input, made in code, and what each kind of program has to make of it. Each program runs in a room of
//! its own, with 256 MiB of memory and 20 seconds, and afterwards it is seen to that
//!
//! - the exit status is the one that is due, and there was no panic;
//! - where it is 2, standard error has one line of ours for each problem, which names the place, and says why;
//! - nothing outside the output that was named has changed, nor inside it if the run failed, and no file of an
//!   unfinished output is left anywhere, with the folder for temporary files looked at, too;
//! - no control character and no character that turns or hides text reached standard output or standard error (a tar
//!   or a raw document on standard output is data and not looked at).
//!
//! `IMGKIT_ROWS=1 cargo test --test imgkit rows:: -- --nocapture` prints what each run said; with the name of a row
//! instead of `1`, only that one runs.
//!
//! | file | rows |
//! |---|---|
//! | `layers` | P1 to P13: paths and links of layers; T: tar headers |
//! | `documents` | M: documents, digests, graphs |
//! | `packed` | C: compression |
//! | `places` | P14 to P17, O1, F1: what is named on the command line, what is printed, what the machine does |
//! | `base` | D: Debian packages and archives of files for imgbase |
//! | `stores` | S: stores that somebody else has written |
//! | `trees` | A1 to A3: trees of repositories that somebody else fills |
//! | `carried` | A4 to A6: bundles and receipts, volumes, lists of images |
//! | `contents` | X: contents of files that are looked into |

mod base;
mod carried;
mod contents;
mod documents;
mod layers;
mod packed;
mod places;
mod room;
mod stores;
mod tar;
mod trees;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use room::{Input, Ran, run};

/// Every row: P1 to P17 paths and links, M1 to M21 metadata and identity, T1 to T15 tar, C1 to C6 compression, O1
/// output to people and logs, F1 failures of the machine; D1 to D6 packages and root filesystems that imgbase reads, S1
/// and S2 stores; A1 to A6 what is carried across an air gap; X1 to X4 contents of files, lists of
/// packages, sets of digests, files inside files.
fn rows() -> BTreeSet<String> {
    let numbered = [
        ("P", 17),
        ("M", 21),
        ("T", 15),
        ("C", 6),
        ("O", 1),
        ("F", 1),
        ("D", 6),
        ("S", 2),
        ("A", 6),
        ("X", 4),
    ];
    let numbered = numbered.iter();
    numbered
        .flat_map(|(section, count)| (1..=*count).map(move |number| format!("{section}{number}")))
        .collect()
}

/// What a program does with its input, as far as it decides what it meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Reads documents.
    Look,
    /// Reads the headers of layers, or all of them.
    Size,
    /// Checks everything.
    Verify,
    /// Puts layers on top of each other.
    Apply,
    /// Writes what layers hold, also where they do not fit together.
    Recover,
    /// Moves blobs as they are.
    Copy,
    /// Decodes layers and packs them again.
    Recode,
    /// Writes one layer as it is.
    Raw,
    /// Makes a layer of a tar of files.
    Root,
    /// Takes one image of a tree.
    Part,
    /// Takes all images of a tree.
    Whole,
    /// Adds to a tree.
    Add,
    /// Removes parts of a tree.
    Change,
    /// Reads a list, a receipt or a bundle.
    Carried,
}

/// The programs that take an image, `{}` in its place; those that have `-` there get it through a pipe.
const IMAGE: [(Kind, &str); 31] = [
    (Kind::Size, "imgls --tree {}"),
    (Kind::Size, "imginspect {}"),
    (Kind::Look, "imginspect --raw manifest {}"),
    (Kind::Look, "imgtag {} other:1"),
    (Kind::Size, "imgls {}"),
    (Kind::Size, "imghistory {}"),
    (Kind::Size, "imgdf {}"),
    (Kind::Size, "imggraph {}"),
    (Kind::Size, "imggraph --format svg {}"),
    (Kind::Verify, "imgverify {}"),
    (Kind::Verify, "imgverify -"),
    (Kind::Apply, "imgexport -o out {}"),
    (Kind::Apply, "imgexport -C out {}"),
    (Kind::Apply, "imgexport --format cpio -o out {}"),
    (Kind::Apply, "imgexport --format json {}"),
    (Kind::Recover, "imgexport --deleted -C out {}"),
    (Kind::Apply, "imgdiff good.tar {}"),
    (Kind::Apply, "imggraph --view packages {}"),
    (Kind::Apply, "imgcommit --squash {} -o out"),
    (Kind::Apply, "imgcommit --base {} changed -o out"),
    (Kind::Copy, "imgload {}"),
    (Kind::Copy, "imgload -"),
    (Kind::Copy, "imgsave -o out {}"),
    (Kind::Copy, "imgsave --format oci-layout -o out {}"),
    (Kind::Copy, "imgconvert {} docker-archive:out"),
    (Kind::Recode, "imgsave --compression gzip -o out {}"),
    (
        Kind::Recode,
        "imgconvert --compression zstd:chunked {} oci-archive:out",
    ),
    (Kind::Recode, "imgconvert --reproducible {} oci:out"),
    (Kind::Raw, "imgexport --layer 1 -o out {}"),
    (Kind::Raw, "imghistory --dockerfile {}"),
    (Kind::Recover, "imgfind --format json {} -not -needed a"),
];

/// The programs that take a tar of files.
const ROOT: [(Kind, &str); 7] = [
    (Kind::Root, "imgbase pack {} -o out"),
    (Kind::Root, "imgbase pack - -o out"),
    (Kind::Root, "imgimport {} -o out"),
    (Kind::Root, "imgimport - -o out"),
    (Kind::Root, "imgcommit --base good.tar {} -o out"),
    (Kind::Root, "imgcommit --base good.tar - -o out"),
    (Kind::Root, "imgdiff {} plain.tar"),
];

/// An input, and what is to become of it.
struct Case {
    row: &'static str,
    what: String,
    input: Input,
    lines: Vec<(Kind, String)>,
    /// Exit statuses by kind of program, as in `verify=1 apply=2`; `*` is for all that are not named, 0 without it,
    /// and `12` is for either. A program may be named, as in `imgdf=0`.
    codes: &'static str,
    /// What a line that is not good says: one of these.
    says: Vec<String>,
}

impl Case {
    fn image(
        row: &'static str,
        what: &str,
        tar: Vec<u8>,
        codes: &'static str,
        says: &[&str],
    ) -> Self {
        Case::of(row, what, Input::File(tar), &IMAGE, codes, says)
    }

    fn of(
        row: &'static str,
        what: &str,
        input: Input,
        lines: &[(Kind, &str)],
        codes: &'static str,
        says: &[&str],
    ) -> Self {
        let lines = lines.iter().map(|(kind, line)| (*kind, (*line).to_owned()));
        Case {
            row,
            what: what.to_owned(),
            input,
            lines: lines.collect(),
            codes,
            says: says.iter().map(|text| (*text).to_owned()).collect(),
        }
    }

    /// The exit statuses that are right for a program.
    fn due(&self, kind: Kind, line: &str) -> Vec<i32> {
        if kind == Kind::Recover {
            // What cannot be applied is recovered.
            let mut due = self.due(Kind::Apply, line);
            due.push(0);
            if line.starts_with("imgfind") {
                // Nothing is left to find.
                due.push(1);
            }
            return due;
        }
        let kind = format!("{kind:?}").to_lowercase();
        let mut due = "0";
        let mut named = false;
        for pair in self.codes.split_whitespace() {
            let (name, codes) = pair.split_once('=').expect("a name and statuses");
            // The start of a command line, with `_` for blanks, comes before a kind, and that before all.
            let exact = line.starts_with(&name.replace('_', " "));
            if exact || !named && (name == kind || name == "*" && due == "0") {
                (due, named) = (codes, exact);
            }
        }
        let mut due: Vec<i32> = due.bytes().map(|byte| i32::from(byte - b'0')).collect();
        if line.starts_with("imgdiff") && due.contains(&0) {
            // They differ, most of them.
            due.push(1);
        }
        due
    }

    /// Whether how it ends depends on the machine: on how many files may be open, on which attributes its file system
    /// has, on who runs it.
    fn is_of_the_machine(&self, line: &str) -> bool {
        let unpacks = line.contains("imgexport -C");
        self.row == "F1" || unpacks && ["P9", "P13", "T15"].contains(&self.row)
    }

    /// What is wrong with a run.
    fn judge(&self, kind: Kind, line: &str, ran: &Ran) -> Result<(), String> {
        let due = self.due(kind, line);
        match ran.code {
            Some(code) if due.contains(&code) => {}
            other => return Err(format!("exit status {other:?}, due is one of {due:?}")),
        }
        let code = ran.code.unwrap_or_default();
        ran.behaves(
            line,
            code != 0
                && !(line.starts_with("imgverify")
                    || code == 1 && (line.starts_with("imgdiff") || line.starts_with("imgfind"))),
        )?;
        let (out, err) = (
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr),
        );
        let is_answer = code == 1;
        let is_plain = line.starts_with("imgdiff") || line.starts_with("imgfind");
        if code != 0 && !self.says.is_empty() && !(is_plain && is_answer) {
            let said = self
                .says
                .iter()
                .any(|text| err.contains(text) || is_answer && out.contains(text));
            if !said {
                return Err(format!("none of {:?} is said", self.says));
            }
        }
        // What is asked of several places names none; of a set of volumes, the one that is damaged is named; what packages say of each other names the package.
        if code == 2 && !["F1", "P17", "D4", "A5"].contains(&self.row) {
            let program = line.split(' ').next().unwrap_or_default();
            let place = match line.contains(" - ") || line.ends_with(" -") {
                true if err.contains(&format!("{program}: -: ")) => "-: ",
                true => "standard input",
                false => self.input.place(),
            };
            let start = format!("{program}: ");
            let named = err.lines().any(|said| {
                let rest = said.strip_prefix(&start);
                // A name that is not in the store is named as it was typed.
                let is_typed = |rest: &str| {
                    let words = line.split(' ').skip(1);
                    let mut typed = words.map(|word| format!("'{word}': no such file or image"));
                    line.contains(" --store ") && typed.any(|typed| rest == typed)
                };
                rest.is_some_and(|rest| rest.contains(place) || is_typed(rest))
            });
            if !named {
                return Err(format!("no line names {place}"));
            }
        }
        Ok(())
    }
}

/// Runs every case on all programs that it is for, and tells of all that is wrong at once.
///
/// What each run ended with is kept in `tests/golden/rows/GROUP`, a line for each case: `.` for what is not run, `*` for
/// what depends on the machine. `IMGKIT_UPDATE=1` writes it anew.
#[allow(clippy::print_stderr)]
fn check(group: &str, cases: Vec<Case>) {
    let asked = std::env::var("IMGKIT_ROWS").unwrap_or_default();
    // The first case of a row meets every program, further ones a third of them each, and always imgverify and
    // imgexport -C: one row's cases differ in what they try, and programs share what refuses it.
    let mut counts: BTreeMap<(&str, usize), usize> = BTreeMap::new();
    let mut runs: Vec<(&Case, usize)> = Vec::new();
    for case in &cases {
        let number = counts.entry((case.row, case.lines.len())).or_default();
        let third = *number % 3;
        for (i, (_, line)) in case.lines.iter().enumerate() {
            let always = line.starts_with("imgverify {}")
                || line.starts_with("imgexport -C")
                || line.contains("--store in")
                || line.starts_with("imgprune")
                || case.row.starts_with('X');
            let chosen = asked.len() < 2 || case.row == asked;
            if chosen && (*number == 0 || always || i % 3 == third) {
                runs.push((case, i));
            }
        }
        *number += 1;
    }
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let codes: Mutex<BTreeMap<(usize, usize), i32>> = Mutex::default();
    let shown = std::env::var_os("IMGKIT_ROWS").is_some();
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((case, i)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (kind, line) = &case.lines[*i];
                    let ran = run(&case.input, line);
                    // What comes before is for the shell.
                    let own = line.rsplit(" ;; ").next().unwrap_or_default();
                    let judged = case.judge(*kind, own, &ran);
                    let code = ran.code.unwrap_or(9);
                    codes
                        .lock()
                        .expect("a lock")
                        .insert((std::ptr::from_ref::<Case>(case).addr(), *i), code);
                    if shown {
                        let said = String::from_utf8_lossy(&ran.stderr).replace('\n', " / ");
                        let said: String = said.chars().take(260).collect();
                        let head: String = String::from_utf8_lossy(&ran.stdout)
                            .lines()
                            .find(|line| line.starts_with("error"))
                            .unwrap_or_default()
                            .chars()
                            .take(200)
                            .collect();
                        let mark = if judged.is_ok() { " " } else { "!" };
                        eprintln!(
                            "{mark}{} {} | {line} | {:?} | {:?} | {said} | {head}",
                            case.row, case.what, ran.code, ran.took
                        );
                    }
                    if let Err(why) = judged {
                        let text = format!("{} {}\n{why}\n{ran}", case.row, case.what);
                        wrong.lock().expect("a lock").push(text);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().expect("a lock");
    assert!(
        wrong.is_empty(),
        "{} of {} runs in {} cases are wrong\n\n{}",
        wrong.len(),
        runs.len(),
        cases.len(),
        wrong.join("\n--------\n")
    );
    eprintln!("{} runs in {} cases", runs.len(), cases.len());
    if asked.len() < 2 {
        let codes = codes.into_inner().expect("a lock");
        compare(group, &cases, |case, i| {
            codes.get(&(std::ptr::from_ref(case).addr(), i)).copied()
        });
    }
}

/// Holds exit statuses against those that were there before.
fn compare(group: &str, cases: &[Case], code: impl Fn(&Case, usize) -> Option<i32>) {
    let told = cases.iter().map(|case| {
        let codes = (0..case.lines.len()).map(|i| match code(case, i) {
            None => '.',
            Some(_) if case.is_of_the_machine(&case.lines[i].1) => '*',
            Some(code) => char::from_digit(code.unsigned_abs(), 10).unwrap_or('?'),
        });
        let codes: String = codes.collect();
        format!("{} {}: {codes}\n", case.row, case.what.escape_default())
    });
    let told: String = told.collect();
    let path = crate::common::repository(&format!("tests/golden/rows/{group}"));
    if std::env::var_os("IMGKIT_UPDATE").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, &told).expect("a file");
    }
    let before = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}: IMGKIT_UPDATE=1 writes it", path.display()));
    let changed: Vec<String> = told
        .lines()
        .filter(|line| !before.lines().any(|other| other == *line))
        .map(|line| {
            let name = line.rsplit_once(": ").map_or("", |(name, _)| name);
            let was = before.lines().find(|other| {
                other
                    .rsplit_once(": ")
                    .is_some_and(|(other, _)| other == name)
            });
            format!("{line}, and not {}", was.unwrap_or("known"))
        })
        .collect();
    assert!(
        changed.is_empty(),
        "other exit statuses than before:\n{}",
        changed.join("\n")
    );
    assert_eq!(
        told.lines().count(),
        before.lines().count(),
        "cases that are no more"
    );
}

#[test]
fn every_row_has_a_case() {
    let all = [
        layers::paths(),
        layers::headers(),
        documents::cases(),
        packed::cases(),
        places::cases(),
        base::cases(),
        stores::cases(),
        trees::cases(),
        carried::cases(),
        contents::cases(),
    ];
    let covered: BTreeSet<String> = all
        .iter()
        .flatten()
        .map(|case| case.row.to_owned())
        .collect();
    assert_eq!(covered, rows());
}

#[test]
fn paths_and_links() {
    check("paths", layers::paths());
}

#[test]
fn tar_headers() {
    check("headers", layers::headers());
}

#[test]
fn metadata_and_identity() {
    check("documents", documents::cases());
}

#[test]
fn compression() {
    check("packed", packed::cases());
}

#[test]
fn packages_for_base_images() {
    check("base", base::cases());
}

#[test]
fn stores_of_strangers() {
    check("stores", stores::cases());
}

#[test]
fn trees_of_strangers() {
    check("trees", trees::cases());
}

#[test]
fn what_is_carried_across_a_gap() {
    check("carried", carried::cases());
}

#[test]
fn places_on_the_command_line() {
    check("places", places::cases());
}

#[test]
fn contents_of_files() {
    check("contents", contents::cases());
}
