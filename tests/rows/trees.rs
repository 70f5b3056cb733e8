//! Trees of repositories that somebody else fills: what is damaged in them is named, the rest is read, and nothing
//! outside is read, written or removed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use super::room::Input;
use super::{Case, IMAGE, Kind};
use crate::common::build::{self, Files, Image};
use crate::common::pack::Pack;
use crate::common::registry::{V2, data, link, push, revision, tag};

/// The image that every case has, whole.
const SOUND: &str = "{}:library/demo:1";

/// The programs that take a whole tree; those of [`IMAGE`] are given its sound image.
const WHOLE: [(Kind, &str); 14] = [
    (Kind::Verify, "imgverify {}"),
    (Kind::Whole, "imgls -a {}"),
    (Kind::Whole, "imgls --tree {}"),
    (Kind::Whole, "imgls --receipt {}"),
    (Kind::Whole, "imgdf {}"),
    (Kind::Whole, "imggraph {}"),
    (Kind::Whole, "imgload {}"),
    (Kind::Whole, "imgsave -o out {}"),
    (Kind::Whole, "imgconvert {} layout-tree:out"),
    (Kind::Whole, "imgpush -q {} out"),
    (Kind::Whole, "imgpush -q --tree-tar out {}"),
    (Kind::Change, "imgprune --force {}"),
    (Kind::Change, "imgprune --all --force {}"),
    (Kind::Add, "imgpush -q good.tar {}"),
];

/// The programs that take an image of a tree, and no other image.
const PART: [(Kind, &str); 4] = [
    (Kind::Part, "imgpush -q {}:library/demo:1 out"),
    (Kind::Part, "imgpull -q {}:library/demo:1"),
    (Kind::Part, "imgrm {}:library/demo:1"),
    (Kind::Part, "imgtag {}:library/demo:1 library/demo:2"),
];

fn sound() -> Image {
    build::image("demo:1")
        .layer("f a one")
        .packed(Pack::Gzip)
        .layer("f b two")
        .packed(Pack::Gzip)
}

fn other() -> Image {
    build::image("other:1")
        .layer("f c three")
        .packed(Pack::Gzip)
}

/// `library/demo:1` and `library/other:1`.
fn tree() -> Files {
    let mut files = Files::default();
    for (name, image) in [("library/demo", sound()), ("library/other", other())] {
        let digest = push(&mut files, name, &image);
        tag(&mut files, name, "1", &digest);
    }
    files
}

const CURRENT: &str =
    "docker/registry/v2/repositories/library/other/_manifests/tags/1/current/link";

/// A link of a layer, config or manifest of the other image.
fn link_of(kind: &str, digest: &str) -> String {
    format!(
        "{V2}/repositories/library/other/{kind}/sha256/{}/link",
        &digest[7..]
    )
}

fn put(work: &Path, files: &Files) {
    files.write_to(&work.join("in"));
}

/// The tree, with one of its files made anew.
fn replaced(work: &Path, name: &str, with: impl FnOnce(&Path)) {
    put(work, &tree());
    let path = work.join("in").join(name);
    fs::remove_file(&path).expect("a file");
    with(&path);
}

/// The tree, with one of its directories moved out and linked to.
fn moved(work: &Path, name: &str) {
    put(work, &tree());
    let path = work.join("in").join(name);
    let to = work.join("../outside/moved");
    fs::rename(&path, &to).expect("a directory");
    symlink(fs::canonicalize(to).expect("a directory"), path).expect("a link");
}

fn text(work: &Path, name: &str, text: &str) {
    replaced(work, name, |path| fs::write(path, text).expect("a file"));
}

/// A file of 4 GB that takes no space.
fn sparse(path: &Path) {
    let file = fs::File::create(path).expect("a file");
    file.set_len(4 << 30).expect("a length");
}

fn edited(work: &Path, edit: impl FnOnce(&mut Files)) {
    let mut files = tree();
    edit(&mut files);
    put(work, &files);
}

fn index(children: &[&str]) -> Vec<u8> {
    let children: Vec<Value> = children
        .iter()
        .map(|digest| {
            let media_type = "application/vnd.oci.image.index.v1+json";
            json!({"mediaType": media_type, "digest": digest, "size": 300})
        })
        .collect();
    let media_type = "application/vnd.oci.image.index.v1+json";
    let index = json!({"schemaVersion": 2, "mediaType": media_type, "manifests": children});
    index.to_string().into_bytes()
}

/// Stores bytes under a digest that is not theirs.
fn forge(files: &mut Files, name: &str, bytes: Vec<u8>) {
    files.put(&data(name), bytes);
    link(files, "library/other/_manifests/revisions", name);
}

type Make = fn(&Path);

