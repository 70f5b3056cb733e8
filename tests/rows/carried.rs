//! What is carried across an air gap: bundles and receipts, volumes, lists of images.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::room::Input;
use super::{Case, IMAGE, Kind};
use crate::common::build::{self, Files, Image};
use crate::common::pack::Pack;
use crate::common::receipt::receipt;
use crate::common::run::{clean, program};

type Make = fn(&Path);

/// The programs that take a bundle, besides those that take any image.
const BUNDLE: [(Kind, &str); 7] = [
    (Kind::Carried, "imgload --partial {}"),
    (Kind::Carried, "imgload --missing list {}"),
    (Kind::Carried, "imgload --with good.tar {}"),
    (Kind::Carried, "imgload --check {}"),
    (Kind::Carried, "imgsave --since good.tar -o out {}"),
    (Kind::Look, "imgls --receipt {}"),
    (Kind::Copy, "imgpush -q {} out"),
];

/// The programs that take a receipt.
const RECEIPT: [(Kind, &str); 6] = [
    (Kind::Carried, "imgsave --since {} -o out good.tar"),
    (Kind::Carried, "imgsave --since - -o out good.tar"),
    (Kind::Carried, "imgsave --since {} --dry-run good.tar"),
    (
        Kind::Carried,
        "imgsave --since good.tar --since {} -o out good.tar",
    ),
    (Kind::Carried, "imgsave --ledger {} -o out good.tar"),
    (Kind::Carried, "imgsave --only-blobs {} -o out good.tar"),
];

/// The programs that take a set of volumes, besides those that take any image.
const VOLUMES: [(Kind, &str); 5] = [
    (Kind::Look, "imgls in"),
    (Kind::Carried, "imgload --volumes in"),
    (Kind::Carried, "imgload --volumes {}"),
    (Kind::Verify, "imgverify --volumes {}"),
    (Kind::Verify, "imgverify --repair {}"),
];

/// The programs that take a list of images.
const LIST: [(Kind, &str); 7] = [
    (Kind::Carried, "imgls --check {} good.tar"),
    (Kind::Carried, "imgls --check - good.tar"),
    (Kind::Carried, "imgls --check {} --any-string good.tar"),
    (Kind::Carried, "imgls --unused-by {} good.tar"),
    (Kind::Carried, "imgsave --list {} -o out good.tar"),
    (Kind::Carried, "imgpush -q --list {} good.tar out"),
    (Kind::Carried, "imgload --only-list {} good.tar"),
];

fn with_images(lines: &[(Kind, &str)]) -> Vec<(Kind, String)> {
    let all = lines.iter().chain(&IMAGE);
    all.map(|(kind, line)| (*kind, (*line).to_owned()))
        .collect()
}

fn base() -> Image {
    build::image("base:1").layer("d etc | f etc/os debian")
}

fn app() -> Image {
    build::image("app:1")
        .layer("d etc | f etc/os debian")
        .layer("f app one")
}

/// Bytes of the blobs in the bundle.
fn bytes() -> usize {
    app().manifest().len() + app().config().len() + app().blobs()[1].len()
}

/// The record of a bundle of `app:1` for a site that has `base:1`.
fn record() -> Value {
    let shared = &base().blobs()[0];
    json!({
        "schema": "imgkit-bundle/1",
        "since": ["ab".repeat(32)],
        "names": {"app:1": app().manifest_digest()},
        "omitted": [{"digest": build::digest(shared), "size": shared.len()}],
        "blobs": 3,
        "bytes": bytes(),
        "after": "cd".repeat(32),
    })
}

/// That bundle, with another record.
fn bundle(record: &[u8]) -> Vec<u8> {
    let mut files = build::oci(&[&app()]);
    files.remove(&build::blob_name(&build::digest(&base().blobs()[0])));
    files.add("imgkit-bundle.json", record);
    files.tar()
}

fn edited(edit: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut record = record();
    edit(&mut record);
    bundle(record.to_string().as_bytes())
}

fn omit(record: &mut Value, digest: &str, size: u64) {
    let blob = json!({"digest": digest, "size": size});
    let omitted = record["omitted"].as_array_mut();
    omitted.expect("a list").push(blob);
}

