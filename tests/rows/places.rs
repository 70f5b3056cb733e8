//! What is named on the command line, what is printed, and a machine that does not give what is asked of it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::json;

use super::room::Input;
use super::{Case, IMAGE, Kind, ROOT};
use crate::common::build;

fn app() -> build::Image {
    build::image("demo:1").layer("f a one").layer("f b two")
}

/// `in.tar`, and `link.tar`, another name of it.
fn linked(work: &Path) {
    fs::write(work.join("in.tar"), build::docker25(&[&app()]).tar()).expect("a file");
    fs::hard_link(work.join("in.tar"), work.join("link.tar")).expect("a link");
    symlink("in.tar", work.join("soft.tar")).expect("a link");
}

fn layout(work: &Path) {
    build::oci(&[&app()]).write_to(&work.join("in"));
}

type Make = fn(&Path);

/// A layout in which one file is something else, and a link to what is outside.
fn replaced(work: &Path, name: &str, with: fn(&Path)) {
    layout(work);
    let path = work.join("in").join(name);
    if path.is_dir() {
        fs::rename(&path, work.join("../outside/moved")).expect("a folder");
    } else {
        fs::remove_file(&path).expect("a file");
    }
    with(&path);
}

fn layer_of() -> String {
    build::blob_name(&build::digest(&app().blobs()[0]))
}

/// What a terminal, a log or a page would take for its own.
const TEXT: &str = "x\u{1b}[2J\u{1b}]0;t\u{7}\r\n\u{202e}evil\u{200b}\u{9b}1m::set-output name=a::b\u{2028}\
                    <script>alert(1)</script>\"'`&|]%s";

/// An image with that text wherever a text can be.
fn speaking() -> Vec<u8> {
    let text = TEXT;
    let image = build::image("demo:1")
        .layer("f a a")
        .layer_bytes(super::tar::whole(&[
            super::tar::file(text.as_bytes(), b"x"),
            super::tar::entry(b'2', b"link", b"").to(text.as_bytes()).bytes(),
            super::tar::file(b"\xff\xfe", b"x"),
        ]))
        .set("author", json!(text))
        .set("variant", json!(text))
        .set("config", json!({
            "Labels": {text: text}, "Env": [text], "Cmd": [text], "Entrypoint": [text], "User": text,
            "WorkingDir": text, "ExposedPorts": {text: {}}, "Volumes": {text: {}}, "StopSignal": text,
        }))
        .history(json!([
            {"created": text, "created_by": text, "comment": text, "author": text},
            {"created": build::CREATED, "created_by": text, "comment": text},
        ]));
    let mut files = build::docker25(&[&image]);
    files.edit("manifest.json", |items| {
        items[0]["RepoTags"] = json!(["demo:1", text])
    });
    files.edit("index.json", |index| {
        index["manifests"][0]["annotations"][text] = json!(text);
        index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"] = json!(text);
    });
    files.add(&format!("extra/{}", text.replace('/', "_")), "nothing");
    files.tar()
}