/// Damage, what the programs end with, and what they say.
type Damage = (&'static str, Make, &'static str, &'static [&'static str]);

/// What may be wrong with a link.
const LINKS: [Damage; 14] = [
    (
        "a tag that climbs",
        |work| text(work, CURRENT, "../../../../outside/canary"),
        BAD,
        &["current/link: invalid digest"],
    ),
    (
        "a tag with a digest that climbs",
        |work| text(work, CURRENT, "sha256:../../../../outside/canary"),
        BAD,
        &["current/link: invalid digest"],
    ),
    (
        "a tag that is a symbolic link",
        |work| {
            replaced(work, CURRENT, |path| {
                let name = other().manifest_digest();
                fs::write(work.join("../outside/link"), name).expect("a file");
                symlink(work.join("../outside/link"), path).expect("a link");
            });
        },
        BAD,
        &["current/link: link to"],
    ),
    (
        "a tag that is a FIFO",
        |work| replaced(work, CURRENT, build::fifo),
        BAD,
        &["current/link: not a file"],
    ),
    (
        "a tag of 4 GB",
        |work| replaced(work, CURRENT, sparse),
        BAD,
        &["/link: size mismatch"],
    ),
    (
        "an empty tag",
        |work| text(work, CURRENT, ""),
        BAD,
        &["current/link: invalid digest"],
    ),
    (
        "a revision of 4 GB",
        |work| {
            let name = link_of("_manifests/revisions", &other().manifest_digest());
            replaced(work, &name, sparse);
        },
        BAD,
        &["/link: size mismatch"],
    ),
    (
        "a revision that is a FIFO",
        |work| {
            let name = link_of("_manifests/revisions", &other().manifest_digest());
            replaced(work, &name, build::fifo);
        },
        BAD,
        &["/link: not a file"],
    ),
    (
        "a revision that names something else",
        |work| {
            let name = link_of("_manifests/revisions", &other().manifest_digest());
            text(work, &name, &sound().manifest_digest());
        },
        "verify=1",
        &["link-mismatch"],
    ),
    (
        "a link of a layer that is a FIFO",
        |work| {
            let name = link_of("_layers", &build::digest(&other().blobs()[0]));
            replaced(work, &name, build::fifo);
        },
        "verify=1 change=2",
        &["/link: not a file"],
    ),
    (
        "a link of a layer of 4 GB",
        |work| {
            let name = link_of("_layers", &build::digest(&other().blobs()[0]));
            replaced(work, &name, sparse);
        },
        "verify=1 change=2",
        &["/link: size mismatch"],
    ),
    (
        "links of layers elsewhere",
        |work| moved(work, &format!("{V2}/repositories/library/other/_layers")),
        "verify=1 change=2",
        &["a symbolic link"],
    ),
    (
        "the directory of a layer's link elsewhere",
        |work| {
            edited(work, |files| {
                link(files, "library/other/_layers", &sound().id());
            });
            let to = work.join("../outside/moved");
            let from = work.join("in").join(link_of("_layers", &sound().id()));
            let from = from.parent().expect("a directory");
            fs::rename(from, &to).expect("a directory");
            symlink(fs::canonicalize(to).expect("a directory"), from).expect("a link");
        },
        "verify=1 change=2",
        &["a symbolic link"],
    ),
    (
        "a blob that leads elsewhere",
        |work| {
            let name = data(&build::digest(&other().blobs()[0]));
            replaced(work, &name, |path| {
                symlink(work.join("../outside/canary"), path).expect("a link");
            });
        },
        "verify=1 whole=02 change=2",
        &["leads out"],
    ),
];

/// What the programs end with where a link of the other image cannot be read: the sound one is there all the same.
const BAD: &str = "whole=2 verify=1 change=2";