/// A4: bundles.
fn bundles() -> Vec<Case> {
    let shared = build::digest(&base().blobs()[0]);
    let text = record().to_string();
    let many: String = (0..400_000)
        .map(|i| format!("{{\"digest\":\"sha256:{i:064}\",\"size\":{i}}},"))
        .collect();
    let many = text.replace("\"omitted\":[", &format!("\"omitted\":[{many}"));
    let mut linked = build::oci(&[&app()]);
    linked.symlink("imgkit-bundle.json", "../../outside/canary");
    let cases: [(&str, Vec<u8>, &'static str, &[&str]); 13] = [
        (
            "for another base",
            edited(|_| ()),
            INCOMPLETE,
            &["neither here nor in the store", "not in the archive"],
        ),
        (
            "that omits what nobody has",
            edited(|record| omit(record, &build::digest(b"nobody"), 6)),
            INCOMPLETE,
            &[],
        ),
        (
            "that omits 400,000 blobs",
            bundle(many.as_bytes()),
            "*=2 look=0 verify=0 size=0 raw=02 carried=12 imgload=1 imgtag=2 imgverify_-=1",
            &[],
        ),
        (
            "with two sizes",
            edited(|record| omit(record, &shared, 1)),
            UNREADABLE,
            &["ambiguous", "not in the archive"],
        ),
        (
            "with a size that is not the layer's",
            edited(|record| record["omitted"][0]["size"] = json!(1)),
            UNREADABLE,
            &["size mismatch", "not in the archive"],
        ),
        (
            "with a digest that climbs",
            edited(|record| record["omitted"][0]["digest"] = json!("sha256:../../outside/canary")),
            UNREADABLE,
            &["invalid digest", "not in the archive"],
        ),
        (
            "with a negative size",
            edited(|record| record["omitted"][0]["size"] = json!(-1)),
            UNREADABLE,
            &["invalid JSON", "not in the archive"],
        ),
        (
            "with a truncated record",
            bundle(&text.as_bytes()[..60]),
            UNREADABLE,
            &["invalid JSON", "not in the archive"],
        ),
        (
            "with a deep record",
            bundle("[".repeat(100_000).as_bytes()),
            UNREADABLE,
            &["invalid JSON", "not in the archive"],
        ),
        (
            "with a record for terminals",
            edited(|record| record["since"] = json!(["x\u{1b}[2J\n\u{202e}"])),
            INCOMPLETE,
            &[],
        ),
        (
            "with one key twice",
            bundle(text.replacen('{', "{\"blobs\":7,", 1).as_bytes()),
            UNREADABLE,
            &["invalid JSON", "not in the archive"],
        ),
        (
            "whose record leads elsewhere",
            linked.tar(),
            "*=02 imgload=2 verify=1",
            &["leads out"],
        ),
        (
            "whose record is of 70 MB",
            bundle(&vec![b' '; 70_000_000]),
            UNREADABLE,
            &[
                "size of a list in bytes: limit exceeded",
                "not in the archive",
            ],
        ),
    ];
    let cases = cases.into_iter().map(|(what, tar, codes, says)| {
        let mut case = Case::image("A4", &format!("a bundle {what}"), tar, codes, says);
        case.lines = with_images(&BUNDLE);
        case
    });
    cases.collect()
}

/// What the programs end with where a bundle is sound and its base is missing.
const INCOMPLETE: &str = "*=2 look=0 verify=0 size=0 raw=02 carried=12 imgload=1 imgtag=2";

/// What the programs end with where the record of a bundle is damaged.
const UNREADABLE: &str = "*=2 look=02 size=02 raw=02 verify=12";

/// A4: receipts.
fn receipts() -> Vec<Case> {
    let sound = receipt(&[&base()], "", &[]);
    let lines: Vec<&str> = sound.lines().collect();
    let joined = |lines: &[&str]| {
        lines
            .iter()
            .map(|line| format!("{line}\n"))
            .collect::<String>()
    };
    let (start, _) = lines[1].split_once(",\"size\"").expect("a size");
    let size = format!("{start},\"size\":1}}");
    let sizes = joined(&[&[lines[0], lines[1], &*size], &lines[2..]].concat());
    let edited = joined(&[&[lines[0], &*size], &lines[2..]].concat());
    let zeros = Pack::Gzip.pack(&vec![0; 200 << 20]);
    let of = |what: &str, input: Input| {
        Case::of(
            "A4",
            &format!("a receipt {what}"),
            input,
            &RECEIPT,
            "*=2",
            &[],
        )
    };
    let file = |text: &str| Input::File(text.as_bytes().to_vec());
    let climbs = format!("{}\nsha256:../../outside/canary\n", base().id());
    let mut cases = vec![
        of("with two sizes", file(&sizes)),
        of("that was edited", file(&edited)),
        of("that was truncated", file(&joined(&lines[..2]))),
        of("cut in a line", file(&sound[..sound.len() - 20])),
        of("with a line behind its end", file(&(sound.clone() + "x\n"))),
        of("of a digest that climbs", file(&climbs)),
        of("of NULs, compressed", Input::File(zeros)),
        of("of one line without end", file(&"x".repeat(10 << 20))),
        of("that is deep", file(&("[".repeat(100_000) + "\n"))),
        of("of text for terminals", file("\u{1b}[2J\u{202e}\n")),
    ];
    let special: [(&str, Make); 3] = [
        ("of 400 MB", |work| {
            let file = fs::File::create(work.join("in.tar")).expect("a file");
            file.set_len(400 << 20).expect("a length");
        }),
        ("that is a FIFO", |work| build::fifo(&work.join("in.tar"))),
        ("that is an empty directory", |work| {
            fs::create_dir(work.join("in.tar")).expect("a directory");
        }),
    ];
    let special = special.map(|(what, make)| {
        let mut case = of(what, Input::Made("in.tar", make));
        case.lines.retain(|(_, line)| line.contains("{}"));
        case
    });
    cases.extend(special);
    cases
}

/// A set of five volumes and one of parity, `s.tar`, and the volumes of other images, `t.tar`.
fn sets() -> &'static Files {
    static SETS: OnceLock<Files> = OnceLock::new();
    SETS.get_or_init(|| {
        let room = tempfile::tempdir().expect("a directory");
        let mut files = Files::default();
        for (name, seed) in [("s.tar", 1), ("t.tar", 9)] {
            let layers = [300_000, 2_500_000, 1_700_000];
            let image = layers.iter().fold(build::image("demo:1"), |image, length| {
                image.layer_bytes(build::noise_layer(*length, seed))
            });
            fs::write(room.path().join("in.tar"), build::oci(&[&image]).tar()).expect("a file");
            let mut command = Command::new(program("imgsave"));
            clean(&mut command, room.path());
            command.args(["--split", "1M", "--parity", "4", "-o", name, "in.tar"]);
            assert!(command.status().expect("imgsave").success());
        }
        fs::remove_file(room.path().join("in.tar")).expect("a file");
        for entry in fs::read_dir(room.path()).expect("a directory") {
            let entry = entry.expect("an entry");
            let name = entry.file_name().into_string().expect("a name");
            if entry.path().is_file() {
                files.add(&name, fs::read(entry.path()).expect("a file"));
            }
        }
        files
    })
}