/// P14 to P17, O1, F1.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let image = || Input::File(build::docker25(&[&app()]).tar());
    let apply = |line| (Kind::Apply, line);

    for (what, line) in [
        ("the top", "imgexport -C / {}"),
        (
            "the top in another spelling",
            "imgexport -C /proc/../. --overwrite {}",
        ),
        ("the top by a link", "imgexport -C root --overwrite {}"),
        ("a folder with something in it", "imgexport -C changed {}"),
        ("a file", "imgexport -C canary {}"),
        ("a link to a file", "imgexport -C leads {}"),
        ("a link to nothing", "imgexport -C dangling {}"),
    ] {
        let make = |work: &Path| {
            fs::write(work.join("in.tar"), build::docker25(&[&app()]).tar()).expect("a file");
            symlink("/", work.join("root")).expect("a link");
            symlink("../outside/canary", work.join("leads")).expect("a link");
            symlink("../outside/nothing", work.join("dangling")).expect("a link");
        };
        let place = line.split(' ').nth(2).expect("a folder");
        cases.push(Case::of(
            "P14",
            what,
            Input::Made(place, make),
            &[apply(line)],
            "*=2",
            &[],
        ));
        let last = cases.last_mut().expect("a case");
        last.lines[0].1 = line.replace("{}", "in.tar");
        // Beside a link that leads nowhere a folder could appear where nobody looks for it.
        last.says = Vec::new();
    }

    let special: [(&'static str, Make); 5] = [
        ("fifo", |work| build::fifo(&work.join("fifo"))),
        ("/dev/zero", |_| ()),
        ("/dev/null", |_| ()),
        ("socket", |work| {
            let socket = std::os::unix::net::UnixListener::bind(work.join("socket"));
            drop(socket.expect("a socket"));
        }),
        ("leads", |work| {
            build::fifo(&work.join("fifo"));
            symlink("fifo", work.join("leads")).expect("a link");
        }),
    ];
    for (place, make) in special {
        let lines: Vec<(Kind, &str)> = IMAGE
            .iter()
            .chain(&ROOT)
            .copied()
            .filter(|(_, line)| !line.contains(" -") || line.contains("{}"))
            .filter(|(_, line)| !line.ends_with(" -") && !line.contains(" - "))
            .collect();
        cases.push(Case::of(
            "P15",
            place,
            Input::Made(place, make),
            &lines,
            "*=2",
            &[],
        ));
    }

    let outside: [(&str, Make); 7] = [
        ("a layer that leads to a file", |work| {
            replaced(work, &layer_of(), |path| {
                symlink("../../../../outside/canary", path).expect("a link")
            })
        }),
        ("a layer that leads to a device", |work| {
            replaced(work, &layer_of(), |path| {
                symlink("/dev/zero", path).expect("a link")
            })
        }),
        ("a layer that is a FIFO", |work| {
            replaced(work, &layer_of(), build::fifo)
        }),
        ("a FIFO as index.json", |work| {
            replaced(work, "index.json", build::fifo)
        }),
        ("index.json that leads elsewhere", |work| {
            replaced(work, "index.json", |path| {
                symlink("../../outside/canary", path).expect("a link")
            })
        }),
        ("blobs elsewhere", |work| {
            replaced(work, "blobs/sha256", |path| {
                symlink("../../../outside/moved", path).expect("a link")
            })
        }),
        ("a folder as a layer", |work| {
            replaced(work, &layer_of(), |path| {
                fs::create_dir(path).expect("a folder")
            })
        }),
    ];
    for (what, make) in outside {
        let lines: Vec<(Kind, &str)> = IMAGE
            .iter()
            .copied()
            .filter(|(_, line)| !line.ends_with(" -"))
            .collect();
        cases.push(Case::of(
            "P16",
            what,
            Input::Made("in", make),
            &lines,
            "*=2 look=02 verify=12",
            &["not a file or directory: ", "leads out"],
        ));
    }

    for line in [
        "imgsave -o in.tar in.tar",
        "imgsave -o link.tar in.tar",
        "imgsave --compression zstd -o soft.tar good.tar in.tar",
        "imgconvert in.tar docker-archive:in.tar",
        "imgconvert --reproducible in.tar oci-archive:link.tar",
        "imgexport -o in.tar in.tar",
        "imgexport -o link.tar in.tar",
        "imgexport --layer 1 -o soft.tar in.tar",
        "imgimport in.tar -o in.tar",
        "imgimport link.tar -o in.tar",
        "imgcommit --base in.tar changed -o in.tar",
        "imgcommit --squash in.tar -o link.tar",
        "imgsave --format oci-layout -o in.tar in.tar",
        "imgconvert in.tar oci:in.tar",
    ] {
        cases.push(Case::of(
            "P17",
            line,
            Input::Made("in.tar", linked),
            &[(Kind::Copy, line)],
            "*=2",
            &[],
        ));
    }
    for line in [
        "imgexport -C in in",
        "imgsave -o in in",
        "imgsave --format oci-layout -o in in",
        "imgconvert in docker-archive:in",
        "imgconvert in dir:in/sub",
        "imgimport in -o in/out.tar",
        "imgcommit --base good.tar in -o in/out.tar",
        "imgexport -o in/blobs/out in",
        "imgsave -o in/blobs/sha256/out in",
    ] {
        cases.push(Case::of(
            "P17",
            line,
            Input::Made("in", layout),
            &[(Kind::Copy, line)],
            "*=2",
            &[],
        ));
    }

    let lines: Vec<(Kind, &str)> = IMAGE
        .iter()
        .copied()
        .chain(
            [
                "imgls --no-trunc {}",
                "imgls --digests {}",
                "imgls --format json {}",
                "imgls --format {{.Repository}}{{.Tag}}{{.Platform}} {}",
                "imgls --filter reference=nothing {}",
                "imghistory --no-trunc {}",
                "imghistory --format {{.CreatedBy}}{{.Comment}}{{.Created}} {}",
                "imghistory --format json {}",
                "imginspect --format {{.Author}}{{.Config.Labels}}{{.Config.Env}}{{.Variant}} {}",
                "imgverify --json {}",
                "imgdf -v {}",
                "imggraph --no-trunc {}",
                "imggraph --format dot {}",
                "imggraph --format mermaid {}",
                "imggraph --format html {}",
                "imggraph --format json {}",
                "imggraph --view images {}",
                "imggraph --view images --format dot {}",
                "imggraph --view blobs {}",
                "imgdiff --config good.tar {}",
                "imgdiff --history good.tar {}",
                "imgdiff --layers good.tar {}",
                "imgdiff --stat good.tar {}",
                "imgdiff --blame good.tar {}",
                "imgdiff --waste {}",
                "imgdiff --format html good.tar {}",
                "imgdiff --format json good.tar {}",
                "imgexport --format mtree {}",
            ]
            .map(|line| (Kind::Size, line)),
        )
        .collect();
    // Many names and texts of it are refused; what counts is what is printed then.
    cases.push(Case::of(
        "O1",
        "text for terminals everywhere",
        Input::File(speaking()),
        &lines,
        "*=012",
        &[],
    ));

    // What cannot be written is where it goes, and not the input.
    let few = |before: &'static str, codes, says: &[&str]| {
        let mut case = Case::of("F1", before, image(), &IMAGE, codes, says);
        for (_, line) in &mut case.lines {
            *line = format!("{before} ;; {line}");
        }
        case
    };
    cases.push(few("ulimit -n 24", "", &[]));
    cases.push(few("ulimit -n 12", "*=02", &["too many open files"]));
    cases.push(few("exec 2>&-", "", &[]));
    cases.push(few("exec 1>&-", "*=02", &["cannot write"]));
    let mut full = few("exec >/dev/full", "*=02", &["no space left"]);
    // What these say is that the image is there now, which it is.
    full.lines
        .retain(|(_, line)| !line.contains("imgload") && !line.contains("imgcommit"));
    cases.push(full);
    cases.push(few(
        "trap '' XFSZ; ulimit -f 1",
        "*=02",
        &["file too large"],
    ));
    cases
}