/// What may be wrong with names.
const NAMES: [Damage; 6] = [
    (
        "a repository that is a loop",
        |work| {
            put(work, &tree());
            symlink("..", work.join("in").join(V2).join("repositories/loop")).expect("a link");
        },
        "change=2",
        &["repositories/loop: not a file or directory: a symbolic link"],
    ),
    (
        "repositories elsewhere",
        |work| moved(work, &format!("{V2}/repositories/library")),
        "*=02",
        &["no such image", "a symbolic link"],
    ),
    (
        "names that are none",
        |work| {
            edited(work, |files| {
                let name = "x\u{1b}[2J\n\u{202e}";
                for path in [
                    format!("repositories/library/demo/_manifests/tags/{name}/current/link"),
                    format!("repositories/{name}/_manifests/tags/1/current/link"),
                    "repositories/UPPER/_manifests/tags/1/current/link".to_owned(),
                    format!("repositories/{}/_manifests/x", "a".repeat(255)),
                ] {
                    files.add(&format!("{V2}/{path}"), sound().manifest_digest());
                }
            });
        },
        "",
        &[],
    ),
    (
        "a tag that is a symbolic link",
        |work| {
            put(work, &tree());
            let tags = format!("{V2}/repositories/library/other/_manifests/tags");
            symlink("../../../..", work.join("in").join(tags).join("up")).expect("a link");
        },
        BAD,
        &["a symbolic link"],
    ),
    (
        "repositories without end",
        |work| {
            edited(work, |files| {
                let deep = "a/".repeat(120);
                let digest = other().manifest_digest();
                files.add(
                    &format!("{V2}/repositories/{deep}_manifests/tags/1/current/link"),
                    digest,
                );
            });
        },
        "verify=1",
        &[],
    ),
    (
        "a file as a repository",
        |work| {
            edited(work, |files| {
                files.add(&format!("{V2}/repositories/library/file"), "x");
                files.add(&format!("{V2}/repositories/library/more/_manifests"), "x");
            });
        },
        "",
        &[],
    ),
];

/// What may be wrong with that which is linked.
const GRAPHS: [Damage; 8] = [
    (
        "a revision that is a layer",
        |work| {
            edited(work, |files| {
                let layer = build::digest(&other().blobs()[0]);
                link(files, "library/other/_manifests/revisions", &layer);
            });
        },
        "whole=02 verify=1 change=02",
        &[],
    ),
    (
        "a tag of a layer",
        |work| {
            edited(work, |files| {
                let layer = build::digest(&other().blobs()[0]);
                link(files, "library/other/_manifests/revisions", &layer);
                tag(files, "library/other", "layer", &layer);
            });
        },
        "whole=2 verify=1 change=2",
        &[],
    ),
    (
        "indexes in a circle",
        |work| {
            edited(work, |files| {
                let names = ["1", "2"].map(|digit| format!("sha256:{}", digit.repeat(64)));
                forge(files, &names[0], index(&[&names[1]]));
                forge(files, &names[1], index(&[&names[0]]));
                tag(files, "library/other", "circle", &names[0]);
            });
        },
        "whole=2 verify=1 change=2",
        &[],
    ),
    (
        "a fallback tag that lists itself",
        |work| {
            edited(work, |files| {
                let name = format!("sha256:{}", "3".repeat(64));
                forge(files, &name, index(&[&name]));
                let fallback = other().manifest_digest().replace(':', "-");
                tag(files, "library/other", &fallback, &name);
            });
        },
        "whole=2 verify=1 change=2",
        &[],
    ),
    (
        "indexes below one another, 20 deep",
        |work| {
            edited(work, |files| {
                let mut digest = other().manifest_digest();
                for _ in 0..20 {
                    digest = revision(files, "library/other", &index(&[&digest]));
                }
                tag(files, "library/other", "deep", &digest);
            });
        },
        "whole=2 verify=2 change=2",
        &["depth of indexes: limit exceeded", "size mismatch"],
    ),
    (
        "a missing child",
        |work| {
            edited(work, |files| {
                let gone = format!("sha256:{}", "4".repeat(64));
                let digest = revision(files, "library/other", &index(&[&gone]));
                tag(files, "library/other", "sparse", &digest);
            });
        },
        "whole=02 verify=1",
        &[],
    ),
    (
        "a missing manifest",
        |work| {
            edited(work, |files| {
                files.remove(&data(&other().manifest_digest()));
            });
        },
        "whole=02 verify=1",
        &[],
    ),
    (
        "a missing layer",
        |work| {
            edited(work, |files| {
                files.remove(&data(&build::digest(&other().blobs()[0])));
            });
        },
        "whole=02 verify=1",
        &[],
    ),
];

fn lines() -> Vec<(Kind, String)> {
    let one = IMAGE.iter().filter(|(_, line)| line.contains("{}"));
    let one = one.map(|(_, line)| (Kind::Part, line.replace("{}", SOUND)));
    let whole = WHOLE.iter().chain(&PART);
    let whole = whole.map(|(kind, line)| (*kind, (*line).to_owned()));
    whole.chain(one).collect()
}

/// A1 to A3.
pub fn cases() -> Vec<Case> {
    let of = |row: &'static str, (what, make, codes, says): Damage| {
        let mut case = Case::of(row, what, Input::Made("in", make), &[], codes, says);
        case.lines = lines();
        case
    };
    let mut cases: Vec<Case> = Vec::new();
    cases.extend(LINKS.map(|damage| of("A1", damage)));
    cases.extend(NAMES.map(|damage| of("A2", damage)));
    cases.extend(GRAPHS.map(|damage| of("A3", damage)));
    cases
}