/// The set `s.tar`, changed.
fn set(work: &Path, change: impl FnOnce(&mut Files)) {
    let names = sets().names().into_iter();
    let own = names.filter(|name| name.starts_with("s."));
    let mut files = Files::of(own.map(|name| (name.clone(), sets().get(&name).to_vec())));
    change(&mut files);
    files.write_to(&work.join("in"));
}

/// The set with another text in a table.
fn table(work: &Path, name: &str, from: &str, to: &str) {
    set(work, |files| {
        let bytes = files.bytes(name);
        let text = String::from_utf8(bytes.clone()).expect("a text");
        assert!(text.contains(from), "{text}");
        *bytes = text.replacen(from, to, 1).into_bytes();
    });
}

/// The set with a file of it made anew.
fn other_file(work: &Path, name: &str, make: impl FnOnce(&Path)) {
    set(work, |_| ());
    let path = work.join("in").join(name);
    fs::remove_file(&path).expect("a file");
    make(&path);
}

/// The set, and a file of the other one in the place of its own.
fn mixed(work: &Path, names: &[&str]) {
    set(work, |files| {
        for name in names {
            let bytes = sets().get(&name.replace("s.tar", "t.tar")).to_vec();
            let text = String::from_utf8(bytes.clone());
            let bytes = text.map_or(bytes, |text| text.replace("t.tar", "s.tar").into_bytes());
            files.put(name, bytes);
        }
    });
}

/// A5.
fn volumes() -> Vec<Case> {
    let cases: [(&str, Make, &'static str, &[&str]); 16] = [
        (
            "of two sets",
            |work| mixed(work, &["s.tar.002", "s.tar.002.sha256"]),
            "*=2 imgload_--volumes=12 imgverify=12",
            &[
                "volumes do not belong together",
                "volumes of several sets",
                "are missing",
            ],
        ),
        (
            "with the parity of another set",
            |work| mixed(work, &["s.tar.p01", "s.tar.p01.sha256"]),
            "*=2 imgload_--volumes=12 imgverify=12",
            &[
                "volumes do not belong together",
                "volumes of several sets",
                "are missing",
            ],
        ),
        (
            "that overlap",
            |work| table(work, "s.tar.002.sha256", "offset=", "offset=1"),
            "*=2 imgload_--volumes=12",
            &["volumes do not belong together", "not an image archive"],
        ),
        (
            "with a table that is longer than the volume",
            |work| {
                set(work, |files| {
                    let text = String::from_utf8(files.get("s.tar.002.sha256").to_vec());
                    let text = text.expect("a text");
                    let line = text.lines().nth(1).expect("digests").to_owned();
                    files.put(
                        "s.tar.002.sha256",
                        text.replacen(&line, &format!("{line}\n{line}"), 1),
                    );
                });
            },
            "*=2",
            &["expected a digest for each chunk", "not an image archive"],
        ),
        (
            "with a table of 4 GB",
            |work| {
                other_file(work, "s.tar.002.sha256", |path| {
                    let file = fs::File::create(path).expect("a file");
                    file.set_len(4 << 30).expect("a length");
                });
            },
            "*=02",
            &["limit exceeded"],
        ),
        (
            "with a table that is a FIFO",
            |work| other_file(work, "s.tar.002.sha256", build::fifo),
            "*=02 verify=012",
            &[],
        ),
        (
            "of which one is a FIFO",
            |work| other_file(work, "s.tar.003", build::fifo),
            "*=02 verify=012",
            &[],
        ),
        (
            "of which one leads elsewhere",
            |work| {
                other_file(work, "s.tar.003", |path| {
                    symlink("../../outside/canary", path).expect("a link");
                });
            },
            "*=02 verify=012",
            &[],
        ),
        (
            "of which one is a directory",
            |work| {
                other_file(work, "s.tar.003", |path| {
                    fs::create_dir(path).expect("a directory")
                })
            },
            "*=02 verify=012",
            &[],
        ),
        (
            "with the largest number",
            |work| {
                table(
                    work,
                    "s.tar.002.sha256",
                    "number=2",
                    "number=18446744073709551615",
                )
            },
            "*=2",
            &["volumes: limit exceeded", "not an image archive"],
        ),
        (
            "of the largest size",
            |work| table(work, "s.tar.002.sha256", "size=", "size=999999999999"),
            "*=2",
            &[],
        ),
        (
            "with a name that climbs",
            |work| {
                table(
                    work,
                    "s.tar.002.sha256",
                    "  s.tar.002",
                    "  ../../outside/canary",
                )
            },
            "*=2",
            &["in the same directory", "not an image archive"],
        ),
        (
            "with the columns of a larger set",
            |work| table(work, "s.tar.p01.sha256", "columns=2", "columns=4"),
            "*=2",
            &[
                "columns that do not cover the archive",
                "not an image archive",
            ],
        ),
        (
            "of which two are missing without parity",
            |work| {
                set(work, |files| {
                    for name in ["s.tar.p01", "s.tar.p01.sha256", "s.tar.002", "s.tar.004"] {
                        files.remove(name);
                    }
                });
            },
            "*=2 look=02 size=02 raw=02 verify=12 imgload_--volumes=1",
            &["volumes 2 and 4 of 5 are missing", "not in the archive"],
        ),
        (
            "of which more are missing than there is parity",
            |work| {
                set(work, |files| {
                    files.remove("s.tar.002").remove("s.tar.004");
                });
            },
            "*=2 look=02 size=02 raw=02 verify=12 imgload_--volumes=1",
            &[
                "volumes 2 and 4 of 5 are missing",
                "not repairable",
                "not in the archive",
            ],
        ),
        (
            "with parity that is damaged, too",
            |work| {
                set(work, |files| {
                    files.remove("s.tar.003");
                    files.bytes("s.tar.p01")[70_000] ^= 1;
                });
            },
            "*=02 verify=012",
            &[],
        ),
    ];
    let cases = cases.into_iter().map(|(what, make, codes, says)| {
        let input = Input::Made("in/s.tar.001", make);
        let mut case = Case::of("A5", &format!("volumes {what}"), input, &[], codes, says);
        case.lines = with_images(&VOLUMES);
        case.lines
            .retain(|(_, line)| line.contains("{}") || line.ends_with(" in"));
        case
    });
    cases.collect()
}

/// A chart in a package.
fn chart(values: &[u8]) -> Vec<u8> {
    let mut files = Files::default();
    files.add("x/Chart.yaml", "name: x\n");
    files.add("x/values.yaml", values);
    Pack::Gzip.pack(&files.tar())
}

/// A6.
fn lists() -> Vec<Case> {
    let of = |what: &str, input: Input, codes, says: &[&str]| {
        Case::of("A6", &format!("a list {what}"), input, &LIST, codes, says)
    };
    let text = |text: String| Input::File(text.into_bytes());
    let laughs: String = (1..30)
        .map(|i| format!("a{i}: &a{i} [{0}, {0}, {0}]\n", format!("*a{}", i - 1)))
        .collect();
    let laughs = format!("a0: &a0 [image, image]\n{laughs}images: *a29\n");
    let mut cases = vec![
        of(
            "that laughs a billion times",
            text(laughs),
            "*=1",
            &["alias"],
        ),
        of(
            "that is its own part",
            text("images: &a [*a, good:1]\n".into()),
            "*=12",
            &[],
        ),
        of(
            "that is deep",
            text("- ".repeat(100_000)),
            "*=2",
            &["depth of a list: limit exceeded"],
        ),
        of(
            "of deep brackets",
            text("[".repeat(100_000)),
            "*=2",
            &["depth of a list: limit exceeded", "invalid list"],
        ),
        of(
            "of deep JSON",
            text("{\"a\":".repeat(100_000)),
            "*=2",
            &["depth of a list: limit exceeded", "invalid list"],
        ),
        of(
            "of templates",
            text("image: '{{ .Values.image }}'\nother: {{ x }}\n".into()),
            "*=12",
            &[],
        ),
        of(
            "with a template that is no YAML",
            text("kind: a\n{{- if .x }}\nimage: b\n{{- end }}\n".into()),
            "*=2",
            &["invalid list"],
        ),
        of(
            "of NULs",
            text("\0".repeat(100_000)),
            "*=2",
            &["unexpected NUL"],
        ),
        of(
            "of one line of 10 MB",
            text("a".repeat(10 << 20)),
            "*=12",
            &[],
        ),
        of(
            "of text for terminals",
            text("x\u{1b}[2J\u{202e}\nimage: '\u{9b}1m'\n".into()),
            "*=12",
            &[],
        ),
        of(
            "of a chart that is a bomb",
            Input::File(chart(&vec![b'#'; 200 << 20])),
            "*=2",
            &["limit exceeded"],
        ),
        of(
            "in a package that is a bomb",
            Input::File(Pack::Gzip.pack(&vec![0; 200 << 20])),
            "*=2",
            &[],
        ),
    ];
    let special: [(&str, Make, &'static str); 4] = [
        (
            "of 100 MB",
            |work| {
                let file = fs::File::create(work.join("in.tar")).expect("a file");
                file.set_len(100 << 20).expect("a length");
            },
            "*=2",
        ),
        (
            "that is a FIFO",
            |work| build::fifo(&work.join("in.tar")),
            "*=02",
        ),
        (
            "that is a directory with a loop and a FIFO",
            |work| {
                fs::create_dir(work.join("in.tar")).expect("a directory");
                symlink("..", work.join("in.tar/up")).expect("a link");
                symlink(".", work.join("in.tar/loop.yaml")).expect("a link");
                build::fifo(&work.join("in.tar/x.yaml"));
                fs::write(work.join("in.tar/a.txt"), "good:1\n").expect("a file");
            },
            "*=02",
        ),
        (
            "that leads to a device",
            |work| symlink("/dev/zero", work.join("in.tar")).expect("a link"),
            "*=2",
        ),
    ];
    cases.extend(special.map(|(what, make, codes)| {
        let mut case = of(what, Input::Made("in.tar", make), codes, &[]);
        case.lines.retain(|(_, line)| line.contains("{}"));
        case
    }));
    cases
}

/// A4 to A6.
pub fn cases() -> Vec<Case> {
    [bundles(), receipts(), volumes(), lists()]
        .into_iter()
        .flatten()
        .collect()
}
